"""The row that is there already, compared with the one that was sent: only an equal one is a duplicate."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from dedupaudit.ingest.values import is_padded, is_text

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from dedupaudit.ingest.tables import Column, Described

Row = Mapping[str, object]

# The types that MySQL and MariaDB can cast to, so that a value is rounded as it was when it was stored.
_CAST = re.compile(r"(decimal\(\d+,\d+\)|double|float|date\b|(?:datetime|timestamp|time)(?:\(\d\))?)", re.IGNORECASE)


def differing(connection: Connection, table: Described, row: Row, as_json: Collection[str]) -> tuple[str, ...] | None:
    """Return the columns in which the stored row is not the sent one; None where no row of its key is there.

    The key itself is compared as well: what a collation calls equal is not the same ID. Raises the driver's errors.
    """
    found = connection.exec_driver_sql(
        f"SELECT {_selected(table, row)} FROM {table.quoted} WHERE {table.where_key}", _key(table, row)
    ).fetchone()
    return None if found is None else compare(connection, table, row, found, as_json)


def stored_rows(
    connection: Connection, table: Described, rows: Sequence[Row]
) -> dict[tuple[object, ...], Sequence[Any]]:
    """Return the stored rows of these keys, by the key as it is stored: maybe in another spelling, or fewer."""
    parameters = [value for row in rows for value in _key(table, row)]
    selected = connection.exec_driver_sql(
        f"SELECT {_selected(table, rows[0])} FROM {table.quoted} WHERE {where_keys(table, len(rows))}",
        tuple(parameters),
    )
    places = [list(rows[0]).index(column) for column in table.table.key_columns]
    return {tuple(found[place] for place in places): found for found in selected}


def where_keys(table: Described, count: int) -> str:
    """Return the condition that finds rows by so many keys."""
    names = [table.name(column) for column in table.table.key_columns]
    if len(names) == 1:
        return f"{names[0]} IN ({', '.join([table.mark] * count)})"
    one = f"({', '.join([table.mark] * len(names))})"
    values = "VALUES " if table.dialect == "sqlite" else ""
    return f"({', '.join(names)}) IN ({values}{', '.join([one] * count)})"


def compare(
    connection: Connection, table: Described, row: Row, found: Sequence[Any], as_json: Collection[str]
) -> tuple[str, ...]:
    """Return the columns in which a stored row is not the sent one; what Python cannot tell, the server is asked."""
    differs: dict[str, bool] = {}
    open_questions = []
    for (name, sent), stored in zip(row.items(), found, strict=True):
        column = table.columns[name]
        json_column = (name in as_json or column.json) and name not in table.table.key_columns
        equal = _json_equal(sent, stored) if json_column else _equal(sent, stored, table, column)
        if equal is None or (not equal and json_column and table.dialect == "mysql" and None not in (sent, stored)):
            open_questions.append(name)
        differs[name] = not equal
    if open_questions:
        answers = _ask(connection, table, row, open_questions)
        differs |= {name: not answer for name, answer in zip(open_questions, answers, strict=True)}
    return tuple(name for name, is_different in differs.items() if is_different)


def _selected(table: Described, columns: Iterable[str]) -> str:
    # Drivers read JSON into objects, in which numbers have lost their digits.
    cast = "::text" if table.dialect == "postgresql" else ""
    return ", ".join(table.name(name) + (cast if table.columns[name].json else "") for name in columns)


def _key(table: Described, row: Row) -> tuple[object, ...]:
    return tuple(row[column] for column in table.table.key_columns)


def _equal(sent: object, stored: object, table: Described, column: Column) -> bool | None:
    """Say whether two values are equal; None where only the server knows."""
    if sent is None or stored is None:
        return sent is stored
    if isinstance(stored, bytearray | memoryview):
        stored = bytes(stored)
    if type(sent) is type(stored):
        if sent == stored:
            return True
        if isinstance(sent, str) and is_text(column):
            # What was sent to a column that pads does not end with a space.
            return is_padded(table, column) and isinstance(stored, str) and sent == stored.rstrip(" ")
        if isinstance(sent, int):
            return False
    return None


def _ask(connection: Connection, table: Described, row: Row, names: Sequence[str]) -> Sequence[Any]:
    questions = ", ".join(_question(table, table.columns[name]) for name in names)
    answers = connection.exec_driver_sql(
        f"SELECT {questions} FROM {table.quoted} WHERE {table.where_key}",
        (*(row[name] for name in names), *_key(table, row)),
    ).fetchone()
    return [False] * len(names) if answers is None else answers


def _question(table: Described, column: Column) -> str:
    name = table.name(column.name)
    if table.dialect == "postgresql":
        return f"{name} IS NOT DISTINCT FROM CAST({table.mark} AS {column.type.replace('%', '%%')})"
    if table.dialect == "sqlite":
        return f"{name} IS {table.mark}"
    if column.json:
        return f"{name} <=> CAST({table.mark} AS JSON)"
    cast = _CAST.match(column.type)
    kind = cast[1].lower().replace("timestamp", "datetime") if cast else None
    return f"{name} <=> CAST({table.mark} AS {kind})" if kind else f"{name} <=> {table.mark}"


def _json_equal(sent: object, stored: object) -> bool | None:
    """Compare two JSON texts as values: 1, 1.0 and 1e0 are one number, the order of keys is nothing.

    None where only the server knows: a SQLite column of type JSON makes numbers of texts that are ones.
    """
    if sent is None or stored is None:
        return sent is stored
    if isinstance(stored, bytes | bytearray | memoryview):
        stored = bytes(stored).decode("utf-8", "replace")
    if not isinstance(sent, str) or not isinstance(stored, str):
        return None
    if sent == stored:
        return True
    try:
        return _values_equal(_read(sent), _read(stored))
    except (ValueError, ArithmeticError, RecursionError):
        return False


def _read(text: str) -> object:
    return json.loads(text, parse_int=Decimal, parse_float=Decimal)


def _values_equal(one: object, other: object) -> bool:
    if type(one) is not type(other):
        return False
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_values_equal(value, other[name]) for name, value in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_values_equal, one, other))
    return one == other
