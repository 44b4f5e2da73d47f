"""Long transactions are told, with who has them, for the migration waits for them."""

from __future__ import annotations

from dedupaudit.migrate.facts import OpenTransaction
from tests.migrate.preflight.recorded import MARIADB, POSTGRESQL, SMALL, SQLITE, only, told

CHECK = "open_transactions"
LONG = OpenTransaction(5_400.0, "process 4711 of report (psql), idle in transaction")
SHORT = OpenTransaction(60.0, "process 4712 of app")


def test_short_transactions_and_none_are_nothing_to_say() -> None:
    assert told(CHECK, POSTGRESQL) == []
    assert told(CHECK, POSTGRESQL, oldest_transaction=SHORT, oldest_snapshot=SHORT) == []


def test_a_long_transaction_is_told_with_who_has_it() -> None:
    concern = only(CHECK, POSTGRESQL, oldest_transaction=LONG, oldest_snapshot=LONG)
    assert concern.level == "warning"
    assert "has been open for 1.5 h (process 4711 of report (psql), idle in transaction)" in concern.message
    assert "pg_terminate_backend" in concern.hint


def test_a_snapshot_of_another_is_told_too() -> None:
    snapshot = OpenTransaction(200.0, "process 4713 of pg_dump")
    first, second = told(CHECK, POSTGRESQL, oldest_transaction=LONG, oldest_snapshot=snapshot)
    assert first.message.startswith("a transaction")
    assert second.message.startswith("a snapshot has been open for 3 min")


def test_each_server_has_its_own_way_to_end_one() -> None:
    assert "KILL ID" in only(CHECK, MARIADB, oldest_transaction=LONG).hint
    assert "by force" not in only(CHECK, SQLITE, SMALL, oldest_transaction=LONG).hint


def test_the_small_strategy_waits_with_its_lock() -> None:
    assert "the lock on the table waits" in only(CHECK, POSTGRESQL, SMALL, oldest_transaction=LONG).message
