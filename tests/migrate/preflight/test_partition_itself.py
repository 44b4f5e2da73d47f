"""A partition is refused: the whole is to be migrated."""

from __future__ import annotations

from tests.migrate.preflight.recorded import POSTGRESQL, only, told

CHECK = "partition"


def test_a_table_is_nothing_to_say() -> None:
    assert told(CHECK, POSTGRESQL) == []


def test_a_partition_is_refused_with_the_command_for_its_parent() -> None:
    concern = only(CHECK, POSTGRESQL, table_kind="partition", parent="activities_all")
    assert concern.level == "refusal"
    assert "activities is a partition of activities_all" in concern.message
    assert concern.hint.endswith("dedupaudit migrate plan activities_all")


def test_a_parent_that_is_not_known_is_no_reason_to_go_on() -> None:
    assert only(CHECK, POSTGRESQL, table_kind="partition").hint.endswith("dedupaudit migrate plan PARENT")
