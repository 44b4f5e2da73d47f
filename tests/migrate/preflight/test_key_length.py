"""Bytes of a key: MySQL judges by the type, PostgreSQL by each value, SQLite not at all."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from dedupaudit.migrate.facts import Facts
from tests.migrate.preflight.recorded import MARIADB, MYSQL, POSTGRESQL, SQLITE, only, told

CHECK = "key_length"
TEXT = {"declared": "text", "most": None}


def key(facts: Facts, **changed: Any) -> dict[str, Any]:
    return {"key": (replace(facts.key[0], **changed),)}


@pytest.mark.parametrize("facts", [MARIADB, MYSQL, POSTGRESQL, SQLITE], ids=lambda facts: str(facts.product))
def test_a_usual_key_is_nothing_to_say(facts: Facts) -> None:
    assert told(CHECK, facts) == []


@pytest.mark.parametrize("facts", [MARIADB, MYSQL], ids=lambda facts: str(facts.product))
def test_mysql_refuses_by_what_the_type_allows(facts: Facts) -> None:
    concern = only(CHECK, facts, **key(facts, declared="varchar(1000)", most=4_000))
    assert concern.level == "refusal"
    assert "takes up to 4,000 bytes" in concern.message and "holds 3,072 of each" in concern.message
    assert "longest value has 22 bytes" in concern.hint
    assert "a prefix index is no answer" in concern.hint


def test_several_columns_count_together() -> None:
    column = replace(MARIADB.key[0], most=1_540)
    assert "takes up to 3,080 bytes" in only(CHECK, MARIADB, key=(column,) * 2).message
    assert told(CHECK, MARIADB, key=(replace(column, most=1_536),) * 2) == []


def test_a_compact_row_format_is_told_and_how_to_leave_it() -> None:
    concern = only(CHECK, MARIADB, key_limit=767, row_format="Compact")
    assert "holds 767 of each (row format Compact)" in concern.message
    assert "ROW_FORMAT=DYNAMIC" in concern.hint


def test_a_mysql_text_has_no_limit_and_is_refused() -> None:
    concern = only(CHECK, MARIADB, **key(MARIADB, declared="longtext", most=None))
    assert "column activity_id is longtext, without a limit" in concern.message


def test_postgresql_refuses_by_the_longest_value() -> None:
    concern = only(CHECK, POSTGRESQL, **key(POSTGRESQL, **TEXT, longest=9_000))
    assert concern.level == "refusal"
    assert "has 9,000 bytes" in concern.message and "holds 2,692" in concern.message
    assert """ORDER BY octet_length("activity_id"::text) DESC LIMIT 10""" in concern.hint


def test_postgresql_warns_of_values_that_come_near() -> None:
    assert only(CHECK, POSTGRESQL, **key(POSTGRESQL, **TEXT, longest=2_000)).level == "warning"


def test_postgresql_notes_that_a_text_may_become_too_long() -> None:
    concern = only(CHECK, POSTGRESQL, **key(POSTGRESQL, **TEXT, longest=22))
    assert concern.level == "note"
    assert "54000" in concern.message


def test_a_server_without_a_limit_is_nothing_to_say() -> None:
    assert told(CHECK, SQLITE, **key(SQLITE, longest=1_000_000)) == []
