"""The terminal's news: what is new, known and gone since the baseline, what is tolerated, and what was repaired."""

from __future__ import annotations

from dedupaudit.model import Changes, Report
from dedupaudit.reports.page import GOOD, HEADING, LOUD, QUIET, Page
from dedupaudit.reports.words import count, listed, parsed, place, plural

_GONE = 8
_REPAIRS = 5
_LABEL = 10


def say_changes(page: Page, report: Report) -> None:
    """Say what changed since the baseline; nothing without one."""
    changes = report.summary.changes
    if changes is None:
        return
    page.blank()
    page.line((f"COMPARED with {_baseline(page, changes)}", HEADING))
    new = listed({str(name): number for name, number in changes.new_by_severity.items()})
    page.labelled(
        ("new", LOUD if changes.new else QUIET), f"{changes.new:,}" + (f" ({new})" if new else ""), indent=_LABEL
    )
    page.labelled(("known", QUIET), f"{changes.known:,}", indent=_LABEL)
    page.labelled(("gone", GOOD if changes.gone else QUIET), f"{changes.gone:,}", indent=_LABEL)
    for finding in changes.gone_findings[:_GONE]:
        key = ", ".join(page.value(value) for value in finding.key.values())
        since = f" (known since {_day(page, finding.known_since)})" if finding.known_since else ""
        said = f"{page.value(finding.check)} on {page.value(place(finding.source, finding.target), 160)}"
        page.line(f"{said}{': ' if key else ''}{key}", (since, QUIET), indent=_LABEL)
    if changes.gone > min(len(changes.gone_findings), _GONE):
        rest = changes.gone - min(len(changes.gone_findings), _GONE)
        page.line((f"{page.more} and {rest:,} more", QUIET), indent=_LABEL)
    if changes.not_looked_at:
        page.labelled(
            ("open", HEADING),
            f"{changes.not_looked_at:,} that this run did not look at, or could not confirm: neither known nor gone",
            indent=_LABEL,
        )


def _baseline(page: Page, changes: Changes) -> str:
    if changes.baseline_run is None:
        return f"{page.value(changes.baseline)} (no earlier run: everything is new)"
    return f"{page.value(changes.baseline)}{page.dot}{_day(page, changes.baseline_at)}"


def _day(page: Page, moment: str | None) -> str:
    found = parsed(moment)
    return f"{found:%Y-%m-%d %H:%M} UTC" if found else page.value(moment or "")


def say_thresholds(page: Page, report: Report) -> None:
    """Say each configured threshold, and whether it is exceeded."""
    if not report.summary.thresholds:
        return
    page.blank()
    page.line(("THRESHOLDS", HEADING))
    for one in sorted(report.summary.thresholds, key=lambda one: not one.exceeded):
        page.labelled(
            ("EXCEEDED", LOUD) if one.exceeded else ("kept", QUIET),
            f"{page.value(place(one.source, one.target), 160)} {page.value(one.check)}: {count(one.rows)} of at most "
            f"{page.value(one.limit)}",
            indent=_LABEL,
        )


def say_repairs(page: Page, report: Report) -> None:
    """Say which runs of `repair` and `migrate` changed what was audited, and whether their figures agree."""
    if not report.repairs:
        return
    page.blank()
    page.line(("REPAIRED", HEADING))
    for one in report.repairs[:_REPAIRS]:
        holds = {True: ("proved", GOOD), False: ("BROKEN", LOUD), None: ("unproved", QUIET)}[one.holds]
        facts = [
            f"{one.kind} of {page.value(place(one.source, one.target), 160)}",
            page.value(one.state),
            f"{plural(one.rows_deleted, 'row')} moved" if one.rows_deleted is not None else "",
            _day(page, one.started_at),
        ]
        page.labelled(
            holds,
            (page.value(one.run), HEADING),
            "  " + page.dot.join(fact for fact in facts if fact),
            indent=_LABEL,
        )
    if len(report.repairs) > _REPAIRS:
        page.line((f"{page.more} and {len(report.repairs) - _REPAIRS:,} more", QUIET), indent=_LABEL)
