"""The log of an online build is told where the index is larger."""

from __future__ import annotations

from tests.migrate.preflight.recorded import MARIADB, POSTGRESQL, only, told

CHECK = "online_log"
USUAL = {"innodb_online_alter_log_max_size": "134217728"}


def test_a_small_log_beside_a_large_index_is_told() -> None:
    concern = only(CHECK, MARIADB, rows=5_000_000, settings=USUAL)
    assert concern.level == "note"
    assert "at most 134 MB" in concern.message
    assert "SET GLOBAL innodb_online_alter_log_max_size = 1073741824" in concern.hint


def test_a_small_index_and_other_servers_are_nothing_to_say() -> None:
    assert told(CHECK, MARIADB, settings=USUAL) == []
    assert told(CHECK, MARIADB, rows=5_000_000) == []
    assert told(CHECK, POSTGRESQL, rows=50_000_000, settings=USUAL) == []
