"""Indexes that the new one replaces are named, and left to their owners."""

from __future__ import annotations

from tests.migrate.preflight.recorded import MARIADB, POSTGRESQL, SQLITE, only, told

CHECK = "redundant_index"


def test_none_is_nothing_to_say() -> None:
    assert told(CHECK, POSTGRESQL) == []


def test_each_is_named_with_the_statement_that_drops_it() -> None:
    concern = only(CHECK, POSTGRESQL, redundant_indexes=("activities_by_id",))
    assert concern.level == "note"
    assert "activities_by_id of activities becomes redundant" in concern.message
    assert concern.hint == 'afterwards, one by one: DROP INDEX CONCURRENTLY "activities_by_id"'
    assert "DROP INDEX `by_id`, ALGORITHM=INPLACE" in only(CHECK, MARIADB, redundant_indexes=("by_id",)).hint
    assert only(CHECK, SQLITE, redundant_indexes=("by_id",)).hint.endswith('DROP INDEX "by_id"')
