"""`orphan_object`: an object that no row knows: it is paid for, and nobody will ever open it."""

from __future__ import annotations

from collections.abc import Iterator

from dedupaudit.checks.crossing import CrossScan, ObjectCheck
from dedupaudit.checks.near_key import difference
from dedupaudit.display import visible
from dedupaudit.model import Finding, Verdict


def _findings(scan: CrossScan) -> Iterator[Finding]:
    for stray in scan.crossing.strays():
        verdict: Verdict = "confirmed"
        why = ""
        if stray.modified > scan.young_after:
            verdict, why = "in_grace", ": it is younger than the grace period, and its row may be on its way"
        elif scan.unsure or stray.unseen:
            verdict, why = "unknown", f": {scan.unsure or stray.unseen}"
        elif not stray.again:
            continue
        message = f"no row names {visible(stray.key)} ({stray.size:,} bytes){why}"
        if stray.near is not None:
            what = difference(stray.near, stray.key) or "little"
            message += f"; a row misses {visible(stray.near)}, which differs in {what} alone"
        scan.weigh(CHECK, stray.size)
        yield scan.object_finding(
            CHECK,
            stray.key,
            count=1,
            verdict=verdict,
            message=message,
            suggestion="keep it until it is known why its row was never written, or who else needs it "
            "(`protect`, `also_referenced`)",
            first_at=None,
            evidence=(scan.object(stray.key, f"{stray.size:,} bytes", stray.modified),),
        )


CHECK = ObjectCheck("orphan_object", "medium", "objects", _findings)
