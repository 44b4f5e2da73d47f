"""What the three checks of upload states share: they apply to uploads, and report ID by ID."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby

from dedupaudit.checks.base import EVIDENCE_LIMIT, Check, Look, Skip, TableScan, show_key
from dedupaudit.checks.duplicates import key_rank
from dedupaudit.model import Finding, Verdict
from dedupaudit.sources.tables.protocol import SuspectRow


@dataclass(frozen=True)
class Fault:
    """What is wrong with one row: said of its ID (`is completed, but …`), with the time to show."""

    what: str
    advice: str
    at: int | None = None
    verdict: Verdict = "confirmed"


Judge = Callable[[TableScan, SuspectRow], Fault | None]


def not_an_upload(scan: TableScan) -> Skip | None:
    """Say that a table without a status has no states to check."""
    return None if scan.table.upload else Skip("the table has no upload status column")


def look_at_rows(scan: TableScan, check: Check, judge: Judge) -> Look:
    """Count the suspects in the survey, read them only where there are some, and judge each.

    The rows of one ID are one finding: its fingerprint is the ID's, and must not occur twice.
    """

    def findings() -> Iterator[Finding]:
        if not scan.count_suspects(check.name):
            return
        rows = scan.source.suspect_rows(scan.table, check.name)
        for _key, same_id in groupby(rows, key=lambda row: key_rank(row.key)):
            faults = ((row, fault) for row in same_id if (fault := judge(scan, row)))
            if finding := _finding(scan, check, faults):
                yield finding

    return Look(findings(), "pushdown", "one pass over the table")


def _finding(scan: TableScan, check: Check, faults: Iterable[tuple[SuspectRow, Fault]]) -> Finding | None:
    rows = 0
    worst: Fault | None = None
    evidence = []
    for row, fault in faults:
        key, rows = row.key, rows + 1
        if worst is None or (worst.verdict, fault.verdict) == ("unknown", "confirmed"):
            worst = fault
        if rows <= EVIDENCE_LIMIT:
            evidence.append(scan.row(row.locator, fault.at, f"status {show_key((row.status,))}"))
    if worst is None:
        return None
    more = f" ({rows} rows of this ID)" if rows > 1 else ""
    return scan.finding(
        check,
        scan.key_of(key),
        count=rows,
        verdict=worst.verdict,
        message=f"{show_key(key)} {worst.what}{more}",
        suggestion=worst.advice,
        evidence=evidence,
    )
