"""redundant_index: a unique index that repeats the primary key. It costs each insert and protects nothing more."""

from __future__ import annotations

from collections.abc import Iterator

from dedupaudit.checks.base import Check, Look, TableScan, without_indexes
from dedupaudit.display import visible
from dedupaudit.model import Finding
from dedupaudit.sources.tables.catalog import Index


def _look(scan: TableScan) -> Look:
    return Look(_findings(scan), "catalog")


def _findings(scan: TableScan) -> Iterator[Finding]:
    indexes = scan.table.catalog.indexes
    primary = next((index for index in indexes if index.primary), None)
    if primary is None:
        return
    for index in indexes:
        if _repeats(index, primary):
            columns = ", ".join(visible(str(column)) for column in index.columns)
            yield scan.finding(
                CHECK,
                {"index": index.name},
                count=1,
                message=f"unique index {visible(index.name)} repeats the primary key ({columns})",
                suggestion="drop it: the primary key is unique already",
                evidence=[scan.index(index, f"unique on ({columns})")],
            )


def _repeats(index: Index, primary: Index) -> bool:
    if index.primary or not index.unique or index.partial or index.prefix or not index.valid:
        return False
    parts = set(zip(index.columns, index.collations, strict=True))
    return parts == set(zip(primary.columns, primary.collations, strict=True))


CHECK = Check("redundant_index", "low", _look, applies=without_indexes)
