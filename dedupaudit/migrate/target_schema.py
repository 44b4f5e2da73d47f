"""The target schema as it is compared: `sql/schema/` in words. Tests hold the two together on every server."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal

from dedupaudit.sources.tables.catalog import Column

Dialect = Literal["postgresql", "mysql", "sqlite"]
Kind = Literal["id", "location", "state", "type", "milliseconds", "count", "document", "moment"]


@dataclass(frozen=True)
class WantedColumn:
    """A column. `not_null` None: either will do. `updated`: it is set to the time of every update."""

    name: str
    kind: Kind
    not_null: bool | None = False
    default: str | None = None
    """As `plain_default` gives it."""
    updated: bool = False


@dataclass(frozen=True)
class WantedTable:
    """A table. `indexed` are columns that an index begins with; its primary key is `id`."""

    name: str
    columns: tuple[WantedColumn, ...]
    indexed: tuple[str, ...] = ()


PRIMARY_KEY: Final = ("id",)
NOW: Final = "CURRENT_TIMESTAMP"

_ID = WantedColumn("id", "id", not_null=True)
_DEVICE = WantedColumn("device_id", "id", not_null=True)
_TIME = WantedColumn("timestamp", "milliseconds", not_null=True)
_DATA = WantedColumn("data", "document")
_CREATED = WantedColumn("created_at", "moment", not_null=None, default=NOW)

TARGET: Final = (
    WantedTable(
        "screenshots",
        (
            _ID,
            _DEVICE,
            WantedColumn("oss_key", "location"),
            WantedColumn("oss_url", "location"),
            WantedColumn("status", "state", not_null=True),
            _TIME,
            WantedColumn("file_size", "count"),
            WantedColumn("retry_count", "count", default="0"),
            _CREATED,
            WantedColumn("updated_at", "moment", not_null=None, default=NOW, updated=True),
        ),
        indexed=("device_id", "status"),
    ),
    WantedTable(
        "activities",
        (_ID, _DEVICE, WantedColumn("type", "type", not_null=True), _TIME, _DATA, _CREATED),
        indexed=("device_id", "timestamp"),
    ),
    WantedTable("processes", (_ID, _DEVICE, _TIME, _DATA, _CREATED)),
)

# How each kind is called, and what the catalog may call it. A width of MariaDB's integers says nothing.
_VARCHARS: dict[Kind, int] = {"id": 255, "location": 512, "state": 20, "type": 50}
_TYPES: dict[Dialect, dict[Kind, tuple[str, str]]] = {
    "postgresql": {
        **{kind: (f"varchar({width})", rf"character varying\({width}\)") for kind, width in _VARCHARS.items()},
        "milliseconds": ("bigint", "bigint"),
        "count": ("integer", "integer"),
        "document": ("jsonb", "jsonb"),
        "moment": ("timestamp", r"timestamp(\(\d\))? with(out)? time zone"),
    },
    "mysql": {
        **{kind: (f"varchar({width})", rf"varchar\({width}\)") for kind, width in _VARCHARS.items()},
        "milliseconds": ("bigint", r"bigint(\(\d+\))?"),
        "count": ("int", r"int(\(\d+\))?"),
        "document": ("json", "json"),
        "moment": ("timestamp", r"(timestamp|datetime)(\(\d\))?"),
    },
    # There a type is no more than its affinity.
    "sqlite": {
        **dict.fromkeys(_VARCHARS, ("TEXT", "TEXT")),
        "milliseconds": ("INTEGER", "INTEGER"),
        "count": ("INTEGER", "INTEGER"),
        "document": ("TEXT", "TEXT|JSON"),
        "moment": ("TEXT", ".*"),
    },
}


def type_of(column: WantedColumn, dialect: Dialect) -> str:
    """Return what a type is called, for people."""
    return _TYPES[dialect][column.kind][0]


def is_of_type(live: Column, column: WantedColumn, dialect: Dialect) -> bool:
    """Say whether a column that is there has the wanted type."""
    declared = live.declared.lower()
    if dialect == "sqlite":
        declared = "JSON" if live.json else affinity(live.declared)
    elif dialect == "mysql" and live.json:
        declared = "json"
    return re.fullmatch(_TYPES[dialect][column.kind][1], declared) is not None


def affinity(declared: str) -> str:
    """Return SQLite's affinity of a declared type, by its rules in their order."""
    upper = declared.upper()
    for words, found in (
        (("INT",), "INTEGER"),
        (("CHAR", "CLOB", "TEXT"), "TEXT"),
        (("BLOB",), "BLOB"),
        (("REAL", "FLOA", "DOUB"), "REAL"),
    ):
        if any(word in upper for word in words):
            return found
    return "NUMERIC" if upper else "BLOB"


_CASTS = re.compile(r"(::[\w\s\".\[\]]+(\([\d,]*\))?)+$")
_NOW = re.compile(
    r"(current_timestamp|localtimestamp|((transaction|statement|clock)_timestamp|now)(?=\())(\(\d*\))?"
    r"|datetime\('now'\)|strftime\('[^']*', ?'now'\)",
    re.IGNORECASE,
)


def plain_default(default: str | None) -> str | None:
    """Return a default without what only one server writes: casts, parentheses, quotes of numbers; None for NULL."""
    text = _unwrapped(default or "")
    if _NOW.fullmatch(text):
        return NOW
    if text.upper() in ("", "NULL"):
        return None
    return number[1] if (number := re.fullmatch(r"'(-?\d+)'", text)) else text


def _unwrapped(text: str) -> str:
    before = None
    while text != before:
        before = text
        text = _CASTS.sub("", text.strip())
        if text.startswith("(") and text.endswith(")") and _is_one_pair(text):
            text = text[1:-1]
    return text


def _is_one_pair(text: str) -> bool:
    """Say whether the first parenthesis is closed by the last."""
    depth = 0
    for place, character in enumerate(text):
        depth += (character == "(") - (character == ")")
        if depth == 0:
            return place == len(text) - 1
    return False
