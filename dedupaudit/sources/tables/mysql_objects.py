"""Reads from MySQL and MariaDB what the rows say of their objects, and finds those of some object keys by an index."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import cast

from dedupaudit.sources.tables.catalog import Column
from dedupaudit.sources.tables.folding import WHITE_SPACE
from dedupaudit.sources.tables.mysql_session import Raw, Session
from dedupaudit.sources.tables.mysql_sql import Writer, binary_literal
from dedupaudit.sources.tables.mysql_values import decoder, encode, kind_of, moment_decoder, read
from dedupaudit.sources.tables.object_rows import (
    BATCH,
    Asked,
    asked_in_turn,
    shape_of,
    told_by,
    white_ranges,
)
from dedupaudit.sources.tables.protocol import ObjectRow, Value
from dedupaudit.sources.tables.table import Table
from dedupaudit.sqlfiles import fill, sql_text

Step = Callable[[str, Table], AbstractContextManager[None]]
Decoder = Callable[[Sequence[bytes | None]], Sequence[Value]]
# Character sets whose texts this process writes exactly as the server does.
_KNOWN_CHARSETS = {"utf8mb4", "utf8mb3", "utf8", "latin1", "ascii", "ucs2", "utf16", "utf16le", "utf32"}
_BMP_ALONE = {"utf8mb3", "utf8", "ucs2"}


class ObjectReader:
    """Reads object rows with the source's session; `step` is what the source says of a query that takes its time."""

    def __init__(self, session: Session, step: Step, told: Callable[[int], None]) -> None:
        self._session = session
        self._step = step
        self._told = told
        self._ranges: dict[tuple[str, str], list[tuple[str | None, str]] | None] = {}

    def rows(
        self, writer: Writer, parts: dict[str, str], fields: Sequence[Column], keys: Sequence[str] | None
    ) -> Iterator[list[ObjectRow]]:
        """Yield what `TableSource.object_rows` does."""
        table = writer.table
        told = told_by(table)
        found = [table.catalog.column(name) for name in table.catalog.primary_key]
        locator = [column for column in found if column]
        token = token_of(writer)
        columns = [
            *([f"IF({parts['where']}, 1, 0)"] if table.where else []),
            *([token] if token else []),
            parts["key"],
            *([parts["locator"]] if locator else []),
            *(read(column, writer.named(column)) for column in (*told.all, *fields) if column),
        ]
        decoders: list[Decoder] = [
            *([_flags] if table.where else []),
            *([_numbers] if token else []),
            *(column_decoder(column) for column in (*table.key, *locator)),
            *(
                _moments(column) if column in (told.at, told.updated) else column_decoder(column)
                for column in told.all
                if column
            ),
            *map(column_decoder, fields),
        ]
        shape = shape_of(table, len(locator), len(fields), token=token is not None)
        parts = {**parts, "columns": ", ".join(columns), "condition": "TRUE"}
        done = 0
        with self._step("objects", table):
            for asked in asked_in_turn(keys) if keys is not None else (None,):
                if asked:
                    parts["condition"] = self._condition(writer, told.object_key, asked)
                for batch in self._batches(fill(sql_text("scan/mysql/object_rows.sql"), parts)):
                    done += len(batch[0])
                    rows = shape.rows([decode(column) for decode, column in zip(decoders, batch, strict=True)])
                    if chosen := asked.chosen(rows) if asked else rows:
                        yield chosen
                    self._told(done)

    def _batches(self, statement: str) -> Iterator[Sequence[Sequence[bytes | None]]]:
        batch: list[Raw] = []
        for row in self._session.stream(statement):
            batch.append(row)
            if len(batch) == BATCH:
                yield list(zip(*batch, strict=True))
                batch = []
        if batch:
            yield list(zip(*batch, strict=True))

    # ---- some keys alone

    def _condition(self, writer: Writer, column: Column | None, asked: Asked) -> str:
        """Return a condition that holds at least for the rows asked for; an index on the column answers each part.

        The column's own collation compares: it takes more texts for equal than there are, and none less.
        """
        if column is None:
            return "TRUE"
        kind = kind_of(column)
        if not kind.text or kind.numbered or kind.charset not in _KNOWN_CHARSETS:
            return "TRUE"
        name = writer.named(column)
        written = [literal for key in asked.keys if (literal := _literal(column, key))]
        parts = [f"{name} IN ({', '.join(written)})"] if written else []
        if asked.with_keyless:
            parts.append(f"{name} IS NULL")
            ranges = self._blank_ranges(writer.table, column)
            if ranges is None:
                parts.append(writer.is_blank(column))
            else:
                parts += [_range(name, column, first, end) for first, end in ranges]
        return " OR ".join(parts) or "FALSE"

    def _blank_ranges(self, table: Table, column: Column) -> list[tuple[str | None, str]] | None:
        """Return ranges, each between two texts, that hold all blank texts and few others; None: there are none.

        In the orders of languages white space comes before all else, in other orders it lies where its numbers do.
        """
        place = (table.catalog.quoted, column.name)
        if place not in self._ranges:
            white = "".join(one for one in WHITE_SPACE if _literal(column, one))
            wide = [pair for pair in white_ranges() if pair[0] > "!" and pair[0] in white]
            ways: list[list[tuple[str | None, str]]] = [
                [(None, "_")],
                # Where a short text is padded with spaces, a tab behind it comes before it.
                [(None, "!"), *((first + "\0", end) for first, end in wide)],
                [(None, "!"), *wide],
            ]
            self._ranges[place] = next((way for way in ways if self._hold(column, way, white)), None)
        return self._ranges[place]

    def _hold(self, column: Column, ranges: Sequence[tuple[str | None, str]], white: str) -> bool:
        """Ask the server whether blank texts lie within the ranges."""
        probes = [f"{one}{more}" for one in white for more in ("", one, white, white[::-1], one * 3)]
        bounds = [bound for pair in ranges for bound in pair if bound is not None]
        if not all(_literal(column, text) for text in (*probes, *bounds)):
            return False
        asked = (
            " OR ".join(_range(str(_literal(column, probe)), column, first, end) for first, end in ranges)
            for probe in ("", *probes)
        )
        answers = self._session.rows("SELECT " + " AND ".join(f"({one})" for one in asked))
        return answers[0][0] == b"1"


