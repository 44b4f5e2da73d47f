"""Engines without transactions are refused."""

from __future__ import annotations

import pytest

from tests.migrate.preflight.recorded import MARIADB, MYSQL, POSTGRESQL, only, told

CHECK = "engine"


@pytest.mark.parametrize("engine", ["MyISAM", "Aria", "MEMORY", "ROCKSDB"])
def test_every_engine_but_innodb_is_refused(engine: str) -> None:
    concern = only(CHECK, MARIADB, engine=engine)
    assert concern.level == "refusal"
    assert f"has the engine {engine}" in concern.message
    assert "ENGINE=InnoDB" in concern.hint


def test_innodb_and_servers_without_engines_are_nothing_to_say() -> None:
    assert told(CHECK, MARIADB) == told(CHECK, MYSQL) == told(CHECK, POSTGRESQL) == []
