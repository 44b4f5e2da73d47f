"""Servers that take no writes are refused, with why."""

from __future__ import annotations

from tests.migrate.preflight.recorded import MARIADB, POSTGRESQL, only, told

CHECK = "read_only"


def test_a_replica_is_refused() -> None:
    concern = only(CHECK, POSTGRESQL, read_only="the server is a standby, in recovery")
    assert concern.level == "refusal"
    assert "activities cannot be changed here: the server is a standby, in recovery" in concern.message
    assert "primary" in concern.hint


def test_a_primary_is_nothing_to_say() -> None:
    assert told(CHECK, POSTGRESQL) == told(CHECK, MARIADB) == []
