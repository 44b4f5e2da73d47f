"""Blank keys: refused where one occurs more than once, told where each is alone."""

from __future__ import annotations

from dataclasses import replace

from dedupaudit.migrate.facts import KeyColumn
from tests.migrate.preflight.recorded import ASKED, MARIADB, POSTGRESQL, duplicates, only, told

CHECK = "blank_keys"


def test_no_blank_key_is_nothing_to_say() -> None:
    assert told(CHECK, POSTGRESQL) == []


def test_a_blank_key_that_occurs_more_than_once_is_refused() -> None:
    concern = only(CHECK, POSTGRESQL, blank_keys=40, **duplicates(groups=1, left={"blank key": 1}))
    assert concern.level == "refusal"
    assert "40 rows of activities have a blank key (activity_id), one of which occurs more than once" in concern.message
    assert """SELECT * FROM "public"."activities" WHERE trim("activity_id"::text) = ''""" in concern.hint


def test_a_blank_key_that_occurs_once_is_told() -> None:
    concern = only(CHECK, MARIADB, blank_keys=1)
    assert concern.level == "note"
    assert "1 row of activities has a blank key" in concern.message
    assert "WHERE trim(`activity_id`) = ''" in concern.hint


def test_only_columns_that_can_be_blank_are_asked_about() -> None:
    key = (KeyColumn("device_id", "bigint", False), MARIADB.key[0])
    concern = only(CHECK, MARIADB, replace(ASKED, key=("device_id", "activity_id")), key=key, blank_keys=1)
    assert concern.hint.endswith("WHERE trim(`activity_id`) = ''")
