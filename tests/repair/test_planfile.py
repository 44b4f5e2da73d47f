"""A plan file is read as it was written, whatever is in it; one that is not what was written is refused."""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from dedupaudit.errors import AuditError, ExitCode, Refused, UsageError
from dedupaudit.repair.plan import (
    ColumnShape,
    Group,
    Header,
    Limit,
    Merge,
    PlanCause,
    PlannedRow,
    Totals,
    database_value,
    plan_value,
)
from dedupaudit.repair.planfile import PlanFile, write_plan
from dedupaudit.repair.schema import plan_schema
from dedupaudit.repair.sealed import written
from dedupaudit.sources.tables.protocol import Undecodable, Value
from tests.cli.reading import dangerous, strict_json

HOSTILE = (
    'it\'s "quoted"; DROP TABLE x; --',
    "a\nb\rc\td",
    "\x1b[5mblink\x07",
    "\x9b2J\x7f",
    "nul\x00end",
    "=cmd|'/C calc'!A0",
    "<script>alert(1)</script>",
    "\u202eevil\u2028\ufeff",
    "ä",
    "中文😀",
    "",
    "x" * 1_000_000,
)
VALUES: tuple[Value, ...] = (*HOSTILE, b"\xff\x1b[5m", b"", Undecodable(b"\xffA"), 0, -(2**63), 2.5, float("inf"), None)


def header(removed: int = 1, rows: int = 10, **more: Any) -> Header:
    told: dict[str, Any] = {
        "database": {"dialect": "sqlite", "file": "/app.db"},
        "table": "activities",
        "created_at": "2025-12-24T08:00:00Z",
        "real": 'main."activities"',
        "key": ("id",),
        "primary_key": ("seq",),
        "columns": (ColumnShape(name="seq", declared="INTEGER"), ColumnShape(name="id", declared="TEXT")),
        "max_delete": Limit(percent=50.0),
        "totals": Totals(rows=rows, groups=1, repaired=1, removed=removed, merged=0),
    }
    return Header.model_validate({**told, **more})


def group(key: Value = "a", survivor: Value = 1, victims: Iterable[Value] = (2,), **more: Any) -> Group:
    told: dict[str, Any] = {
        "key": {"id": plan_value(key)},
        "class": "identical",
        "rows": 2,
        "rule": "earliest",
        "survivor": PlannedRow(pk={"seq": plan_value(survivor)}, hash="0" * 64),
        "victims": tuple(PlannedRow(pk={"seq": plan_value(one)}, hash="1" * 64) for one in victims),
    }
    return Group.model_validate({**told, **more})


def other(**changes: Any) -> Group:
    """Return a group that nobody would plan."""
    return group().model_copy(update=changes)


def named(pk: Any) -> PlannedRow:
    return PlannedRow(pk=pk, hash="0" * 64)


def file_of(tmp_path: Path, *groups: Group, **more: Any) -> Path:
    path = tmp_path / "plan.jsonl"
    with path.open("wb") as out:
        write_plan(out, header(sum(len(one.victims) for one in groups), **more), groups)
    return path


def refused(path: Path, kind: type[AuditError] = Refused) -> str:
    with pytest.raises(kind) as caught:
        PlanFile(path)
    assert caught.value.exit_code == (ExitCode.REFUSED if kind is Refused else ExitCode.USAGE)
    assert caught.value.hint
    assert not dangerous(caught.value.message + caught.value.hint)
    return caught.value.message


# ---- what was written is read


@pytest.mark.parametrize("value", VALUES, ids=lambda value: ascii(value)[:30])
def test_any_value_comes_back_as_it_was_and_reaches_no_terminal_raw(tmp_path: Path, value: Value) -> None:
    told = group(value, value, ["another"], cause=PlanCause(name="timeout_retry", confidence="proved"))
    path = file_of(tmp_path, told)
    with PlanFile(path) as plan:
        assert list(plan.groups()) == [(1, told)]
        assert list(plan.groups()) == [(1, told)]
    back = database_value(told.key["id"])
    assert (back, type(back)) == (value, type(value))
    text = path.read_bytes().decode("utf-8")
    assert not dangerous(text)
    lines = [strict_json(line) for line in path.read_bytes().split(b"\n")[:-1]]
    assert [line["type"] for line in lines] == ["header", "group", "end"]


