"""`unexpected_object`: a row that is pending, uploading or failed, although its object is there."""

from __future__ import annotations

from collections.abc import Iterator

from dedupaudit.checks.base import show_key
from dedupaudit.checks.crossing import CrossScan, ObjectCheck
from dedupaudit.display import visible
from dedupaudit.model import Finding


def _findings(scan: CrossScan) -> Iterator[Finding]:
    for rows in scan.judged(CHECK):
        first = rows[0].suspect
        size = "" if first.object_size is None else f"{first.object_size:,} bytes"
        yield scan.row_finding(
            CHECK,
            rows,
            f"is {show_key((first.status,))}, and its object {visible(first.key)} is there",
            "the upload ended and its row was not told: compare the object's size and time before completing it",
            [scan.object(first.key, size, first.object_modified)],
        )


CHECK = ObjectCheck("unexpected_object", "low", "rows", _findings)
