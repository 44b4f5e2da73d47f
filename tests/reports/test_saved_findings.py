"""Findings of a saved report are made as they are looked at, and are the same as if all of them had been."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dedupaudit.errors import UsageError
from dedupaudit.model import Report
from dedupaudit.reports.saved import load
from dedupaudit.reports.saved_findings import SavedFindings, cut
from tests.reports import parsing, samples
from tests.reports.golden import golden_report
from tests.reports.test_json import SAMPLES


def saved(report: Report) -> bytes:
    return parsing.rendered(report, "json").encode()


def in_parts(text: bytes) -> Report:
    """Return a report that was not read at once."""
    report = load(text, "r")
    assert isinstance(report.findings, SavedFindings)
    return report


@pytest.mark.parametrize("make", [*SAMPLES.values(), golden_report], ids=lambda make: make.__name__)
def test_a_loaded_report_equals_the_one_that_was_saved(make: Callable[[], Report]) -> None:
    report = make()
    text = saved(report)
    loaded = in_parts(text) if report.findings else load(text, "r")
    assert loaded == report
    assert report == loaded
    assert loaded.model_dump_json(by_alias=True) == report.model_dump_json(by_alias=True)
    assert loaded.model_dump() == report.model_dump()
    assert saved(loaded) == text


def test_findings_are_a_sequence() -> None:
    report = golden_report()
    findings = in_parts(saved(report)).findings
    assert (len(findings), findings[1], findings[-1]) == (5, report.findings[1], report.findings[-1])
    assert findings[1:3] == report.findings[1:3]
    assert list(reversed(findings)) == list(reversed(report.findings))
    assert findings != report.findings[1:]
    assert findings != (*report.findings[1:], report.findings[0])
    with pytest.raises(IndexError):
        findings[5]


@pytest.mark.parametrize("indent", [None, 1, 4])
def test_a_report_in_another_layout_is_the_same(indent: int | None) -> None:
    report = golden_report()
    assert load(json.dumps(json.loads(saved(report)), indent=indent).encode(), "r") == report


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        ((b'"count": 3', b'"count": "three"'), "findings[11].count: "),
        ((b'"gap_seconds": 120.0', b'"gap_seconds": NaN'), "JSON has no NaN"),
        ((b'"gap_seconds": 120.0', b'"gap_seconds": -Infinity'), "JSON has no -Infinity"),
        ((b'"count": 3', b'"count": 3' + b"0" * 5_000), "is not a report"),
        ((b'"count": 3', b'"count": 03'), "is not JSON"),
        ((b"\n    },\n    {", b"\n    },,\n    {"), "is not JSON"),
        ((b"\n    },\n    {", b"\n    }\n    {"), "is not JSON"),
        ((b"\n    }\n  ]", b"\n    },\n  ]"), "is not JSON"),
        ((b'"truncated": false', b'"truncated": NaN'), "JSON has no NaN"),
        ((b'"truncated": false', b'"truncated": "no"'), "truncated: "),
        ((b'dedupaudit.report/1"', b'dedupaudit.report/2"'), "newer dedupaudit"),
        ((b"3 rows have no ID", b"\xff"), "is not"),
    ],
)
def test_what_is_damaged_is_refused_as_ever(broken: tuple[bytes, bytes], words: str) -> None:
    text = saved(samples.damaged())
    damaged = text.replace(*broken, 1)
    assert damaged != text
    with pytest.raises(UsageError) as caught:
        load(damaged, "r")
    assert words in caught.value.message


def test_findings_that_stand_twice_are_those_that_stand_last() -> None:
    text = saved(golden_report())
    twice = text.rstrip().removesuffix(b"}") + b',\n  "findings": []\n}\n'
    assert load(twice, "r").findings == ()


def test_an_inner_field_that_is_laid_out_like_the_findings_is_not_taken_for_them() -> None:
    document = json.loads(saved(samples.clean()))
    inner = json.dumps({"findings": [samples.duplicate()]}, indent=2).encode()
    text = json.dumps({"summary": document.pop("summary"), **document}, indent=2).encode()
    text = text.replace(b'"summary": {', b'"summary": {"novel": ' + inner + b",", 1)
    assert load(text, "r").findings == ()


def test_words_that_are_no_numbers_may_stand_in_text() -> None:
    report = samples.report([samples.duplicate(message="NaN, Infinity and " + "9" * 5_000)])
    assert in_parts(saved(report)) == report


@given(st.binary(max_size=20), st.integers(min_value=0, max_value=10_000))
def test_whatever_is_changed_it_is_read_as_all_at_once_or_refused(patch: bytes, at: int) -> None:
    text = saved(golden_report())
    changed = text[:at] + patch + text[at + len(patch) :]
    if not cut(changed):
        return
    try:
        whole: dict[str, Any] = json.loads(changed)
    except ValueError:
        with pytest.raises(UsageError):
            load(changed, "r")
        return
    try:
        report = load(changed, "r")
    except UsageError:
        return
    assert report == Report.model_validate_json(json.dumps(whole), strict=True)
