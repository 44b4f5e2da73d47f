"""Keeps values from a database that would refuse them late, cut them, or turn them into others; encodes the rest."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from math import isfinite
from typing import Final
from uuid import UUID

from dedupaudit.display import visible
from dedupaudit.ingest.errors import Rejected
from dedupaudit.ingest.tables import Column, Described

Check = Callable[[object], object]
Row = tuple[object, ...]

_TEXT = re.compile(
    r"(?:tiny|medium|long|ci)?text\b|(?:n|var|nvar|bp)?char|(?:native |varying )?character|clob\b|name\Z", re.IGNORECASE
)
_FIXED = re.compile(r"(?:char|character|nchar|bpchar)\s*(?:\(|\Z)", re.IGNORECASE)
_BINARY = re.compile(r"binary\((\d+)\)", re.IGNORECASE)
_INTEGERS: Final = {"tinyint": 8, "smallint": 16, "mediumint": 24, "int": 32, "integer": 32, "bigint": 64}
# MySQL: int(11) unsigned zerofill.
_INTEGER = re.compile(r"(tinyint|smallint|mediumint|int|integer|bigint)\b(?:\s*\(\d+\))?(.*)", re.IGNORECASE)
_NUL_IN_JSON = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")
_ESCAPED_BY_MYSQL = re.compile(r"[\0\n\r\x1a\"'\\]")

_encode_json = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode


class _Refused(Exception):
    """Why a value cannot be stored, without the value."""


@dataclass(frozen=True)
class Encoder:
    """Turns rows of one set of columns into what the driver takes."""

    described: Described
    columns: tuple[str, ...]
    checks: tuple[Check, ...]
    key_places: tuple[int, ...]

    def encode(self, values: Sequence[object]) -> Row:
        """Return a row in the order of the columns. Raises Rejected, which names the column and never the value."""
        row = []
        try:
            for check, value in zip(self.checks, values, strict=True):
                row.append(check(value))  # noqa: PERF401 (how far it came says which column it was)
        except _Refused as error:
            raise Rejected(
                f"{self.described.shown} cannot take this event: {visible(self.columns[len(row)])} {error}",
                "nothing was written, and sending it again does not help",
            ) from None
        return tuple(row)

    def key(self, row: Row) -> Row:
        """Return the key of a row, in the order of the key's columns."""
        return tuple([row[place] for place in self.key_places])

    def spelled(self, key: Sequence[object]) -> Row:
        """Return a key that the server told as it was sent: a column of fixed length pads it."""
        if self.described.dialect == "sqlite":
            return tuple(key)
        columns = self.described.columns
        return tuple(
            [
                part.rstrip(" ") if isinstance(part, str) and _FIXED.match(columns[name].type) else part
                for name, part in zip(self.described.table.key_columns, key, strict=True)
            ]
        )

    def named(self, row: Row) -> dict[str, object]:
        """Return a row's values by their columns."""
        return dict(zip(self.columns, row, strict=True))


def encoder(
    described: Described, columns: Sequence[str], required: Collection[str], as_json: Collection[str]
) -> Encoder:
    """Return what encodes rows of these columns. Raises Rejected for a column that the table has not.

    `required`: columns that must not be NULL, empty or blank, beside the key's. `as_json`: columns that hold JSON,
    whatever their type.
    """
    if unknown := [name for name in columns if name not in described.columns]:
        raise Rejected(f"{described.shown} has no column {visible(unknown[0])}", "name the columns as they are")
    key = described.table.key_columns
    if left_out := [name for name in key if name not in columns]:
        raise Rejected(f"{visible(left_out[0])} is part of the key, and is not given", "give every column of the key")
    checks = [
        _check(described, described.columns[name], name in as_json, name in key or name in required, name in key)
        for name in columns
    ]
    return Encoder(described, tuple(columns), tuple(checks), tuple(list(columns).index(name) for name in key))


def check(described: Described, values: Mapping[str, object]) -> dict[str, object]:
    """Return one row's values as the driver takes them. Raises Rejected. The device may not be blank either."""
    found = encoder(described, tuple(values), (described.table.column("device_id"),), ())
    return found.named(found.encode(tuple(values.values())))


def is_text(column: Column) -> bool:
    """Say whether a column holds text as it is sent."""
    return _TEXT.match(column.type) is not None and not column.type.endswith("[]")


def is_padded(described: Described, column: Column) -> bool:
    """Say whether a column is of fixed length, so that the database fills it up with spaces (SQLite never does)."""
    return described.dialect != "sqlite" and _FIXED.match(column.type) is not None


def _check(described: Described, column: Column, as_json: bool, required: bool, in_key: bool) -> Check:
    """Put a column's check together once, so that a row pays only for what its type needs."""
    text = _text_check(described, column)
    if (as_json or column.json) and not in_key:
        return _json_check(described, column, text)
    if is_text(column):
        check = text
    elif (integer := _INTEGER.match(column.type)) and not column.type.endswith("[]"):
        check = _integer_check(described, integer, column.numbered)
    else:
        check = _other_check(described, column, text, in_key)
    if required:
        return _never_blank(check)
    return check if column.nullable else _never_null(check)


def _never_blank(check: Check) -> Check:
    def never_blank(value: object) -> object:
        if value is None:
            raise _Refused("is NULL")
        if isinstance(value, str) and (not value or value.isspace()):
            raise _Refused("is empty or blank")
        return check(value)

    return never_blank


