"""Makes rows for a table of any shape, out of its catalog alone: the real table's rows are never read."""

from __future__ import annotations

import json
import re
import secrets
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from typing import Literal
from uuid import NAMESPACE_OID, UUID, uuid4, uuid5

from dedupaudit.display import visible
from dedupaudit.errors import UsageError
from dedupaudit.nearest import nearest
from dedupaudit.sources.tables.guess import singular
from dedupaudit.sources.tables.table import Table

Kind = Literal[
    "text", "integer", "decimal", "float", "boolean", "date", "time", "interval", "datetime", "zoned", "json", "uuid",
    "uuidtext", "bytes", "choice", "address", "array", "bits", "bitbytes", "year", "other",
]  # fmt: skip

_FIRST = 1_766_557_428_000
"""Of the IDs: milliseconds since 1970, as the client makes them."""
_MOST = 9_999
_DAY = date(2025, 12, 24)
_VARIED: tuple[Kind, ...] = ("json", "text", "integer", "decimal", "float", "bytes", "year")
"""Of what kind a column is in which payloads are made to differ, the best first."""
_WHOLE = 2**63 - 1
_NO_CALL = re.compile(r"""'(?:[^']|'')*'|::[\w". ]+\([\d,]+\)""")


@dataclass(frozen=True)
class Field:
    """One column. `length`: characters, bytes or digits; `padded`: what is shorter comes back longer.

    `largest` is that of an integer; `own` says that the database fills it: a number of its own, or an expression.
    """

    name: str
    kind: Kind
    length: int | None = None
    required: bool = False
    own: bool = False
    padded: bool = False
    largest: int = _WHOLE
    scale: int = 0
    labels: tuple[str, ...] = ()
    always: bool = False
    """Whether the database refuses any other value than its own."""
    empty: bool = False
    """Whether it is NULL where nobody gives it a value."""
    made: bool = False
    """Whether it gets another value each time where nobody gives it one: a number, a UUID, the time."""


def computes(default: str | None) -> bool:
    """Say whether a default calls something; texts, and the lengths of types that it is cast to, are no calls."""
    return "(" in _NO_CALL.sub("", default or "") or (default or "").upper().startswith(("CURRENT_", "LOCAL"))


@dataclass(frozen=True)
class Rows:
    """How rows of one table are made. `varied` is the column in which payloads differ, None where there is none."""

    table: str
    key: tuple[Field, ...]
    device: Field | None
    filled: tuple[Field, ...]
    """Columns that need a value, beside the key, the device and the varied one."""
    named: Mapping[str, object]
    """Values that the user gave."""
    anew: frozenset[str]
    """Columns of unique indexes over more than the key: each request has another value there, as a backend that makes
    itself a number or a UUID for each row gives it."""
    usual: Mapping[str, object]
    varied: Field | None = None

    def event(self, number: int, device: str) -> dict[str, object]:
        """Return the row of an event as the drill sends it, again and again.

        What it says is its own, where that is a text: a unique index may be over that. Numbers are not: rules over
        those have bounds.
        """
        differs = self.varied is not None and self.varied.kind in ("json", "text")
        return self.row(number, device, number if differs else 0)

    def row(self, number: int, device: str, variant: int = 0) -> dict[str, object]:
        """Return the values of one event: equal for equal arguments, and of another payload for another variant.

        But for the columns of `anew`, which are other ones each time.
        """
        values: dict[str, object] = {}
        for field in self.key:
            of_device = self.device is not None and field.name == self.device.name and len(self.key) > 1
            values[field.name] = device_value(field, device) if of_device else key_value(field, number, self.table)
        if self.device is not None and self.device.name not in values:
            values[self.device.name] = device_value(self.device, device)
        for field in self.filled:
            if field.name in self.anew:
                values[field.name] = new_value(field, number, self.table)
            else:
                values[field.name] = self.usual[field.name] if field.name in self.usual else sample(field)
        if self.varied is not None:
            values[self.varied.name] = varied_value(self.varied, variant)
        return values | dict(self.named)


def plans(table: Table, fields: Sequence[Field], values: Mapping[str, str]) -> Iterator[Rows]:
    """Yield ways to make rows, each with another column to differ in, the last with none.

    Raises UsageError for a value of a column that does not exist or cannot have it, and for a key that nobody sends.
    """
    by_name = {field.name: field for field in fields}
    key = tuple(by_name[name] for name in table.key_names)
    for field in key:
        # Sent, it would keep each retry out; left to the database, as where another column holds the sent ID, none.
        if field.always or (table.key_why and field.made):
            raise UsageError(
                f"table {visible(table.name)}: the database itself makes its key {visible(field.name)}, so no retry"
                " could be told from a new event",
                f'name the column of the sent ID: [tables.{visible(table.name)}] key = ["COLUMN"]',
            )
        # What is too small for so many is told before the drill begins.
        key_value(field, _MOST, table.name)
    named = _named(table, by_name, values)
    device = by_name.get(table.device.name) if table.device else None
    taken = {field.name for field in key} | set(named) | ({device.name} if device else set())
    open_fields = [field for field in fields if field.name not in taken and not field.own]
    required = [field for field in open_fields if field.required]
    unique = frozenset(
        str(column)
        for index in table.catalog.indexes
        if index.unique and not set(index.columns) <= set(table.key_names)
        for column in index.columns
    )
    usual = _usual(table)
    # NULL is not distinct from NULL in some unique indexes: then each row needs a value of its own there.
    unequal = [field for field in open_fields if field.required or field.name in unique]
    for needed in [required] if unequal == required else [required, unequal]:
        for varied in [*_candidates(table, open_fields, unique), None]:
            filled = tuple(field for field in needed if field is not varied)
            yield Rows(table.name, key, device, filled, named, unique, usual, varied)


