"""Decides whether the rows of one key are identical, mergeable or conflicting, one row at a time."""

from __future__ import annotations

from collections.abc import Callable

from dedupaudit.model import RowClass
from dedupaudit.sources.tables.catalog import Column
from dedupaudit.sources.tables.protocol import Value
from dedupaudit.sources.tables.table import Table

# How far an upload has come. A failed one has at least been tried; an uploading one may still succeed.
FURTHEST = {"pending": 0, "failed": 1, "uploading": 2, "completed": 3}

Same = Callable[[Column, Value, Value], bool]


class Comparison:
    """Compares each row with the first; holds no more than the first row and the uploads' states."""

    def __init__(self, table: Table, same: Same, first: tuple[Value, ...]) -> None:
        self._columns = table.compared
        self._same = same
        self._first = first
        self._differs: set[int] = set()
        self._merge = _Merge(table, first) if table.upload else None

    def add(self, values: tuple[Value, ...]) -> None:
        """Take one more row of the key into account."""
        if very_same(values, self._first):
            return
        for number, column in enumerate(self._columns):
            if number not in self._differs and not self._same(column, self._first[number], values[number]):
                self._differs.add(number)
        if self._merge:
            self._merge.add(values)

    @property
    def differs(self) -> tuple[str, ...]:
        """The columns in which the rows differ, in the table's order."""
        return tuple(self._columns[number].name for number in sorted(self._differs))

    @property
    def row_class(self) -> RowClass:
        """`identical`, `mergeable` where a merge rule settles every difference, else `conflicting`."""
        if not self._differs:
            return "identical"
        if self._merge and self._merge.settles(self.differs):
            return "mergeable"
        return "conflicting"


def very_same(first: tuple[Value, ...], second: tuple[Value, ...]) -> bool:
    """Say whether two rows are equal value by value and type by type.

    1 == 1.0 to Python; whether it is to the database's column is `TableSource.same`'s to say.
    """
    return first == second and list(map(type, first)) == list(map(type, second))


class _Merge:
    """Whether an upload's rows can be merged: the rows that came furthest must agree on the object."""

    def __init__(self, table: Table, first: tuple[Value, ...]) -> None:
        upload = table.upload
        if upload is None:
            raise ValueError("only a table of uploads has merge rules")
        numbers = {column.name: number for number, column in enumerate(table.compared)}
        self._mergeable = upload.merged_columns
        self._status = numbers.get(upload.status.name)
        self._object = [numbers[column.name] for column in upload.object_columns if column.name in numbers]
        self._known: dict[int, list[set[Value]]] = {}
        self._illegal = False
        self.add(first)

    def add(self, values: tuple[Value, ...]) -> None:
        rank = 0
        if self._status is not None:
            status = values[self._status]
            self._illegal = self._illegal or status not in FURTHEST
            rank = FURTHEST.get(str(status), 0)
        known = self._known.setdefault(rank, [set() for _ in self._object])
        for number, seen in zip(self._object, known, strict=True):
            if values[number] is not None and len(seen) < 2:
                seen.add(values[number])

    def settles(self, differs: tuple[str, ...]) -> bool:
        if self._illegal or not set(differs) <= self._mergeable:
            return False
        furthest = self._known[max(self._known)]
        return all(len(seen) <= 1 for seen in furthest)
