"""Writes and reads plan files: JSON Lines, ended by a count and a hash, so that what is applied is what was planned."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self, TypeVar

from pydantic import ValidationError

from dedupaudit.display import json_safe, visible
from dedupaudit.errors import Refused, UsageError
from dedupaudit.repair.plan import End, Group, Header, PlanValue, database_value

_AGAIN = "make it again with `dedupaudit repair plan`"
_LONGEST = 256_000_000
_PLAIN = frozenset((int, str))
_Line = TypeVar("_Line", Header, Group, End)


def write_plan(out: BinaryIO, header: Header, groups: Iterable[Group]) -> None:
    """Write a plan; groups are written as they come."""
    for _group in written(out, header, groups):
        pass


def written(out: BinaryIO, header: Header, groups: Iterable[Group]) -> Iterator[Group]:
    """Write a plan, and give each group on once it is written. The plan is whole when the last one was taken."""
    digest, count = hashlib.sha256(), 0

    def write(line: Header | Group | End) -> None:
        raw = json_safe(line.model_dump_json(by_alias=True)).encode() + b"\n"
        digest.update(raw)
        out.write(raw)

    write(header)
    for group in groups:
        write(group)
        count += 1
        yield group
    write(End(count=count, sha256=digest.hexdigest()))


class PlanFile:
    """A plan that was read to its end once, and found whole: header, hash, and the groups again, as often as wanted.

    The file stays open: what is applied is what was looked at, whatever takes its name meanwhile.
    """

    def __init__(self, path: Path) -> None:
        self._shown = visible(str(path))
        try:
            self._file = path.open("rb")
        except (OSError, ValueError) as error:
            raise self._unreadable(getattr(error, "strerror", None) or "not a possible file name") from None
        try:
            if not self._file.seekable():
                raise self._unreadable("it is a pipe, and a plan is read more than once")
            self._check()
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Self:
        """Return the plan, to be closed at the end of the block."""
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _: TracebackType | None
    ) -> None:
        """Close the file."""
        self._file.close()

    def groups(self) -> Iterator[tuple[int, Group]]:
        """Yield the groups with their line's number, from 1."""
        self._file.seek(0)
        for number, raw in enumerate(self._file):
            if 0 < number <= self.count:
                yield number, Group.model_validate_json(raw)

    def _unreadable(self, reason: str) -> UsageError:
        return UsageError(f"cannot read the plan {self._shown}: {reason}", "name the file that `repair plan -o` wrote")

    def _check(self) -> None:
        """Read all of it once: every line is what it should be, and the hash and the counts are right."""
        digest, end = hashlib.sha256(), None
        self.count = self.removed = 0
        for number, raw in enumerate(self._lines()):
            if end is not None:
                raise self._broken("lines follow its end")
            if number == 0:
                self.header = self._header(raw)
            elif b'"type":"end"' in raw[:40]:
                end = self._parsed(End, raw, number)
                if end.count != self.count or end.sha256 != digest.hexdigest():
                    raise self._broken("its lines are not those that were written: somebody changed them")
            else:
                self._count(self._parsed(Group, raw, number))
            digest.update(raw)
        if end is None:
            raise self._broken("its end is missing" if hasattr(self, "header") else "it is empty")
        self.sha256 = end.sha256
        totals = self.header.totals
        if totals.removed != self.removed:
            raise self._broken("its header tells of other rows than its lines")
        if not self.header.max_delete.allows(self.removed, totals.rows):
            raise Refused(f"the plan {self._shown} removes more than its own limit allows", _AGAIN)

    def _lines(self) -> Iterator[bytes]:
        while raw := self._file.readline(_LONGEST):
            if not raw.endswith(b"\n"):
                raise self._broken("its last line is cut off")
            yield raw

    def _count(self, group: Group) -> None:
        """Count a group, having seen that it says one thing: a hash holds for a line that somebody made up, too."""
        self.count += 1
        if self._is_pair(group):
            self.removed += 1
            return
        line = f"line {self.count + 1}"
        if group.left is not None or group.survivor is None:
            if group.victims:
                raise self._broken(f"{line} leaves a group and removes rows of it")
            return
        if not group.victims or any(merge.victim >= len(group.victims) for merge in group.merge):
            raise self._broken(f"{line} has no victims, or merges one that it does not have")
        rows = [group.survivor.pk, *[row.pk for row in group.victims]]
        if not all(map(self._is_named, rows)) or not self._are_values(group.key, self.header.key):
            raise self._broken(f"{line} does not name its rows by the columns of its header")
        if self.header.primary_key and (rows[0] in rows[1:] or len(set(map(str, rows[1:]))) < len(rows) - 1):
            raise self._broken(f"{line} has one row twice")
        self.removed += len(group.victims)

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

    def _header(self, raw: bytes) -> Header:
        start = raw[:400].replace(b" ", b"")
        if b'"dedupaudit.plan/1"' not in start or b'"kind":"repair"' not in start:
            what = "it is the plan of a migration" if b'"kind":"migrate"' in start else ""
            raise self._broken(what or "its first line is not the header of a repair plan")
        return self._parsed(Header, raw, 0)

    def _parsed(self, model: type[_Line], raw: bytes, number: int) -> _Line:
        try:
            return model.model_validate_json(raw)
        except ValidationError:
            pass
        raise self._broken(f"line {number + 1} is not what a plan has there")

    def _broken(self, why: str) -> Refused:
        return Refused(f"{self._shown} is no plan that can be applied: {why}", _AGAIN)
