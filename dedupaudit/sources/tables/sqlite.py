"""SQLite as a source of tables: one read-only connection, one snapshot, and the queries of `sql/scan/sqlite/`."""

from __future__ import annotations

import re
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

from dedupaudit.config import DatabaseSettings
from dedupaudit.display import visible
from dedupaudit.errors import StatementStopped, UsageError
from dedupaudit.interrupt import Interrupt
from dedupaudit.model import Strategy
from dedupaudit.progress import Progress
from dedupaudit.sources.tables import sqlite_rowhash, sqlite_selects
from dedupaudit.sources.tables.catalog import Catalog, Column
from dedupaudit.sources.tables.fence import fence_condition, fence_select
from dedupaudit.sources.tables.folding import fold
from dedupaudit.sources.tables.payload import PayloadHash
from dedupaudit.sources.tables.protocol import (
    DuplicateRow,
    Key,
    KeyVariant,
    ObjectRow,
    Reading,
    Sample,
    Survey,
    SuspectRow,
    Undecodable,
    Value,
)
from dedupaudit.sources.tables.sqlite_catalog import read_catalog, rowid_name, table_names
from dedupaudit.sources.tables.sqlite_guard import Stillness, connect, decode, explain, is_sleeping_wal, look
from dedupaudit.sources.tables.sqlite_objects import ObjectReader
from dedupaudit.sources.tables.sqlite_sql import fragments, names_only, quote
from dedupaudit.sources.tables.table import Table, extent_of
from dedupaudit.sqlfiles import fill, sql_text
from dedupaudit.times import parse_time
from dedupaudit.units import show_duration

# SQLite calls back after so many steps of its virtual machine: about every 2 ms, a thousandth of the work.
_STEPS = 50_000
# Steps that the machine takes for one row of each query, measured: progress is an estimate, totals are not.
_STEPS_PER_ROW = {"survey": 25, "duplicate_keys": 26, "near_equal_keys": 60, "object_rows": 15}
_BATCH = 500
_FEW_KINDS = 8
_LONG_LIST = 100_000
_ROWID = re.compile(r"-?\d+")