def token_of(writer: Writer) -> str | None:
    """Return SQL for a number of 60 bits, equal for equal keys, NULL where a part is; None where none is known."""
    weights = [writer.weights(column) for column in writer.table.key]
    known = [weight for weight in weights if weight]
    if len(known) < len(weights):
        return None
    # A length before each keeps ('a', 'bc') from being ('ab', 'c').
    whole = known[0] if len(known) == 1 else f"CONCAT({', '.join(f'LENGTH({part}), 0x3A, {part}' for part in known)})"
    return f"CONV(LEFT(SHA2({whole}, 256), 15), 16, 10)"


def column_decoder(column: Column) -> Decoder:
    """Return what decodes many values of a column at a time."""
    kind = kind_of(column)
    one = decoder(column)
    if kind.text and kind.charset.startswith("utf8"):
        return lambda values: _texts(values, one)
    if kind.bytes or kind.opaque:
        return lambda values: values
    return _each(one)


def _texts(values: Sequence[bytes | None], one: Callable[[bytes], Value]) -> Sequence[Value]:
    try:
        return [None if value is None else value.decode() for value in values]
    except UnicodeDecodeError:
        return [None if value is None else one(value) for value in values]


def _each(one: Callable[[bytes], object]) -> Decoder:
    return lambda values: [None if value is None else cast(Value, one(value)) for value in values]


def _moments(column: Column) -> Decoder:
    """Return what decodes many times: as `parse_time` takes them, and the zero date, which is no time, as None."""
    kind = kind_of(column)
    if not kind.moment and kind.base not in ("date", "datetime"):
        return _each(moment_decoder(column))
    zone = "+00:00" if kind.moment else ""
    return lambda values: [
        None if value is None or value.startswith(b"0000-00-00") else value.decode("ascii", "replace") + zone
        for value in values
    ]


def _numbers(values: Sequence[bytes | None]) -> Sequence[Value]:
    return [None if value is None else int(value) for value in values]


def _flags(values: Sequence[bytes | None]) -> Sequence[Value]:
    return [value == b"1" for value in values]


def _literal(column: Column, text: str) -> str | None:
    """Return a text in the column's character set and collation; None where no value of the column equals it."""
    charset = kind_of(column).charset
    raw = encode(text, charset)
    if raw is None or (charset in _BMP_ALONE and text and max(text) > "\uffff"):
        return None
    return f"_{charset} {binary_literal(raw)} COLLATE {column.collation}"


def _range(name: str, column: Column, first: str | None, end: str) -> str:
    below = f"{name} < {_literal(column, end)}"
    return below if first is None else f"({name} >= {_literal(column, first)} AND {below})"
