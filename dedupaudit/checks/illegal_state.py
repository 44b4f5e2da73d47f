"""illegal_state: an upload whose status is none of the four, or NULL."""

from __future__ import annotations

from dedupaudit.checks.base import Check, Look, TableScan, show_key
from dedupaudit.checks.upload_rows import Fault, look_at_rows, not_an_upload
from dedupaudit.sources.tables.protocol import SuspectRow


def _look(scan: TableScan) -> Look:
    return look_at_rows(scan, CHECK, _judge)


def _judge(_scan: TableScan, row: SuspectRow) -> Fault:
    return Fault(
        f"has status {show_key((row.status,))}, not pending, uploading, completed or failed",
        "find who writes it; a CHECK constraint keeps it out",
        row.at,
    )


CHECK = Check("illegal_state", "medium", _look, suspects=True, applies=not_an_upload)
