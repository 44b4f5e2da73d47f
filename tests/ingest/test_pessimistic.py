"""SELECT … FOR UPDATE: what it locks, for how long, and what it needs beneath."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from threading import Barrier
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.exc import DBAPIError, OperationalError

from dedupaudit.ingest.protections.pessimistic import PessimisticLock
from dedupaudit.ingest.tables import ACTIVITIES, SCREENSHOTS, Described, Table, describe
from dedupaudit.ingest.transactions import in_transaction
from dedupaudit.ingest.violations import is_deadlock
from tests.drill.places import Asked, address
from tests.repair.faults import wait_for
from tests.servers.fixtures import shared_mariadb, shared_postgresql

LOCK = PessimisticLock()
# Statements that wait for a lock now.
WAITING = {
    "postgresql": "SELECT query FROM pg_stat_activity WHERE wait_event_type = 'Lock'",
    "mariadb": "SELECT trx_query FROM information_schema.innodb_trx WHERE trx_state = 'LOCK WAIT'",
}


@pytest.fixture(params=["postgresql", "mariadb"], scope="module")
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    made = create_engine(address(request.param, "target"))
    yield made
    made.dispose()


def described(engine: Engine, table: Table) -> Described:
    with engine.connect() as connection:
        return describe(connection, table)


def new_screenshot() -> dict[str, object]:
    return {"id": f"screenshot_{uuid4().hex}", "device_id": "d", "status": "pending", "timestamp": 1}


def new_activity() -> dict[str, object]:
    return {"id": f"activity_{uuid4().hex}", "device_id": "d", "type": "t", "timestamp": 1, "data": json.dumps(None)}


def waiting(dialect: str) -> str:
    """Return the one statement that waits for a lock, once there is one."""
    server = shared_postgresql() if dialect == "postgresql" else shared_mariadb()
    rows: list[Any] = []

    def somebody_waits() -> bool:
        rows[:] = server.execute(WAITING[dialect])
        return bool(rows and rows[0][0])

    wait_for(somebody_waits)
    return str(rows[0][0])


def test_a_second_claim_waits_at_the_row_and_then_sees_the_first(engine: Engine) -> None:
    table, row = described(engine, SCREENSHOTS), new_screenshot()
    assert in_transaction(engine, lambda connection: LOCK.insert(connection, table, row))
    with engine.begin() as connection:
        assert LOCK.claim(connection, table, (row["id"],), 60) is not None
        second = Asked(lambda: in_transaction(engine, lambda other: LOCK.claim(other, table, (row["id"],), 60)))
        assert "FOR UPDATE" in waiting(table.dialect)
    assert second.answer() is None


def test_the_lock_ends_with_the_claim_and_is_not_held_during_an_upload(engine: Engine) -> None:
    table, row = described(engine, SCREENSHOTS), new_screenshot()
    in_transaction(engine, lambda connection: LOCK.insert(connection, table, row))
    assert in_transaction(engine, lambda connection: LOCK.claim(connection, table, (row["id"],), 60)) is not None
    with engine.begin() as connection:
        look = text("SELECT status FROM screenshots WHERE id = :id FOR UPDATE NOWAIT")
        assert connection.execute(look, {"id": row["id"]}).scalar_one() == "uploading"


def test_where_no_row_is_there_nothing_is_locked_and_the_constraint_decides(engine: Engine) -> None:
    table, row = described(engine, ACTIVITIES), new_activity()
    with engine.connect().execution_options(isolation_level="READ COMMITTED") as connection:
        assert LOCK.insert(connection, table, row)
        second = Asked(lambda: in_transaction(engine, lambda other: LOCK.insert(other, table, row)))
        # PostgreSQL's SELECT saw nothing, and waited for nothing; InnoDB's waits for the row that is not yet committed.
        assert ("INSERT" if table.dialect == "postgresql" else "FOR UPDATE") in waiting(table.dialect)
        connection.commit()
    assert second.answer() is False


def test_at_repeatable_read_innodb_deadlocks_on_the_gap_which_is_why_it_runs_at_read_committed() -> None:
    engine = create_engine(address("mariadb", "target"))
    table, row, both = described(engine, ACTIVITIES), new_activity(), Barrier(2, timeout=60)
    lock = text("SELECT 1 FROM activities WHERE id = :id FOR UPDATE")

    def insert() -> str:
        with engine.connect() as connection:
            connection.execute(lock, {"id": row["id"]})
            both.wait()
            try:
                stored = LOCK.insert(connection, table, row)
                connection.commit()
            except DBAPIError as error:
                assert is_deadlock(error)
                return "deadlock"
            return "stored" if stored else "duplicate"

    asked = [Asked(insert) for _ in range(2)]
    assert sorted(one.answer() for one in asked) == ["deadlock", "stored"]
    engine.dispose()


def test_at_read_committed_equal_inserts_meet_without_a_deadlock() -> None:
    server, engine = shared_mariadb(), create_engine(address("mariadb", "target"), pool_size=8)
    table, both = described(engine, ACTIVITIES), Barrier(8, timeout=60)
    before = server.execute("SHOW GLOBAL STATUS LIKE 'innodb_deadlocks'")

    def insert(row: dict[str, object]) -> bool:
        both.wait()
        return in_transaction(engine, lambda connection: LOCK.insert(connection, table, row))

    for _ in range(5):
        row = new_activity()
        asked = [Asked(partial(insert, row)) for _ in range(8)]
        assert sorted(one.answer() for one in asked) == [False] * 7 + [True]
    assert before and server.execute("SHOW GLOBAL STATUS LIKE 'innodb_deadlocks'") == before
    engine.dispose()


def test_on_sqlite_the_transaction_itself_is_the_lock() -> None:
    engine = create_engine(address("sqlite", "target"), connect_args={"timeout": 0})
    table, row = described(engine, ACTIVITIES), new_activity()
    with engine.connect() as connection:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        assert LOCK.insert(connection, table, row)
        with engine.connect() as other, pytest.raises(OperationalError, match="locked"):
            other.exec_driver_sql("BEGIN IMMEDIATE")
        connection.commit()
    assert not in_transaction(engine, lambda connection: LOCK.insert(connection, table, row))
    engine.dispose()
