"""A hash of a whole row of SQLite: every value with its storage class, byte for byte."""

from __future__ import annotations

import hashlib
import sqlite3
import struct
from collections.abc import Sequence
from pathlib import Path

from dedupaudit.sources.tables.catalog import Catalog
from dedupaudit.sources.tables.protocol import Key, Undecodable, Value
from dedupaudit.sources.tables.sqlite_sql import quote

_FUNCTION = "dedupaudit_row_hash"
# SQLite allows 127 arguments, older ones 100; a column takes two.
_WIDTH = 40


def create_row_hash(connection: sqlite3.Connection) -> None:
    """Make the function that `row_hash` calls known to a connection."""
    connection.create_function(_FUNCTION, -1, _hash, deterministic=True)


def row_hash(catalog: Catalog, alias: str) -> str:
    """Return SQL for the hash of a row, over the columns of `catalog` in their order."""
    values = [_typed(f"{alias}.{quote(column.name)}") for column in catalog.columns]
    calls = [f"{_FUNCTION}({', '.join(values[first : first + _WIDTH])})" for first in range(0, len(values), _WIDTH)]
    return calls[0] if len(calls) == 1 else f"{_FUNCTION}({', '.join(map(_typed, calls))})"


def _typed(name: str) -> str:
    # Text goes as its bytes: what is not valid in the database's encoding cannot be passed otherwise.
    return f"typeof({name}), CASE typeof({name}) WHEN 'text' THEN CAST({name} AS BLOB) ELSE {name} END"


def _hash(*values: int | float | bytes | None) -> str:
    digest = hashlib.sha256()
    for kind, value in zip(values[::2], values[1::2], strict=True):
        match value:
            case None:
                raw = b""
            case int():
                raw = b"%d" % value
            case float():
                raw = struct.pack(">d", value)
            case _:
                raw = value
        digest.update(b"%s %d " % (str(kind).encode(), len(raw)) + raw)
    return digest.hexdigest()


def identity(path: Path) -> dict[str, str]:
    """Return what tells a database file from others: where it really is."""
    return {"dialect": "sqlite", "file": str(path.resolve())}


def literal(value: Value, encoding: str) -> str:
    """Return a value as an SQL literal; `encoding` is the database's, as Python calls it."""
    match value:
        case None:
            return "NULL"
        case int():
            return str(value)
        case float():
            return repr(value) if value == value and abs(value) != float("inf") else f"{'-' if value < 0 else ''}9e999"
        case bytes():
            return f"x'{value.hex()}'"
        case Undecodable():
            return f"CAST(x'{value.raw.hex()}' AS TEXT)"
    if "\0" in value or any("\ud800" <= character <= "\udfff" for character in value):
        return f"CAST(x'{value.encode(encoding, 'surrogatepass').hex()}' AS TEXT)"
    return "'" + value.replace("'", "''") + "'"


def is_in(names: Sequence[str], keys: Sequence[Key], encoding: str) -> str:
    """Return the condition that columns have one of these values, as the columns themselves compare."""
    rows = [[literal(part, encoding) for part in key] for key in keys]
    if len(names) == 1:
        return f"{names[0]} IN ({', '.join(row[0] for row in rows)})"
    listed = ", ".join("(" + ", ".join(row) + ")" for row in rows)
    return f"({', '.join(names)}) IN (VALUES {listed})"
