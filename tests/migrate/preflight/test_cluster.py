"""Galera is refused; a replication group with several primaries is warned of."""

from __future__ import annotations

import pytest

from tests.migrate.preflight.recorded import MARIADB, MYSQL, only, told

CHECK = "cluster"
SINGLE = "group_replication_single_primary_mode"


def test_a_server_alone_is_nothing_to_say() -> None:
    assert told(CHECK, MARIADB) == told(CHECK, MYSQL) == []


def test_galera_is_refused_with_the_reason_and_the_way_out() -> None:
    concern = only(CHECK, MARIADB, cluster="galera", settings={"wsrep_OSU_method": "TOI"})
    assert concern.level == "refusal"
    assert "stops every writer of every node" in concern.message
    assert "dedupaudit repair plan activities -o plan.jsonl" in concern.hint


@pytest.mark.parametrize(
    ("settings", "level"), [({SINGLE: "OFF"}, "warning"), ({}, "warning"), ({SINGLE: "ON"}, "note")]
)
def test_a_replication_group_is_judged_by_its_primaries(settings: dict[str, str], level: str) -> None:
    assert only(CHECK, MYSQL, cluster="group replication", settings=settings).level == level
