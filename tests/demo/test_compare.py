"""A report that says the truth agrees with it, and every way of saying less, more or something else is named."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from dedupaudit.demo import Truth, disagreements
from dedupaudit.demo.truth import OBJECT_CHECKS, SCAN_CHECKS, STORE, Expected
from dedupaudit.model import Report
from tests.demo.conftest import Incident

Content = dict[str, Any]
SHOWN = "file:///somewhere/objects"
OF_KEYS = ("orphan_object", "shared_object", "multipart_leftover")
OF_ROWS = tuple(check for check in OBJECT_CHECKS if check not in OF_KEYS)


def right_report(truth: Truth) -> Content:
    """Return, as JSON, the report that says exactly what the truth says."""
    findings = [
        {
            "fingerprint": str(number),
            "check": told.check,
            "severity": "high",
            **place(told.target),
            "key": dict(told.key),
            "count": 1 if told.count is None else told.count,
            "class": told.row_class,
            "differs": list(told.differs),
            "message": "",
            "cause": cause(truth, told),
        }
        for number, told in enumerate(truth.findings)
    ]
    coverage = [
        {**place(table), "check": check, "status": "checked"}
        for table, checks in (
            *((table, SCAN_CHECKS) for table in truth.tables),
            ("screenshots", OF_ROWS),
            (STORE, OF_KEYS),
        )
        for check in checks
        if check != "index_disagrees"
    ]
    return {
        "tool": {"version": "0"},
        "run": {"id": "1", "command": "demo", "started_at": "", "finished_at": ""},
        "complete": True,
        "coverage": coverage,
        "summary": {
            "findings": len(findings),
            "by_check": {},
            "by_severity": {},
            "by_verdict": {},
            "tables": {f"db.{table}": told.model_dump() for table, told in truth.tables.items()},
            "objects": {SHOWN: store(truth)},
            "logs": logs(truth),
        },
        "findings": findings,
        "truncated": False,
    }


def place(target: str) -> Content:
    """Return source and target as a report has them: the store by its URL."""
    return {"source": "objects", "target": SHOWN} if target == STORE else {"source": "db", "target": target}


def store(truth: Truth) -> Content:
    told = truth.objects
    return {
        "rows": truth.tables["screenshots"].rows,
        "objects": told.stored,
        "bytes": told.bytes,
        "orphan_bytes": told.orphan_bytes,
        "missing_bytes": told.missing_bytes,
        **{check: sum(finding.check == check for finding in truth.findings) for check in OBJECT_CHECKS},
    }


def cause(truth: Truth, told: Expected) -> Content | None:
    """Return the cause that was planted."""
    if told.check not in ("duplicate_ids", "missing_object"):
        return None
    for case in truth.cases:
        if case.cause and case.table == told.target and told.key.get("id") in case.ids:
            return {"name": case.cause, "confidence": "proved", "why": "", "enabled_by": list(case.enabled_by)}
    return None


def logs(truth: Truth) -> Content:
    told = truth.logs
    return {
        "files": told.files,
        "lines": told.lines,
        "bytes": told.bytes,
        "events": {**told.events, "concurrent_wait": 0},
        "requeued_ids": len(told.requeued_ids),
        "repeatedly_received_ids": len(told.repeatedly_received_ids),
        "overlapping_ids": len(told.overlapping_ids),
    }


def differences(content: Content, truth: Truth) -> list[str]:
    return disagreements(Report.model_validate(content), truth)


def first(content: Content, check: str, **having: object) -> Content:
    found: Content = next(
        finding
        for finding in content["findings"]
        if finding["check"] == check and all(finding[name] == value for name, value in having.items())
    )
    return found


def test_the_right_report_agrees(incident: Incident) -> None:
    assert differences(right_report(incident.truth), incident.truth) == []


@pytest.mark.parametrize(
    "check",
    [
        *("duplicate_ids", "null_ids", "blank_ids", "near_equal_ids", "missing_unique", "illegal_state"),
        *("missing_object", "orphan_object", "size_mismatch", "shared_object", "unexpected_object", "misplaced_object"),
    ],
)
def test_a_finding_left_out_is_named(incident: Incident, check: str) -> None:
    content = right_report(incident.truth)
    content["findings"].remove(first(content, check))
    (sentence,) = differences(content, incident.truth)
    assert sentence.startswith(f"{check} on ")
    assert sentence.endswith("was planted and is not in the report")


def test_a_finding_that_nobody_planted_is_named(incident: Incident) -> None:
    content = right_report(incident.truth)
    content["findings"].append({**first(content, "duplicate_ids"), "key": {"id": "activity_1\x1b[31m"}})
    (sentence,) = differences(content, incident.truth)
    assert "was not planted" in sentence
    assert "\x1b" not in sentence


def test_a_finding_told_twice_is_named(incident: Incident) -> None:
    content = right_report(incident.truth)
    content["findings"].append(first(content, "stuck_upload"))
    (sentence,) = differences(content, incident.truth)
    assert "so often" in sentence


def test_a_key_of_another_type_is_another_key(incident: Incident) -> None:
    content = right_report(incident.truth)
    first(content, "null_ids")["key"] = {"id": None}
    assert len(differences(content, incident.truth)) == 2


def test_a_finding_of_a_check_that_should_find_nothing_is_named(incident: Incident) -> None:
    content = right_report(incident.truth)
    content["findings"].append({**first(content, "missing_unique"), "check": "invalid_index", "key": {"index": "x"}})
    (sentence,) = differences(content, incident.truth)
    assert sentence.startswith("invalid_index on ")


def fewer_rows(content: Content) -> None:
    first(content, "duplicate_ids", count=3)["count"] = 2


def milder_class(content: Content) -> None:
    first(content, "duplicate_ids", **{"class": "conflicting"})["class"] = "mergeable"


def other_column(content: Content) -> None:
    first(content, "duplicate_ids", differs=["data"])["differs"] = ["type"]


def weaker_verdict(content: Content) -> None:
    first(content, "stuck_upload")["verdict"] = "in_grace"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (fewer_rows, "count should be 3, and the report says 2"),
        (milder_class, "class should be conflicting, and the report says mergeable"),
        (other_column, "data should differ, the report says type"),
        (weaker_verdict, "verdict should be confirmed, and the report says in_grace"),
    ],
)
def test_a_finding_with_another_value_is_named(
    incident: Incident, change: Callable[[Content], object], says: str
) -> None:
    content = right_report(incident.truth)
    change(content)
    (sentence,) = differences(content, incident.truth)
    assert says in sentence


def test_the_order_of_findings_and_of_differing_columns_does_not_matter(incident: Incident) -> None:
    content = right_report(incident.truth)
    content["findings"].reverse()
    for finding in content["findings"]:
        finding["differs"].reverse()
    assert differences(content, incident.truth) == []


@pytest.mark.parametrize(
    "name", ["rows", "distinct_ids", "duplicate_ids", "duplicate_rows", "surplus_rows", "null_ids", "blank_ids"]
)
@pytest.mark.parametrize("wrong", [4_711, None])
def test_a_total_that_is_off_or_unknown_is_named(incident: Incident, name: str, wrong: int | None) -> None:
    content = right_report(incident.truth)
    content["summary"]["tables"]["db.screenshots"][name] = wrong
    true = getattr(incident.truth.tables["screenshots"], name)
    sentence = f"screenshots: {name} should be {true}, and the report says {wrong}"
    assert differences(content, incident.truth) == [sentence]


@pytest.mark.parametrize(
    "name", ["rows", "objects", "bytes", "orphan_bytes", "missing_bytes", "orphan_object", "etag_mismatch"]
)
@pytest.mark.parametrize("wrong", [4_711, None])
def test_a_total_of_the_store_that_is_off_or_unknown_is_named(incident: Incident, name: str, wrong: int | None) -> None:
    content = right_report(incident.truth)
    content["summary"]["objects"][SHOWN][name] = wrong
    sentence = f"objects: {name} should be {store(incident.truth)[name]}, and the report says {wrong}"
    assert differences(content, incident.truth) == [sentence]


def test_a_store_without_totals_is_named(incident: Incident) -> None:
    content = right_report(incident.truth)
    content["summary"]["objects"] = {SHOWN: store(incident.truth), "oss://other/": {}}
    assert differences(content, incident.truth) == [
        "the report should have the totals of one store, and has those of 2"
    ]


def test_an_objects_check_that_failed_is_named_without_the_folder(incident: Incident) -> None:
    content = right_report(incident.truth)
    for row in content["coverage"]:
        if row["check"] == "shared_object":
            row.update(status="failed", reason="disk")
    content["findings"].remove(first(content, "shared_object"))
    content["summary"]["objects"][SHOWN]["shared_object"] = None
    assert differences(content, incident.truth) == ["shared_object on objects failed: disk"]


def test_a_scan_alone_agrees_with_the_truth_too(incident: Incident) -> None:
    content = right_report(incident.truth)
    content["run"]["command"] = "scan"
    content["coverage"] = [row for row in content["coverage"] if row["check"] in SCAN_CHECKS]
    content["findings"] = [finding for finding in content["findings"] if finding["check"] in SCAN_CHECKS]
    del content["summary"]["objects"]
    assert differences(content, incident.truth) == []


def test_a_table_without_totals_is_named(incident: Incident) -> None:
    content = right_report(incident.truth)
    del content["summary"]["tables"]["db.processes"]
    assert differences(content, incident.truth) == ["the report has no totals of processes"]


def test_checks_that_were_not_asked_for_are_not_compared(incident: Incident) -> None:
    content = right_report(incident.truth)
    content["run"]["command"] = "scan"
    content["coverage"] = [row for row in content["coverage"] if row["check"] == "null_ids"]
    content["findings"] = [finding for finding in content["findings"] if finding["check"] == "null_ids"]
    for totals in content["summary"]["tables"].values():
        totals.update(dict.fromkeys(totals.keys() - {"null_ids"}))
    assert differences(content, incident.truth) == []


def test_a_later_commands_findings_are_no_business_of_this_truth(incident: Incident) -> None:
    content = right_report(incident.truth)
    content["findings"].append({**first(content, "missing_unique"), "check": "repeated_receive", "target": "logs"})
    assert differences(content, incident.truth) == []


def test_a_report_that_looked_at_nothing_does_not_agree(incident: Incident) -> None:
    content = right_report(incident.truth)
    content.update(coverage=[], findings=[])
    content["summary"]["tables"] = {}
    assert differences(content, incident.truth) == [
        *(f"no check looked at {table}" for table in incident.truth.tables),
        "no check looked at the objects",
    ]


@pytest.mark.parametrize(("status", "says"), [("failed", "failed: disk"), ("stopped", "was stopped: disk")])
def test_a_check_that_failed_or_was_stopped_is_named(incident: Incident, status: str, says: str) -> None:
    content = right_report(incident.truth)
    for row in content["coverage"]:
        if (row["target"], row["check"]) == ("processes", "near_equal_ids"):
            row.update(status=status, reason="disk")
    content["findings"].remove(first(content, "near_equal_ids", target="processes"))
    assert differences(content, incident.truth) == [f"near_equal_ids on processes {says}"]


def test_a_report_that_was_cut_short_says_how_to_get_the_rest(incident: Incident) -> None:
    content = right_report(incident.truth)
    content["truncated"] = True
    (sentence,) = differences(content, incident.truth)
    assert "--max-findings" in sentence


def test_a_wrong_cause_is_named(incident: Incident) -> None:
    content = right_report(incident.truth)
    first(content, "missing_object")["cause"]["name"] = "unexplained"
    (sentence,) = differences(content, incident.truth)
    assert sentence.endswith("the cause should be row_before_object, and the report says unexplained")


def test_a_cause_with_other_conditions_is_named(incident: Incident) -> None:
    content = right_report(incident.truth)
    first(content, "duplicate_ids", **{"class": "identical"})["cause"]["enabled_by"] = []
    (sentence,) = differences(content, incident.truth)
    assert sentence.endswith("let it happen, and the report says nothing")


@pytest.mark.parametrize(
    "name", ["files", "lines", "bytes", "requeued_ids", "repeatedly_received_ids", "overlapping_ids"]
)
def test_a_total_of_the_logs_that_is_off_is_named(incident: Incident, name: str) -> None:
    content = right_report(incident.truth)
    content["summary"]["logs"][name] += 1
    (sentence,) = differences(content, incident.truth)
    assert sentence.startswith(f"logs: {name} should be ")


def test_logs_that_were_not_read_are_named(incident: Incident) -> None:
    content = right_report(incident.truth)
    content["summary"]["logs"] = None
    assert differences(content, incident.truth) == ["no log was read"]
