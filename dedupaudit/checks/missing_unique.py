"""missing_unique: nothing in the database truly keeps the key unique."""

from __future__ import annotations

from collections.abc import Iterator

from dedupaudit.checks.base import Check, Look, Skip, TableScan
from dedupaudit.display import visible
from dedupaudit.model import Finding
from dedupaudit.sources.tables.catalog import guard, shortfall


def _look(scan: TableScan) -> Look | Skip:
    if scan.table.catalog.kind != "table":
        return Skip(f"a {scan.table.catalog.kind} cannot carry a unique constraint")
    return Look(_findings(scan), "catalog")


def _findings(scan: TableScan) -> Iterator[Finding]:
    table = scan.table
    if guard(table.catalog, table.key):
        return
    names = ", ".join(map(visible, table.key_names))
    near = [
        scan.index(index, f"does not: {reason}")
        for index in table.catalog.indexes
        if {column for column in index.columns if column} & set(table.key_names)
        and (reason := shortfall(index, table.key))
    ]
    # An empty table has nothing to damage yet: said, but no reason to fail a run.
    empty = scan.source.is_empty(table)
    yield scan.finding(
        CHECK,
        {},
        count=1,
        verdict="in_grace" if empty else "confirmed",
        message=f"no constraint keeps {names} unique: the next retry becomes another row",
        suggestion=f"remove the duplicates and add a unique constraint on ({names}):"
        " `dedupaudit migrate plan` shows each step",
        evidence=near,
    )


CHECK = Check("missing_unique", "medium", _look)
