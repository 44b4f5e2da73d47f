"""What a scan must say, worked out the slow way: every key compared with every other, by the server itself."""

from __future__ import annotations

import base64
import json
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from fractions import Fraction
from typing import Any

from tests.conformance.databases import Col, Database, RawText, Stored

Row = dict[str, Stored]


@dataclass(frozen=True)
class Group:
    """A finding that is expected: any of `keys` may name it."""

    keys: frozenset[str]
    facts: tuple[Hashable, ...]


@dataclass(frozen=True)
class Expected:
    """The totals and findings of one table."""

    totals: dict[str, Any]
    duplicates: list[Group]
    near: list[Group]


@dataclass(frozen=True)
class Question:
    """What is known of the table. Its columns created_at (epoch milliseconds) and kind are the time and the group."""

    database: Database
    variant: str
    key: tuple[Col, ...]
    compared: tuple[Col, ...]


def expect(question: Question, rows: Sequence[Row]) -> Expected:
    """Work out what the scan of these rows must say."""
    names = [column.name for column in question.key]
    null = [row for row in rows if any(row[name] is None for name in names)]
    keyed = [row for row in rows if all(row[name] is not None for name in names)]
    classes = _classes(question, keyed)
    repeated = [members for members in classes if len(members) > 1]
    surplus = len(keyed) - len(classes)
    totals = {
        "rows": len(rows),
        "distinct_ids": len(classes),
        "duplicate_ids": len(repeated),
        "duplicate_rows": sum(map(len, repeated)),
        "surplus_rows": surplus,
        "inflation": surplus / len(classes) if surplus else 0.0,
        "null_ids": len(null),
        "blank_ids": sum(any(_is_blank(row[name]) for name in names) for row in keyed),
        "by_group": _by_group(rows, classes),
        "by_day": _by_day(repeated),
    }
    return Expected(totals, [_duplicate(question, members) for members in repeated], _near(names, keyed))


def _classes(question: Question, rows: Sequence[Row]) -> list[list[Row]]:
    classes: list[list[Row]] = []
    for row in rows:
        key = [row[column.name] for column in question.key]
        for members in classes:
            other = [members[0][column.name] for column in question.key]
            if question.database.equal(question.key, other, key, question.variant):
                members.append(row)
                break
        else:
            classes.append([row])
    return classes


def _duplicate(question: Question, members: list[Row]) -> Group:
    differs = tuple(
        column.name
        for column in question.compared
        if len({_worth(row[column.name], json_value=column.type == "json") for row in members}) > 1
    )
    times = [at for row in members if isinstance(at := row["created_at"], int)]
    first, last = (min(times), max(times)) if times else (None, None)
    gap = (last - first) / 1000 if first is not None and last is not None else None
    facts = (len(members), "conflicting" if differs else "identical", differs, _iso(first), _iso(last), gap)
    return Group(frozenset(key_text(question.key, row) for row in members), facts)


def _by_group(rows: Sequence[Row], classes: list[list[Row]]) -> dict[str, tuple[int, int, float]]:
    counted: Counter[Hashable] = Counter(_worth(row["kind"]) for row in rows)
    keyed: Counter[Hashable] = Counter()
    distinct: Counter[Hashable] = Counter()
    names = {_worth(row["kind"]): row["kind"] for row in rows}
    for members in classes:
        kinds = [_worth(row["kind"]) for row in members]
        keyed.update(kinds)
        distinct.update(set(kinds))
    return {
        json.dumps(names[kind]): (counted[kind], distinct[kind], (keyed[kind] - distinct[kind]) / distinct[kind])
        for kind in keyed
        if keyed[kind] > distinct[kind]
    }


def _by_day(repeated: list[list[Row]]) -> dict[str | None, int]:
    days: Counter[str | None] = Counter()
    for members in repeated:
        times = [row["created_at"] for row in members]
        known = sorted(at for at in times if isinstance(at, int))
        # The earliest row is the event itself; a row without a time is never taken for it while another has one.
        surplus: list[int | None] = [*known[1:], *([None] * (len(times) - len(known)))]
        days.update(_day(at) for at in surplus[: len(members) - 1])
    return dict(days)


def _near(names: list[str], rows: Sequence[Row]) -> list[Group]:
    sets: dict[tuple[Hashable, ...], dict[tuple[Hashable, ...], str]] = defaultdict(dict)
    for row in rows:
        variant = tuple(_worth(row[name]) for name in names)
        sets[tuple(_folded(row[name]) for name in names)][variant] = key_text([Col(name) for name in names], row)
    return [Group(frozenset(keys.values()), (len(keys),)) for keys in sets.values() if len(keys) > 1]


def _worth(value: Stored, *, json_value: bool = False) -> Hashable:
    if isinstance(value, int | float):
        return ("number", value)
    if isinstance(value, str) and json_value:
        return _json_worth(value)
    return (type(value).__name__, value)


def _json_worth(text: str) -> Hashable:
    try:
        value = json.loads(
            text, parse_int=Fraction, parse_float=Fraction, parse_constant=_refused, object_pairs_hook=_pairs
        )
    except ValueError:
        return ("str", text)
    return ("json", value if isinstance(value, Hashable) else _frozen(value))


def _refused(name: str) -> None:
    raise ValueError(name)


def _pairs(pairs: list[tuple[str, Any]]) -> Hashable:
    if len({name for name, _value in pairs}) < len(pairs):
        raise ValueError("a name occurs twice")
    return ("object", frozenset((name, _frozen(value)) for name, value in pairs))


def _frozen(value: Any) -> Hashable:
    if isinstance(value, list):
        return ("list", tuple(map(_frozen, value)))
    # True == 1 to Python.
    return (type(value).__name__, value)


def _is_blank(value: Stored) -> bool:
    return isinstance(value, str | bytes) and not value.strip()


def _folded(value: Stored) -> Hashable:
    if isinstance(value, RawText):
        return ("text", _fold(value.raw.decode("utf-8", "surrogateescape")))
    return ("text", _fold(value)) if isinstance(value, str) else _worth(value)


def _fold(text: str) -> str:
    once = unicodedata.normalize("NFKC", text).casefold()
    return unicodedata.normalize("NFKC", once).strip()


def key_text(columns: Sequence[Col], row: Row) -> str:
    """Return one text for a key, made as the contract says that JSON has it."""
    shown: dict[str, Any] = {}
    raw: dict[str, Any] = {}
    for column in columns:
        value = row[column.name]
        if isinstance(value, RawText):
            shown[column.name] = value.raw.decode("utf-8", "replace")
            raw[column.name] = {"base64": base64.b64encode(value.raw).decode()}
        elif isinstance(value, bytes):
            shown[column.name] = {"base64": base64.b64encode(value).decode()}
        elif isinstance(value, float):
            whole = value.is_integer() and abs(value) < 2**63
            shown[column.name] = int(value) if whole else repr(value)
        else:
            shown[column.name] = value
    return json.dumps([shown, raw or None], sort_keys=True)


def _iso(millis: int | None) -> str | None:
    if millis is None:
        return None
    whole = datetime.fromtimestamp(millis // 1000, UTC)
    return f"{whole:%Y-%m-%dT%H:%M:%S}.{millis % 1000:03d}Z"


def _day(millis: int | None) -> str | None:
    return None if millis is None else f"{datetime.fromtimestamp(millis // 1000, UTC):%Y-%m-%d}"
