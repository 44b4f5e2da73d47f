"""Keys that differ byte by byte, and yet are one to the unique index: what a loose collation makes of them."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from itertools import islice

from dedupaudit.display import visible
from dedupaudit.migrate.facts import Pair
from dedupaudit.sources.tables.protocol import DuplicateRow, Key, TableSource, Undecodable, Value
from dedupaudit.sources.tables.table import Table


def pairs(source: TableSource, table: Table, limit: int = 5) -> tuple[Pair, ...]:
    """Return up to `limit` pairs, at most one of each key that occurs more than once.

    Asks the database nothing where every column of the key is compared by its bytes. Raises SourceError and Cancelled.
    """
    if all(column.bytewise for column in table.key):
        return ()
    rows = source.duplicate_rows(table)
    try:
        return tuple(islice(_pairs(rows), limit))
    finally:
        # Sources give generators: closed early, they end their statement.
        if isinstance(rows, Generator):
            rows.close()


def _pairs(rows: Iterator[DuplicateRow]) -> Iterator[Pair]:
    first: tuple[str, ...] = ()
    left = 0
    told = False
    for row in rows:
        texts = _texts(row.key)
        if left == 0:
            first, left, told = texts, row.n, False
        left -= 1
        if not told and texts != first:
            told = True
            yield Pair(first, texts)


def _texts(key: Key) -> tuple[str, ...]:
    return tuple(map(_text, key))


def _text(part: Value) -> str:
    """Return text as it is, and everything else as people are shown it."""
    if isinstance(part, Undecodable):
        return visible(part.raw)
    return part if isinstance(part, str) else visible(part)
