"""`misplaced_object`: a row whose object key is not what the template says, or whose URL leads to another key."""

from __future__ import annotations

from collections.abc import Iterator

from dedupaudit.checks.crossing import CrossScan, ObjectCheck
from dedupaudit.checks.near_key import difference
from dedupaudit.display import visible
from dedupaudit.model import Finding
from dedupaudit.snapshot.suspects import Suspect


def _findings(scan: CrossScan) -> Iterator[Finding]:
    for rows in scan.judged(CHECK):
        first = rows[0].suspect
        there = first.object_size is not None
        yield scan.row_finding(
            CHECK,
            rows,
            " and ".join(_faults(first)),
            "correct what is wrong: the row's key, its URL, or the template under [objects]",
            [scan.object(first.key, "is there" if there else "is not there", first.object_modified)],
        )


def _faults(suspect: Suspect) -> Iterator[str]:
    if suspect.expected is not None:
        what = difference(suspect.key, suspect.expected)
        near = f" (they differ in {what} alone)" if what else ""
        yield f"names {visible(suspect.key)}, and the template says {visible(suspect.expected)}{near}"
    if suspect.url is not None:
        yield f"has a URL that does not lead to {visible(suspect.key)}: {visible(suspect.url)}"


CHECK = ObjectCheck("misplaced_object", "medium", "rows", _findings, looks_at=False)