@given(st.text(st.characters(exclude_categories=["Cs"])), st.integers() | st.binary())
def test_any_text_and_any_bytes_come_back(text: str, other: int | bytes) -> None:
    out = io.BytesIO()
    told = group(text, other, ["x"])
    write_plan(out, header(), [told])
    lines = out.getvalue().split(b"\n")
    assert len(lines) == 4
    assert Group.model_validate_json(lines[1]) == told
    assert database_value(Group.model_validate_json(lines[1]).key["id"]) == text


def test_the_last_line_counts_and_hashes_all_before(tmp_path: Path) -> None:
    raw = file_of(tmp_path, group("a"), group("b", 3, [4, 5])).read_bytes()
    body, end = raw.rsplit(b"\n", 2)[0] + b"\n", json.loads(raw.rsplit(b"\n", 2)[1])
    assert end == {"type": "end", "count": 2, "sha256": hashlib.sha256(body).hexdigest()}


def test_every_line_passes_the_schema_that_is_printed(tmp_path: Path) -> None:
    validator = Draft202012Validator(plan_schema())
    merged = group("c", 6, [7], merge=(Merge(column="retry_count", rule="max", victim=0),), **{"class": "mergeable"})
    left = Group.model_validate({"key": {"id": "d"}, "class": "conflicting", "rows": 2, "left": "conflicting"})
    for line in file_of(tmp_path, *map(group, VALUES), merged, left, rows=100).read_bytes().splitlines():
        validator.validate(json.loads(line))
    assert not validator.is_valid({"type": "group", "key": {"id": "a"}})
    assert not validator.is_valid({"type": "step"})


def test_groups_are_written_as_they_come_and_given_on() -> None:
    out = io.BytesIO()
    given_on = written(out, header(), iter([group("a"), group("b", 3, [4])]))
    assert next(given_on).key == {"id": "a"}
    assert out.getvalue().count(b"\n") == 2
    assert [one.key for one in given_on] == [{"id": "b"}]
    assert out.getvalue().count(b"\n") == 4


def test_a_table_without_a_primary_key_has_rows_without_a_name(tmp_path: Path) -> None:
    row = named(None)
    told = other(survivor=row, victims=(row, row))
    with PlanFile(file_of(tmp_path, told, primary_key=())) as plan:
        assert plan.removed == 2


# ---- what was not written so is refused

Change = Callable[[list[bytes]], Iterable[bytes]]

