"""Prepared transactions end by nobody's time-out."""

from __future__ import annotations

from tests.migrate.preflight.recorded import MARIADB, POSTGRESQL, only, told

CHECK = "prepared_transactions"


def test_none_are_nothing_to_say() -> None:
    assert told(CHECK, POSTGRESQL) == []


def test_each_is_named() -> None:
    concern = only(CHECK, POSTGRESQL, prepared_transactions=("order_17 (app, 2 days)", "order_18 (app, 2 days)"))
    assert concern.level == "warning"
    assert "2 prepared transactions are open" in concern.message
    assert "order_17 (app, 2 days), order_18 (app, 2 days)" in concern.message
    assert "ROLLBACK PREPARED" in concern.hint


def test_mariadb_has_its_own_words() -> None:
    assert "XA ROLLBACK" in only(CHECK, MARIADB, prepared_transactions=("x",)).hint
