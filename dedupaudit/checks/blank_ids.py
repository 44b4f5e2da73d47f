"""blank_ids: rows whose key has an empty part, or one of only white space."""

from __future__ import annotations

from collections.abc import Iterator

from dedupaudit.checks.base import Check, Look, Skip, TableScan
from dedupaudit.display import visible
from dedupaudit.model import Finding


def _look(scan: TableScan) -> Look | Skip:
    return Look(_findings(scan), "pushdown", "one pass over the table")


def _findings(scan: TableScan) -> Iterator[Finding]:
    rows = scan.tally.blank_ids = scan.count_suspects("blank_ids")
    if rows:
        names = ", ".join(map(visible, scan.table.key_names))
        yield scan.finding(
            CHECK,
            {},
            count=rows,
            message=f"{rows} row{'s have' if rows > 1 else ' has'} a blank ID: {names} is empty or only white space",
            suggestion="find out which client sends blank IDs; refuse them with a CHECK constraint",
        )


CHECK = Check("blank_ids", "medium", _look, suspects=True)
