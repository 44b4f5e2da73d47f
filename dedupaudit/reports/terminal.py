"""`-f terminal`: what was found, how bad it is and what was not looked at, for a person who is in a hurry."""

from __future__ import annotations

from typing import TextIO

from dedupaudit.model import Report
from dedupaudit.reports import Style
from dedupaudit.reports.page import HEADING, QUIET, Page
from dedupaudit.reports.terminal_changes import say_changes, say_repairs, say_thresholds
from dedupaudit.reports.terminal_coverage import say_checked, say_not_checked, say_verdict
from dedupaudit.reports.terminal_explanation import say_explanation
from dedupaudit.reports.terminal_findings import say_findings
from dedupaudit.reports.terminal_logs import say_logs
from dedupaudit.reports.terminal_objects import say_objects
from dedupaudit.reports.terminal_tables import say_tables
from dedupaudit.reports.words import folded, length, parsed


def render(report: Report, out: TextIO, style: Style) -> None:
    """Write the report; the last line is the verdict, since that is the one still on the screen."""
    page = Page(style)
    _say_header(page, report)
    if report.explanation:
        say_explanation(page, report, report.explanation)
        out.write(page.text())
        return
    _say_five_lines(page, report)
    say_changes(page, report)
    say_tables(page, report)
    say_objects(page, report)
    say_logs(page, report)
    say_findings(page, report)
    say_thresholds(page, report)
    say_repairs(page, report)
    say_checked(page, report)
    say_not_checked(page, report)
    say_verdict(page, report)
    out.write(page.text())


def _say_five_lines(page: Page, report: Report) -> None:
    told = report.summary.five_lines
    if told is None:
        return
    page.blank()
    for label, text in (("WHAT", told.what), ("HOW MUCH", told.how_much), ("SINCE", told.since), ("WHY", told.why)):
        page.labelled((label, HEADING), page.prose(text), indent=10)
    page.labelled(("NEXT", HEADING), "\n".join(page.prose(command) for command in told.next), indent=10)


def _say_header(page: Page, report: Report) -> None:
    run = report.run
    started, finished = parsed(run.started_at), parsed(run.finished_at)
    facts = [
        folded((page.value(row.source) for row in report.coverage), 4),
        f"{started:%Y-%m-%d %H:%M:%S} UTC" if started else page.value(run.started_at),
        f"took {length((finished - started).total_seconds())}" if started and finished else "",
    ]
    said = page.dot.join(fact for fact in facts if fact)
    page.line((f"dedupaudit {page.value(run.command)}", HEADING), (page.dot + said, QUIET))
