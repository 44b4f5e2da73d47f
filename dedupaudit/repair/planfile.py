"""Writes and reads the plan files of repairs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from dedupaudit.errors import Refused
from dedupaudit.repair.plan import Group, Header, PlanValue, database_value
from dedupaudit.repair.sealed import SealedFile, written

_PLAIN = frozenset((int, str))


def write_plan(out: BinaryIO, header: Header, groups: Iterable[Group]) -> None:
    """Write a plan; groups are written as they come."""
    for _group in written(out, header, groups):
        pass


class PlanFile(SealedFile):
    """A repair's plan: header, hash, and the groups, as often as wanted."""

    kind = "repair"

    def __init__(self, path: Path) -> None:
        self.removed = 0
        super().__init__(path)

    def groups(self) -> Iterator[tuple[int, Group]]:
        """Yield the groups with their line's number, from 1."""
        for number, raw in self.lines():
            yield number, Group.model_validate_json(raw)

    def take_header(self, raw: bytes) -> None:
        """Read the first line."""
        self.header = self.parsed(Header, raw, 0)

    def take(self, raw: bytes, number: int) -> None:
        """Count a group, having seen that it says one thing."""
        group = self.parsed(Group, raw, number)
        if self._is_pair(group):
            self.removed += 1
            return
        line = f"line {number + 1}"
        if group.left is not None or group.survivor is None:
            if group.victims:
                raise self.broken(f"{line} leaves a group and removes rows of it")
            return
        if not group.victims or any(merge.victim >= len(group.victims) for merge in group.merge):
            raise self.broken(f"{line} has no victims, or merges one that it does not have")
        rows = [group.survivor.pk, *[row.pk for row in group.victims]]
        if not all(map(self._is_named, rows)) or not self._are_values(group.key, self.header.key):
            raise self.broken(f"{line} does not name its rows by the columns of its header")
        if self.header.primary_key and (rows[0] in rows[1:] or len(set(map(str, rows[1:]))) < len(rows) - 1):
            raise self.broken(f"{line} has one row twice")
        self.removed += len(group.victims)

    def finish(self) -> None:
        """Hold the lines against the header."""
        totals = self.header.totals
        if totals.removed != self.removed:
            raise self.broken("its header tells of other rows than its lines")
        if not self.header.max_delete.allows(self.removed, totals.rows):
            raise Refused(f"the plan {self.shown} removes more than its own limit allows", self.again)

    def _is_pair(self, group: Group) -> bool:
        """Say whether a group is what most are, and as it should be: one row stays, another goes, by plain values."""
        if group.left is not None or group.survivor is None or len(group.victims) != 1 or group.merge:
            return False
        stays, goes, names = group.survivor.pk, group.victims[0].pk, self.header.primary_key
        if not stays or not goes or stays == goes or not tuple(stays) == tuple(goes) == names:
            return False
        kinds = {*map(type, stays.values()), *map(type, goes.values()), *map(type, group.key.values())}
        return kinds <= _PLAIN and tuple(group.key) == self.header.key

    def _is_named(self, pk: dict[str, PlanValue] | None) -> bool:
        names = self.header.primary_key
        return pk is None if not names else pk is not None and self._are_values(pk, names)

    def _are_values(self, values: dict[str, PlanValue], names: tuple[str, ...]) -> bool:
        """Say whether these are values of just these columns, and each what a plan writes."""
        try:
            for value in values.values():
                if type(value) is dict:
                    database_value(value)
        except ValueError:
            return False
        return tuple(values) == names or set(values) == set(names)
