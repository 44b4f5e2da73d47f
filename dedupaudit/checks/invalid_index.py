"""invalid_index: what a failed build left behind. It may enforce nothing, or refuse writes and still be no proof."""

from __future__ import annotations

from collections.abc import Iterator

from dedupaudit.checks.base import Check, Look, TableScan, without_indexes
from dedupaudit.display import visible
from dedupaudit.model import Finding


def _look(scan: TableScan) -> Look:
    return Look(_findings(scan), "catalog")


def _findings(scan: TableScan) -> Iterator[Finding]:
    for index in scan.table.catalog.indexes:
        if index.valid and index.ready:
            continue
        # PostgreSQL: not ready, it enforces nothing; ready and invalid, it refuses new duplicates all the same.
        effect = "refuses new duplicates all the same" if index.ready else "enforces nothing"
        yield scan.finding(
            CHECK,
            {"index": index.name},
            count=1,
            message=f"index {visible(index.name)} is invalid (its build failed) and {effect}",
            suggestion="drop it and build it again once the duplicates are gone",
            evidence=[scan.index(index, f"valid: {index.valid}, ready: {index.ready}")],
        )


CHECK = Check("invalid_index", "medium", _look, applies=without_indexes)
