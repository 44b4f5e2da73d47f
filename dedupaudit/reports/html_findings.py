"""The HTML page's findings: one pass over all that the report holds, of which the worst are kept."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from dedupaudit.display import visible
from dedupaudit.model import Evidence, Finding, KeyValue, Report
from dedupaudit.reports.words import place, raw

SHOWN = 1_000
_LONG = 100
_EVIDENCE = 12
_LESS_EVIDENCE = 3
"""Of the findings after the first `_LONG`: with all of it, a page could grow to ten times its size."""

_FINGERPRINT = re.compile("[0-9a-f]{64}")


@dataclass(frozen=True)
class FindingRow:
    """A finding as the page's table has it; `anchor` is what a link to it names."""

    finding: Finding
    anchor: str
    id: str
    where: str
    evidence: tuple[Evidence, ...]

    @property
    def left_out(self) -> int:
        """How many facts the page leaves to the JSON report."""
        return len(self.finding.evidence) - len(self.evidence)


@dataclass(frozen=True)
class Gathered:
    """The findings that the page shows, and what is known of all that the report holds."""

    rows: tuple[FindingRow, ...]
    held: int
    gaps: Counter[float]
    causes: Counter[str]
    first_at: str | None
    last_at: str | None
    checks: Counter[str]
    places: Counter[str]


def gather(report: Report) -> Gathered:
    """Return the worst findings, which come first, and what all of them come to."""
    rows: list[FindingRow] = []
    anchors: set[str] = set()
    gaps: Counter[float] = Counter()
    causes: Counter[str] = Counter()
    first: str | None = None
    last: str | None = None
    held = 0
    for finding in report.findings:
        held += 1
        if finding.gap_seconds is not None:
            gaps[finding.gap_seconds] += 1
        if finding.cause:
            causes[finding.cause.name] += 1
        if finding.first_at:
            first = min(first or finding.first_at, finding.first_at)
            last = max(last or "", finding.last_at or finding.first_at)
        if held <= SHOWN:
            rows.append(_row(finding, held, anchors))
    checks = Counter(row.finding.check for row in rows)
    return Gathered(tuple(rows), held, gaps, causes, first, last, checks, Counter(row.where for row in rows))


def _row(finding: Finding, number: int, anchors: set[str]) -> FindingRow:
    most = _EVIDENCE if number <= _LONG else _LESS_EVIDENCE
    anchor = next(one for one in _anchors(finding.fingerprint) if one not in anchors)
    anchors.add(anchor)
    return FindingRow(
        finding=finding,
        anchor=anchor,
        id=id_text(finding.key),
        where=visible(place(finding.source, finding.target)),
        evidence=_telling(finding.evidence, most),
    )


def _telling(evidence: tuple[Evidence, ...], most: int) -> tuple[Evidence, ...]:
    """Return so many facts, the first ones of each kind: ten rows must not push out the log line that proves why."""
    if len(evidence) <= most:
        return evidence
    of_kind: Counter[str] = Counter()
    ranked: list[tuple[int, int]] = []
    for number, fact in enumerate(evidence):
        ranked.append((of_kind[fact.kind], number))
        of_kind[fact.kind] += 1
    return tuple(evidence[number] for number in sorted(number for _, number in sorted(ranked)[:most]))


def _anchors(fingerprint: str) -> Iterator[str]:
    """Yield names for a finding: its fingerprint, unless a saved report holds something else, or the same one twice."""
    whole = (
        fingerprint
        if _FINGERPRINT.fullmatch(fingerprint)
        else hashlib.sha256(fingerprint.encode("utf-8", "replace")).hexdigest()
    )
    yield whole
    number = 2
    while True:
        yield f"{whole}-{number}"
        number += 1


def id_text(key: dict[str, KeyValue]) -> str:
    """Return the ID; of a composite key, each part under its column; of a finding about a whole table, nothing."""
    if len(key) == 1:
        return visible(raw(next(iter(key.values()))))
    parts = [f"{visible(name, 40)}={visible(raw(value), 60)}" for name, value in list(key.items())[:6]]
    return ", ".join(parts) + (f" and {len(key) - 6:,} more" if len(key) > 6 else "")
