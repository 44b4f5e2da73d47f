"""The snapshot engine on MySQL and MariaDB: hashes of keys by ranges of the primary key, then the rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby

from dedupaudit.errors import SourceError
from dedupaudit.snapshot.tokens import TokenStore
from dedupaudit.sources.tables.catalog import Column
from dedupaudit.sources.tables.mysql_rows import Reader
from dedupaudit.sources.tables.mysql_session import Session
from dedupaudit.sources.tables.mysql_sql import Writer
from dedupaudit.sources.tables.mysql_values import kind_of
from dedupaudit.sources.tables.protocol import DuplicateRow
from dedupaudit.sources.tables.table import Table
from dedupaudit.sqlfiles import fill, sql_text

_RANGE_ROWS = 100_000
_LINE = 32  # bytes of a token, a number of the primary key and what separates them, at the most
_WIDEST = 1 << 62
_BATCH = 2_000
_HUGE = 20_000


def numbering(table: Table) -> Column | None:
    """Return the integer that is the whole primary key and fits a signed 64-bit number by its type, or None."""
    if len(table.catalog.primary_key) != 1:
        return None
    column = table.catalog.column(table.catalog.primary_key[0])
    if column is None:
        return None
    kind = kind_of(column)
    fits = kind.base != "bigint" or not kind.unsigned
    return column if kind.base in ("tinyint", "smallint", "mediumint", "int", "bigint") and fits else None


def repeated_rows(
    session: Session,
    writer: Writer,
    parts: dict[str, str],
    reader: Reader,
    memory_limit: int,
    told: Callable[[int], None],
) -> Iterator[DuplicateRow]:
    """Yield the rows of every key that repeats, by the server's own equality."""
    pk = numbering(writer.table)
    token = writer.token()
    if pk is None or token is None:
        raise RuntimeError("the strategy was not asked")
    parts = {**parts, "pk": writer.named(pk), "token": token}
    with TokenStore(memory_limit, ("token", "pk")) as store:
        _Ranges(session, parts, told).copy(store)
        store.finish()
        for batch in store.repeated(_BATCH):
            for condition in _conditions(batch, parts):
                statement = fill(sql_text("scan/mysql/rows_by_pk.sql"), {**parts, "condition": condition})
                yield from reader.groups(session.stream(statement))


def _conditions(batch: Sequence[tuple[int, ...]], parts: dict[str, str]) -> Iterator[str]:
    """Yield what finds the rows of a batch: their numbers, or the token itself where it has very many rows."""
    if len(batch) <= _HUGE:
        yield f"{parts['pk']} IN ({', '.join(str(number) for _token, number in batch)})"
        return
    few: list[int] = []
    for token, rows in groupby(batch, key=lambda row: row[0]):
        numbers = [number for _token, number in rows]
        if len(numbers) > _BATCH:
            yield f"{parts['pk']} BETWEEN {numbers[0]} AND {numbers[-1]} AND {parts['token']} = {token}"
        else:
            few += numbers
        if len(few) > _HUGE:
            yield f"{parts['pk']} IN ({', '.join(map(str, few))})"
            few = []
    if few:
        yield f"{parts['pk']} IN ({', '.join(map(str, few))})"


class _Ranges:
    """Reads a table in ranges of its primary key that hold about as many rows each, whatever numbers are missing."""

    def __init__(self, session: Session, parts: dict[str, str], told: Callable[[int], None]) -> None:
        self._session = session
        self._parts = parts
        self._told = told
        self._rows = min(_RANGE_ROWS, session.facts.max_allowed_packet // (2 * _LINE))
        self._width = self._rows

    def copy(self, store: TokenStore) -> None:
        """Write a line for each row with a whole key."""
        sink = store.sink()
        first, last = self._ends("TRUE")
        done = 0
        while first is not None and last is not None:
            end = min(first + self._width - 1, last)
            count, lines = self._lines(first, end)
            if lines is None:
                self._width = max(1, min(self._width // 2, self._width * self._rows // max(count, 1)))
                continue
            if lines:
                sink.write(lines)
                sink.write(b"\n")
            done += count
            self._told(done)
            if end >= last:
                return
            first = end + 1
            if not count:
                # A gap: the next number that there is.
                first, _last = self._ends(f"{self._parts['pk']} >= {first}")
            if count < self._rows // 2:
                self._width = min(_WIDEST, self._width * min(16, self._rows // max(count, 1)))

    def _ends(self, condition: str) -> tuple[int | None, int | None]:
        statement = fill(sql_text("scan/mysql/ends.sql"), {**self._parts, "condition": condition})
        first, last = self._session.rows(statement)[0]
        return (None if first is None else int(first), None if last is None else int(last))

    def _lines(self, first: int, end: int) -> tuple[int, bytes | None]:
        """Return how many rows a range has, and their lines: None where the server cut them."""
        statement = fill(sql_text("scan/mysql/tokens.sql"), {**self._parts, "first": str(first), "end": str(end)})
        count, lines = self._session.rows(statement)[0]
        rows = int(count or 0)
        held = lines or b""
        # GROUP_CONCAT cuts silently but for a warning: a line more or less, or one cut short, would be lost.
        whole = (held.count(b"\n") + 1 if held else 0) == rows and len(held) < self._rows * _LINE * 2
        if not whole and first == end:
            raise SourceError("the server cut a single line of GROUP_CONCAT short", "raise max_allowed_packet there")
        return rows, held if whole else None
