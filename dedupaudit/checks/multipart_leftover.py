"""`multipart_leftover`: an upload in parts that was begun and never ended: its parts are paid for."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from dedupaudit.checks.crossing import CrossScan, ObjectCheck
from dedupaudit.display import visible
from dedupaudit.model import Finding, Verdict


def _findings(scan: CrossScan) -> Iterator[Finding]:
    uploads = sorted(scan.uploads, key=lambda one: (one.key, one.initiated, one.upload_id))
    for key, same in groupby(uploads, key=lambda one: one.key):
        begun = list(same)
        size, parts = sum(one.size for one in begun), sum(one.parts for one in begun)
        young = all(one.initiated > scan.young_after for one in begun)
        verdict: Verdict = "in_grace" if young else "confirmed"
        scan.weigh(CHECK, size)
        uploads_of = "an upload was" if len(begun) == 1 else f"{len(begun)} uploads were"
        why = ": younger than the grace period, it may still go on" if young else ""
        yield scan.object_finding(
            CHECK,
            key,
            count=parts,
            verdict=verdict,
            message=f"{uploads_of} begun for {visible(key)} and not ended: {parts:,} parts, {size:,} bytes{why}",
            suggestion="abort it where no client goes on with it; a lifecycle rule does so after some days",
            evidence=tuple(
                scan.object(
                    key, f"upload {visible(one.upload_id)}, {one.parts:,} parts, {one.size:,} bytes", one.initiated
                )
                for one in begun[:10]
            ),
        )


CHECK = ObjectCheck("multipart_leftover", "low", "objects", _findings, looks_at=False)
