"""index_disagrees: a valid unique index, and yet duplicates in the table. The index is corrupt."""

from __future__ import annotations

from collections.abc import Iterator

from dedupaudit.checks.base import Check, Look, Skip, TableScan
from dedupaudit.display import visible
from dedupaudit.model import Finding
from dedupaudit.sources.tables.catalog import guard, shortfall


def _look(scan: TableScan) -> Look | Skip:
    if not scan.distrust_indexes:
        return Skip("looked for only with --distrust-indexes: it reads every row")
    if guard(scan.table.catalog, scan.table.key) is None:
        return Skip("no unique index claims to keep the key unique")
    return Look(_findings(scan), "pushdown", "every row was read without using an index")


def _findings(scan: TableScan) -> Iterator[Finding]:
    keys = _duplicated_keys(scan)
    if not keys:
        return
    table = scan.table
    for index in table.catalog.indexes:
        if shortfall(index, table.key) is None:
            text = f"claims to be unique, and {keys} key{'s repeat' if keys > 1 else ' repeats'}"
            yield scan.finding(
                CHECK,
                {"index": index.name},
                count=keys,
                message=f"unique index {visible(index.name)} {text}: it is corrupt",
                suggestion="take a backup, remove the duplicates, then rebuild the index and check the disk",
                evidence=[scan.index(index, text)],
            )


def _duplicated_keys(scan: TableScan) -> int:
    if scan.tally.duplicate_ids is not None:
        return scan.tally.duplicate_ids
    rows = scan.source.duplicate_rows(scan.table)
    keys = left = 0
    for row in rows:
        if left == 0:
            keys, left = keys + 1, row.n
        left -= 1
    return keys


CHECK = Check("index_disagrees", "high", _look)
