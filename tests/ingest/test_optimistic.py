"""The version column: what it needs, what a conflict does, and what it leaves to what lies beneath."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import Connection, Engine, create_engine, event, text

from dedupaudit.ingest import claims
from dedupaudit.ingest.errors import Unprotected
from dedupaudit.ingest.protections.optimistic import OptimisticVersion
from dedupaudit.ingest.tables import ACTIVITIES, SCREENSHOTS, Described, Table, describe
from dedupaudit.ingest.transactions import in_transaction
from tests.drill.places import KINDS, address

VERSIONED = Table(("screenshots",), version="version")
PROTECTION = OptimisticVersion()


def made(kind: Any) -> Iterator[Engine]:
    engine = create_engine(address(kind, "versioned"))
    yield engine
    engine.dispose()


@pytest.fixture(params=KINDS, scope="module")
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    yield from made(request.param)


@pytest.fixture(params=["postgresql", "mariadb"], scope="module")
def server(request: pytest.FixtureRequest) -> Iterator[Engine]:
    """Give a database in which others can write between a look and a claim: SQLite's writers wait for its end."""
    yield from made(request.param)


def described(engine: Engine, table: Table) -> Described:
    with engine.connect() as connection:
        return describe(connection, table)


def pending(engine: Engine, table: Described) -> str:
    row = {"id": f"screenshot_{uuid4().hex}", "device_id": "d", "status": "pending", "timestamp": 1}
    assert in_transaction(engine, lambda connection: PROTECTION.insert(connection, table, row))
    return str(row["id"])


def claim(engine: Engine, table: Described, event_id: str) -> int | None:
    return in_transaction(engine, lambda connection: PROTECTION.claim(connection, table, (event_id,), 60))


def stored(engine: Engine, event_id: str) -> tuple[Any, ...]:
    with engine.connect() as connection:
        look = text("SELECT status, version FROM screenshots WHERE id = :id")
        return tuple(connection.execute(look, {"id": event_id}).one())


def between_look_and_claim(engine: Engine, change: str, event_id: str, times: int) -> tuple[Engine, list[str]]:
    """Return an engine on which somebody else changes the row before each claim, so many times; and its claims."""
    claiming = create_engine(engine.url)
    claimed: list[str] = []

    @event.listens_for(claiming, "before_cursor_execute")
    def interfere(_connection: Connection, _cursor: Any, statement: str, *_others: Any) -> None:
        if statement.startswith("UPDATE"):
            claimed.append(statement)
            if len(claimed) <= times:
                with engine.begin() as other:
                    other.execute(text(f"UPDATE screenshots SET {change} WHERE id = :id"), {"id": event_id})

    return claiming, claimed


def test_every_transition_raises_the_version(engine: Engine) -> None:
    table = described(engine, VERSIONED)
    PROTECTION.prepare(table)
    event_id = pending(engine, table)
    assert stored(engine, event_id) == ("pending", 0)
    token = claim(engine, table, event_id)
    assert token is not None
    assert stored(engine, event_id) == ("uploading", 1)
    key = (event_id,)
    steps: list[Callable[[Connection], bool]] = [
        lambda connection: claims.renew(connection, table, key, token),
        lambda connection: claims.fail(connection, table, key, token),
    ]
    for number, step in enumerate(steps, 2):
        assert in_transaction(engine, step)
        assert stored(engine, event_id)[1] == number


def test_after_a_conflict_the_row_is_looked_at_again(server: Engine) -> None:
    table = described(server, VERSIONED)
    event_id = pending(server, table)
    claiming, claimed = between_look_and_claim(server, "version = version + 1", event_id, 1)
    assert claim(claiming, table, event_id) is not None
    claiming.dispose()
    assert len(claimed) == 2
    assert stored(server, event_id) == ("uploading", 2)


def test_a_row_that_changes_all_the_time_is_not_claimed_and_not_looked_at_for_ever(server: Engine) -> None:
    table = described(server, VERSIONED)
    event_id = pending(server, table)
    claiming, claimed = between_look_and_claim(server, "version = version + 1", event_id, 1000)
    assert claim(claiming, table, event_id) is None
    claiming.dispose()
    assert len(claimed) == 5
    assert stored(server, event_id) == ("pending", 5)


@pytest.mark.parametrize("status", ["completed", "uploading"])
def test_a_writer_that_forgets_the_version_is_seen_all_the_same(server: Engine, status: str) -> None:
    table = described(server, VERSIONED)
    event_id = pending(server, table)
    change = f"status = '{status}', updated_at = CURRENT_TIMESTAMP(3)"
    claiming, claimed = between_look_and_claim(server, change, event_id, 1)
    assert claim(claiming, table, event_id) is None
    claiming.dispose()
    assert len(claimed) == 1
    assert stored(server, event_id) == (status, 0)


def test_rows_that_are_only_inserted_need_no_version(engine: Engine) -> None:
    PROTECTION.prepare(described(engine, ACTIVITIES))


def test_rows_with_states_need_one_that_is_named(engine: Engine) -> None:
    table = described(engine, SCREENSHOTS)
    with pytest.raises(Unprotected, match="no version column of screenshots is named"):
        PROTECTION.prepare(table)
    with pytest.raises(Unprotected, match="is named"), engine.connect() as connection:
        PROTECTION.claim(connection, table, ("x",), 60)


@pytest.mark.parametrize("column", ["revision\x1b[31m", "oss_key", "device_id"])
def test_the_column_is_there_never_null_and_has_a_default(engine: Engine, column: str) -> None:
    with pytest.raises(Unprotected, match="that is never NULL and has a default") as caught:
        PROTECTION.prepare(described(engine, Table(("screenshots",), version=column)))
    assert "\x1b" not in caught.value.message
    assert caught.value.hint == "add it: version BIGINT NOT NULL DEFAULT 0"