class SqliteSource:
    """A `TableSource` over one SQLite file."""

    dialect = "sqlite"

    def __init__(self, settings: DatabaseSettings, interrupt: Interrupt, progress: Progress, reading: Reading) -> None:
        self._engine = reading.engine
        self.name = settings.name
        self._path = Path(settings.url.database or "")
        self._timeout = settings.timeout
        self._interrupt = interrupt
        self._progress = progress
        self._steps = self._steps_per_row = self._expected = 0
        self._deadline: float | None = None
        self._hash = PayloadHash()
        with self._failures():
            look(self._path)
            immutable = settings.url.query.get("immutable") == "1" or is_sleeping_wal(self._path)
            self._stillness = Stillness(self._path) if immutable else None
            self._connection = connect(self._path, immutable=immutable)
            self._begin()

    def _begin(self) -> None:
        self._encoding = "utf-8"
        self._connection.set_progress_handler(self._tick, _STEPS)
        self._connection.execute("BEGIN")
        encoding = self._connection.execute("PRAGMA encoding").fetchone()[0]
        self._encoding = {"UTF-16le": "utf-16-le", "UTF-16be": "utf-16-be"}.get(encoding, "utf-8")
        # A lone surrogate is whole bytes in UTF-16, which surrogateescape cannot hold.
        self._broken = "surrogateescape" if self._encoding == "utf-8" else "surrogatepass"
        # The first read takes the snapshot: every later look sees the same moment.
        self._connection.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()
        create = self._connection.create_function
        create("dedupaudit_fold", 1, self._fold, deterministic=True)
        create("dedupaudit_hash", 2, self._hash_value, deterministic=True)
        create("dedupaudit_hash_json", 2, self._hash_json, deterministic=True)
        sqlite_rowhash.create_row_hash(self._connection)
        self._objects = ObjectReader(self._connection, self._encoding, self._execute, self._running)

    # ---- the catalog

    def names(self) -> list[str]:
        with self._failures():
            return table_names(self._connection)

    def catalog(self, parts: Sequence[str]) -> Catalog | None:
        if len(parts) > 1 and [part.lower() for part in parts[:-1]] != ["main"]:
            return None
        with self._failures():
            return read_catalog(self._connection, parts[-1])

    def check_condition(self, catalog: Catalog, condition: str, where: str) -> None:
        fence_condition(condition, where)
        try:
            for text in (condition, names_only(condition)):
                self._connection.execute(f"EXPLAIN SELECT 1 FROM {catalog.quoted} WHERE (\n{text}\n)")  # noqa: S608
        except (sqlite3.Error, sqlite3.Warning) as error:
            raise UsageError(
                f"{where}: SQLite refuses the condition: {visible(str(error))}",
                "it must be one condition over this table's columns that only reads; write text 'so' and names \"so\"",
            ) from None

    def locator(self, table: Table) -> tuple[str, ...]:
        if table.catalog.primary_key:
            return table.catalog.primary_key
        rowid = rowid_name(self._connection, table.catalog)
        return (rowid,) if rowid else ()

    def strategy(self, table: Table) -> tuple[Strategy, str]:
        names = set(table.key_names)
        # Streaming the keys out takes as long as sorting them in place: docs/design.md.
        why = "GROUP BY in SQLite, " if self._engine != "snapshot" else "SQLite has one engine: its own GROUP BY, "
        for index in table.catalog.indexes:
            if set(index.columns[: len(names)]) == names and not index.partial:
                return "pushdown", f"{why}along index {visible(index.name)}"
        return "pushdown", f"{why}one sort of the keys (no index on them)"

    # ---- the queries

    def survey(self, table: Table, suspects: Sequence[str], kinds: Sequence[Value] = ()) -> Survey:
        parts = self._fragments(table)
        # Counting a few kinds in this pass is cheaper than sorting all rows by kind.
        few = len(kinds) <= _FEW_KINDS and not any(isinstance(kind, Undecodable) for kind in kinds)
        asked = list(kinds) if few else []
        conditions = [fill(sql_text(f"scan/sqlite/suspects/{suspect}.sql"), parts) for suspect in suspects]
        conditions += [f"{parts['kind']} IS ?{number}" for number in range(1, len(asked) + 1)]
        parts["counts"] = "".join(f",\n  COUNT(*) FILTER (WHERE {condition})" for condition in conditions)
        with self._running("survey", table):
            rows, *counts = self._execute("survey", parts, asked).fetchone()
            by_kind = dict(zip(asked, counts[len(suspects) :], strict=True))
            if not few:
                by_kind = dict(self._execute("rows_by_kind", parts))
        return Survey(rows, dict(zip(suspects, counts, strict=False)), by_kind)

    def survey_soon(self, table: Table, suspects: Sequence[str]) -> None:
        """Do nothing: one connection has one snapshot, and cannot do two things."""

    def null_keys_by_kind(self, table: Table) -> dict[Value, int]:
        with self._running("survey", table):
            return dict(self._execute("null_keys_by_kind", self._fragments(table)))

    def suspect_rows(self, table: Table, suspect: str) -> Iterator[SuspectRow]:
        parts = self._fragments(table)
        parts["condition"] = fill(sql_text(f"scan/sqlite/suspects/{suspect}.sql"), parts)
        widths = (max(1, len(self.locator(table))), len(table.key))
        with self._running("survey", table):
            for row in self._execute("suspect_rows", parts):
                locator, key, (at, updated, *state) = _split(row, *widths)
                yield SuspectRow(locator, key, parse_time(at, table.zone), parse_time(updated, table.zone), *state)

    def duplicate_rows(self, table: Table) -> Iterator[DuplicateRow]:
        parts = self._fragments(table)
        make = _row_maker(len(self.locator(table)), table)
        with self._running("duplicate_keys", table):
            if parts["rowid"] == "NULL":
                for row in self._execute("duplicate_rows_joined", parts):
                    yield make(row[0], row)
                return
            keys = self._execute("duplicate_keys", parts)
            parts["rowids"] = ", ".join("?" * _BATCH)
            statement = fill(sql_text("scan/sqlite/duplicate_rows.sql"), parts)
            members = ((n, rowid) for n, rowids in keys for rowid in _numbers(rowids))
            while batch := list(islice(members, _BATCH)):
                rows = self._rows_by_rowid(statement, [rowid for _n, rowid in batch])
                for n, rowid in batch:
                    if rowid not in rows:
                        raise sqlite3.DatabaseError(f"malformed: an index names row {rowid}, which the table has not")
                    yield make(n, rows[rowid])

    def _rows_by_rowid(self, statement: str, rowids: list[int | None]) -> dict[int, tuple[Value, ...]]:
        rowids += [None] * (_BATCH - len(rowids))
        try:
            # Decoding in C is half of the time of these reads; bytes that do not decode are rare.
            self._connection.text_factory = str
            return {row[0]: row for row in self._connection.execute(statement, rowids)}
        except sqlite3.OperationalError as error:
            if "decode" not in str(error):
                raise
        finally:
            self._connection.text_factory = decode
        return {row[0]: row for row in self._connection.execute(statement, rowids)}

    def rows_of(self, table: Table, ident: str) -> Iterator[DuplicateRow]:
        encoded = ident.encode(self._encoding, "surrogatepass").hex()
        text = f"CAST(x'{encoded}' AS TEXT)"
        found = table.where_also(" OR ".join(f"{quote(column.name)} = {text}" for column in table.key))
        make = _row_maker(len(self.locator(table)), table)
        with self._running("survey", table):
            for row in self._execute("rows", self._fragments(found)):
                yield make(row[0], row)

    def object_rows(
        self, table: Table, fields: Sequence[Column] = (), keys: Sequence[str] | None = None
    ) -> Iterator[list[ObjectRow]]:
        with self._failures():  # a second look may find the table gone
            parts = self._fragments(table)
        return self._objects.rows(table, parts, len(self.locator(table)), fields, keys)

    def check_select(self, select: str, where: str) -> None:
        sqlite_selects.check_select(self._connection, select, where)

    def selected(self, select: str, where: str) -> Iterator[list[Value]]:
        fence_select(select, where)
        return sqlite_selects.selected(self._execute, self._failures, self._stillness, select)

    def renew(self) -> None:
        with self._failures():
            sqlite_selects.renew(self._connection, self._stillness)

    def lag(self) -> float | None:
        return 0.0

    def near_equal_keys(self, table: Table) -> Iterator[KeyVariant]:
        with self._running("near_equal_keys", table):
            for variants, joined, *key, rows in self._execute("near_equal_keys", self._fragments(table)):
                if variants > 1:
                    yield KeyVariant(variants, joined, tuple(key), rows)

    def extent(self, table: Table) -> tuple[int, int] | None:
        with self._running("survey", table):
            return extent_of(self._execute("extent", self._fragments(table)).fetchone(), table)

    def is_empty(self, table: Table) -> bool:
        with self._failures():
            return bool(self._execute("is_empty", self._fragments(table)).fetchone()[0])

    def sample_distinct(self, catalog: Catalog, columns: Sequence[str], limit: int) -> Sample:
        quoted = [quote(column) for column in columns]
        parts = {
            "table": catalog.quoted,
            "columns": ", ".join(quoted) or "NULL",
            "counts": "".join(f",\n  COUNT(DISTINCT {column})" for column in quoted),
        }
        with self._failures():
            rows, *distinct = self._execute("sample_distinct", parts, [limit]).fetchone()
        return Sample(rows, dict(zip(columns, distinct, strict=True)))

    def row_hashes(self, table: Table, locators: Sequence[Key]) -> list[str | None]:
        catalog, found = table.catalog, dict[Key, str]()
        names = [name if name not in catalog.primary_key else quote(name) for name in self.locator(table)]
        with self._failures():
            for first in range(0, len(locators), _BATCH):
                wanted = sqlite_rowhash.is_in(names, locators[first : first + _BATCH], self._encoding)
                statement = f"SELECT {', '.join(names)}, {sqlite_rowhash.row_hash(catalog, 't')}"  # noqa: S608 (quoted)
                for *locator, digest in self._connection.execute(
                    f"{statement} FROM {catalog.quoted} AS t WHERE {wanted}"
                ):
                    found[tuple(locator)] = digest
        return [found.get(locator) for locator in locators]

    def identity(self) -> dict[str, str]:
        return sqlite_rowhash.identity(self._path)

    def clock(self) -> int:
        return time.time_ns() // 1000

    def same(self, column: Column, first: Value, second: Value) -> bool:
        if type(first) is type(second) and first == second:
            return True
        if isinstance(first, int | float) and isinstance(second, int | float):
            return first == second
        return column.json and self._json(first) == self._json(second)

    def remarks(self) -> tuple[str, ...]:
        return ()

    def close(self) -> None:
        self._connection.close()

    # ---- how a query runs

    def _fragments(self, table: Table) -> dict[str, str]:
        rowid = rowid_name(self._connection, table.catalog)
        return fragments(table, rowid, self.locator(table))

    def _execute(self, name: str, parts: dict[str, str], arguments: Sequence[object] = ()) -> sqlite3.Cursor:
        self._deadline = time.monotonic() + self._timeout if self._timeout else None
        return self._connection.execute(fill(sql_text(f"scan/sqlite/{name}.sql"), parts), arguments)

    @contextmanager
    def _running(self, query: str, table: Table) -> Iterator[None]:
        self._steps, self._steps_per_row = 0, _STEPS_PER_ROW[query]
        estimate = table.catalog.row_estimate
        self._expected = sys.maxsize if estimate is None else estimate
        self._progress.start(f"{visible(table.label)}: {query.replace('_', ' ')}", estimate)
        try:
            with self._failures():
                yield
            if self._stillness:
                self._stillness.check()
        finally:
            self._deadline = None
            self._progress.finish()

    @contextmanager
    def _failures(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            self._interrupt.check()
            if "interrupted" in str(error):
                raise StatementStopped(
                    f"a statement took longer than --timeout allows ({show_duration(self._timeout or 0)})",
                    "allow more, or add an index on the key",
                ) from None
            raise explain(error, self._path) from error

    def _tick(self) -> int:
        """Answer SQLite, which asks every `_STEPS` steps: anything but 0 ends the statement."""
        if self._interrupt.signum is not None:
            return 1
        if self._deadline is not None and time.monotonic() > self._deadline:
            return 1
        if self._steps_per_row:
            self._steps += _STEPS
            self._progress.advance_to(min(self._steps // self._steps_per_row, self._expected))
        return 0

    # ---- functions that SQLite calls

    def _fold(self, raw: bytes) -> bytes:
        return fold(self._text(raw)).encode(self._encoding, self._broken)

    def _hash_value(self, kind: str, raw: bytes) -> bytes:
        return self._hash.of_bytes(kind, raw)

    def _hash_json(self, kind: str, raw: bytes) -> bytes:
        if kind != "text":
            return self._hash.of_bytes(kind, raw)
        return self._hash.of_json(self._text(raw))

    def _text(self, raw: bytes) -> str:
        """Decode any bytes that SQLite may hold as text, so that what does not decode stays apart."""
        return raw.decode(self._encoding, self._broken)

    def _json(self, value: Value) -> object:
        return self._hash.of_json(value) if isinstance(value, str) else value


def _numbers(text: str) -> Iterator[int]:
    """Return the numbers of a list with commas; one of a key with a million rows is not split into a million texts."""
    if len(text) < _LONG_LIST:
        return map(int, text.split(","))
    return (int(match[0]) for match in _ROWID.finditer(text))


def _row_maker(locator: int, table: Table) -> Callable[[int, tuple[Value, ...]], DuplicateRow]:
    """Return what cuts a row of duplicate_rows.sql into its parts; its first column is not one of them."""
    key = 1 + max(1, locator)
    at = key + len(table.key)
    zone = table.zone

    def make(n: int, row: tuple[Value, ...]) -> DuplicateRow:
        return DuplicateRow(n, row[key:at], row[1:key], parse_time(row[at], zone), row[at + 1], row[at + 2 :])

    return make


def _split(row: Sequence[Value], locator: int, key: int) -> tuple[Key, Key, Sequence[Value]]:
    return tuple(row[:locator]), tuple(row[locator : locator + key]), row[locator + key :]
