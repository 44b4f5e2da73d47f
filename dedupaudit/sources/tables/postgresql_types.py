"""How PostgreSQL's types are read: what a column is shown as, hashed by, and compared by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Family = Literal["integer", "float", "numeric", "text", "bytes", "json", "other"]

_INTEGERS = (20, 21, 23, 26)
_FLOATS = {700: "float4", 701: "float8"}
_NUMERIC, _BYTES, _TEXT, _VARCHAR, _NAME, _BPCHAR = 1700, 17, 25, 1043, 19, 1042
_JSONS = (114, 3802)
# bool, date, time, timestamp, timestamptz, uuid: two of these are equal where their bytes are.
_PLAIN = (16, 1082, 1083, 1114, 1184, 2950)


@dataclass(frozen=True, slots=True)
class ColumnType:
    """A column's type with its domains resolved; `hashed` and `equal` are what the type's own unique index goes by.

    `hashed` is a function's name in SQL, or None where SQL cannot call it; `equal` is an operator in SQL.
    """

    oid: int
    family: Family
    hashed: str | None
    equal: str


def family_of(oid: int, category: str) -> Family:
    """Return how values of a type are read."""
    if oid in _INTEGERS:
        return "integer"
    if oid in _FLOATS:
        return "float"
    if oid in _JSONS:
        return "json"
    if oid == _NUMERIC:
        return "numeric"
    if oid == _BYTES:
        return "bytes"
    # S is the category of text, citext's too.
    return "text" if category == "S" else "other"


def is_bytewise(oid: int, kind: str, *, deterministic: bool) -> bool:
    """Say whether values of a type are equal only where their bytes are. `kind` is e for an enum."""
    if oid in (_TEXT, _VARCHAR, _NAME):
        return deterministic
    return kind == "e" or oid == _BYTES or oid in _INTEGERS or oid in _PLAIN


def hash_call(name: str, kind: ColumnType, seed: str) -> str | None:
    """Return SQL for a 64-bit hash of a column: equal where the server says equal, NULL for NULL."""
    if kind.family == "integer":
        return f"pg_catalog.hashint8extended({name}::pg_catalog.int8, {seed})"
    if kind.family == "bytes":
        return f"pg_catalog.hashtextextended(pg_catalog.encode({name}, 'hex'), {seed})"
    if kind.oid == _VARCHAR:
        name += "::pg_catalog.text"
    return f"{kind.hashed}({name}, {seed})" if kind.hashed else None


def shown(name: str, kind: ColumnType) -> str:
    """Return SQL for what the driver reads as str, int, float or bytes."""
    match kind.family:
        case "integer":
            return f"{name}::pg_catalog.int8"
        case "float":
            # 0 and -0 are one value; added to zero, both are 0.
            return f"({name} OPERATOR(pg_catalog.+) 0::pg_catalog.{_FLOATS[kind.oid]})"
        case "bytes":
            return name
        case "numeric":
            return f"pg_catalog.trim_scale({name})::pg_catalog.text"
        case _:
            return f"{name}::pg_catalog.text"


def by_bytes(name: str, kind: ColumnType) -> str:
    """Return `shown`, told apart byte by byte."""
    text = shown(name, kind)
    return text if kind.family in ("integer", "float", "bytes") else f'{text} COLLATE pg_catalog."C"'


def is_loose(kind: ColumnType) -> bool:
    """Say whether equal values may be shown differently, and not only in what folding joins: 1 day and 24 hours."""
    return kind.family in ("json", "other") and kind.oid not in _PLAIN and kind.hashed is not None


def writing(name: str, kind: ColumnType) -> str:
    """Return SQL that tells the writings of a key apart: text by bytes, all else by the type's own equality."""
    if is_loose(kind):
        return hash_call(name, kind, "0") or by_bytes(name, kind)
    return by_bytes(name, kind)


def array_type(kind: ColumnType) -> str:
    """Return the SQL type of the elements that `writing` is compared with."""
    kinds = {"integer": "int8", "float": _FLOATS.get(kind.oid, "float8"), "bytes": "bytea"}
    return f"pg_catalog.{'int8' if is_loose(kind) else kinds.get(kind.family, 'text')}[]"
