"""duplicate_ids: keys that occur more than once, each with its class and its spread in time."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from dedupaudit.causes.explainer import Explainer, Explaining
from dedupaudit.checks.base import EVIDENCE_LIMIT, Check, Look, Sighting, Skip, TableScan, show_key
from dedupaudit.checks.duplicates import DuplicateGroup, Totals, read_groups
from dedupaudit.display import visible
from dedupaudit.model import Evidence, Finding, GroupInflation
from dedupaudit.sources.tables.catalog import guard
from dedupaudit.sources.tables.protocol import Value
from dedupaudit.times import iso_or_none

_ADVICE = {
    "identical": "keep the earliest row; then add the unique constraint that keeps the next retry out",
    "mergeable": "keep the row that came furthest, merged with the others; then add the unique constraint",
    "conflicting": "compare the rows before anything is deleted: two real events may share this ID",
}


def _look(scan: TableScan) -> Look | Skip:
    index = guard(scan.table.catalog, scan.table.key)
    if index and not scan.distrust_indexes:
        # Proved by the constraint, so zero is exact; the rows were not counted.
        scan.tally.duplicate_ids = scan.tally.duplicate_rows = 0
        scan.tally.by_group = () if scan.table.group else None
        scan.tally.by_day = () if scan.table.time else None
        return Look((), "catalog", _and(f"{visible(index.name)} keeps the key unique", scan))
    strategy, why = scan.source.strategy(scan.table)
    if index:
        why = f"indexes distrusted: every row was read, though {visible(index.name)} should keep the key unique"
    return Look(_findings(scan), strategy, _and(why, scan))


def _and(why: str, scan: TableScan) -> str:
    return f"{why}; {visible(scan.table.key_why, limit=500)}" if scan.table.key_why else why


def _findings(scan: TableScan) -> Iterator[Sighting]:
    totals = Totals()
    scan.survey_soon()
    rows = scan.source.duplicate_rows(scan.table)
    explainer = scan.explainer or Explainer()
    groups = read_groups(rows, scan.table, scan.source.same, totals, EVIDENCE_LIMIT)
    for group, explain in explainer.groups(scan, groups):
        yield Sighting(group.rows, group.rank, partial(finding_of, scan, group, explain))
    # Now that the kinds with surplus rows are known, one pass counts the rows and those of each such kind.
    worst = sorted(totals.groups, key=lambda kind: (-totals.groups[kind], str(kind)))
    survey = scan.survey(worst)
    scan.tally.duplicate_ids = totals.ids
    scan.tally.duplicate_rows = totals.rows
    if scan.table.time:
        scan.tally.by_day = totals.by_day()
    if scan.table.group and not totals.too_many_groups:
        null_keys = scan.source.null_keys_by_kind(scan.table) if worst and scan.tally.null_ids else {}
        scan.tally.by_group = tuple(
            _inflation(kind, survey.kinds[kind], null_keys.get(kind, 0), totals.groups[kind]) for kind in worst
        )


def _inflation(kind: Value, rows: int, null_keys: int, surplus: int) -> GroupInflation:
    """Inflation of one kind, over all rows of that kind."""
    distinct = rows - null_keys - surplus
    return GroupInflation(
        group=kind if isinstance(kind, str | int | None) else visible(kind),
        rows=rows,
        distinct_ids=distinct,
        inflation=surplus / distinct,
    )


def finding_of(scan: TableScan, group: DuplicateGroup, explain: Explaining) -> Finding:
    """Return the finding about the rows of one key, with its cause."""
    cause, lines = explain()
    gap = None
    if group.first_at is not None and group.last_at is not None:
        gap = (group.last_at - group.first_at) / 1_000_000
    differs = f", and differ in {', '.join(map(visible, group.differs))}" if group.differs else ""
    return scan.finding(
        CHECK,
        scan.key_of(group.key),
        count=group.rows,
        message=f"{show_key(group.key)} is stored {group.rows} times; the rows are {group.row_class}{differs}",
        suggestion=_collision_advice(scan) if cause.name == "id_collision" else _ADVICE[group.row_class],
        evidence=(*_evidence(scan, group), *lines),
        cause=cause,
        row_class=group.row_class,
        differs=group.differs,
        first_at=iso_or_none(group.first_at),
        last_at=iso_or_none(group.last_at),
        gap_seconds=gap,
    )


def _collision_advice(scan: TableScan) -> str:
    key = (
        ", ".join(visible(name) for name in dict.fromkeys([scan.table.device.name, *scan.table.key_names]) if name)
        if scan.table.device
        else None
    )
    keep = "these are different events: keep every row"
    return f"{keep}, and make ({key}) the unique key" if key else f"{keep}, and let the key tell them apart"


def _evidence(scan: TableScan, group: DuplicateGroup) -> Iterator[Evidence]:
    for number, row in enumerate(group.sample, start=1):
        offset = ""
        if row.at is not None and group.first_at is not None:
            offset = f", +{(row.at - group.first_at) / 1_000_000:.1f} s" if number > 1 else ", the earliest"
        rest = f" ({group.rows - number} more not shown)" if number == EVIDENCE_LIMIT < group.rows else ""
        yield scan.row(row.locator, row.at, f"row {number} of {group.rows}{offset}{rest}")


CHECK = Check("duplicate_ids", "high", _look)
