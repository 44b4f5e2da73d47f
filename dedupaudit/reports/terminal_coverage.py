"""The terminal's coverage: what was looked at and how, what was not and why, and the verdict over both."""

from __future__ import annotations

from collections.abc import Iterable

from dedupaudit.model import Coverage, Report
from dedupaudit.reports.page import GOOD, HEADING, LOUD, QUIET, Page
from dedupaudit.reports.verdict import verdict
from dedupaudit.reports.words import folded, place

_NAMES = 12
_LABEL = 10
_TELLING = ("duplicate_ids", "missing_object", "orphan_object")
"""The checks whose way of looking is told: the others looked the same way, or had less to read."""


def say_checked(page: Page, report: Report) -> None:
    """Say which checks ran on which tables; tables on which the same ones ran share a line."""
    ran: dict[tuple[str, ...], list[str]] = {}
    for label, rows in _by_target(page, (row for row in report.coverage if row.status == "checked")).items():
        ran.setdefault(tuple(dict.fromkeys(row.check for row in rows)), []).append(label)
    if not ran:
        return
    page.blank()
    page.line(("CHECKED", HEADING))
    for checks, labels in ran.items():
        page.line((folded(labels, 6), HEADING), f": {', '.join(page.value(check) for check in checks)}", indent=2)
    ways: dict[str, list[str]] = {}
    for row in report.coverage:
        if row.status == "checked" and row.check in _TELLING and row.strategy:
            why = f": {page.prose(row.why)}" if row.why else ""
            ways.setdefault(f"{row.strategy}{why}", []).append(_label(page, row))
    for way, labels in list(ways.items())[:_NAMES]:
        page.line((f"{way} ({folded(labels, 6)})", QUIET), indent=2)
    if len(ways) > _NAMES:
        page.line((f"{page.more} and {len(ways) - _NAMES:,} more", QUIET), indent=2)


def say_not_checked(page: Page, report: Report) -> None:
    """Say first and loudly what failed, then in few lines what did not apply."""
    missed = [row for row in report.coverage if row.status != "checked"]
    if not missed:
        return
    page.blank()
    page.line(("NOT CHECKED", LOUD if any(row.status != "skipped" for row in missed) else HEADING))
    for status in ("failed", "stopped", "skipped"):
        loud = status != "skipped"
        reasons: dict[str, list[Coverage]] = {}
        for row in missed:
            if row.status == status:
                reasons.setdefault(page.prose(row.reason or "no reason was given"), []).append(row)
        for reason, rows in reasons.items():
            page.labelled(
                (status.upper() if loud else status, LOUD if loud else QUIET),
                (_what(page, rows), HEADING if loud else QUIET),
                (f": {reason}", "" if loud else QUIET),
                indent=_LABEL,
            )


def _what(page: Page, rows: list[Coverage]) -> str:
    """Return checks and tables of one reason: `stuck_upload, illegal_state on db.activities, db.processes`."""
    checks = folded((page.value(row.check) for row in rows if row.check != "*"), _NAMES)
    labels = folded((_label(page, row) for row in rows), 6)
    return f"{checks} on {labels}" if checks else labels


def say_verdict(page: Page, report: Report) -> None:
    """Say in the last line what was found and whether everything was looked at."""
    page.blank()
    told = verdict(report)
    style = LOUD if told.loud else f"bold {GOOD}" if told.word == "clean" else HEADING
    page.line((told.word, style), f": {told.rest}" if told.rest else "")


def _by_target(page: Page, rows: Iterable[Coverage]) -> dict[str, list[Coverage]]:
    grouped: dict[str, list[Coverage]] = {}
    for row in rows:
        grouped.setdefault(_label(page, row), []).append(row)
    return grouped


def _label(page: Page, row: Coverage) -> str:
    return page.value(place(row.source, row.target), 160)
