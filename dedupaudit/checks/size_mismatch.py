"""`size_mismatch`: an object that has another size than its row says."""

from __future__ import annotations

from collections.abc import Iterator

from dedupaudit.checks.crossing import CrossScan, ObjectCheck
from dedupaudit.model import Finding


def _findings(scan: CrossScan) -> Iterator[Finding]:
    for rows in scan.judged(CHECK):
        first = rows[0].suspect
        yield scan.row_finding(
            CHECK,
            rows,
            f"says {first.size:,} bytes, and its object has {first.object_size:,}",
            "open the object: another picture may lie over this one, or the upload was cut short",
            [scan.object(first.key, f"{first.object_size:,} bytes", first.object_modified)],
        )


CHECK = ObjectCheck("size_mismatch", "high", "rows", _findings)
