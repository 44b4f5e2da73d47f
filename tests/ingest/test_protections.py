"""What every protection promises, on every database: one suite over all of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from threading import Barrier, Thread
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import Connection, Engine, create_engine, text
from sqlalchemy.exc import DBAPIError

from dedupaudit.ingest import claims
from dedupaudit.ingest.errors import Unprotected
from dedupaudit.ingest.protections.optimistic import OptimisticVersion
from dedupaudit.ingest.protections.pessimistic import PessimisticLock
from dedupaudit.ingest.protections.protocol import Protection
from dedupaudit.ingest.protections.redis_lock import RedisLock
from dedupaudit.ingest.protections.unique import UniqueConstraint
from dedupaudit.ingest.tables import Described, Table, describe
from dedupaudit.ingest.transactions import in_transaction
from tests.drill.places import KINDS, Kind, address, engine_of
from tests.servers.redis import RedisServer

THREADS = 8
LEASE = 60.0
ACTIVITIES = Table(("activities",))
SCREENSHOTS = Table(("screenshots",), version="version")
LABELS = Table(("labels",))


@pytest.fixture(params=["unique", "redis-lock", "for-update", "version"])
def protection(request: pytest.FixtureRequest) -> Iterator[Protection]:
    match request.param:
        case "unique":
            yield UniqueConstraint()
        case "for-update":
            yield PessimisticLock()
        case "version":
            yield OptimisticVersion()
        case _:
            server: RedisServer = request.getfixturevalue("redis")
            with closing(server.client()) as client:
                yield RedisLock(client, prefix=f"protections_{uuid4().hex}:", ttl=60, wait=60)


@pytest.fixture(params=KINDS, scope="module")
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    made = create_engine(address(request.param, "versioned"), pool_size=THREADS)
    yield made
    made.dispose()


def described(engine: Engine, table: Table) -> Described:
    with engine.connect() as connection:
        return describe(connection, table)


def new_id(kind: str) -> str:
    return f"{kind}_{uuid4().hex}"


def activity(event_id: str, **others: object) -> dict[str, object]:
    return {"id": event_id, "device_id": "d", "type": "click", "timestamp": 1, "data": json.dumps({"x": 1}), **others}


def screenshot(event_id: str) -> dict[str, object]:
    return {"id": event_id, "device_id": "d", "status": "pending", "timestamp": 1}


def insert(engine: Engine, protection: Protection, table: Described, values: dict[str, object]) -> bool:
    with protection.held((values["id"],)):
        return in_transaction(engine, lambda connection: protection.insert(connection, table, values))


def claim(engine: Engine, protection: Protection, table: Described, event_id: str, lease: float = LEASE) -> int | None:
    with protection.held((event_id,)):
        return in_transaction(engine, lambda connection: protection.claim(connection, table, (event_id,), lease))


def ended(engine: Engine, end: Callable[[Connection], bool]) -> bool:
    return in_transaction(engine, end)


def at_once(work: Callable[[], Any]) -> list[Any]:
    """Do it in all threads, none before the others are ready; an error of one is raised."""
    ready, done = Barrier(THREADS, timeout=60), []

    def run() -> None:
        ready.wait()
        try:
            done.append(work())
        except BaseException as error:
            done.append(error)

    threads = [Thread(target=run) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for one in done:
        if isinstance(one, BaseException):
            raise one
    return done


def value(engine: Engine, query: str, event_id: str) -> Any:
    with engine.connect() as connection:
        return connection.execute(text(query), {"id": event_id}).scalar_one()


def age(engine: Engine, table: Described, event_id: str) -> None:
    """Make the row's lease an hour older."""
    earlier = {
        "postgresql": "updated_at - interval '1 hour'",
        "mariadb": "updated_at - interval 1 hour",
        "sqlite": "strftime('%Y-%m-%d %H:%M:%f', updated_at, '-1 hour')",
    }[table.dialect]
    with engine.begin() as connection:
        connection.execute(text(f"UPDATE screenshots SET updated_at = {earlier} WHERE id = :id"), {"id": event_id})


def test_of_eight_equal_inserts_one_is_stored_and_the_others_are_told(engine: Engine, protection: Protection) -> None:
    table = described(engine, ACTIVITIES)
    protection.prepare(table)
    for event_id in (new_id("activity"), new_id('activity\'s "%s" \x1b[31m; --')):
        stored = at_once(partial(insert, engine, protection, table, activity(event_id)))
        assert sorted(stored) == [False] * 7 + [True]
        assert value(engine, "SELECT count(*) FROM activities WHERE id = :id", event_id) == 1