def _never_null(check: Check) -> Check:
    def never_null(value: object) -> object:
        if value is None:
            raise _Refused("is NULL")
        return check(value)

    return never_null


def _text_check(described: Described, column: Column) -> Check:
    length, nul_allowed = column.length, described.dialect != "postgresql"
    fixed = is_padded(described, column)
    packet = described.packet
    large = packet // 8 if packet else sys.maxsize
    plain = min(length or sys.maxsize, large)

    def text(value: object) -> object:
        # What nearly every text is: nothing below can be wrong with it.
        if type(value) is str and len(value) <= plain and value.isascii() and value.isprintable() and value[-1:] != " ":
            return value
        if value is None:
            return None
        if not isinstance(value, str):
            raise _Refused(f"is no text, but {type(value).__name__}")
        if length is not None and len(value) > length:
            raise _Refused(f"has {len(value)} characters, and its column takes {length}")
        if not nul_allowed and "\0" in value:
            raise _Refused("has a NUL character, which PostgreSQL does not store")
        if not value.isascii():
            _encodable(value)
        if fixed and value.endswith(" "):
            raise _Refused("ends with a space, which a column of fixed length does not keep")
        if packet is not None and len(value) > large:
            _fits(value, packet)
        return value

    return text


def _encodable(value: str) -> None:
    try:
        value.encode()
    except UnicodeEncodeError:
        raise _Refused("has half of a surrogate pair, which is no character") from None


def _fits(value: str, packet: int) -> None:
    size = len(value.encode()) + len(_ESCAPED_BY_MYSQL.findall(value))
    # What else a statement holds is small beside it.
    if size > packet - 4096:
        raise _Refused(f"needs {size} bytes, and the server takes statements of {packet} (max_allowed_packet)")


def _integer_check(described: Described, declared: re.Match[str], numbered: bool) -> Check:
    bits = 64 if described.dialect == "sqlite" else _INTEGERS[declared[1].lower()]
    unsigned = described.dialect != "sqlite" and "unsigned" in declared[2].lower()
    lowest, highest = (0, 2**bits - 1) if unsigned else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    truth = declared[1].lower() == "tinyint"

    def integer(value: object) -> object:
        if value is None:
            return None
        if not isinstance(value, int) or (isinstance(value, bool) and not truth):
            raise _Refused(f"is no integer, but {type(value).__name__}")
        if not lowest <= value <= highest:
            raise _Refused(f"is out of range: its column takes {lowest} to {highest}")
        if numbered and value == 0:
            raise _Refused("is 0, for which AUTO_INCREMENT stores another number, and one more each time")
        return int(value)

    return integer


def _other_check(described: Described, column: Column, text: Check, in_key: bool) -> Check:
    sqlite = described.dialect == "sqlite"
    binary = _BINARY.fullmatch(column.type)
    uuid = column.type == "uuid" and not sqlite
    zoneless = described.dialect in ("mysql", "mariadb")
    many = column.type.endswith(("[]", "hstore"))

    def other(value: object) -> object:
        if isinstance(value, UUID):
            return str(value)
        if isinstance(value, float | Decimal) and described.dialect != "postgresql" and not isfinite(value):
            raise _Refused("is NaN or Infinity, which not every database keeps")
        if zoneless and isinstance(value, datetime | time) and value.tzinfo is not None:
            raise _Refused("has a time zone, which the driver leaves out: send it in UTC, without one")
        if isinstance(value, dict | list | tuple | set) and not many:
            raise _Refused(f"is no single value, but {type(value).__name__}")
        if binary and isinstance(value, bytes) and len(value) < int(binary[1]):
            raise _Refused(f"has {len(value)} bytes, and its column of fixed length makes {binary[1]} of them")
        if isinstance(value, str):
            if sqlite and in_key and _is_number(value):
                raise _Refused("reads as a number, and its column is of no text type: it would be stored as another ID")
            return _as_uuid(value, text) if uuid else text(value)
        if not sqlite:
            return value
        if isinstance(value, datetime):
            return value.isoformat(" ")
        if isinstance(value, int) and not -(2**63) <= value < 2**63:
            raise _Refused("is out of range")
        return str(value) if isinstance(value, date | time | Decimal) else value

    return other


def _as_uuid(value: str, text: Check) -> object:
    """Return it as the server spells it, which tells by their keys which rows of a batch went in."""
    try:
        return str(UUID(value))
    except ValueError:
        return text(value)  # the server says what is wrong with it


def _is_number(value: str) -> bool:
    try:
        float(value)
    except ValueError:
        return False
    return True


def _json_check(described: Described, column: Column, text: Check) -> Check:
    nul_allowed = column.type != "jsonb"

    def encoded(value: object) -> object:
        if value is None and column.nullable:
            return None
        try:
            written = _encode_json(value)
        except (TypeError, ValueError, RecursionError) as error:
            raise _Refused(f"cannot be written as JSON: {_why(error)}") from None
        if not nul_allowed and "\\u0000" in written and _NUL_IN_JSON.search(written):
            raise _Refused("has a NUL character, which jsonb does not store")
        return text(written)

    return encoded


def _why(error: Exception) -> str:
    """Say why; the error's own words may hold the value."""
    said = str(error)
    if isinstance(error, RecursionError) or "Circular" in said:
        return "it is too deep, or contains itself"
    return "NaN, Infinity or too large a number" if isinstance(error, ValueError) else "a type that JSON has not"
