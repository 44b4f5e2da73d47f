"""`shared_object`: one object that rows of several IDs name; what is done to it is done to all of them."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from dedupaudit.checks.base import EVIDENCE_LIMIT
from dedupaudit.checks.crossing import CrossScan, ObjectCheck, worst_verdict
from dedupaudit.display import visible
from dedupaudit.model import Finding


def _findings(scan: CrossScan) -> Iterator[Finding]:
    for key, same in groupby(scan.crossing.sharing(), key=lambda one: one.key):
        rows = [judged for suspect in same if (judged := scan.judge(CHECK, suspect))]
        ids = {(row.suspect.table, row.suspect.ident) for row in rows}
        if len(ids) < 2:
            continue
        verdict, why = worst_verdict(rows)
        yield scan.object_finding(
            CHECK,
            key,
            count=len(ids),
            verdict=verdict,
            message=f"{visible(key)} is the object of {len(ids):,} IDs{': ' if why else ''}{why}",
            suggestion="one of them shows another's picture, or a copy was made by its row alone: give each its own",
            evidence=tuple(scan.row(row.suspect) for row in rows[:EVIDENCE_LIMIT]),
        )


CHECK = ObjectCheck("shared_object", "medium", "objects", _findings, looks_at=False)
