"""A file that is no report is refused with its name, its place and what to do."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dedupaudit.errors import ExitCode, UsageError
from dedupaudit.model import ObjectsSummary
from dedupaudit.reports import FORMATS, Style
from dedupaudit.reports.saved import load
from tests.reports import samples


def document(**changes: Any) -> dict[str, Any]:
    out = io.StringIO()
    FORMATS["json"](samples.damaged(), out, Style())
    saved: dict[str, Any] = json.loads(out.getvalue())
    return saved | changes


def refused(text: bytes | dict[str, Any], name: str = "report.json") -> UsageError:
    with pytest.raises(UsageError) as caught:
        load(text if isinstance(text, bytes) else json.dumps(text).encode(), name)
    assert caught.value.exit_code == ExitCode.USAGE
    assert caught.value.hint
    return caught.value


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"", "report.json is empty"),
        (b" \n", "report.json is empty"),
        (b'{"schema":\n  oops}', "not JSON: Expecting value at line 2, column 3"),
        (b'{"a": 1}\n{"a": 2}\n', "more than one JSON document: the second begins at line 2, column 1"),
        (b'{"a": NaN}', "JSON has no NaN"),
        (b"\xff\xfe\xfa", "is not text"),
        (b"{\xff}", "is not text: byte 2"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"a": ' + b"9" * 5_000 + b"}", "is not a report"),
        (b"[1, 2]", "JSON, but not a dedupaudit report"),
        (b'{"findings": []}', "JSON, but not a dedupaudit report"),
        (b'{"schema": "dedupaudit.plan/1"}', "is dedupaudit.plan/1, not a dedupaudit report"),
        (b'{"schema": "dedupaudit.report/0"}', "is dedupaudit.report/0, not a dedupaudit report"),
    ],
)
def test_what_is_no_report_is_refused_with_its_reason(text: bytes, said: str) -> None:
    assert said in refused(text).message


def test_a_future_version_is_named_with_the_program_that_wrote_it() -> None:
    error = refused(document(schema="dedupaudit.report/2", tool={"name": "dedupaudit", "version": "9.1"}))
    assert "written by a newer dedupaudit (9.1): it is dedupaudit.report/2, and this one reads" in error.message
    assert "upgrade" in error.hint


@pytest.mark.parametrize(
    ("place", "key", "value", "path"),
    [
        (["findings", 3], "count", "three", "findings[3].count: "),
        (["findings", 0, "key"], "activity_id", 1.5, "findings[0].key.activity_id: "),
        (["summary", "tables", "db.activities"], "rows", "many", "summary.tables.db.activities.rows: "),
        (["coverage", 0], "status", "perhaps", "coverage[0].status: "),
        ([], "truncated", "no", "truncated: "),
    ],
)
def test_a_wrong_field_is_named_by_its_path(place: list[str | int], key: str, value: object, path: str) -> None:
    report: Any = document()
    target = report
    for step in place:
        target = target[step]
    target[key] = value
    assert f"damaged dedupaudit report: {path}" in refused(report).message


def test_many_wrong_fields_are_counted() -> None:
    report = document()
    for finding in report["findings"]:
        finding["count"] = None
    assert f"and {len(report['findings']) - 3} more" in refused(report).message


def test_a_missing_field_is_named() -> None:
    report = document()
    del report["run"]
    assert "run: Field required" in refused(report).message


def test_fields_of_a_newer_minor_version_survive() -> None:
    report = document(added={"deep": [1, 2.5, None, "x"]})
    report["findings"][0]["owner"] = "team"
    totals = ObjectsSummary(rows=1).model_dump(mode="json")
    report["summary"]["objects"] = {
        "oss://bucket/": {**totals, "copies": 1, "requests": {**totals["requests"], "x": 1}}
    }
    out = io.StringIO()
    FORMATS["json"](load(json.dumps(report).encode(), "r"), out, Style())
    assert json.loads(out.getvalue()) == report


def test_a_report_of_a_version_that_knew_no_objects_is_rendered() -> None:
    report = document()
    del report["summary"]["objects"]
    loaded = load(json.dumps(report).encode(), "r")
    assert loaded.summary.objects is None
    out = io.StringIO()
    FORMATS["terminal"](loaded, out, Style())
    assert "oss:" not in out.getvalue()


def test_totals_of_a_store_that_are_not_numbers_are_named() -> None:
    report = document()
    report["summary"]["objects"] = {"oss://bucket/": {"rows": "many"}}
    assert "summary.objects.oss://bucket/.rows: " in refused(report).message


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_byte_order_mark_does_no_harm(encoding: str) -> None:
    assert load(json.dumps(document()).encode(encoding), "r").findings


def test_a_hostile_file_name_stays_harmless() -> None:
    assert refused(b"{", "\x1b[2J\n.json").message.startswith(r"\x1b[2J\n.json is not JSON")


FIELDS = st.sampled_from(["run", "findings", "tool", "summary"])
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(FIELDS, inner, max_size=4),
)


@given(ANY_JSON)
def test_any_other_json_is_refused_and_crashes_nothing(value: Any) -> None:
    if isinstance(value, dict):
        value["schema"] = "dedupaudit.report/1"
    assert refused(json.dumps(value).encode()).message.isprintable()
