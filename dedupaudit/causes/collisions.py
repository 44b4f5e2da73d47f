"""How often IDs collide in one table, and how often they must: IDs are milliseconds, and many clients write."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from dedupaudit.errors import SourceError
from dedupaudit.model import Collisions

if TYPE_CHECKING:
    from dedupaudit.checks.base import TableScan

_SAMPLE = 100_000  # rows whose devices are counted


def collisions_of(scan: TableScan, counts: Counter[tuple[str, str]]) -> Collisions | None:
    """Return the table's collisions, with the key that would hold; None where there are none."""
    ids = sum(number for (name, _), number in counts.items() if name == "id_collision")
    distinct = scan.tally.summary().distinct_ids
    if not ids or not distinct:
        return None
    table = scan.table
    try:
        extent = scan.source.extent(table)
        names = [table.device.name] if table.device else []
        devices = scan.source.sample_distinct(table.catalog, names, _SAMPLE).distinct if names else {}
    except SourceError:
        extent, devices = None, {}  # a figure for people is not worth a failed check
    millis = (extent[1] - extent[0]) // 1000 if extent else 0
    key = (table.device.name, *table.key_names) if table.device else table.key_names
    return Collisions(
        ids=ids,
        rate=ids / distinct,
        expected=birthday(distinct, millis) if millis > 0 else None,
        events_per_second=distinct / millis * 1000 if millis > 0 else None,
        devices=next(iter(devices.values()), None),
        suggested_key=tuple(dict.fromkeys(key)),
    )


def birthday(events: int, millis: int) -> float:
    """Return how many pairs of events share a millisecond, where all are equally likely: n (n - 1) / 2 t."""
    return events * (events - 1) / (2 * millis)