def _usual(table: Table) -> dict[str, object]:
    """Return what columns of a known meaning usually hold: rules over them most likely allow it."""
    usual: dict[str, object] = {}
    if table.group:
        usual[table.group.name] = "click"
    if table.upload:
        usual[table.upload.status.name] = "pending"
    return usual


def _candidates(table: Table, fields: Sequence[Field], unique: frozenset[str]) -> list[Field]:
    compared = {column.name for column in table.compared}
    told = {column.name for column in (table.time, table.group, table.upload and table.upload.status) if column}
    fit = [
        field
        for field in fields
        if field.kind in _VARIED and field.name in compared and field.name not in unique | told
        and (field.length is None or field.length >= 2)
    ]  # fmt: skip
    return sorted(fit, key=lambda field: _VARIED.index(field.kind))


def _named(table: Table, fields: Mapping[str, Field], values: Mapping[str, str]) -> dict[str, object]:
    named: dict[str, object] = {}
    for name, text in values.items():
        field = fields.get(name)
        if field is None:
            guess = nearest(name, list(fields))
            raise UsageError(
                f"--value: table {visible(table.name)} has no column {visible(name)}",
                f"did you mean {visible(guess)}?" if guess else f"it has {', '.join(map(visible, list(fields)[:20]))}",
            )
        if name in table.key_names:
            raise UsageError(
                f"--value: {visible(name)} is of the key of {visible(table.name)}, which every event has its own of",
                "leave it out; --value is for other columns",
            )
        try:
            named[name] = _parsed(field, text)
        except (ValueError, InvalidOperation):
            raise UsageError(
                f"--value: {visible(name)} of {visible(table.name)} cannot be {visible(text)}",
                f"the column wants a value of the kind {field.kind}",
            ) from None
    return named


def _parsed(field: Field, text: str) -> object:
    parse = _PARSERS.get(field.kind)
    return parse(text) if parse else text


def _truth(text: str) -> bool:
    if text.lower() not in ("true", "false", "t", "f", "1", "0", "yes", "no", "on", "off"):
        raise ValueError(text)
    return text.lower() in ("true", "t", "1", "yes", "on")


_PARSERS: dict[Kind, Callable[[str], object]] = {
    "integer": int,
    "year": int,
    "decimal": Decimal,
    "float": float,
    "boolean": _truth,
    "date": date.fromisoformat,
    "time": time.fromisoformat,
    "datetime": datetime.fromisoformat,
    "zoned": datetime.fromisoformat,
    "json": json.loads,
    "uuid": UUID,
    "bytes": str.encode,
}


# ---- values


def key_value(field: Field, number: int, table: str) -> object:
    """Return the value of a key's column for an event: another one for each number.

    Raises UsageError where the column is too small for that, or of a kind that no key is made of here.
    """
    counted: object = None
    match field.kind:
        case "text":
            counted = _counted_text(field, number, table)
        case "integer" if number < field.largest:
            counted = _FIRST + number if field.largest >= 2**53 else number + 1
        case "decimal" if field.length is None or number < 10 ** (field.length - field.scale):
            counted = Decimal(number + 1)
        case "float":
            counted = float(number + 1)
        case "uuid":
            counted = UUID(int=_FIRST + number)
        case "uuidtext":
            counted = str(UUID(int=_FIRST + number))
        case "bytes":
            raw = (_FIRST + number).to_bytes(8, "big")
            counted = raw.rjust(field.length, b"\1") if field.padded and field.length else raw
            counted = counted if field.length is None or field.length >= 8 else None
        case "date":
            counted = _DAY + timedelta(days=number)
        case "datetime" | "zoned":
            zone = UTC if field.kind == "zoned" else None
            counted = datetime(2025, 12, 24, tzinfo=zone) + timedelta(seconds=number)
        case _ if field.kind not in ("integer", "decimal", "other", "address", "array"):
            # Part of a key of several columns, which another part keeps apart.
            counted = sample(field)
    if counted is None:
        raise UsageError(
            f"table {visible(table)}: a drill cannot make different values for its column {visible(field.name)}",
            "it may be too short, or of a type that the drill does not know",
        )
    return counted


