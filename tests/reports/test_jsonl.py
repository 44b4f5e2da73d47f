"""`-f jsonl`: a line for each finding, exactly as the JSON report has it."""

from __future__ import annotations

import json
from pathlib import Path

from dedupaudit.model import Report
from dedupaudit.reports.findings import open_findings
from tests.reports import parsing, samples
from tests.reports.golden import assert_golden, golden_report


def of_the_report(report: Report) -> list[object]:
    found: list[object] = json.loads(parsing.rendered(report, "json"))["findings"]
    return found


def test_the_golden_file() -> None:
    assert_golden("findings.jsonl", parsing.rendered(golden_report(), "jsonl"))


def test_each_line_is_a_finding_of_the_report() -> None:
    for report in (golden_report(), samples.hostile()):
        assert parsing.jsonl(parsing.rendered(report, "jsonl")) == of_the_report(report)
        assert parsing.jsonl(parsing.in_ascii(report, "jsonl")) == of_the_report(report)


def test_it_is_what_findings_writes(tmp_path: Path) -> None:
    report = samples.hostile()
    with open_findings(tmp_path / "all.jsonl", "64MB") as sink:
        for finding in report.findings:
            sink.write(finding)
    assert (tmp_path / "all.jsonl").read_bytes() == parsing.rendered(report, "jsonl").encode()


def test_no_findings_make_no_line() -> None:
    assert parsing.rendered(samples.clean(), "jsonl") == ""
