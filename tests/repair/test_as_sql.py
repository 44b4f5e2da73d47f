"""A plan as SQL says what apply would do, is SQL of its dialect, and holds nothing that a terminal would obey."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from dedupaudit.repair.as_sql import plan_as_sql
from dedupaudit.repair.plan import Group, Header, Limit, Merge, PlanCause, PlannedRow, Totals, plan_value
from dedupaudit.repair.planfile import PlanFile
from dedupaudit.sources.tables.protocol import Undecodable, Value
from tests.cli.reading import dangerous
from tests.cli.repairing import TABLE, applied, planned, rows
from tests.conftest import SqliteDb
from tests.repair.test_planfile import HOSTILE

UPLOADS = """
CREATE TABLE screenshots
  (seq INTEGER PRIMARY KEY, id TEXT, status TEXT, oss_key TEXT, oss_url TEXT, retry_count INTEGER);
INSERT INTO screenshots (id, status, oss_key, oss_url, retry_count) VALUES
  ('screenshot_1', 'completed', 'k', NULL, 1), ('screenshot_1', 'completed', 'k', 'u', 0),
  ('screenshot_1', 'pending', NULL, NULL, 4),
  ('screenshot_2', 'failed', NULL, NULL, 2), ('screenshot_2', 'pending', NULL, NULL, 2);
"""


def sql_of(dialect: str, *groups: Group, real: str = "app.activities", key: tuple[str, ...] = ("seq",)) -> list[str]:
    header = Header(
        database={"dialect": dialect},
        table="activities",
        created_at="2025-12-24T08:00:00Z",
        real=real,
        key=("id",),
        primary_key=key,
        columns=(),
        max_delete=Limit(),
        totals=Totals(rows=9, groups=1, repaired=1, removed=1, merged=0),
    )
    return list(plan_as_sql(header, groups))


def group(victim: Value = 2, name: str = "seq", **more: Any) -> Group:
    told: dict[str, Any] = {
        "key": {"id": "a"},
        "class": "identical",
        "rows": 2,
        "rule": "earliest",
        "survivor": PlannedRow(pk={name: 1}, hash="0" * 64),
        "victims": (PlannedRow(pk={name: plan_value(victim)}, hash="1" * 64),),
    }
    return Group.model_validate({**told, **more})


def statements(lines: list[str]) -> list[str]:
    return [line for line in lines if line and not line.startswith("--")]


@pytest.mark.parametrize(
    ("script", "table"), [(TABLE, "activities"), (UPLOADS, "screenshots")], ids=["identical", "merged"]
)
def test_run_by_hand_it_leaves_the_rows_that_apply_leaves(sqlite_db: SqliteDb, script: str, table: str) -> None:
    by_hand, repaired = sqlite_db(script, "by_hand.db"), sqlite_db(script)
    plan_path = planned(repaired, table=table)
    with PlanFile(plan_path) as plan, closing(sqlite3.connect(by_hand)) as connection:
        text = "\n".join(plan_as_sql(plan.header, (one for _line, one in plan.groups())))
        connection.executescript(text)
    applied(repaired, plan_path)
    query = f"SELECT * FROM {table} ORDER BY seq"
    assert rows(by_hand, query) == rows(repaired, query)
    assert len(rows(by_hand, query)) < len(rows(sqlite_db(script, "before.db"), query))


def test_each_group_is_told_with_its_class_cause_and_rule() -> None:
    cause = PlanCause(name="timeout_retry", confidence="proved")
    lines = sql_of("postgresql", group(cause=cause))
    assert lines[3:] == [
        "-- 1. id = a: 2 rows, identical; cause timeout_retry (proved)",
        "-- stays: seq = 1; the rows are identical: the earliest stays",
        'DELETE FROM app.activities WHERE "seq" = 2;',
    ]


@pytest.mark.parametrize("why", ["conflicting", "id_collision", "blank key", "unnamed"])
def test_what_is_left_is_said_with_its_reason_and_has_no_statement(why: str) -> None:
    left = Group.model_validate({"key": {"id": "a"}, "class": "conflicting", "rows": 2, "left": why})
    lines = sql_of("sqlite", left)
    assert not statements(lines)
    assert lines[-1].startswith(f"-- left as it is: {why}: ")


@pytest.mark.parametrize(
    ("dialect", "value", "literal"),
    [
        ("sqlite", "it's", "'it''s'"),
        ("postgresql", "back\\slash", "'back\\slash'"),
        ("mysql", "back\\slash", "_utf8mb4 x'6261636b5c736c617368'"),
        ("sqlite", "a\nb", "CAST(x'610a62' AS TEXT)"),
        ("postgresql", "a\nb", "convert_from('\\x610a62', 'UTF8')"),
        ("mariadb", "a\nb", "_utf8mb4 x'610a62'"),
        ("sqlite", b"\xff", "x'ff'"),
        ("postgresql", b"\xff", "'\\xff'"),
        ("mysql", b"\xff", "x'ff'"),
        ("sqlite", Undecodable(b"\xff"), "CAST(x'ff' AS TEXT)"),
        ("sqlite", None, "NULL"),
        ("sqlite", -(2**63), "-9223372036854775808"),
        ("sqlite", 2.5, "2.5"),
        ("sqlite", float("-inf"), "-1e999"),
    ],
)
def test_values_are_written_as_the_dialect_writes_them(dialect: str, value: Value, literal: str) -> None:
    mark = "`" if dialect in ("mysql", "mariadb") else '"'
    assert statements(sql_of(dialect, group(value))) == [
        f"DELETE FROM app.activities WHERE {mark}seq{mark} = {literal};"
    ]


@pytest.mark.parametrize("value", HOSTILE, ids=lambda value: ascii(value)[:30])
@pytest.mark.parametrize("dialect", ["sqlite", "postgresql", "mysql"])
def test_no_value_and_no_name_reaches_a_terminal_raw_or_ends_a_line(dialect: str, value: str) -> None:
    name = value or "seq"
    merge = (Merge(column=name, rule="max", victim=0),)
    left = Group.model_validate({"key": {name: value}, "class": "conflicting", "rows": 2, "left": value or "x"})
    lines = sql_of(dialect, group(value, name, key={name: value}, rule=value, merge=merge), left, real=f'"{name}"')
    assert not dangerous("\n".join(lines))
    assert all(line.startswith(("--", "DELETE FROM ", "UPDATE ")) or not line for line in lines)
    assert not [line for line in lines if "\n" in line]


def test_a_name_of_a_megabyte_is_no_statement_but_a_comment() -> None:
    lines = sql_of("sqlite", group("x" * 1_000_000))
    assert not statements(lines)
    assert lines[-1].startswith("-- goes: seq = xxx")
    assert max(map(len, lines)) < 500


def test_rows_without_a_primary_key_are_told_by_their_hash() -> None:
    told = group().model_copy(update={"survivor": PlannedRow(hash="a" * 64), "victims": (PlannedRow(hash="b" * 64),)})
    lines = sql_of("sqlite", told, key=())
    assert not statements(lines)
    assert lines[-1] == "-- goes: a row with the hash bbbbbbbbbbbbbbbb…"


def test_the_header_warns_that_it_is_not_to_be_run(tmp_path: Path) -> None:
    assert "not to be run" in sql_of("sqlite")[0]
