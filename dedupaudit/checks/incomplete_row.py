"""incomplete_row: completed without a key or URL, or an object's key on a row that was never completed."""

from __future__ import annotations

from dedupaudit.checks.base import Check, Look, Skip, TableScan, show_key
from dedupaudit.checks.upload_rows import Fault, look_at_rows, not_an_upload
from dedupaudit.display import visible
from dedupaudit.sources.tables.protocol import SuspectRow, Value


def _applies(scan: TableScan) -> Skip | None:
    upload = scan.table.upload
    if upload and not (upload.object_key or upload.object_url):
        return Skip("the table has no column for an object's key or URL")
    return not_an_upload(scan)


def _look(scan: TableScan) -> Look:
    return look_at_rows(scan, CHECK, _judge)


def _judge(scan: TableScan, row: SuspectRow) -> Fault:
    if row.status == "completed":
        return Fault(
            f"is completed without {' and '.join(_missing(scan, row))}: its user gets a 404",
            "look for its object; if it exists, fill in the row, else mark it failed",
            row.at,
        )
    return Fault(
        f"is {show_key((row.status,))}, and yet names an object",
        "look for its object; if it exists, complete the row, else clear its key",
        row.at,
    )


def _missing(scan: TableScan, row: SuspectRow) -> list[str]:
    upload = scan.table.upload
    pairs = ((upload.object_key, row.object_key), (upload.object_url, row.object_url)) if upload else ()
    return [visible(column.name) for column, value in pairs if column and _blank(value)]


def _blank(value: Value) -> bool:
    return value is None or (isinstance(value, str | bytes) and not value.strip())


CHECK = Check("incomplete_row", "medium", _look, suspects=True, applies=_applies)
