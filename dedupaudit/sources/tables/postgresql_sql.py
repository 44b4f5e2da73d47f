"""How PostgreSQL writes what `sql/scan/postgresql/` leaves open: quoted names, literals, conditions on keys.

Functions are called by their schema and text is cast to text, so that nothing on a search path stands in for them.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from dedupaudit.errors import SourceError
from dedupaudit.sources.tables.catalog import Column
from dedupaudit.sources.tables.folding import WHITE_SPACE
from dedupaudit.sources.tables.payload import LONG
from dedupaudit.sources.tables.postgresql_types import (
    ColumnType,
    array_type,
    by_bytes,
    hash_call,
    is_loose,
    shown,
    writing,
)
from dedupaudit.sources.tables.protocol import Key, Undecodable, Value
from dedupaudit.sources.tables.table import Table

LONG_JSON = 65_536
"""Bytes above which JSON travels as the hash of its text, and is not compared as a value."""

WORD = re.compile(r"[^\W\d][\w$]*")
"""A word of SQL, which may be the name of a function."""

_NULL = "NULL::pg_catalog.text"
_SEED = "0"
_ASCII_SPACES = "".join(character for character in WHITE_SPACE if character.isascii())
_SPACE_BYTES = f"'\\x{_ASCII_SPACES.encode('ascii').hex()}'::pg_catalog.bytea"


def quote(name: str) -> str:
    """Return a name as an SQL identifier, whatever is in it."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """Return text as an SQL literal (with standard_conforming_strings, which the session sets)."""
    if "\0" in text:
        raise SourceError("PostgreSQL has no text with a NUL character", "check the name that was asked for")
    return "'" + text.replace("'", "''") + "'"


def value_literal(value: Value) -> str:
    """Return a value as SQL."""
    match value:
        case None:
            return "NULL"
        case bytes():
            return f"'\\x{value.hex()}'::pg_catalog.bytea"
        case Undecodable():
            return literal(value.raw.decode("utf-8", "surrogateescape"))
        case str():
            return literal(value)
        case float():
            return f"'{value!r}'::pg_catalog.float8"
        case _:
            return str(value)


def integers(numbers: Sequence[int]) -> str:
    """Return an array of integers as SQL: one literal, which the server hashes."""
    return "'{" + ",".join(map(str, numbers)) + "}'::pg_catalog.int8[]"


def texts(values: Sequence[str]) -> str:
    """Return an array of text as SQL."""
    return f"ARRAY[{', '.join(map(literal, values))}]::pg_catalog.text[]"


@dataclass(frozen=True)
class Writer:
    """Writes the fragments for one database: what white space it can hold depends on its encoding."""

    encoding: str = "UTF8"
    python_encoding: str = "utf-8"
    salt: str = field(default_factory=lambda: os.urandom(16).hex())

    def blank(self, text: str) -> str:
        """Return the condition that a text is empty or only white space, of what the database's text can hold."""
        if self.encoding == "SQL_ASCII":
            # To such a server each byte is a character: white space beyond ASCII is a sequence of them.
            return f'{text} COLLATE pg_catalog."C" ~ {literal("^(?:" + "|".join(WHITE_SPACE) + ")*$")}'
        spaces = "".join(one for one in WHITE_SPACE if one.encode(self.python_encoding, "ignore").decode("latin-1"))
        return f"pg_catalog.btrim({text}, {literal(spaces)}) = ''"

    def fragments(self, table: Table, types: Mapping[str, ColumnType], locator: Sequence[str]) -> dict[str, str]:
        """Return the text of every placeholder that does not depend on one query. `locator` is SQL."""
        # Qualified, so that ORDER BY never takes them for the name of an output column.
        key = [(qualified(table, column.name), types[column.name]) for column in table.key]
        upload = table.upload
        aliases = [f'"dedupaudit key {number}"' for number in range(len(key))]
        status = qualified(table, upload.status.name) if upload else _NULL
        token = token_of(table, types)
        return {
            "table": table.catalog.quoted,
            "where": f"(\n{table.where}\n)" if table.where else "TRUE",
            "locator": _listed([_located(table, part, types) for part in locator]),
            "locator_order": _listed([qualified(table, part) for part in locator])
            if locator
            else "NULL::pg_catalog.int4",
            "key": _listed([shown(name, kind) for name, kind in key]),
            "key_plain": _listed([name for name, _kind in key]),
            "key_is_null": " OR ".join(f"{name} IS NULL" for name, _kind in key),
            "key_is_blank": " OR ".join(self._is_blank(name, kind) for name, kind in key),
            "key_is_odd": " OR ".join(self._is_odd(name, kind) for name, kind in key),
            "key_by_bytes": _listed([by_bytes(name, kind) for name, kind in key]),
            "key_writing": _listed([writing(name, kind) for name, kind in key]),
            "key_written": _listed([_written(name, kind) for name, kind in key]),
            "key_named": _listed([f"{name} AS {alias}" for (name, _kind), alias in zip(key, aliases, strict=True)]),
            "key_names": _listed(aliases),
            "joined": " AND ".join(
                f"{name} {kind.equal} {alias}" for (name, kind), alias in zip(key, aliases, strict=True)
            ),
            "token": token or "NULL",
            "joined_token": token or _text_token(key),
            "time": time_of(table, table.time, types),
            "updated": time_of(table, upload.updated if upload else None, types),
            "kind": kind_of(table, types),
            "values": _listed([self._value(table, column, types[column.name]) for column in table.compared]),
            "status": f"{status}::pg_catalog.text",
            "status_text": f'({status}::pg_catalog.text COLLATE pg_catalog."C")',
            "object_key": _text(table, upload.object_key if upload else None),
            "object_url": _text(table, upload.object_url if upload else None),
            "object_is_missing": self._object_is_missing(table),
            "object_is_named": self._object_is_named(table),
        }

    def _is_blank(self, name: str, kind: ColumnType) -> str:
        if kind.family == "bytes":
            return f"pg_catalog.btrim({name}, {_SPACE_BYTES}) = '\\x'::pg_catalog.bytea"
        if kind.family != "text":
            return "FALSE"
        # Nearly every key begins with a printable ASCII character, and two comparisons see that.
        text = f'{name}::pg_catalog.text COLLATE pg_catalog."C"'
        return f"(({text} < '!' OR {text} > '~') AND {self.blank(f'{name}::pg_catalog.text')})"

    def _is_odd(self, name: str, kind: ColumnType) -> str:
        if kind.family != "text":
            return "FALSE"
        plain = f"{name}::pg_catalog.text"
        text = f'{plain} COLLATE pg_catalog."C"'
        wide = f"pg_catalog.octet_length({plain}) <> pg_catalog.char_length({plain})"
        if self.encoding != "UTF8":
            # Elsewhere a character beyond ASCII may be one byte.
            wide = f"{text} ~ '[^\\x01-\\x7f]'"
        return (
            f"({wide} OR {text} < '!' OR {text} <> pg_catalog.lower({text})"
            f" OR pg_catalog.right({plain}, 1) COLLATE pg_catalog.\"C\" < '!')"
        )

    def _value(self, table: Table, column: Column, kind: ColumnType) -> str:
        name = qualified(table, column.name)
        if kind.family in ("integer", "float"):
            return shown(name, kind)
        salt = f"'\\x{self.salt}'::pg_catalog.bytea"
        if kind.family == "bytes":
            long = f"pg_catalog.sha256({salt} || {name})"
            return f"CASE WHEN pg_catalog.octet_length({name}) > {LONG} THEN {long} ELSE {name} END"
        text = shown(name, kind)
        limit = LONG_JSON if column.json else LONG
        # The prefix keeps a hash from being read as JSON.
        long = f"'sha256:' || pg_catalog.encode(pg_catalog.sha256({salt} || pg_catalog.textsend({text})), 'hex')"
        return f"CASE WHEN pg_catalog.octet_length({text}) > {limit} THEN {long} ELSE {text} END"

    def _blank_or_null(self, table: Table, column: Column) -> str:
        text = f"{qualified(table, column.name)}::pg_catalog.text"
        return f"({text} IS NULL OR {self.blank(text)})"

    def _object_is_missing(self, table: Table) -> str:
        columns = [table.upload.object_key, table.upload.object_url] if table.upload else []
        return " OR ".join(self._blank_or_null(table, column) for column in columns if column) or "FALSE"

    def _object_is_named(self, table: Table) -> str:
        column = table.upload.object_key if table.upload else None
        return f"NOT {self._blank_or_null(table, column)}" if column else "FALSE"


