"""Two requests for one activity, in every order of their statements, under each protection and on each database."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing
from uuid import uuid4

import pytest

from dedupaudit.ingest.protections.optimistic import OptimisticVersion
from dedupaudit.ingest.protections.pessimistic import PessimisticLock
from dedupaudit.ingest.protections.protocol import Protection
from dedupaudit.ingest.protections.redis_lock import RedisLock
from dedupaudit.ingest.protections.unique import UniqueConstraint
from dedupaudit.ingest.writers import ActivityWriter
from tests.ingest.interleaving.activities import Activities, MakeWriter, Sent
from tests.ingest.interleaving.exploring import PAUSE, Client, Place, SteppingRedis
from tests.servers.redis import RedisServer

ONE: Sent = [("", 1)]
ANOTHER: Sent = [("", 2)]


def written_by(protection: type[UniqueConstraint | PessimisticLock | OptimisticVersion]) -> MakeWriter:
    return lambda client: ActivityWriter(client.engine, protection=protection())


@pytest.fixture(params=[UniqueConstraint, PessimisticLock, OptimisticVersion], ids=lambda one: str(one.name))
def activities(request: pytest.FixtureRequest, place: Place) -> Iterator[Activities]:
    with Activities(place, written_by(request.param)) as made:
        yield made


def test_of_two_equal_requests_one_stores_and_one_is_a_duplicate(activities: Activities, place: Place) -> None:
    explored = activities.explore({"A": ONE, "B": ONE}, reduced=False)
    assert not explored.broken, explored
    assert set(explored.outcomes) == {("stored", "duplicate"), ("duplicate", "stored")}, explored
    assert explored.schedules >= (2 if place.name == "sqlite" else 4), explored


def test_of_two_different_requests_one_stores_and_one_collides(activities: Activities, place: Place) -> None:
    explored = activities.explore({"A": ONE, "B": ANOTHER}, reduced=False)
    assert not explored.broken, explored
    assert set(explored.outcomes) == {("stored", "collision"), ("collision", "stored")}, explored
    assert explored.schedules >= (2 if place.name == "sqlite" else 4), explored


@pytest.fixture
def plain(place: Place) -> Iterator[Activities]:
    with Activities(place) as made:
        yield made


def test_a_batch_against_a_single_request(plain: Activities, place: Place) -> None:
    explored = plain.explore({"A": [("_1", 1), ("_2", 2), ("_3", 3)], "B": [("_2", 2)]})
    assert not explored.broken, explored
    assert set(explored.outcomes) == {
        ("stored stored stored", "duplicate"),
        ("stored duplicate stored", "stored"),
    }, explored
    assert explored.schedules >= 2, explored


def test_two_batches_that_overlap_in_opposite_orders(plain: Activities) -> None:
    explored = plain.explore({"A": [("_1", 1), ("_2", 2)], "B": [("_2", 3), ("_1", 1)]})
    assert not explored.broken, explored
    # Each statement is one step, and takes its keys in one order: who is first has them all.
    assert set(explored.outcomes) == {
        ("stored stored", "collision duplicate"),
        ("duplicate collision", "stored stored"),
    }


@pytest.mark.parametrize("place", ["postgresql"], indirect=True)
@pytest.mark.parametrize("lost", [False, True])
def test_a_lock_in_redis_and_what_lies_beneath_when_it_is_lost(place: Place, redis: RedisServer, lost: bool) -> None:
    prefix = f"interleaving_{uuid4().hex}:"
    with ExitStack() as stack:

        def make(client: Client) -> ActivityWriter:
            connected = stack.enter_context(closing(SteppingRedis(redis.port, client.actor)))
            # A lock that ended early is one that the other does not meet.
            own = f"{client.actor.name}:" if lost else ""
            lock: Protection = RedisLock(connected, prefix=prefix + own, ttl=60, wait=2.5 * PAUSE)
            return ActivityWriter(client.engine, protection=lock)

        activities = stack.enter_context(Activities(place, make))
        for others, answer in ((ONE, "duplicate"), (ANOTHER, "collision")):
            explored = activities.explore({"A": ONE, "B": others})
            assert not explored.broken, explored
            assert set(explored.outcomes) == {("stored", answer), (answer, "stored")}, explored
            assert explored.schedules >= 2, explored


@pytest.mark.parametrize("place", ["sqlite"], indirect=True)
def test_who_is_told_busy_comes_again(place: Place, plain: Activities, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(place, "tells_busy", True)
    explored = plain.explore({"A": ONE, "B": ONE}, switches=2)
    assert not explored.broken, explored
    assert explored.schedules >= 6, explored
