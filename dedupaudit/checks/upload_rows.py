"""What the three checks of upload states share: they apply to uploads, and report row by row."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from dedupaudit.checks.base import Check, Look, Skip, TableScan
from dedupaudit.model import Finding
from dedupaudit.sources.tables.protocol import SuspectRow

Judge = Callable[[TableScan, SuspectRow], Finding | None]


def not_an_upload(scan: TableScan) -> Skip | None:
    """Say that a table without a status has no states to check."""
    return None if scan.table.upload else Skip("the table has no upload status column")


def look_at_rows(scan: TableScan, check: Check, judge: Judge) -> Look:
    """Count the suspects in the survey, and read them only where there are some."""

    def findings() -> Iterator[Finding]:
        if scan.count_suspects(check.name):
            for row in scan.source.suspect_rows(scan.table, check.name):
                if finding := judge(scan, row):
                    yield finding

    return Look(findings(), "pushdown", "one pass over the table")
