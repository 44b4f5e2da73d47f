"""`missing_object`: a completed row whose object is not there; who opens it gets a 404."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dedupaudit.causes.explainer import Explainer
from dedupaudit.checks.crossing import CrossScan, Judged, ObjectCheck
from dedupaudit.checks.near_key import difference
from dedupaudit.display import visible
from dedupaudit.model import Finding
from dedupaudit.sources.tables.protocol import Key


def _findings(scan: CrossScan) -> Iterator[Finding]:
    explainer = scan.explainer or Explainer()
    for rows, explained in explainer.missing(scan.judged(CHECK), _key):
        first = rows[0].suspect
        evidence = []
        message = f"has no object {visible(first.key)}"
        advice = "a client that was told of success has dropped its copy: look for a backup before the row is removed"
        near = next((one.suspect.near for one in rows if one.suspect.near is not None), None)
        if near is not None:
            what = difference(first.key, near) or "little"
            evidence.append(scan.object(near, f"no row names it, and its key differs in {what} alone"))
            message += f", while {visible(near)} is there"
            advice = "if that object is the row's, correct the row's key; nothing is matched that differs in a byte"
        for one in {row.suspect.key: row.suspect for row in rows}.values():
            scan.weigh(CHECK, one.size)
        yield scan.row_finding(CHECK, rows, message, advice, evidence, explained)


def _key(rows: Sequence[Judged]) -> Key:
    return rows[0].suspect.id


CHECK = ObjectCheck("missing_object", "high", "rows", _findings)