def new_value(field: Field, number: int, table: str) -> object:
    """Return a value that no other request has; where the type is too small for chance, that of the event's number."""
    chance = secrets.randbelow(10**9)
    match field.kind:
        case "text" if field.length is None or field.length >= 9:
            return secrets.token_hex(16)[: field.length]
        case "integer" if field.largest >= 2**31 - 1:
            return secrets.randbelow(field.largest)
        case "uuid":
            return uuid4()
        case "uuidtext":
            return str(uuid4())
        case "bytes" if field.length is None or field.length >= 8:
            raw = secrets.token_bytes(min(field.length or 16, 16))
            return raw.ljust(field.length, b"d") if field.padded and field.length else raw
        case "float":
            return float(chance)
        case "datetime" | "zoned":
            return datetime(1990, 1, 1, tzinfo=UTC if field.kind == "zoned" else None) + timedelta(seconds=chance)
        case "date":
            return date(1990, 1, 1) + timedelta(days=chance % 10_000)
        case _:
            return key_value(field, number, table)


def _counted_text(field: Field, number: int, table: str) -> str | None:
    """Return an ID as the table's own begin, where its name is a plain word: a rule may want that."""
    stem = singular(table.rpartition(".")[2]).lower()
    begin = stem if re.fullmatch("[a-z]{4,20}", stem) else "activity"
    for text in (f"{begin}_{_FIRST + number}", str(_FIRST + number), str(number)):
        if field.length is None or len(text) <= field.length:
            return text.rjust(field.length, "0") if field.padded and field.length else text
    return None


def device_value(field: Field, device: str) -> object:
    """Return a device's name as its column can hold it; the same for the same name."""
    match field.kind:
        case "text" if field.length is None:
            return device
        case "text":
            cut = device if len(device) <= (field.length or 0) else f"{zlib.crc32(device.encode()):x}"[: field.length]
            return cut.rjust(field.length or 0, "0") if field.padded else cut
        case "integer":
            return zlib.crc32(device.encode()) % min(field.largest, 2**31 - 1)
        case "uuid":
            return uuid5(NAMESPACE_OID, device)
        case "uuidtext":
            return str(uuid5(NAMESPACE_OID, device))
        case _:
            return sample(field)


def varied_value(field: Field, variant: int) -> object:
    """Return the value of the column in which payloads differ."""
    match field.kind:
        case "json":
            return {"variant": variant}
        case "text":
            text = f"variant {variant}" if field.length is None or field.length >= 16 else str(variant % 90 + 10)
            return text.rjust(field.length, "0") if field.padded and field.length else text
        case "decimal":
            return Decimal(variant % 9 + 1) if field.length is None or field.length > field.scale else Decimal(0)
        case "float":
            return variant + 0.5
        case "bytes":
            raw = bytes((1, variant % 256))
            return raw.rjust(field.length, b"\1") if field.padded and field.length else raw
        case "year":
            return 2000 + variant % 100
        case _:
            return variant % 100 + 1


def sample(field: Field) -> object:
    """Return some value that the column's type has."""
    match field.kind:
        case "text":
            text = "drill" if field.length is None or field.length >= 5 else "d"[: field.length]
            return text.ljust(field.length, "d") if field.padded and field.length else text
        case "bytes":
            return b"d".ljust(field.length, b"d") if field.padded and field.length else b"d"
        case "integer":
            return _FIRST if field.largest >= 2**53 else 1
        case "decimal":
            return Decimal(1) if field.length is None or field.length > field.scale else Decimal(0)
        case "bits" | "bitbytes":
            count = field.length or 1
            return "0" * count if field.kind == "bits" else bytes((count + 7) // 8)
        case "choice":
            return field.labels[0] if field.labels else ""
        case _:
            return _SAMPLES.get(field.kind, "")


_SAMPLES: dict[Kind, object] = {
    "float": 0.5,
    "boolean": True,
    "date": _DAY,
    "time": time(12, 0),
    "interval": timedelta(hours=12),
    "datetime": datetime(2025, 12, 24, 8, 1, 14),  # noqa: DTZ001 (the column has no zone)
    "zoned": datetime(2025, 12, 24, 8, 1, 14, tzinfo=UTC),
    "json": {},
    "uuid": UUID(int=1),
    "uuidtext": str(UUID(int=1)),
    "address": "192.0.2.1",
    "array": [],
    "year": 2025,
}


def bound(row: Mapping[str, object], *, plain: bool) -> dict[str, object]:
    """Return values as drivers take them; `plain`: as texts, where the database has no types for them."""
    return {name: _bound(value, plain=plain) for name, value in row.items()}


def _bound(value: object, *, plain: bool) -> object:
    if isinstance(value, dict):
        return json.dumps(value)
    if isinstance(value, UUID) or (plain and isinstance(value, date | time | Decimal | timedelta)):
        return str(value)
    return value
