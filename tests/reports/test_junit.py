"""`-f junit`: a case fails for what is new and not tolerated, and what nobody looked at is never green."""

from __future__ import annotations

import xml.etree.ElementTree as ET  # noqa: S405 (only what this program wrote)
from collections.abc import Callable
from typing import Any

import pytest

from dedupaudit.model import Report
from tests.reports import parsing, samples
from tests.reports.golden import assert_golden, golden_report
from tests.reports.test_json import SAMPLES

KINDS = ("failure", "error", "skipped")


def read(report: Report) -> ET.Element:
    return parsing.junit(parsing.rendered(report, "junit"))


def outcomes(report: Report) -> dict[str, str]:
    """Return what became of each case."""
    return {
        f"{case.get('classname')} {case.get('name')}": next((one.tag for one in case if one.tag in KINDS), "passed")
        for case in read(report).iter("testcase")
    }


def case(report: Report, name: str, suite: str = "db.activities") -> ET.Element:
    (found,) = (
        one for one in read(report).iter("testcase") if (one.get("classname"), one.get("name")) == (suite, name)
    )
    return found


def one_check(*findings: dict[str, Any], **changes: Any) -> Report:
    return samples.report(list(findings), samples.covered("activities", ("duplicate_ids",)), **changes)


def test_the_golden_file() -> None:
    text = parsing.rendered(golden_report(), "junit")
    parsing.junit(text)
    assert_golden("junit.xml", text)


@pytest.mark.parametrize("make", SAMPLES.values(), ids=SAMPLES)
def test_every_sample_is_valid_and_nothing_in_it_is_lost_in_ascii(make: Callable[[], Report]) -> None:
    report = make()
    root = read(report)
    in_ascii = parsing.junit(parsing.in_ascii(report, "junit"))
    assert ET.tostring(in_ascii, "unicode") == ET.tostring(root, "unicode")
    assert root.find("testsuite") is not None


def test_the_outcomes_of_a_night() -> None:
    assert outcomes(golden_report()) == {
        "dedupaudit complete": "error",
        "db.activities duplicate_ids": "failure",
        "db.activities null_ids": "passed",
        "db.activities stuck_upload": "skipped",
        "db.screenshots duplicate_ids": "passed",
        "db.screenshots near_equal_ids": "error",
        "db.screenshots missing_object": "skipped",
        "db.screenshots etag_mismatch": "error",
        f"{samples.STORE} orphan_object": "passed",
        "repairs repair 20251224T120000Z-5e6f7a8b of db.activities (done)": "passed",
    }


def test_a_known_finding_passes_and_is_told() -> None:
    report = one_check(samples.duplicate(news="known", known_since="2025-12-01T00:00:00Z"))
    assert outcomes(report)["db.activities duplicate_ids"] == "passed"
    told = case(report, "duplicate_ids").findtext("system-out", "")
    assert "1 finding known" in told
    assert "since 2025-12-01T00:00:00Z" in told


@pytest.mark.parametrize(("exceeded", "outcome"), [(False, "passed"), (True, "failure")])
def test_a_threshold_tolerates_what_does_not_exceed_it(exceeded: bool, outcome: str) -> None:
    document = one_check(samples.duplicate()).model_dump(mode="json", by_alias=True)
    place = {"source": "db", "target": "activities", "check": "duplicate_ids"}
    document["summary"]["thresholds"] = [{**place, "limit": "5", "rows": 2, "exceeded": exceeded}]
    report = Report.model_validate(document)
    assert outcomes(report)["db.activities duplicate_ids"] == outcome
    assert "threshold 5: 2 rows, " in case(report, "duplicate_ids").findtext("system-out", "")


def test_findings_that_nobody_could_confirm_are_an_error() -> None:
    report = one_check(samples.duplicate(verdict="unknown"), complete=False)
    assert outcomes(report)["db.activities duplicate_ids"] == "error"


def test_findings_of_a_check_that_was_stopped_fail_and_the_stop_is_told() -> None:
    coverage = samples.covered("activities", ("duplicate_ids",), status="stopped", reason="too slow")
    report = samples.report([samples.duplicate()], coverage, complete=False)
    failure = case(report, "duplicate_ids").find("failure")
    assert failure is not None
    assert "was stopped: too slow" in failure.get("message", "")


def test_a_case_lists_some_findings_and_counts_the_rest() -> None:
    report = one_check(*(samples.duplicate(number) for number in range(25)))
    failure = case(report, "duplicate_ids").find("failure")
    assert failure is not None
    assert failure.get("type") == "high"
    assert failure.get("message", "").startswith("25 findings, worst: activity_1766557428498 is stored 3 times")
    assert (failure.text or "").endswith("and 5 more")
    assert (failure.text or "").count("high: ") == 20


def test_a_check_whose_findings_were_cut_from_the_report_is_not_green() -> None:
    made = samples.report(coverage=samples.covered("activities", ("duplicate_ids", "null_ids")), truncated=True)
    by_check = {"duplicate_ids": 0, "null_ids": 7}
    report = made.model_copy(update={"summary": made.summary.model_copy(update={"by_check": by_check})})
    assert outcomes(report)["db.activities null_ids"] == "error"
    assert outcomes(report)["db.activities duplicate_ids"] == "passed"
    error = case(report, "null_ids").find("error")
    assert error is not None
    assert "7 findings of null_ids are not in this report" in error.get("message", "")


def test_a_source_that_could_not_be_read_is_an_error() -> None:
    assert outcomes(samples.incomplete())["shard2 every check"] == "error"


def test_a_repair_whose_figures_disagree_fails() -> None:
    report = golden_report()
    broken = report.repairs[0].model_copy(update={"holds": False, "rows_in_quarantine": 1})
    unseen = report.repairs[0].model_copy(update={"holds": None, "run": "other"})
    found = outcomes(report.model_copy(update={"repairs": (broken, unseen)}))
    assert [found[name] for name in found if name.startswith("repairs")] == ["failure", "skipped"]


@pytest.mark.parametrize("seconds", [float("nan"), float("inf"), -1.0, 1.7e308])
def test_a_time_that_is_none_stays_a_number(seconds: float) -> None:
    read(samples.report(coverage=samples.covered("activities", ("duplicate_ids", "null_ids"), seconds=seconds)))
