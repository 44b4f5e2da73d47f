"""Duplicates that need a person are refused, with the command that shows them; the rest is counted."""

from __future__ import annotations

from dataclasses import replace

from dedupaudit.migrate.facts import Pair
from tests.migrate.preflight.recorded import ASKED, POSTGRESQL, duplicates, only, told

CHECK = "duplicates_left"


def test_no_duplicates_are_nothing_to_say() -> None:
    assert told(CHECK, POSTGRESQL) == []


def test_what_the_clean_step_moves_is_counted_by_rule() -> None:
    found = duplicates(groups=4_900, removed=5_210, rules={"earliest": 4_800, "furthest state": 100})
    concern = only(CHECK, POSTGRESQL, **found)
    assert concern.level == "note"
    assert "5,210 rows of 4,900 keys" in concern.message
    assert "earliest: 4,800, furthest state: 100" in concern.message
    assert concern.hint == "each of them: dedupaudit repair plan activities"


def test_a_policy_is_part_of_the_command_that_shows_the_rows() -> None:
    found = duplicates(groups=1, removed=1, rules={"policy newest": 1})
    concern = only(CHECK, POSTGRESQL, replace(ASKED, on_conflict="newest"), **found)
    assert concern.hint.endswith("dedupaudit repair plan activities --on-conflict newest")


def test_conflicting_keys_are_refused_and_five_of_them_are_named() -> None:
    left = tuple((f"activity_{number}", "conflicting") for number in range(7))
    found = duplicates(groups=7, left={"conflicting": 7}, first_left=left)
    concern = only(CHECK, POSTGRESQL, **found)
    assert concern.level == "refusal"
    assert "7 keys of activities have rows that differ" in concern.message
    assert concern.message.endswith(": activity_0, activity_1, activity_2, activity_3, activity_4")
    assert "dedupaudit repair plan activities --sql" in concern.hint
    assert "dedupaudit migrate plan activities --on-conflict newest" in concern.hint


def test_collisions_forbid_the_narrow_key_and_suggest_the_one_with_the_real_device_column() -> None:
    found = duplicates(groups=1, left={"id_collision": 1}, first_left=(("1", "id_collision"),))
    concern = only(CHECK, POSTGRESQL, **found, device="Phone")
    assert concern.level == "refusal"
    assert "1 key of activities is shared by different events: (activity_id) must not be unique" in concern.message
    assert concern.message.endswith(": 1")
    assert 'under [tables.activities] in dedupaudit.toml: key = ["Phone", "activity_id"]' in concern.hint


def test_collisions_that_may_be_the_collations_work_say_so() -> None:
    found = duplicates(groups=1, left={"id_collision": 1}, pairs=(Pair(("a",), ("A",)),))
    assert "only the collation joins" in only(CHECK, POSTGRESQL, **found).hint


def test_collisions_without_a_device_column_ask_for_one() -> None:
    concern = only(CHECK, POSTGRESQL, **duplicates(groups=1, left={"id_collision": 1}), device=None)
    assert 'key = ["COLUMN", "activity_id"]' in concern.hint


def test_collisions_of_a_key_that_has_the_device_are_shown_to_a_person() -> None:
    asked = replace(ASKED, key=("device_id", "activity_id"))
    concern = only(CHECK, POSTGRESQL, asked, **duplicates(groups=1, left={"id_collision": 1}))
    assert concern.level == "refusal"
    assert concern.hint.startswith("look at them: dedupaudit repair plan activities --sql")


def test_rows_that_cannot_be_named_and_reasons_of_a_later_version_are_refused() -> None:
    found = duplicates(groups=3, left={"unnamed": 1, "something new": 2})
    first, second = told(CHECK, POSTGRESQL, **found)
    assert (first.level, second.level) == ("refusal", "refusal")
    assert "NULL in its primary key" in first.message
    assert "2 keys" in second.message and "something new" in second.message


def test_blank_keys_are_left_to_their_own_check() -> None:
    assert told(CHECK, POSTGRESQL, **duplicates(groups=1, left={"blank key": 1})) == []


def test_a_table_that_a_shell_would_take_apart_is_quoted_in_commands() -> None:
    asked = replace(ASKED, table="my table; rm -rf")
    concern = only(CHECK, POSTGRESQL, asked, **duplicates(groups=1, left={"conflicting": 1}))
    assert "dedupaudit repair plan 'my table; rm -rf' --sql" in concern.hint
