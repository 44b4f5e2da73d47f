"""`etag_mismatch`: an object whose content is another than its row says, where both are told as an MD5."""

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
            f"says MD5 {first.etag}, and its object has {first.object_etag}",
            "open the object: its content is not what was uploaded for this row",
            [scan.object(first.key, f"ETag {first.object_etag}", first.object_modified)],
        )


CHECK = ObjectCheck("etag_mismatch", "high", "rows", _findings)
