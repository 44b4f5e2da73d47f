"""near_equal_ids: keys that trimming, case folding or NFKC would join, and keys that the collation joins already."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from dedupaudit.checks.base import EVIDENCE_LIMIT, Check, Look, Skip, TableScan, show_key
from dedupaudit.checks.duplicates import key_rank
from dedupaudit.display import visible
from dedupaudit.model import Evidence, Finding
from dedupaudit.sources.tables.protocol import KeyVariant


def _look(scan: TableScan) -> Look | Skip:
    return Look(_findings(scan), "pushdown", "one pass for suspects; the keys are folded only if there are any")


def _findings(scan: TableScan) -> Iterator[Finding]:
    if not scan.count_suspects("near_equal_ids"):
        return
    variants = scan.source.near_equal_keys(scan.table)
    for first in variants:
        yield _finding(scan, sorted([first, *islice(variants, first.variants - 1)], key=lambda one: key_rank(one.key)))


def _finding(scan: TableScan, variants: list[KeyVariant]) -> Finding:
    classes = len({variant.joined for variant in variants})
    shown = ", ".join(show_key(variant.key) for variant in variants[:3]) + (", …" if len(variants) > 3 else "")
    if classes == 1:
        what = "are one ID to the column's collation, although their bytes differ"
        advice = "decide whether they are one ID; if not, give the column a binary collation"
    else:
        what = "are different IDs today, and one after trimming, case folding or Unicode normalisation"
        advice = "find the client that writes the odd form; another collation or a clean-up would join them"
    return scan.finding(
        CHECK,
        scan.key_of(variants[0].key),
        count=len(variants),
        message=f"{shown} {what}",
        suggestion=advice,
        evidence=[
            Evidence(
                kind="row",
                where=visible(scan.table.label),
                text=f"{show_key(variant.key)}: {variant.rows} row{'s' if variant.rows > 1 else ''}",
            )
            for variant in variants[:EVIDENCE_LIMIT]
        ],
    )


CHECK = Check("near_equal_ids", "low", _look, suspects=True)
