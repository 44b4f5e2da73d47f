"""Reads from PostgreSQL what the rows say of their objects, and finds the rows of some object keys by an index."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from dedupaudit.sources.tables.catalog import Column
from dedupaudit.sources.tables.folding import WHITE_SPACE
from dedupaudit.sources.tables.object_rows import (
    BATCH,
    Asked,
    asked_in_turn,
    bytes_of,
    shape_of,
    told_by,
    white_ranges,
)
from dedupaudit.sources.tables.postgresql_asking import Asking
from dedupaudit.sources.tables.postgresql_sql import Writer, literal, qualified, texts, time_of, token_of
from dedupaudit.sources.tables.postgresql_types import shown
from dedupaudit.sources.tables.protocol import ObjectRow
from dedupaudit.sources.tables.table import Table

# Encodings whose texts this process knows exactly; bytes come in the order of these texts' characters there.
_KNOWN_ENCODINGS = {"UTF8": "utf-8", "LATIN1": "latin-1"}
# In languages' orders white space comes before all of these, or is not looked at.
_BOUNDS = ("_", "-", "0")
# No language puts the first of each pair before the second.
_BYTE_ORDER = (("B", "a"), ("Z", "_"), ("a b", "aB"), ("a-b", "aA"), ("a_c", "aab"))
# Even without statistics, which make it take a range for a third of the table.
_BY_INDEX = {"enable_seqscan": "off"}


@dataclass(frozen=True)
class Order:
    """How a column is ordered: a text before which all white space comes, if there is one, and whether by bytes."""

    bound: str | None
    by_bytes: bool


class ObjectReader:
    """Reads object rows with the source's session."""

    def __init__(self, ask: Asking) -> None:
        self._ask = ask
        self._orders: dict[tuple[str, str], Order] = {}

    def rows(self, table: Table, fields: Sequence[Column], keys: Sequence[str] | None) -> Iterator[list[ObjectRow]]:
        """Yield what `TableSource.object_rows` does."""
        if keys is None:
            return self._read(table, fields, None)
        return (batch for asked in asked_in_turn(keys) for batch in self._read(table, fields, asked))

    def _read(self, table: Table, fields: Sequence[Column], asked: Asked | None) -> Iterator[list[ObjectRow]]:
        session, progress = self._ask.session, self._ask.progress
        types = self._ask.known(table).types
        parts = self._ask.fragments(table)
        locator = len(self._ask.locator(table))
        token = token_of(table, types)
        told = told_by(table)
        columns = [
            *([f"{parts['where']} IS TRUE"] if table.where else []),
            *([token] if token else []),
            parts["key"],
            *([parts["locator"]] if locator else []),
            *(
                time_of(table, column, types)
                if column in (told.at, told.updated)
                else shown(qualified(table, column.name), types[column.name])
                for column in told.all
                if column
            ),
            *(shown(qualified(table, column.name), types[column.name]) for column in fields),
        ]
        shape = shape_of(table, locator, len(fields), token=token is not None)
        parts = {**parts, "columns": ", ".join(columns), "condition": "TRUE"}
        by_index = _BY_INDEX if asked and not table.distrust_indexes else None

        def ask() -> Iterator[list[ObjectRow]]:
            done = 0
            with self._ask.running("objects", table, by_index):
                if asked:
                    parts["condition"] = self._condition(table, told.object_key, asked)
                for rows in session.batches(self._ask.filled("object_rows", parts), BATCH):
                    done += len(rows)
                    made = shape.rows(list(zip(*rows, strict=True)))
                    if chosen := asked.chosen(made) if asked else made:
                        yield chosen
                    progress.advance_to(done)

        return session.streamed(ask)

    # ---- some keys alone

    def _condition(self, table: Table, column: Column | None, asked: Asked) -> str:
        """Return a condition that holds at least for the rows asked for; an index on the column answers each part."""
        if column is None:
            return "TRUE"
        kind = self._ask.known(table).types[column.name]
        if kind.family in ("integer", "float", "bytes"):
            # No text at all.
            return "TRUE"
        name = qualified(table, column.name)
        text = f"{name}::pg_catalog.text"
        writer = self._ask.writer
        sent, unknown = _sendable(asked, writer)
        parts = []
        if kind.family == "text":
            # An array of no type takes the column's own, which its index is of.
            parts += [f"{name} = ANY ({literal(_array(sent))})"] if sent else []
        else:
            parts += [f'{text} COLLATE pg_catalog."C" = ANY ({texts(sent)})'] if sent else []
        if unknown:
            parts.append(f"{text} COLLATE pg_catalog.\"C\" ~ '[^\\x01-\\x7f]'")
        if asked.with_keyless:
            ranges = self._blank_ranges(table, column, name) if kind.family == "text" else None
            parts += [f"{name} IS NULL", *(ranges or [writer.blank(text)])]
        return " OR ".join(parts) or "FALSE"

    def _blank_ranges(self, table: Table, column: Column, name: str) -> list[str] | None:
        """Return ranges that hold all blank texts, and few others; None where the column's order has none."""
        place = (table.catalog.quoted, column.name)
        order = self._orders.get(place)
        if order is None:
            order = self._orders[place] = self._order(table, column)
        if order.bound is not None:
            return [f"{name} < {literal(order.bound)}"]
        if not order.by_bytes:
            return None
        known = _white_space(self._ask.writer)
        wide = [
            f"({name} >= {literal(first)} AND {name} < {literal(end)})"
            for first, end in white_ranges()
            if ord(first) > ord("!") and first in known
        ]
        return [f"{name} < '!'", *wide]

    def _order(self, table: Table, column: Column) -> Order:
        encoding = self._ask.writer.encoding
        if encoding not in _KNOWN_ENCODINGS and encoding != "SQL_ASCII":
            return Order(None, by_bytes=False)
        white = _white_space(self._ask.writer)
        blanks = [*white, *(character * 2 for character in white), white, white[::-1]]
        pairs = [(blank, bound) for bound in _BOUNDS for blank in blanks] + list(_BYTE_ORDER)
        compared = [f"coalesce(held.nothing, {literal(first)}) < {literal(second)}" for first, second in pairs]
        # One array: a row has not so many columns.
        parts = {
            "columns": f"ARRAY[{', '.join(compared)}]::pg_catalog.text",
            "column": qualified(table, column.name),
            "table": table.catalog.quoted,
        }
        said = str(self._ask.session.rows(self._ask.filled("object_key_order", parts))[0][0])
        answers = [answer == "t" for answer in said.strip("{}").split(",")]
        size = len(blanks)
        below = [all(answers[number * size : (number + 1) * size]) for number in range(len(_BOUNDS))]
        bound = next((bound for bound, holds in zip(_BOUNDS, below, strict=True) if holds), None)
        return Order(bound, by_bytes=all(answers[size * len(_BOUNDS) :]))


def _white_space(writer: Writer) -> str:
    """Return the white space that the database's text can hold."""
    codec = _KNOWN_ENCODINGS.get(writer.encoding, "utf-8")
    return "".join(one for one in WHITE_SPACE if one.encode(codec, "ignore"))


def _sendable(asked: Asked, writer: Writer) -> tuple[list[str], bool]:
    """Return the keys that the database's text may equal, and whether there are others of which nobody knows."""
    sent, unknown = [], False
    for key in asked.keys:
        if "\0" in key:
            continue
        if key.isascii():
            sent.append(key)
        elif writer.encoding == "SQL_ASCII":
            sent += [key] if bytes_of(key) is not None else []
        elif codec := _KNOWN_ENCODINGS.get(writer.encoding):
            sent += [key] if _fits(key, codec) else []
        else:
            unknown = True
    return sent, unknown


def _fits(key: str, codec: str) -> bool:
    try:
        key.encode(codec)
    except UnicodeEncodeError:
        return False
    return True


def _array(elements: Sequence[str]) -> str:
    """Return the text of an array."""
    quoted = (element.replace("\\", "\\\\").replace('"', '\\"') for element in elements)
    return "{" + ",".join(f'"{element}"' for element in quoted) + "}"