DAMAGES: dict[str, tuple[Change, str]] = {
    "empty": (lambda lines: [], "it is empty"),
    "no end": (lambda lines: lines[:-1], "its end is missing"),
    "header alone": (lambda lines: lines[:1], "its end is missing"),
    "end alone": (lambda lines: lines[-1:], "not the header of a repair plan"),
    "cut in a line": (lambda lines: [*lines[:2], lines[2][:40]], "cut off"),
    "no last newline": (lambda lines: [*lines[:-1], lines[-1].rstrip()], "cut off"),
    "a line gone": (lambda lines: [lines[0], *lines[2:]], "somebody changed them"),
    "a line twice": (lambda lines: [*lines[:2], *lines[1:]], "somebody changed them"),
    "lines swapped": (lambda lines: [lines[0], lines[2], lines[1], lines[3]], "somebody changed them"),
    "another victim": (
        lambda lines: [lines[0], lines[1].replace(b'"seq":2', b'"seq":9'), *lines[2:]],
        "somebody changed them",
    ),
    "another limit": (
        lambda lines: [lines[0].replace(b'"percent":50.0', b'"percent":99.0'), *lines[1:]],
        "somebody changed them",
    ),
    "spaces": (lambda lines: [lines[0].replace(b":", b": "), *lines[1:]], "somebody changed them"),
    "windows line ends": (lambda lines: [line.replace(b"\n", b"\r\n") for line in lines], "somebody changed them"),
    "byte order mark": (lambda lines: [b"\xef\xbb\xbf" + lines[0], *lines[1:]], "line 1 is not what a plan has"),
    "more behind its end": (lambda lines: [*lines, lines[1]], "lines follow its end"),
    "two plans": (lambda lines: [*lines, *lines], "lines follow its end"),
    "broken JSON": (lambda lines: [lines[0], b"{broken\n", *lines[2:]], "line 2 is not what a plan has there"),
    "not a group": (lambda lines: [lines[0], b'{"type":"step"}\n', *lines[2:]], "line 2 is not what a plan has"),
    "deep": (lambda lines: [lines[0], b"[" * 100_000 + b"\n", *lines[2:]], "line 2 is not what a plan has"),
    "a huge line": (lambda lines: [lines[0], b"x" * 20_000_000 + b"\n", *lines[2:]], "line 2 is not what a plan has"),
    "binary": (lambda lines: [b"\x00\xff\x1b[5m" * 1000 + b"\n"], "not the header of a repair plan"),
    "a lone surrogate": (
        lambda lines: [lines[0], lines[1].replace(b'"id":"a"', b'"id":"\\ud800"'), *lines[2:]],
        "line 2 is not what a plan has",
    ),
    "another version": (lambda lines: [lines[0].replace(b"plan/1", b"plan/2"), *lines[1:]], "not the header"),
    "a migration": (lambda lines: [lines[0].replace(b'"repair"', b'"migrate"'), *lines[1:]], "plan of a migration"),
    "a report": (lambda lines: [b'{"schema":"dedupaudit.report/1"}\n'], "not the header of a repair plan"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_or_foreign_file_is_refused_with_the_reason(tmp_path: Path, damage: str) -> None:
    change, reason = DAMAGES[damage]
    path = file_of(tmp_path, group("a"), group("b", 3, [4]))
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(change(lines)))
    assert reason in refused(path)


def test_a_byte_changed_anywhere_is_refused(tmp_path: Path) -> None:
    path = file_of(tmp_path, group("a"))
    raw = path.read_bytes()
    for place in range(0, len(raw), 7):
        path.write_bytes(raw[:place] + bytes([raw[place] ^ 1]) + raw[place + 1 :])
        refused(path)


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        (group(victims=[]), "no victims"),
        (group(victims=[1]), "one row twice"),
        (group(victims=[2, 2]), "one row twice"),
        (group(left="conflicting"), "leaves a group and removes rows of it"),
        (other(survivor=None), "leaves a group and removes rows of it"),
        (group(merge=(Merge(column="x", rule="max", victim=1),)), "merges one that it does not have"),
        (other(survivor=named({"other": 1})), "name its rows by the columns"),
        (other(survivor=named(None)), "name its rows by the columns"),
        (other(victims=(named({"seq": {"base64": "!"}}),)), "name its rows"),
        (other(victims=(named({"seq": {"float": "x"}}),)), "name its rows"),
        (other(key={"other": "a"}), "name its rows by the columns"),
    ],
    ids=lambda told: told if isinstance(told, str) else "",
)
def test_a_line_that_contradicts_itself_is_refused_although_its_hash_is_right(
    tmp_path: Path, told: Group, reason: str
) -> None:
    assert reason in refused(file_of(tmp_path, told))


def test_a_header_that_tells_of_other_rows_or_more_than_its_limit_is_refused(tmp_path: Path) -> None:
    other = tmp_path / "other.jsonl"
    with other.open("wb") as out:
        write_plan(out, header(removed=0), [group()])
    assert "tells of other rows" in refused(other)
    assert "more than its own limit" in refused(file_of(tmp_path, group(), max_delete=Limit(rows=0)))
    assert "more than its own limit" in refused(file_of(tmp_path, group(), rows=1))


def test_what_is_no_file_is_wrong_usage(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert "Is a directory" in refused(tmp_path, UsageError)
    assert "No such file" in refused(tmp_path / "no\x1b[5m.jsonl", UsageError)
    assert "not a possible file name" in refused(tmp_path / "nul\x00", UsageError)
    reader, writer = os.pipe()
    os.close(writer)
    assert "it is a pipe" in refused(Path(f"/dev/fd/{reader}"), UsageError)
    os.close(reader)


def test_what_takes_the_files_name_meanwhile_is_not_applied(tmp_path: Path) -> None:
    path = file_of(tmp_path, group("a"))
    with PlanFile(path) as plan:
        path.unlink()
        file_of(tmp_path, group("b"))
        assert [one.key for _line, one in plan.groups()] == [{"id": "a"}]
