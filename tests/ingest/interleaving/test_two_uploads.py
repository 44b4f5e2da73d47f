"""Two requests for one picture, in every order of their statements and of their requests to the object store.

What must hold in the end of each order is in uploads.py; what these very requests must come to is in cases.py.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from uuid import uuid4

import pytest

from dedupaudit.ingest.protections.optimistic import OptimisticVersion
from dedupaudit.ingest.protections.pessimistic import PessimisticLock
from dedupaudit.ingest.protections.redis_lock import RedisLock
from dedupaudit.ingest.tables import Table
from tests.ingest.interleaving.cases import CASES, SAME, ends
from tests.ingest.interleaving.exploring import PAUSE, Client, Place, SteppingRedis
from tests.ingest.interleaving.scheduler import Explored
from tests.ingest.interleaving.uploads import Ended, Uploads, writer_of
from tests.servers.redis import RedisServer


@pytest.fixture
def uploads(place: Place, tmp_path: Path) -> Iterator[Uploads]:
    with Uploads(place, tmp_path) as made:
        yield made


def held(explored: Explored, at_least: int) -> None:
    assert not explored.broken, explored
    assert explored.schedules >= at_least, explored


@pytest.mark.parametrize("case", [case for case in CASES if case != "a lease that ends"])
def test_orders_with_few_switches_hold(uploads: Uploads, case: str) -> None:
    explored = uploads.explore(**CASES[case], switches=1, retried=True)
    held(explored, at_least=6)
    if len(CASES[case]["pictures"]) == 2 and "refusals" not in CASES[case]:
        firsts = Counter(said.index("stored") for said in explored.outcomes.elements())
        assert firsts[0] == firsts[1], "A and B do the same: each has to be the first as often"


@pytest.mark.parametrize("case", ["one picture twice", "two pictures under one ID", "refused by the store once"])
@pytest.mark.slow
def test_all_orders_of_two_requests_hold(uploads: Uploads, place: Place, case: str) -> None:
    held(uploads.explore(**CASES[case]), at_least=10 if place.name == "sqlite" else 150)


@pytest.mark.parametrize("case", ["a sweep", pytest.param("a sweep, a lease that ends", marks=pytest.mark.slow)])
def test_all_orders_of_a_request_and_a_sweep_hold(uploads: Uploads, place: Place, case: str) -> None:
    explored = uploads.explore(**CASES[case], retried=True)
    held(explored, at_least=7)
    assert {said[-1] for said in explored.outcomes} == {"swept 0", "swept 1"}


def test_all_orders_of_a_request_and_a_renewal_that_comes_late_hold(uploads: Uploads, place: Place) -> None:
    explored = uploads.explore(**CASES["a renewal that comes late"])
    held(explored, at_least=4 if place.name == "sqlite" else 10)
    assert set(explored.outcomes) == {("duplicate", "stored"), ("stored", "lost")}, explored


@pytest.mark.parametrize("case", ["a lease that ends", "a lease that ends, two pictures"])
@pytest.mark.slow
def test_a_lease_that_ends_in_any_order_with_two_switches_holds(uploads: Uploads, place: Place, case: str) -> None:
    explored = uploads.explore(**CASES[case], switches=2)
    held(explored, at_least=100 if place.name == "sqlite" else 300)
    assert {said[-1] for said in explored.outcomes} == {"ended 0", "ended 1"}


@pytest.fixture(params=["for-update", "version"])
def protected(request: pytest.FixtureRequest, place: Place, tmp_path: Path) -> Iterator[Uploads]:
    make = writer_of(lambda client: PessimisticLock())
    if request.param == "version":
        place.add_version()
        make = writer_of(lambda client: OptimisticVersion(), Table(("screenshots",), version="version"))
    with Uploads(place, tmp_path, make) as made:
        yield made


def test_other_protections_hold(protected: Uploads) -> None:
    held(protected.explore(**CASES["one picture twice"], switches=1), at_least=10)


@pytest.mark.slow
def test_other_protections_hold_in_orders_with_two_switches(protected: Uploads) -> None:
    held(protected.explore(**CASES["one picture twice"], switches=2), at_least=40)
    held(protected.explore(**CASES["a lease that ends"], switches=1), at_least=40)


@pytest.mark.parametrize("place", ["postgresql"], indirect=True)
@pytest.mark.parametrize("lost", [False, True])
def test_a_lock_in_redis_holds_and_so_does_what_lies_beneath_when_it_is_lost(
    place: Place, redis: RedisServer, tmp_path: Path, lost: bool
) -> None:
    prefix = f"interleaving_{uuid4().hex}:"

    with ExitStack() as stack:

        def lock(client: Client) -> RedisLock:
            connected = stack.enter_context(closing(SteppingRedis(redis.port, client.actor)))
            # A lock that ended early is one that the other does not meet.
            own = f"{client.actor.name}:" if lost else ""
            made = RedisLock(connected, prefix=prefix + own, ttl=60, wait=2.5 * PAUSE)
            with made.held(("the scripts are loaded",)):
                return made

        uploads = stack.enter_context(Uploads(place, tmp_path, writer_of(lock)))
        explored = uploads.explore(**CASES["one picture twice"], switches=2)
        held(explored, at_least=20)


@pytest.mark.parametrize("place", ["sqlite"], indirect=True)
def test_who_is_told_busy_comes_again(place: Place, uploads: Uploads, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(place, "tells_busy", True)
    explored = uploads.explore(**CASES["one picture twice"], switches=1)
    held(explored, at_least=15)


def test_killed_at_any_step_it_leaves_nothing_that_a_retry_does_not_mend(uploads: Uploads) -> None:
    def expect(ended: Ended) -> Iterator[str]:
        if ended.answers["A"] != "Killed":
            yield from ends("stored", "duplicate")(ended)
        elif ended.answers["B"] not in ("stored", "duplicate", "busy"):
            yield f"B was answered {ended.answers['B']}"

    died: Counter[tuple[str, ...]] = Counter()
    for lives in range(1, 12):
        explored = uploads.explore(SAME, expect, lives=lives, switches=0, retried=True)
        held(explored, at_least=2)
        died += explored.outcomes
    assert {("Killed", "stored"), ("Killed", "busy"), ("stored", "duplicate"), ("duplicate", "stored")} <= set(died)


@pytest.mark.slow
def test_killed_at_any_step_with_a_switch_and_a_lease_that_ends(uploads: Uploads) -> None:
    def expect(ended: Ended) -> Iterator[str]:
        if ended.answers["B"] not in ("stored", "duplicate", "busy"):
            yield f"B was answered {ended.answers['B']}"

    # Between its claim and its last COMMIT.
    for lives in range(4, 8):
        held(uploads.explore(SAME, expect, "E", lives=lives, switches=1, retried=True), at_least=6)
