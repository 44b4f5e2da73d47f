"""incomplete_row: completed without a key or URL, or an object's key on a row that was never completed."""

from __future__ import annotations

from dedupaudit.checks.base import Check, Look, Skip, TableScan, show_key
from dedupaudit.checks.upload_rows import look_at_rows, not_an_upload
from dedupaudit.display import visible
from dedupaudit.model import Finding
from dedupaudit.sources.tables.protocol import SuspectRow, Value
from dedupaudit.sources.tables.table import Upload


def _applies(scan: TableScan) -> Skip | None:
    upload = scan.table.upload
    if upload and not (upload.object_key or upload.object_url):
        return Skip("the table has no column for an object's key or URL")
    return not_an_upload(scan)


def _look(scan: TableScan) -> Look:
    return look_at_rows(scan, CHECK, _judge)


def _judge(scan: TableScan, row: SuspectRow) -> Finding | None:
    if scan.table.upload is None:
        return None
    if row.status == "completed":
        missing = " and ".join(_missing(scan.table.upload, row))
        what = f"is completed, but {missing} is empty: its user gets a 404"
        advice = "look for its object; if it exists, fill in the row, else mark it failed"
    else:
        what = f"is {row.status}, and yet names an object"
        advice = "look for its object; if it exists, complete the row, else clear its key"
    return scan.finding(
        CHECK,
        scan.key_of(row.key),
        count=1,
        message=f"{show_key(row.key)} {what}",
        suggestion=advice,
        evidence=[scan.row(row.locator, row.at, f"status {row.status}")],
    )


def _missing(upload: Upload, row: SuspectRow) -> list[str]:
    pairs = ((upload.object_key, row.object_key), (upload.object_url, row.object_url))
    return [visible(column.name) for column, value in pairs if column and _blank(value)]


def _blank(value: Value) -> bool:
    return value is None or (isinstance(value, str | bytes) and not value.strip())


CHECK = Check("incomplete_row", "medium", _look, suspects=True, applies=_applies)
