"""`-f csv`: a row for each finding, with the columns of `--findings`, safe in a spreadsheet."""

from __future__ import annotations

import json
from pathlib import Path

from dedupaudit.reports.findings import open_findings
from tests.reports import parsing, samples
from tests.reports.golden import assert_golden, golden_report


def test_the_golden_file() -> None:
    assert_golden("findings.csv", parsing.rendered(golden_report(), "csv"))


def test_rows_say_what_the_findings_say() -> None:
    report = golden_report()
    rows = parsing.csv_rows(parsing.rendered(report, "csv"))
    assert [row["fingerprint"] for row in rows] == [one.fingerprint for one in report.findings]
    assert [row["news"] for row in rows] == ["new", "known", "known", "", "known"]
    assert rows[1]["known_since"] == "2025-12-22T02:00:09.700Z"
    assert json.loads(rows[0]["key"]) == {"activity_id": "activity_1766557428498"}


def test_it_is_what_findings_writes(tmp_path: Path) -> None:
    report = samples.hostile()
    with open_findings(tmp_path / "all.csv", "64MB") as sink:
        for finding in report.findings:
            sink.write(finding)
    assert (tmp_path / "all.csv").read_bytes() == parsing.rendered(report, "csv").encode()


def test_no_findings_make_a_header() -> None:
    text = parsing.rendered(samples.clean(), "csv")
    assert text.startswith("fingerprint,check,")
    assert parsing.csv_rows(text) == []


def test_in_ascii_what_is_beyond_it_is_an_escape() -> None:
    report = samples.report([samples.duplicate(message="ID ü was stored 3 times")])
    (row,) = parsing.csv_rows(parsing.in_ascii(report, "csv"))
    assert row["message"] == r"ID \xfc was stored 3 times"