def token_of(table: Table, types: Mapping[str, ColumnType]) -> str | None:
    """Return SQL for a 64-bit token of a key, equal for equal keys; None where a type has no hash that SQL can call."""
    token: str | None = _SEED
    for column in table.key:
        # Each hash is the seed of the next, so that no separator is needed and NULL in a part makes all NULL.
        token = hash_call(qualified(table, column.name), types[column.name], token) if token else None
    return token


def kind_of(table: Table, types: Mapping[str, ColumnType]) -> str:
    """Return SQL for the group column, compared by bytes; floats as text, since NaN equals nothing in Python."""
    if table.group is None:
        return _NULL
    name, kind = qualified(table, table.group.name), types[table.group.name]
    if kind.family == "float":
        return f'{shown(name, kind)}::pg_catalog.text COLLATE pg_catalog."C"'
    return by_bytes(name, kind)


def is_kind(kind: str, value: Value) -> str:
    """Return the condition that a row is of a kind."""
    return f"({kind}) IS NULL" if value is None else f"({kind}) = {value_literal(value)}"


def wanted_keys(table: Table, types: Mapping[str, ColumnType], keys: Sequence[Key]) -> str:
    """Return the condition that a key is one of some, each part as `writing` has it."""
    columns = [(qualified(table, column.name), types[column.name]) for column in table.key]
    lists = [
        f"ARRAY[{', '.join(_wanted(key[number], kind) for key in keys)}]::{array_type(kind)}"
        for number, (_name, kind) in enumerate(columns)
    ]
    if len(columns) == 1:
        name, kind = columns[0]
        # Equality by bytes is that of the column's own index, which may be used then.
        plain = name if table.key[0].bytewise else writing(name, kind)
        return f"{plain} = ANY ({lists[0]})"
    parts = ", ".join(writing(name, kind) for name, kind in columns)
    unnested = ", ".join(f"pg_catalog.unnest({values})" for values in lists)
    return f"({parts}) IN (SELECT * FROM ROWS FROM ({unnested}))"  # noqa: S608 (quoted names and literals)


