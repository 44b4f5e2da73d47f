"""NULL keys: refused where NOT NULL is asked for, told where they stay possible."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tests.migrate.preflight.recorded import ASKED, MARIADB, POSTGRESQL, only, told

CHECK = "null_keys"
NULLABLE: dict[str, Any] = {"nulls_forbidden": False, "key": (replace(POSTGRESQL.key[0], nullable=True),)}
NOT_NULL = replace(ASKED, not_null=True)


def test_a_key_that_forbids_null_already_is_nothing_to_say() -> None:
    assert told(CHECK, POSTGRESQL) == told(CHECK, POSTGRESQL, NOT_NULL) == []


def test_not_null_is_refused_where_a_null_is_stored() -> None:
    concern = only(CHECK, POSTGRESQL, NOT_NULL, **NULLABLE, null_keys=1)
    assert concern.level == "refusal"
    assert "1 row of activities has NULL in the key (activity_id)" in concern.message
    assert 'SELECT * FROM "public"."activities" WHERE "activity_id" IS NULL' in concern.hint
    assert "not_null = false" in concern.hint


def test_only_columns_that_may_be_null_are_asked_about() -> None:
    key = (replace(MARIADB.key[0], name="device`id", nullable=False), replace(MARIADB.key[0], nullable=True))
    asked = replace(NOT_NULL, key=("device`id", "activity_id"), quoted="`app`.`activities`")
    concern = only(CHECK, MARIADB, asked, key=key, nulls_forbidden=False, null_keys=3)
    assert "SELECT * FROM `app`.`activities` WHERE `activity_id` IS NULL;" in concern.hint


def test_not_null_without_stored_nulls_is_nothing_to_say() -> None:
    assert told(CHECK, POSTGRESQL, NOT_NULL, **NULLABLE) == []


def test_stored_nulls_that_may_stay_are_told() -> None:
    concern = only(CHECK, POSTGRESQL, **NULLABLE, null_keys=12)
    assert concern.level == "note"
    assert "12 rows of activities have NULL" in concern.message
    assert "any number of them" in concern.message


def test_a_nullable_key_without_stored_nulls_is_told() -> None:
    concern = only(CHECK, POSTGRESQL, **NULLABLE)
    assert concern.level == "note"
    assert "--not-null" in concern.hint