def test_different_keys_do_not_hinder_each_other(engine: Engine, protection: Protection) -> None:
    table = described(engine, ACTIVITIES)
    assert at_once(lambda: insert(engine, protection, table, activity(new_id("activity")))) == [True] * 8


def test_of_eight_claims_one_wins_and_until_its_lease_is_over_nobody_else(
    engine: Engine, protection: Protection
) -> None:
    table, event_id = described(engine, SCREENSHOTS), new_id("screenshot")
    protection.prepare(table)
    assert insert(engine, protection, table, screenshot(event_id))
    tokens = at_once(partial(claim, engine, protection, table, event_id))
    assert sorted(token is None for token in tokens) == [False] + [True] * 7
    assert value(engine, "SELECT status FROM screenshots WHERE id = :id", event_id) == "uploading"
    assert claim(engine, protection, table, event_id) is None


def test_an_expired_lease_is_taken_over_by_one_of_eight_and_the_token_grows(
    engine: Engine, protection: Protection
) -> None:
    table, event_id = described(engine, SCREENSHOTS), new_id("screenshot")
    insert(engine, protection, table, screenshot(event_id))
    first = claim(engine, protection, table, event_id)
    assert first is not None
    age(engine, table, event_id)
    tokens = at_once(partial(claim, engine, protection, table, event_id))
    (second,) = [token for token in tokens if token is not None]
    assert second > first
    complete = partial(claims.complete, table=table, key=(event_id,), written={})
    assert not ended(engine, partial(complete, token=first))
    assert ended(engine, partial(complete, token=second))


def test_every_claim_of_a_failed_row_has_a_token_of_its_own_and_a_completed_one_is_nobodys(
    engine: Engine, protection: Protection
) -> None:
    table, event_id = described(engine, SCREENSHOTS), new_id("screenshot")
    insert(engine, protection, table, screenshot(event_id))
    tokens = []
    for _ in range(3):
        token = claim(engine, protection, table, event_id)
        assert token is not None
        tokens.append(token)
        assert ended(engine, partial(claims.fail, table=table, key=(event_id,), token=token))
    assert tokens == sorted(set(tokens))
    last = claim(engine, protection, table, event_id)
    assert last is not None
    assert ended(engine, partial(claims.complete, table=table, key=(event_id,), token=last, written={}))
    age(engine, table, event_id)
    assert claim(engine, protection, table, event_id) is None


def test_a_row_that_is_not_there_cannot_be_claimed(engine: Engine, protection: Protection) -> None:
    assert claim(engine, protection, described(engine, SCREENSHOTS), new_id("screenshot")) is None


def test_a_violation_of_anything_but_the_key_is_raised_and_nothing_is_stored(
    engine: Engine, protection: Protection
) -> None:
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE IF EXISTS labels"))
        connection.execute(
            text(
                "CREATE TABLE labels (id varchar(100) NOT NULL PRIMARY KEY, code varchar(100) UNIQUE,"
                " place integer NOT NULL CHECK (place > 0))"
            )
        )
    table = described(engine, LABELS)
    protection.prepare(table)
    assert insert(engine, protection, table, {"id": "a", "code": "labels.PRIMARY", "place": 1})
    assert not insert(engine, protection, table, {"id": "a", "code": "another", "place": 1})
    others: list[dict[str, object]] = [
        {"id": "b", "code": "labels.PRIMARY", "place": 1},
        {"id": "c", "code": "c", "place": 0},
        {"id": "d", "code": "d", "place": None},
    ]
    for refused in others:
        with pytest.raises(DBAPIError):
            insert(engine, protection, table, refused)
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM labels")).scalar_one() == 1


@pytest.mark.parametrize("kind", KINDS)
def test_without_a_constraint_each_refuses_to_begin(kind: Kind, protection: Protection) -> None:
    bare = described(engine_of(kind, "bare"), ACTIVITIES)
    with pytest.raises(Unprotected, match="no unique constraint on activities"):
        protection.prepare(bare)


def test_each_says_what_it_costs(protection: Protection) -> None:
    assert protection.name in ("unique", "redis-lock", "for-update", "version")
    assert "constraint" in protection.limits


def test_a_write_that_is_rolled_back_leaves_the_key_free(engine: Engine, protection: Protection) -> None:
    table, event_id = described(engine, ACTIVITIES), new_id("activity")

    def write(connection: Connection) -> None:
        assert protection.insert(connection, table, activity(event_id))
        raise KeyError

    with pytest.raises(KeyError), protection.held((event_id,)):
        in_transaction(engine, write)
    assert insert(engine, protection, table, activity(event_id))
