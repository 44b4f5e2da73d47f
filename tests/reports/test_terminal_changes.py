"""What the terminal says of a baseline, of thresholds, and of repairs."""

from __future__ import annotations

from io import StringIO
from typing import Any

from dedupaudit.model import Report
from dedupaudit.reports import FORMATS, Style
from tests.reports.golden import golden_report


def said(report: Report, **style: Any) -> str:
    out = StringIO()
    FORMATS["terminal"](report, out, Style(**style))
    return out.getvalue()


def changed(**update: Any) -> Report:
    report = golden_report()
    assert report.summary.changes
    changes = report.summary.changes.model_copy(update=update)
    summary = report.summary.model_copy(update={"changes": changes})
    return Report.model_validate(report.model_copy(update={"summary": summary}).model_dump(by_alias=True))


def test_what_is_new_known_and_gone_is_said_before_anything_else_and_in_the_verdict() -> None:
    text = said(golden_report(), width=100)
    begin = text.index("COMPARED with")
    assert begin < text.index("duplicate_ids")
    part = text[begin:].split("\n\n")[0]
    assert "new       1 (1 high)" in part
    assert "gone      1" in part
    assert "duplicate_ids on db.activities: activity_1766550000000 (known since" in part
    assert ", 1 of them new" in text.strip().rpartition("\n\n")[2].replace("\n", " ")


def test_a_new_finding_is_marked_and_stands_before_a_known_one_of_more_rows() -> None:
    lines = said(golden_report(), width=140).splitlines()
    marked = [line for line in lines if "  NEW" in line]
    assert len(marked) == 1
    assert "activity_1766557428498" in marked[0]


def test_a_quiet_night_says_that_nothing_is_new() -> None:
    assert "none of them new" in said(changed(new=0)).replace("\n", " ")


def test_the_first_run_says_that_there_is_none_before_it() -> None:
    assert "no earlier run: everything is new" in said(changed(baseline_run=None))


def test_of_many_gone_findings_the_rest_is_counted() -> None:
    assert "and 41 more" in said(changed(gone=42), width=100)


def test_an_exceeded_threshold_goes_first() -> None:
    text = said(golden_report(), width=100)
    assert text.index("EXCEEDED  db.activities duplicate_ids: 3 of at most 0.001%") < text.index("kept")


def test_a_repair_is_told_with_whether_its_proof_holds() -> None:
    report = golden_report()
    assert "proved    20251224T120000Z-5e6f7a8b  repair of db.activities" in said(report, width=120)
    broken = report.repairs[0].model_copy(update={"holds": False})
    assert "BROKEN" in said(report.model_copy(update={"repairs": (broken,)}))
