"""`-f sarif`: valid by OASIS's schema; what is new, old, gone, tolerated and not looked at has SARIF's own words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from dedupaudit.checks import CHECK_NAMES, LOG_CHECKS, OBJECT_CHECKS, TABLE_CHECKS
from dedupaudit.checks.base import NamedCheck
from dedupaudit.model import Report
from dedupaudit.reports.rules import RULES
from tests.reports import parsing, samples
from tests.reports.golden import assert_golden, golden_report
from tests.reports.test_json import SAMPLES


def read(report: Report) -> dict[str, Any]:
    return parsing.sarif(parsing.rendered(report, "sarif"))


def result(**changes: Any) -> dict[str, Any]:
    """Return the result of one duplicate."""
    (found,) = read(samples.report([samples.duplicate(**changes)]))["results"]
    made: dict[str, Any] = found
    return made


def logged(where: str) -> dict[str, Any]:
    return result(evidence=[{"kind": "log", "where": where, "text": "timeout"}])


def test_the_golden_file() -> None:
    text = parsing.rendered(golden_report(), "sarif")
    parsing.sarif(text)
    assert_golden("sarif.json", text)


@pytest.mark.parametrize("make", SAMPLES.values(), ids=SAMPLES)
def test_every_sample_is_valid_and_nothing_in_it_is_lost_in_ascii(make: Callable[[], Report]) -> None:
    report = make()
    run = read(report)
    assert parsing.sarif(parsing.in_ascii(report, "sarif")) == run
    assert [one["partialFingerprints"]["dedupaudit/v1"] for one in run["results"]] == [
        one.fingerprint for one in report.findings
    ]


def test_every_check_has_a_rule_of_its_severity() -> None:
    assert list(RULES) == list(CHECK_NAMES)
    every: tuple[NamedCheck, ...] = (*TABLE_CHECKS, *OBJECT_CHECKS, *LOG_CHECKS)
    severities = {check.name: check.severity for check in every}
    assert {name: rule.severity for name, rule in RULES.items()} == severities


def test_a_nights_results_are_new_unchanged_open_and_absent() -> None:
    results = read(golden_report())["results"]
    assert [(one["ruleId"], one["level"], one.get("baselineState")) for one in results] == [
        ("duplicate_ids", "error", "new"),
        ("duplicate_ids", "error", "unchanged"),
        ("null_ids", "warning", "unchanged"),
        ("missing_object", "none", None),
        ("orphan_object", "warning", "unchanged"),
        ("duplicate_ids", "error", "absent"),
    ]
    assert [one["suppressions"][0]["status"] for one in results if "suppressions" in one] == ["accepted", "underReview"]


def test_what_was_not_checked_is_told_and_the_run_is_no_success() -> None:
    (invocation,) = read(golden_report())["invocations"]
    assert invocation["executionSuccessful"] is False
    told = {one["message"]["text"]: one["level"] for one in invocation["toolExecutionNotifications"]}
    assert told == {
        f"stuck_upload on db.activities was skipped: {samples.NO_STATUS}": "note",
        "near_equal_ids on db.screenshots was stopped: the statement took longer than 30 min; raise --timeout": "error",
        "etag_mismatch on db.screenshots failed: access denied": "error",
    }
    assert read(samples.clean())["invocations"][0]["executionSuccessful"] is True


def test_a_cut_report_says_so() -> None:
    (invocation,) = read(samples.large(3))["invocations"]
    (told,) = invocation["toolExecutionNotifications"]
    assert told["message"]["text"] == "this report holds 3 of 1,234,567 findings"


def test_a_line_of_a_log_is_a_place_in_a_file() -> None:
    (location,) = logged("logs/app console%.log:88")["locations"]
    assert location["physicalLocation"] == {
        "artifactLocation": {"uri": "logs/app%20console%25.log"},
        "region": {"startLine": 88},
    }
    assert location["logicalLocations"][0] == {
        "fullyQualifiedName": "db.activities",
        "name": "activities",
        "kind": "resource",
    }
    (absolute,) = logged("/var/log/app.log:1")["locations"]
    assert absolute["physicalLocation"]["artifactLocation"]["uri"] == "file:///var/log/app.log"


@pytest.mark.parametrize("where", ["../../etc/passwd:1", "//evil.example/x:1", "app.log:0", "app.log", ":7", "a\nb:1"])
def test_what_is_no_place_in_a_file_is_a_name(where: str) -> None:
    found = logged(where)
    assert "physicalLocation" not in found["locations"][0]
    assert found["relatedLocations"][0]["logicalLocations"][0]["fullyQualifiedName"] == where


def test_a_scheme_in_a_file_name_is_no_scheme() -> None:
    (location,) = logged("javascript:alert(1):3")["locations"]
    assert location["physicalLocation"]["artifactLocation"]["uri"] == "javascript%3Aalert%281%29"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a {0} b", "a {{0}} b"),
        ("see [here](https://evil.example)", r"see \[here\](https://evil.example)"),
        ("a[0]", "a[0]"),
        ("\x1b[2J", r"\x1b[2J"),
    ],
)
def test_a_message_holds_no_placeholder_and_no_link(text: str, shown: str) -> None:
    assert result(message=text)["message"]["text"] == shown


def test_a_check_that_nobody_told_of_is_a_rule_all_the_same() -> None:
    run = read(samples.report([samples.finding("novel")], []))
    assert [(one["ruleId"], "ruleIndex" in one) for one in run["results"]] == [("novel", False)]
