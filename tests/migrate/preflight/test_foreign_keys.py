"""Cascades into the table: InnoDB's fire no triggers, PostgreSQL's do."""

from __future__ import annotations

import pytest

from dedupaudit.migrate.facts import ForeignKey
from tests.migrate.preflight.recorded import MARIADB, POSTGRESQL, SMALL, only, told

CHECK = "foreign_keys"
CASCADE = ForeignKey("fk_device", "activities", ("device_id",), True, on_delete="CASCADE")


def test_a_cascade_into_the_key_is_refused_where_no_trigger_fires() -> None:
    key = ForeignKey("fk_device", "activities", ("activity_id",), True, on_delete="CASCADE", on_update="CASCADE")
    concern = only(CHECK, MARIADB, foreign_keys=(key,))
    assert concern.level == "refusal"
    assert "fk_device (ON DELETE CASCADE, ON UPDATE CASCADE)" in concern.message
    assert "DROP FOREIGN KEY `fk_device`" in concern.hint


def test_rows_that_a_cascade_deletes_do_not_harm_the_guard_of_innodb() -> None:
    assert told(CHECK, MARIADB, foreign_keys=(CASCADE,)) == []


def test_postgresql_fires_triggers_and_is_told() -> None:
    assert only(CHECK, POSTGRESQL, foreign_keys=(CASCADE,)).level == "note"


@pytest.mark.parametrize(
    "key",
    [
        ForeignKey("fk", "activities", ("activity_id",), True, on_update="CASCADE"),
        ForeignKey("fk", "activities", ("activity_id",), True, on_delete="set null"),
        ForeignKey("fk", "activities", ("device_id", "activity_id"), True, on_update="SET NULL"),
    ],
    ids=str,
)
def test_a_cascade_that_changes_the_key_is_refused(key: ForeignKey) -> None:
    assert only(CHECK, MARIADB, foreign_keys=(key,)).level == "refusal"


@pytest.mark.parametrize(
    "key",
    [
        ForeignKey("fk", "activities", ("device_id",), True),
        ForeignKey("fk", "activities", ("device_id",), True, on_delete="RESTRICT", on_update="RESTRICT"),
        ForeignKey("fk", "activities", ("device_id",), True, on_delete="SET NULL", on_update="CASCADE"),
        ForeignKey("fk", "screenshots", ("activity_id",), False, on_delete="CASCADE", on_update="CASCADE"),
    ],
    ids=str,
)
def test_what_leaves_the_rows_and_their_key_alone_is_nothing_to_say(key: ForeignKey) -> None:
    assert told(CHECK, MARIADB, foreign_keys=(key,)) == told(CHECK, POSTGRESQL, foreign_keys=(key,)) == []


def test_without_a_guard_there_is_nothing_to_miss() -> None:
    assert told(CHECK, POSTGRESQL, SMALL, foreign_keys=(CASCADE,)) == []
