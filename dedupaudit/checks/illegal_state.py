"""illegal_state: an upload whose status is none of the four, or NULL."""

from __future__ import annotations

from dedupaudit.checks.base import Check, Look, TableScan, show_key
from dedupaudit.checks.upload_rows import look_at_rows, not_an_upload
from dedupaudit.model import Finding
from dedupaudit.sources.tables.protocol import SuspectRow


def _look(scan: TableScan) -> Look:
    return look_at_rows(scan, CHECK, _judge)


def _judge(scan: TableScan, row: SuspectRow) -> Finding:
    status = "NULL" if row.status is None else show_key((row.status,))
    return scan.finding(
        CHECK,
        scan.key_of(row.key),
        count=1,
        message=f"{show_key(row.key)} has status {status}, not pending, uploading, completed or failed",
        suggestion="find who writes it; a CHECK constraint keeps it out",
        evidence=[scan.row(row.locator, row.at, f"status {status}")],
    )


CHECK = Check("illegal_state", "medium", _look, suspects=True, applies=not_an_upload)