def _written(name: str, kind: ColumnType) -> str:
    """Return SQL for a part of a key as people see it, one for all rows of one `writing`."""
    return f"pg_catalog.min({by_bytes(name, kind)})" if is_loose(kind) else by_bytes(name, kind)


def unfolded(part: Value) -> Value:
    """Return a part of a key that is no text, though it travels as text, so that it is not folded: NaN, 44 BC."""
    if isinstance(part, Undecodable):
        return part.raw
    return part.encode("utf-8", "surrogateescape") if isinstance(part, str) else part


def _wanted(part: Value, kind: ColumnType) -> str:
    """Return SQL for a part of a key that `unfolded` may have made bytes."""
    return value_literal(Undecodable(part) if isinstance(part, bytes) and kind.family != "bytes" else part)


def _text_token(key: Sequence[tuple[str, ColumnType]]) -> str:
    token = _SEED
    for name, kind in key:
        token = f"pg_catalog.hashtextextended({shown(name, kind)}::pg_catalog.text, {token})"
    return token


def qualified(table: Table, name: str) -> str:
    """Return a column with its table and schema."""
    return f"{table.catalog.quoted}.{quote(name)}"


def _located(table: Table, part: str, types: Mapping[str, ColumnType]) -> str:
    if part in types:
        return shown(qualified(table, part), types[part])
    cast = "pg_catalog.regclass::pg_catalog.text" if part == "tableoid" else "pg_catalog.text"
    return f"{qualified(table, part)}::{cast}"


def _listed(parts: Sequence[str]) -> str:
    return ", ".join(parts) if parts else _NULL


def _text(table: Table, column: Column | None) -> str:
    return f"{qualified(table, column.name)}::pg_catalog.text" if column else _NULL


def time_of(table: Table, column: Column | None, types: Mapping[str, ColumnType]) -> str:
    """Return SQL for what `parse_time` takes."""
    if column is None:
        return _NULL
    kind = types[column.name]
    if kind.family == "numeric":
        return f"pg_catalog.trunc({qualified(table, column.name)})::pg_catalog.text"
    return shown(qualified(table, column.name), kind)
