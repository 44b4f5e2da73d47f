"""What all databases do alike to make ObjectRows: which columns are asked for, and rows out of whole columns.

Ten million rows pass here, so nothing runs in Python for each: columns are turned into rows by zip and map.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain, repeat
from typing import cast

from dedupaudit.sources.tables.catalog import Column
from dedupaudit.sources.tables.folding import WHITE_SPACE
from dedupaudit.sources.tables.protocol import Key, ObjectRow, Undecodable, Value
from dedupaudit.sources.tables.table import ObjectColumns, Table

BATCH = 2_000
"""Rows that are passed on at a time."""
KEYS = 1_000
"""Object keys that one statement asks for."""

Columns = Sequence[Sequence[Value]]
_make = cast("Callable[[tuple[object, ...]], ObjectRow]", partial(tuple.__new__, ObjectRow))
_TOLD = 7


@dataclass(frozen=True)
class Told:
    """The columns that ObjectRow has a place for beside the key, in its order; None where the table has none."""

    status: Column | None
    object_key: Column | None
    object_url: Column | None
    size: Column | None
    etag: Column | None
    at: Column | None
    updated: Column | None

    @property
    def all(self) -> tuple[Column | None, ...]:
        """All of them, in ObjectRow's order."""
        return (self.status, self.object_key, self.object_url, self.size, self.etag, self.at, self.updated)


def told_by(table: Table) -> Told:
    """Return the columns in which a table's rows speak of their objects."""
    columns = table.objects or ObjectColumns()
    return Told(
        columns.status,
        columns.object_key,
        columns.object_url,
        columns.size,
        columns.etag,
        table.time,
        columns.updated,
    )


@dataclass(frozen=True)
class Shape:
    """Where a row's parts lie in what was selected: [judged] [token] key, locator, those told that exist, fields."""

    judged: bool
    token: bool
    key: int
    locator: int
    told: tuple[bool, ...]
    fields: int
    hashed: Callable[[Key], int | None] | None = None
    """Makes the token of a key here, where the server does not."""

    def rows(self, columns: Columns) -> list[ObjectRow]:
        """Make rows out of the columns selected, which are all as long as each other."""
        left = iter(columns)
        judged: Iterable[bool] = map(bool, next(left)) if self.judged else repeat(True)
        token: Iterable[Value] = next(left) if self.token else repeat(None)
        key = list(zip(*_some(left, self.key), strict=True))
        if self.hashed:
            token = map(self.hashed, key)
        locator: Iterable[Key] = zip(*_some(left, self.locator), strict=True) if self.locator else repeat(())
        told: list[Iterable[Value]] = [next(left) if there else repeat(None) for there in self.told]
        fields: Iterable[Key] = zip(*left, strict=True) if self.fields else repeat(())
        return list(map(_make, zip(judged, token, key, locator, *told, fields)))  # noqa: B905 (repeat has no end)


def _some(columns: Iterator[Sequence[Value]], number: int) -> list[Sequence[Value]]:
    return [next(columns) for _ in range(number)]


def shape_of(
    table: Table,
    locator: int,
    fields: int,
    *,
    token: bool = False,
    hashed: Callable[[Key], int | None] | None = None,
) -> Shape:
    """Return the shape of a table's rows, as each database selects them."""
    told = tuple(column is not None for column in told_by(table).all)
    return Shape(bool(table.where), token, len(table.key), locator, told, fields, hashed)


# ---- some keys alone


@dataclass(frozen=True)
class Asked:
    """The object keys of one statement; the first one asks for the rows without a key too."""

    keys: frozenset[str]
    with_keyless: bool

    def chosen(self, rows: Iterable[ObjectRow]) -> list[ObjectRow]:
        """Return the rows that were asked for, of those that a looser condition found: none is in two answers."""
        return [row for row in rows if self._is_asked(row.object_key)]

    def _is_asked(self, value: Value) -> bool:
        key = text_of(value)
        if key is None or not key.strip(WHITE_SPACE):
            return self.with_keyless
        return key in self.keys


def asked_in_turn(keys: Sequence[str]) -> Iterator[Asked]:
    """Yield the keys as statements ask for them; there is one statement even where there is no key."""
    distinct = list(dict.fromkeys(keys))
    for begin in chain((0,), range(KEYS, len(distinct), KEYS)):
        yield Asked(frozenset(distinct[begin : begin + KEYS]), with_keyless=begin == 0)


def text_of(value: Value) -> str | None:
    """Return an object key as text, bytes that do not decode as surrogates; None for what is no text."""
    if isinstance(value, Undecodable):
        return value.raw.decode("utf-8", "surrogateescape")
    return value if isinstance(value, str) else None


def bytes_of(key: str) -> bytes | None:
    """Return the bytes that an object key stands for, None where no bytes decode to it."""
    try:
        return key.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return None


def white_ranges() -> list[tuple[str, str]]:
    """Return the white space as ranges of characters, each with the character behind its last."""
    ranges: list[tuple[int, int]] = []
    for code in map(ord, WHITE_SPACE):
        if ranges and ranges[-1][1] == code:
            ranges[-1] = (ranges[-1][0], code + 1)
        else:
            ranges.append((code, code + 1))
    return [(chr(first), chr(end)) for first, end in ranges]
