"""null_ids: rows whose key has a NULL part. A unique index lets any number of them in."""

from __future__ import annotations

from collections.abc import Iterator

from dedupaudit.checks.base import Check, Look, Skip, TableScan
from dedupaudit.display import visible
from dedupaudit.model import Finding


def _look(scan: TableScan) -> Look | Skip:
    if scan.table.key_never_null and not scan.distrust_indexes:
        scan.tally.null_ids = 0
        return Look((), "catalog", "no part of the key can be NULL")
    return Look(_findings(scan), "pushdown", "one pass over the table")


def _findings(scan: TableScan) -> Iterator[Finding]:
    rows = scan.count_suspects("null_ids")
    if rows:
        names = ", ".join(map(visible, scan.table.key_names))
        yield scan.finding(
            CHECK,
            {},
            count=rows,
            message=f"{rows} row{'s have' if rows > 1 else ' has'} no ID: {names} is NULL",
            suggestion="find out which client sends no ID; then make the column NOT NULL",
        )


CHECK = Check("null_ids", "medium", _look, suspects=True)
