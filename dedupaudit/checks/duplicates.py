"""Reads duplicate rows group by group: class, spread in time, evidence, and the totals by kind and by day."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise

from dedupaudit.checks.rowclass import Comparison, Same, very_same
from dedupaudit.model import DaySurplus, RowClass
from dedupaudit.sources.tables.protocol import DuplicateRow, Key, Undecodable, Value
from dedupaudit.sources.tables.table import Table
from dedupaudit.times import day_number, day_text

GROUP_LIMIT = 10_000
"""Kinds that are told apart; a column with more of them is no kind, and `by_group` is left out."""

_LATEST = 1 << 63


@dataclass(frozen=True)
class DuplicateGroup:
    """The rows of one key, looked at as a whole; `rank` orders the keys. Times are microseconds since the epoch."""

    key: Key
    rank: tuple[tuple[int, object], ...]
    rows: int
    row_class: RowClass
    differs: tuple[str, ...]
    first_at: int | None
    last_at: int | None
    sample: tuple[DuplicateRow, ...]


@dataclass
class Totals:
    """What the groups add up to."""

    ids: int = 0
    rows: int = 0
    days: Counter[int | None] = field(default_factory=Counter)
    groups: Counter[Value] = field(default_factory=Counter)
    too_many_groups: bool = False

    def by_day(self) -> tuple[DaySurplus, ...]:
        """Return surplus rows by day, oldest first; rows without a time come last."""
        days = sorted(self.days, key=lambda day: (day is None, day or 0))
        return tuple(
            DaySurplus(day=None if day is None else day_text(day), surplus_rows=self.days[day])
            for day in days
            if self.days[day]
        )


def read_groups(
    rows: Iterator[DuplicateRow], table: Table, same: Same, totals: Totals, evidence: int
) -> Iterator[DuplicateGroup]:
    """Yield the groups of a stream of rows and add them to `totals`; memory does not grow with a group's size."""
    for first in rows:
        group = _Reading(first, table, same, evidence)
        for _ in range(first.n - 1):
            group.add(next(rows))
        totals.ids += 1
        totals.rows += first.n
        group.close(totals)
        yield group.finish()


class _Reading:
    """One group while it is read. The server said how many rows it has, so no key is compared here."""

    def __init__(self, first: DuplicateRow, table: Table, same: Same, evidence: int) -> None:
        self._table, self._same, self._first = table, same, first.values
        self._comparison: Comparison | None = None
        self._evidence = evidence
        self._key, self._rank = first.key, key_rank(first.key)
        self._rows = 0
        self._days: dict[int | None, int] = {}
        self._kinds: dict[Value, int] = {}
        self._timed = table.time is not None
        self._grouped = table.group is not None
        self._sample: list[DuplicateRow] = []
        self._last: int | None = None
        self._take(first)

    def add(self, row: DuplicateRow) -> None:
        # Most duplicates are identical: the comparison begins with the first row that is not the very same.
        if self._comparison or not very_same(row.values, self._first):
            self._comparison = self._comparison or Comparison(self._table, self._same, self._first)
            self._comparison.add(row.values)
        self._take(row)

    def _take(self, row: DuplicateRow) -> None:
        self._rows += 1
        if row.key != self._key and (rank := key_rank(row.key)) < self._rank:
            self._key, self._rank = row.key, rank
        if self._timed:
            day = None if row.at is None else day_number(row.at)
            self._days[day] = self._days.get(day, 0) + 1
        if self._grouped:
            self._kinds[row.group] = self._kinds.get(row.group, 0) + 1
        if row.at is not None and (self._last is None or row.at > self._last):
            self._last = row.at
        self._sample.append(row)
        if len(self._sample) > 4 * self._evidence:
            self._sample = heapq.nsmallest(self._evidence, self._sample, key=_order)

    def close(self, totals: Totals) -> None:
        """Count every row but the earliest as surplus, on its day and in its kind."""
        by_time = sorted(self._sample, key=_moment)
        if any(one.at == next_one.at for one, next_one in pairwise(by_time)):
            by_time.sort(key=_order)
        self._sample = by_time[: self._evidence]
        if self._timed:
            at = self._sample[0].at
            self._days[None if at is None else day_number(at)] -= 1
            for day, rows in self._days.items():
                totals.days[day] += rows
        for kind, rows in self._kinds.items():
            if rows > 1 and not totals.too_many_groups:
                totals.groups[kind] += rows - 1
        if len(totals.groups) > GROUP_LIMIT:
            totals.groups.clear()
            totals.too_many_groups = True

    def finish(self) -> DuplicateGroup:
        return DuplicateGroup(
            key=self._key,
            rank=self._rank,
            rows=self._rows,
            row_class=self._comparison.row_class if self._comparison else "identical",
            differs=self._comparison.differs if self._comparison else (),
            first_at=self._sample[0].at,
            last_at=self._last,
            sample=tuple(self._sample),
        )


def _moment(row: DuplicateRow) -> int:
    return _LATEST if row.at is None else row.at


def _order(row: DuplicateRow) -> tuple[int, tuple[tuple[int, object], ...]]:
    """Earliest first; rows without a time last; then by where they are."""
    return (_moment(row), key_rank(row.locator))


def key_rank(key: Key) -> tuple[tuple[int, object], ...]:
    """Return what keys of mixed types are ordered by: the same whatever order the rows came in."""
    return tuple(_rank(part) for part in key)


def _rank(part: Value) -> tuple[int, object]:
    match part:
        case None:
            return (0, 0)
        case float() if part != part:
            # Not a number: in no order with the others to Python, and one value to a database.
            return (2, 0)
        case int() | float():
            return (1, part)
        case str():
            return (3, part)
        case Undecodable():
            return (4, part.raw)
        case _:
            return (5, part)
