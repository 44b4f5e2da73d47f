"""stuck_upload: pending or uploading for longer than --stuck-after."""

from __future__ import annotations

from dedupaudit.checks.base import Check, Look, TableScan, show_key
from dedupaudit.checks.upload_rows import Fault, look_at_rows, not_an_upload
from dedupaudit.sources.tables.protocol import SuspectRow
from dedupaudit.times import iso

_ADVICE = "the upload died: ask the client to send it again, or mark it failed"


def _look(scan: TableScan) -> Look:
    return look_at_rows(scan, CHECK, _judge)


def _judge(scan: TableScan, row: SuspectRow) -> Fault | None:
    since = row.updated if row.updated is not None else row.at
    if since is None:
        # Nobody knows whether this upload still runs.
        return Fault(f"is {show_key((row.status,))}, and no time says since when", _ADVICE, verdict="unknown")
    if (scan.now - since) / 1_000_000 <= scan.stuck_after:
        return None
    return Fault(f"has been {show_key((row.status,))} since {iso(since)}", _ADVICE, since)


CHECK = Check("stuck_upload", "medium", _look, suspects=True, applies=not_an_upload)
