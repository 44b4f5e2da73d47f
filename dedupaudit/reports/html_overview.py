"""The HTML page's first screen: the verdict's colour, the figures to be seen first, what happened; and its coverage."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from dedupaudit.model import Coverage, Report
from dedupaudit.reports.html_findings import Gathered
from dedupaudit.reports.verdict import Verdict
from dedupaudit.reports.words import count, listed, parsed, percent, place, plural

Tone = Literal["bad", "warn", "good", "plain"]

_TONES: dict[str, Tone] = {
    "INCOMPLETE": "warn",
    "FOUND": "bad",
    "clean": "good",
    "nothing was checked": "warn",
    "proved": "good",
    "BROKEN": "bad",
    "not proved": "warn",
}
_NAMED = 6


@dataclass(frozen=True)
class Tile:
    """A figure to be seen at a glance, and what it is."""

    figure: str
    what: str
    more: str
    tone: Tone


@dataclass(frozen=True)
class Missed:
    """Checks that did not look, for one reason."""

    status: str
    reason: str
    rows: tuple[Coverage, ...]


def tone(report: Report, told: Verdict) -> Tone:
    """Return the colour of the verdict; findings that are all in grace are no alarm."""
    if report.explanation:
        return "bad" if report.explanation.cause else "plain"
    return _TONES[told.word] if told.loud or told.word != "FOUND" else "plain"


def tiles(report: Report) -> list[Tile]:
    """Return the figures of the first screen."""
    summary = report.summary
    severities = listed({str(name): number for name, number in summary.by_severity.items()})
    found = summary.findings
    made = []
    # Where nobody looked (in a repair's own page, or where nothing could be read) nobody found 0.
    if found or any(row.status == "checked" for row in report.coverage):
        made.append(
            Tile(count(found), "finding" if found == 1 else "findings", severities, "bad" if found else "plain")
        )
    if changes := summary.changes:
        others = f"{changes.known:,} known, {changes.gone:,} gone"
        made.append(Tile(count(changes.new), "new", others, "bad" if changes.new else "plain"))
    counted = [table for table in summary.tables.values() if table.surplus_rows is not None]
    if counted:
        surplus = sum(table.surplus_rows or 0 for table in counted)
        worst = max(table.inflation or 0 for table in counted)
        more = f"up to {percent(worst)} counted too many" if worst else ""
        made.append(Tile(count(surplus), "surplus rows", more, "bad" if surplus else "plain"))
    if report.coverage:
        failed = sum(row.status in ("failed", "stopped") for row in report.coverage)
        skipped = sum(row.status == "skipped" for row in report.coverage)
        done = len(report.coverage) - failed - skipped
        more = f"{done:,} done" + (f", {skipped:,} skipped" if skipped else "")
        made.append(Tile(count(failed), "checks failed or stopped", more, "warn" if failed else "plain"))
    return made


def told(report: Report, gathered: Gathered) -> list[tuple[str, str]]:
    """Return what happened, a sentence for each question: the report's own, or what its figures say."""
    lines = report.summary.five_lines
    if lines:
        return [("What", lines.what), ("How much", lines.how_much), ("Since", lines.since), ("Why", lines.why)]
    if not report.summary.findings:
        return []
    said = [
        ("What", _checks(report)),
        ("How much", _inflated(report)),
        ("Since", _since(gathered)),
        ("Why", _why(gathered)),
    ]
    return [(label, text) for label, text in said if text]


def _checks(report: Report) -> str:
    by_check = [(name, number) for name, number in report.summary.by_check.items() if number]
    worst = sorted(by_check, key=lambda one: -one[1])[:_NAMED]
    rest = len(by_check) - len(worst)
    return listed(dict(worst)) + (f" and {plural(rest, 'more check')}" if rest else "")


def _inflated(report: Report) -> str:
    tables = [(label, table) for label, table in report.summary.tables.items() if table.surplus_rows]
    tables.sort(key=lambda one: -(one[1].surplus_rows or 0))
    said = [
        f"{label}: {plural(table.surplus_rows or 0, 'surplus row')}"
        + (f", {percent(table.inflation)} counted too many" if table.inflation else "")
        for label, table in tables[:_NAMED]
    ]
    rest = len(tables) - len(said)
    return "; ".join(said) + (f"; and {plural(rest, 'more table')}" if rest else "")


def _since(gathered: Gathered) -> str:
    first, last = parsed(gathered.first_at), parsed(gathered.last_at)
    return f"the first is of {first:%Y-%m-%d %H:%M}, the last of {last:%Y-%m-%d %H:%M} (UTC)" if first and last else ""


def _why(gathered: Gathered) -> str:
    return listed(dict(gathered.causes.most_common(_NAMED)))


def missed(report: Report) -> list[Missed]:
    """Return what was not looked at, by its reason: what failed first, then what did not apply."""
    reasons: dict[tuple[str, str], list[Coverage]] = {}
    for status in ("failed", "stopped", "skipped"):
        for row in report.coverage:
            if row.status == status:
                reasons.setdefault((status, row.reason or "no reason was given"), []).append(row)
    return [Missed(status, reason, tuple(rows)) for (status, reason), rows in reasons.items()]


def ran(report: Report) -> list[tuple[str, list[Coverage]]]:
    """Return the checks that looked, by where they did."""
    grouped: dict[str, list[Coverage]] = {}
    for row in _checked(report):
        grouped.setdefault(place(row.source, row.target), []).append(row)
    return list(grouped.items())


def _checked(report: Report) -> Iterable[Coverage]:
    return (row for row in report.coverage if row.status == "checked")
