"""stuck_upload: pending or uploading for longer than --stuck-after."""

from __future__ import annotations

from dedupaudit.checks.base import Check, Look, TableScan, show_key
from dedupaudit.checks.upload_rows import look_at_rows, not_an_upload
from dedupaudit.model import Finding
from dedupaudit.sources.tables.protocol import SuspectRow
from dedupaudit.times import iso
from dedupaudit.units import show_duration


def _look(scan: TableScan) -> Look:
    return look_at_rows(scan, CHECK, _judge)


def _judge(scan: TableScan, row: SuspectRow) -> Finding | None:
    since = row.updated if row.updated is not None else row.at
    if since is None:
        return _finding(scan, row, f"{show_key(row.key)} is {row.status}, and no time says since when")
    if (scan.now - since) / 1_000_000 <= scan.stuck_after:
        return None
    age = show_duration((scan.now - since) / 1_000_000)
    return _finding(scan, row, f"{show_key(row.key)} has been {row.status} for {age}, since {iso(since)}", since)


def _finding(scan: TableScan, row: SuspectRow, message: str, since: int | None = None) -> Finding:
    return scan.finding(
        CHECK,
        scan.key_of(row.key),
        count=1,
        # Without a time nobody knows whether the upload still runs.
        verdict="unknown" if since is None else "confirmed",
        message=message,
        suggestion="the upload died: ask the client to send it again, or mark it failed",
        evidence=[scan.row(row.locator, since, f"status {row.status}")],
    )


CHECK = Check("stuck_upload", "medium", _look, suspects=True, applies=not_an_upload)
