"""Reads from SQLite what the rows say of their objects."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from hashlib import blake2b

from dedupaudit.sources.tables.catalog import Column
from dedupaudit.sources.tables.folding import WHITE_SPACE
from dedupaudit.sources.tables.object_rows import (
    BATCH,
    Asked,
    Shape,
    asked_in_turn,
    bytes_of,
    shape_of,
    told_by,
    white_ranges,
)
from dedupaudit.sources.tables.protocol import Key, ObjectRow, Undecodable, Value
from dedupaudit.sources.tables.sqlite_guard import decode
from dedupaudit.sources.tables.sqlite_sql import quote
from dedupaudit.sources.tables.table import Table

Execute = Callable[[str, dict[str, str], Sequence[object]], sqlite3.Cursor]
_KNOWN_COLLATIONS = ("BINARY", "NOCASE", "RTRIM")
_SPACES = "char(" + ",".join(str(ord(character)) for character in WHITE_SPACE) + ")"


class ObjectReader:
    """Reads object rows over the source's connection; `execute` and `running` are the source's own."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        encoding: str,
        execute: Execute,
        running: Callable[[str, Table], AbstractContextManager[None]],
    ) -> None:
        self._connection = connection
        self._encoding = encoding
        self._execute = execute
        self._running = running

    def rows(
        self, table: Table, parts: dict[str, str], locator: int, fields: Sequence[Column], keys: Sequence[str] | None
    ) -> Iterator[list[ObjectRow]]:
        """Yield what `TableSource.object_rows` does."""
        shape = shape_of(table, locator, len(fields), hashed=token_maker(table))
        told = [column for column in told_by(table).all if column]
        columns = [
            *([f"CASE WHEN {parts['where']} THEN 1 ELSE 0 END"] if table.where else []),
            parts["key"],
            *([parts["locator"]] if locator else []),
            *(quote(column.name) for column in (*told, *fields)),
        ]
        parts = {**parts, "columns": ", ".join(columns), "condition": "TRUE"}
        with self._running("object_rows", table):
            if keys is None:
                yield from self._batches(shape, parts, ())
                return
            for asked in asked_in_turn(keys):
                parts["condition"], arguments = self._condition(table, asked)
                for batch in self._batches(shape, parts, arguments):
                    if chosen := asked.chosen(batch):
                        yield chosen

    def _batches(self, shape: Shape, parts: dict[str, str], arguments: Sequence[object]) -> Iterator[list[ObjectRow]]:
        """Decode in C for as long as all text decodes, which is half of the time, and then go on where that ended.

        A statement's order is the same again: one plan, one snapshot, one thread.
        """
        done = 0
        cursor = self._execute("object_rows", parts, (done, *arguments))
        try:
            while rows := self._fetched(cursor):
                done += len(rows)
                yield shape.rows(list(zip(*rows, strict=True)))
        except sqlite3.OperationalError as error:
            if "decode" not in str(error):
                raise
        else:
            return
        finally:
            cursor.close()
        cursor = self._execute("object_rows", parts, (done, *arguments))
        while rows := cursor.fetchmany(BATCH):
            yield shape.rows(list(zip(*rows, strict=True)))

    def _fetched(self, cursor: sqlite3.Cursor) -> list[tuple[Value, ...]]:
        try:
            self._connection.text_factory = str
            return cursor.fetchmany(BATCH)
        finally:
            self._connection.text_factory = decode

    def _condition(self, table: Table, asked: Asked) -> tuple[str, list[str | bytes]]:
        """Return a condition that holds at least for the rows asked for, and what fills its parameters from ?2 on.

        Each part of it is one that an index on the column can answer.
        """
        column = told_by(table).object_key
        if column is None:
            return "TRUE", []
        known = column.collation in _KNOWN_COLLATIONS
        name = quote(column.name) if known else f"{quote(column.name)} COLLATE BINARY"
        marks: list[str] = []
        arguments: list[str | bytes] = []
        for key in asked.keys:
            mark = f"?{len(arguments) + 2}"
            try:
                key.encode("utf-8")
                marks.append(mark)
                arguments.append(key)
            except UnicodeEncodeError:
                if (raw := bytes_of(key)) is not None:
                    marks.append(f"CAST({mark} AS TEXT)")
                    arguments.append(raw)
        parts = [f"{name} IN ({', '.join(marks)})"]
        if asked.with_keyless:
            # Without the hint SQLite takes each range for a quarter of the table, and reads all of it.
            parts += [f"unlikely({part})" for part in self._keyless(name)]
        return " OR ".join(parts), arguments

    def _keyless(self, name: str) -> list[str]:
        """Return conditions of which one holds for each value that is NULL, blank or no text, and for few others.

        Numbers come before all text, and blobs behind it; text begins with its first character, in bytes.
        """
        if self._encoding != "utf-8":
            # There the order is that of other bytes.
            return [f"{name} IS NULL", f"typeof({name}) <> 'text'", f"trim({name}, {_SPACES}) = ''"]
        wide = [
            f"{name} >= char({ord(first)}) AND {name} < char({ord(end)})"
            for first, end in white_ranges()
            if ord(first) > ord("!")
        ]
        return [f"{name} IS NULL", f"{name} < '!'", *wide, f"{name} >= x''"]


def token_maker(table: Table) -> Callable[[Key], int | None] | None:
    """Return what makes a number of a key, equal where SQLite says equal; None where the bytes tell, or nobody can."""
    if all(_is_told_by_bytes(table, column) for column in table.key):
        return None
    collations = [column.collation for column in table.key]
    if any(collation not in _KNOWN_COLLATIONS for collation in collations):
        return None

    def token(key: Key) -> int | None:
        whole = b""
        for value, collation in zip(key, collations, strict=True):
            if value is None:
                return None
            part = _canonical(value, collation)
            whole += b"%d:" % len(part) + part
        return int.from_bytes(blake2b(whole, digest_size=8).digest(), "big", signed=True)

    return token


def _is_told_by_bytes(table: Table, column: Column) -> bool:
    """Say whether two values of a column are equal only where they are the same: never 0 beside 0.0."""
    declared = column.declared.upper()
    whole = "INT" in declared or any(word in declared for word in ("CHAR", "CLOB", "TEXT"))
    return column.collation == "BINARY" and whole and table.catalog.kind == "table"


def _canonical(value: Value, collation: str) -> bytes:
    """Return bytes that are the same for values that SQLite takes for equal in a collation."""
    match value:
        case bytes():
            return b"b" + value
        case float():
            return b"n%d" % int(value) if value.is_integer() else b"n" + repr(value).encode()
        case int():
            return b"n%d" % value
        case Undecodable():
            raw = value.raw
        case _:
            raw = str(value).encode("utf-8", "surrogatepass")
    if collation == "NOCASE":
        # ASCII alone is folded, and nothing is looked at behind a NUL but how much there is.
        head, nul, _rest = raw.partition(b"\0")
        raw = head.lower() + nul + (b"%d" % len(raw) if nul else b"")
    return b"t" + (raw.rstrip(b" ") if collation == "RTRIM" else raw)
