"""What each check came to on each target: what fails, what is known or tolerated, and what nobody could say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from dedupaudit.model import SEVERITIES, Coverage, Finding, GoneFinding, Report, Severity, Tolerance
from dedupaudit.reports.words import folded, plural

Outcome = Literal["passed", "skipped", "error", "failure"]
Sort = Literal["failing", "known", "tolerated", "unknown", "in_grace"]

SHOWN = 20
"""Findings of each sort that a case keeps; the rest is counted."""


class Place(NamedTuple):
    """One check on one target; `*` stands for every check, or every target, of a source that could not be read."""

    source: str
    target: str
    check: str


@dataclass
class Case:
    """One check on one target, with what was found there."""

    place: Place
    coverage: list[Coverage] = field(default_factory=list)
    counts: Counter[Sort] = field(default_factory=Counter)
    shown: dict[Sort, list[Finding]] = field(default_factory=dict)
    severity: Severity = "low"
    """The worst of what fails."""
    gone: list[GoneFinding] = field(default_factory=list)
    tolerance: Tolerance | None = None
    cut: int = 0
    """Findings of this check, here or elsewhere, that the report does not hold and that may be new."""

    def add(self, finding: Finding) -> None:
        """Count a finding, and keep it where there is room."""
        sort = self._sort(finding)
        if sort == "failing" and SEVERITIES.index(finding.severity) < SEVERITIES.index(self.severity):
            self.severity = finding.severity
        self.counts[sort] += 1
        shown = self.shown.setdefault(sort, [])
        if len(shown) < SHOWN:
            shown.append(finding)

    def _sort(self, finding: Finding) -> Sort:
        if finding.verdict != "confirmed":
            return finding.verdict
        if finding.news == "known":
            return "known"
        return "tolerated" if self.tolerated else "failing"

    @property
    def tolerated(self) -> bool:
        """Whether a threshold allows what was found."""
        return self.tolerance is not None and not self.tolerance.exceeded

    @property
    def not_checked(self) -> list[Coverage]:
        """What was not looked at, and ought to have been."""
        return [row for row in self.coverage if row.status in ("failed", "stopped")]

    @property
    def outcome(self) -> Outcome:
        """What a reader has to know first. What nobody could say is never `passed`."""
        if self.counts["failing"]:
            return "failure"
        if self.not_checked or self.counts["unknown"] or self.cut:
            return "error"
        if self.counts["in_grace"] or not any(row.status == "checked" for row in self.coverage):
            return "skipped"
        return "passed"

    @property
    def kind(self) -> str:
        """One word for the outcome: a severity, a status, a verdict."""
        if self.counts["failing"]:
            return self.severity
        if self.not_checked:
            return self.not_checked[0].status
        if self.counts["unknown"]:
            return "unknown"
        return "truncated" if self.cut else "in_grace" if self.counts["in_grace"] else "skipped"

    @property
    def reasons(self) -> Iterator[str]:
        """Sentences that say why the outcome is what it is."""
        if self.counts["failing"]:
            yield f"{plural(self.counts['failing'], 'finding')}, worst: {self.shown['failing'][0].message}"
        for row in self.not_checked:
            yield f"the check {'failed' if row.status == 'failed' else 'was stopped'}: {row.reason or 'no reason told'}"
        if self.counts["unknown"]:
            yield f"{plural(self.counts['unknown'], 'finding')} could not be confirmed"
        if self.cut:
            yield (
                f"{plural(self.cut, 'finding')} of {self.place.check} are not in this report: "
                "make it with a larger --max-findings"
            )
        if self.counts["in_grace"]:
            yield f"{plural(self.counts['in_grace'], 'finding')} in grace"
        skipped = [row.reason or "no reason told" for row in self.coverage if row.status == "skipped"]
        if skipped:
            yield f"not checked: {folded(skipped, 3)}"
        if not self.coverage:
            yield "the report does not say that this check was run here"


def cases(report: Report) -> list[Case]:
    """Return every check on every target: in the order in which they ran, then what only findings speak of."""
    found: dict[Place, Case] = {}

    def case(source: str, target: str, check: str) -> Case:
        place = Place(source, target, check)
        return found.get(place) or found.setdefault(place, Case(place))

    for row in report.coverage:
        case(row.source, row.target, row.check).coverage.append(row)
    for tolerance in report.summary.thresholds:
        case(tolerance.source, tolerance.target, tolerance.check).tolerance = tolerance
    for gone in report.summary.changes.gone_findings if report.summary.changes else ():
        case(gone.source, gone.target, gone.check).gone.append(gone)
    seen: Counter[str] = Counter()
    new = 0
    for finding in report.findings:
        case(finding.source, finding.target, finding.check).add(finding)
        seen[finding.check] += 1
        new += finding.news == "new"
    if report.truncated:
        _say_cut(report, list(found.values()), seen, new)
    return list(found.values())


def _say_cut(report: Report, every: list[Case], seen: Counter[str], new: int) -> None:
    """Mark the cases in which findings may have been that are not in the report."""
    changes = report.summary.changes
    if changes is not None and new >= changes.new:
        return  # everything new is here
    for case in every:
        looked = any(row.status == "checked" for row in case.coverage)
        if looked and not case.tolerated:
            check = case.place.check
            case.cut = max(0, report.summary.by_check.get(check, 0) - seen[check])
