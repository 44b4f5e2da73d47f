"""The whole incident: every planted case in its order, and the truth that follows from what the cases declare."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from dedupaudit.demo.background import Background
from dedupaudit.demo.collisions import id_collision, several_devices
from dedupaudit.demo.keys import blank_ids, near_equal_ids, null_ids
from dedupaudit.demo.logfiles import LogFile
from dedupaudit.demo.loglines import LogLine
from dedupaudit.demo.races import check_then_act, overlapping_batches, row_before_object
from dedupaudit.demo.retries import missing_unique, no_idempotency_check, timeout_retry
from dedupaudit.demo.rows import ROW_TYPES, Screenshot, TableName, object_key
from dedupaudit.demo.scene import Case, Scene, StoredObject, state, stored_object
from dedupaudit.demo.truth import Expected, Logs, Objects, Planted, Resized, Shared, Totals, Truth
from dedupaudit.demo.uploads import (
    illegal_state,
    incomplete_row,
    orphan_object,
    shared_object,
    stuck_upload,
    uploads_of_one_picture,
)

PLANTERS: tuple[Callable[[Scene], Iterator[Case]], ...] = (
    timeout_retry,
    no_idempotency_check,
    missing_unique,
    overlapping_batches,
    check_then_act,
    row_before_object,
    several_devices,
    id_collision,
    null_ids,
    blank_ids,
    near_equal_ids,
    uploads_of_one_picture,
    illegal_state,
    stuck_upload,
    incomplete_row,
    orphan_object,
    shared_object,
)


def plant(seed: int) -> tuple[Case, ...]:
    """Return every planted case. The same seed gives the same cases."""
    scene = Scene(seed)
    return tuple(case for planter in PLANTERS for case in planter(scene))


def truth_of(
    cases: Sequence[Case],
    background: Background,
    *,
    rows: int,
    objects: Sequence[StoredObject],
    logs: Sequence[LogFile],
    lines: Sequence[LogLine],
    files: Sequence[str],
) -> Truth:
    """Return what an audit of the incident must find."""
    findings = tuple(finding for case in cases for finding in case.expected)
    sizes = {stored.key: len(stored.content) for stored in objects}
    return Truth(
        seed=background.seed,
        rows=rows,
        tables={table: _totals(table, cases, findings, background) for table in ROW_TYPES},
        findings=(*findings, *(finding for case in cases for finding in _of_objects(case, sizes))),
        cases=tuple(_planted(case) for case in cases),
        objects=_objects(cases, sizes),
        logs=_logs(cases, logs, lines),
        files=tuple(files),
    )


def _totals(table: TableName, cases: Iterable[Case], findings: Iterable[Expected], background: Background) -> Totals:
    good = {"activities": background.activities, "screenshots": background.screenshots}
    rows = good.get(table, background.processes) + sum(len(case.rows) for case in cases if case.table == table)
    counts: dict[str, list[int]] = {}
    for finding in findings:
        if finding.target == table and finding.count is not None:
            counts.setdefault(finding.check, []).append(finding.count)
    duplicates, nulls = counts.get("duplicate_ids", []), sum(counts.get("null_ids", []))
    surplus = sum(duplicates) - len(duplicates)
    return Totals(
        rows=rows,
        distinct_ids=rows - surplus - nulls,
        duplicate_ids=len(duplicates),
        duplicate_rows=sum(duplicates),
        surplus_rows=surplus,
        null_ids=nulls,
        blank_ids=sum(counts.get("blank_ids", [])),
    )


def _planted(case: Case) -> Planted:
    return Planted(
        mechanism=case.mechanism,
        name=case.name,
        cause=case.cause,
        enabled_by=case.enabled_by,
        table=case.table,
        ids=case.ids,
        devices=case.devices,
        planted=case.planted,
    )


def _of_objects(case: Case, sizes: Mapping[str, int]) -> Iterator[Expected]:
    """Yield the findings that a case's rows and objects must lead to when they are held against each other."""
    for check, keys in (("missing_object", case.missing), ("unexpected_object", case.unexpected)):
        yield from (state(check, row) for key in keys for row in _pictures(case, key))
    for key in case.resized:
        wrong = [row for row in _pictures(case, key) if row.file_size != sizes[key]]
        yield state("size_mismatch", wrong[0]).model_copy(update={"count": len(wrong)})
    yield from (state("misplaced_object", row) for row in case.rows if row.id in case.misplaced)
    yield from (stored_object("orphan_object", key) for key in case.orphans)
    yield from (stored_object("shared_object", key, len(_named_by(case, key))) for key in case.shared)


def _objects(cases: Iterable[Case], sizes: Mapping[str, int]) -> Objects:
    cases = tuple(cases)
    missing = [(case, key) for case in cases for key in case.missing]
    return Objects(
        stored=len(sizes),
        bytes=sum(sizes.values()),
        orphans=tuple(key for case in cases for key in case.orphans),
        orphan_bytes=sum(sizes[key] for case in cases for key in case.orphans),
        missing=tuple(key for _, key in missing),
        missing_bytes=sum(row.file_size or 0 for case, key in missing for row in _pictures(case, key)),
        unexpected=tuple(key for case in cases for key in case.unexpected),
        misplaced=tuple(item for case in cases for item in case.misplaced),
        shared=tuple(Shared(object_key=key, ids=_named_by(case, key)) for case in cases for key in case.shared),
        resized=tuple(
            Resized(
                object_key=key,
                id=_named_by(case, key)[0],
                row_sizes=tuple(row.file_size for row in _pictures(case, key) if row.file_size is not None),
                object_size=sizes[key],
            )
            for case in cases
            for key in case.resized
        ),
        written_twice=tuple(key for case in cases for key in case.written_twice),
    )


def _pictures(case: Case, key: str) -> Iterator[Screenshot]:
    """Return the rows that name an object, or that do not say where theirs is and belong there."""
    pictures = (row for row in case.rows if isinstance(row, Screenshot))
    return (row for row in pictures if (row.oss_key or object_key(row.device_id, row.id)) == key)


def _named_by(case: Case, key: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(str(row.id) for row in _pictures(case, key)))


def _logs(cases: Iterable[Case], logs: Sequence[LogFile], lines: Sequence[LogLine]) -> Logs:
    received = Counter(line.item for line in lines if "receive" in line.events)
    return Logs(
        files=len(logs),
        lines=len(lines),
        bytes=sum(len(log.text.encode()) for log in logs),
        events=dict(sorted(Counter(event for line in lines for event in line.events).items())),
        requeued_ids=tuple(sorted({line.item for line in lines if "requeue" in line.events})),
        repeatedly_received_ids=tuple(sorted(item for item, times in received.items() if times > 1)),
        overlapping_ids=tuple(sorted(str(case.rows[0].id) for case in cases if case.overlapping)),
    )
