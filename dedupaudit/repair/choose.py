"""Chooses the row of a key that stays, by a named rule; what no rule settles is left as it is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Literal

from dedupaudit.checks.duplicates import DuplicateGroup
from dedupaudit.checks.rowclass import FURTHEST
from dedupaudit.display import visible
from dedupaudit.errors import UsageError
from dedupaudit.sources.tables.catalog import Column
from dedupaudit.sources.tables.folding import WHITE_SPACE
from dedupaudit.sources.tables.protocol import DuplicateRow, Key, Undecodable, Value
from dedupaudit.sources.tables.table import Table

POLICIES = ("oldest", "newest", "most-complete")
_SPACES = "".join(WHITE_SPACE)


@dataclass(frozen=True)
class Taken:
    """A column of the survivor that takes the value of another row of the group, by its number in the group."""

    column: str
    rule: Literal["max", "known", "object"]
    row: int


@dataclass(frozen=True)
class Choice:
    """The row that stays (its number in the group), why it, and what it takes of the others; or why all stay."""

    survivor: int | None
    rule: str
    taken: tuple[Taken, ...] = ()


ObjectExists = Callable[[DuplicateRow], bool | None]
"""Says whether the object that a row names exists; None where that cannot be said."""


@dataclass(frozen=True)
class Chooser:
    """Chooses survivors in one table. The rows of a group come earliest first.

    `policy` settles conflicting rows; `ranked` is the column of a policy COLUMN:max, whose values come as
    `DuplicateRow.group`.
    """

    table: Table
    policy: str | None = None
    ranked: Column | None = None
    object_exists: ObjectExists | None = None

    def choose(self, group: DuplicateGroup, cause: str | None) -> Choice:
        """Return what to do with a group."""
        if is_blank(group.key):
            return Choice(None, "blank key")
        if cause == "id_collision":
            return Choice(None, "id_collision")
        rows = group.sample
        if group.row_class == "identical":
            return Choice(0, "earliest")
        believed = self._believed(group)
        if group.row_class == "mergeable" or believed is not None:
            return self._merged(rows, believed)
        if self.policy is None:
            return Choice(None, "conflicting")
        return self._by_policy(rows)

    # ---- uploads

    def _merged(self, rows: Sequence[DuplicateRow], believed: int | None) -> Choice:
        """Keep the row in the furthest state; what it does not know it takes from others that came as far.

        `believed` is the row whose object exists: it stays where it came as far, else the survivor takes its object.
        """
        upload = self.table.upload
        if upload is None:
            raise ValueError("only uploads are merged")
        numbers = {column.name: number for number, column in enumerate(self.table.compared)}
        ranks = [self._rank(row, numbers.get(upload.status.name)) for row in rows]
        furthest = [one for one, rank in enumerate(ranks) if rank == max(ranks)]
        kept = believed if believed in furthest else furthest[0]
        held = [(column.name, numbers[column.name]) for column in upload.object_columns if column.name in numbers]
        taken: list[Taken] = []
        if believed is not None and believed != kept:
            taken += [Taken(name, "object", believed) for name, _number in held]
        elif believed is None:
            for name, number in held:
                if rows[kept].values[number] is None:
                    others = [one for one in furthest if rows[one].values[number] is not None]
                    taken += [Taken(name, "known", one) for one in others[:1]]
        retries = numbers.get(upload.retry_count.name) if upload.retry_count else None
        if retries is not None and upload.retry_count is not None:
            most = max(range(len(rows)), key=lambda one: (_order(rows[one].values[retries]), -one))
            if _order(rows[most].values[retries]) > _order(rows[kept].values[retries]):
                taken.append(Taken(upload.retry_count.name, "max", most))
        return Choice(kept, "object exists" if believed is not None else "furthest state", tuple(taken))

    def _rank(self, row: DuplicateRow, status: int | None) -> int:
        return 0 if status is None else FURTHEST.get(str(row.values[status]), 0)

    def _believed(self, group: DuplicateGroup) -> int | None:
        """Return the row whose object alone exists, where rows of an upload name different ones; else None."""
        upload = self.table.upload
        if self.object_exists is None or upload is None or not set(group.differs) <= upload.merged_columns:
            return None
        places = {column.name for column in (upload.object_key, upload.object_url) if column}
        if not places & set(group.differs):
            return None
        there = [self.object_exists(row) for row in group.sample]
        return there.index(True) if None not in there and there.count(True) == 1 else None

    # ---- policies

    def _by_policy(self, rows: Sequence[DuplicateRow]) -> Choice:
        policy = self.policy or ""
        if policy == "oldest":
            return Choice(0, "policy oldest")
        if policy == "newest":
            return Choice(max(range(len(rows)), key=lambda one: (rows[one].at or 0, one)), "policy newest")
        if policy == "most-complete":
            # Of rows that know as much the earliest stays: max() keeps the first.
            return Choice(max(range(len(rows)), key=lambda one: _known(rows[one])), "policy most-complete")
        return Choice(max(range(len(rows)), key=lambda one: (_order(rows[one].group), -one)), f"policy {policy}")


def read_policy(policy: str | None, table: Table) -> Column | None:
    """Return the column of a policy COLUMN:max, None for the others; raises UsageError for what is no policy."""
    if policy in POLICIES or policy is None:
        if policy in ("oldest", "newest") and table.time is None:
            raise UsageError(
                f"--on-conflict {policy}: table {visible(table.name)} has no time column",
                f'say which under [tables.{visible(table.name)}]: time = "COLUMN"',
            )
        return None
    name, colon, way = policy.rpartition(":")
    column = table.catalog.column(name) if colon and way == "max" else None
    if column is None:
        columns = ", ".join(visible(one.name) for one in table.catalog.columns[:20])
        raise UsageError(
            f"--on-conflict {visible(policy)} is no policy of table {visible(table.name)}",
            f"it is {', '.join(POLICIES)}, or COLUMN:max with one of {columns}",
        )
    return column


def is_blank(key: Key) -> bool:
    """Say whether a part of a key is empty or only white space."""
    return any(_is_blank_part(part) for part in key)


def _is_blank_part(part: Value) -> bool:
    match part:
        case str():
            return not part.strip(_SPACES)
        case bytes():
            return not part.strip(b" \t\n\r\v\f")
        case Undecodable():
            return False
        case _:
            return part is None


def _known(row: DuplicateRow) -> int:
    return sum(value not in (None, "", b"") for value in row.values)


def _order(value: Value) -> tuple[int, Decimal, str]:
    """Order values as COLUMN:max does: NULL and NaN lowest, then numbers, then text."""
    match value:
        case None:
            return (0, Decimal(0), "")
        case bytes() | Undecodable():
            return (2, Decimal(0), (value if isinstance(value, bytes) else value.raw).hex())
        case _:
            try:
                number = Decimal(str(value))
            except InvalidOperation:
                return (2, Decimal(0), str(value))
            return (0, Decimal(0), str(value)) if number.is_nan() else (1, number, "")
