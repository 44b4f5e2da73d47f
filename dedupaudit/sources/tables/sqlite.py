"""SQLite as a source of tables: one read-only connection, one snapshot, and the queries of `sql/scan/sqlite/`."""

from __future__ import annotations

import re
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

from dedupaudit.config import DatabaseSettings
from dedupaudit.display import visible
from dedupaudit.errors import StatementStopped, UsageError
from dedupaudit.interrupt import Interrupt
from dedupaudit.model import Strategy
from dedupaudit.progress import Progress
from dedupaudit.sources.tables.catalog import Catalog, Column
from dedupaudit.sources.tables.fence import fence_condition
from dedupaudit.sources.tables.folding import fold
from dedupaudit.sources.tables.payload import PayloadHash
from dedupaudit.sources.tables.protocol import (
    DuplicateRow,
    GroupTotal,
    Key,
    KeyVariant,
    SuspectRow,
    Survey,
    Value,
)
from dedupaudit.sources.tables.sqlite_catalog import read_catalog, rowid_name, table_names
from dedupaudit.sources.tables.sqlite_guard import connect, explain
from dedupaudit.sources.tables.sqlite_sql import fragments
from dedupaudit.sources.tables.table import Table
from dedupaudit.sqlfiles import fill, sql_text
from dedupaudit.times import parse_time

# SQLite calls back after so many steps of its virtual machine: about every 2 ms, a thousandth of the work.
_STEPS = 50_000
# Steps that the machine takes for one row of each query, measured: progress is an estimate, totals are not.
_STEPS_PER_ROW = {"survey": 25, "duplicate_keys": 26, "near_equal_keys": 60}
_BATCH = 500
_ROWID = re.compile(r"-?\d+")


class SqliteSource:
    """A `TableSource` over one SQLite file."""

    dialect = "sqlite"

    def __init__(self, settings: DatabaseSettings, interrupt: Interrupt, progress: Progress) -> None:
        self.name = settings.name
        self._path = Path(settings.url.database)
        self._timeout = settings.timeout
        self._interrupt = interrupt
        self._progress = progress
        self._steps = 0
        self._steps_per_row = 0
        self._deadline: float | None = None
        self._hash = PayloadHash()
        with self._failures():
            self._connection = connect(self._path, immutable=settings.url.query.get("immutable") == "1")
            self._begin()

    def _begin(self) -> None:
        self._encoding = "utf-8"
        self._connection.set_progress_handler(self._tick, _STEPS)
        self._connection.execute("BEGIN")
        encoding = self._connection.execute("PRAGMA encoding").fetchone()[0]
        self._encoding = {"UTF-16le": "utf-16-le", "UTF-16be": "utf-16-be"}.get(encoding, "utf-8")
        # The first read takes the snapshot: every later look sees the same moment.
        self._connection.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()
        functions = {"fold": (1, self._fold), "hash": (2, self._hash_value), "hash_json": (2, self._hash_json)}
        for name, (arguments, function) in functions.items():
            self._connection.create_function(f"dedupaudit_{name}", arguments, function, deterministic=True)

    # ---- the catalog

    def names(self) -> list[str]:
        with self._failures():
            return table_names(self._connection)

    def catalog(self, parts: Sequence[str]) -> Catalog | None:
        if len(parts) > 1 and [part.lower() for part in parts[:-1]] != ["main"]:
            return None
        with self._failures():
            return read_catalog(self._connection, parts[-1])

    def check_condition(self, catalog: Catalog, condition: str) -> None:
        fence_condition(condition, f"the `where` of {visible(catalog.name)}")
        try:
            self._connection.execute(f"EXPLAIN SELECT 1 FROM {catalog.quoted} WHERE (\n{condition}\n)")  # noqa: S608
        except (sqlite3.Error, sqlite3.Warning) as error:
            raise UsageError(
                f"the `where` of {visible(catalog.name)} is refused: {visible(str(error))}",
                "it must be one condition over this table's columns that only reads",
            ) from None

    def locator(self, table: Table) -> tuple[str, ...]:
        if table.catalog.primary_key:
            return table.catalog.primary_key
        rowid = rowid_name(self._connection, table.catalog)
        return (rowid,) if rowid else ()

    def strategy(self, table: Table) -> tuple[Strategy, str]:
        names = set(table.key_names)
        for index in table.catalog.indexes:
            if set(index.columns[: len(names)]) == names and not index.partial:
                return "pushdown", f"GROUP BY in SQLite, along index {visible(index.name)}"
        return "pushdown", "GROUP BY in SQLite, one sort of the keys (no index on them)"

    # ---- the queries

    def survey(self, table: Table, suspects: Sequence[str]) -> Survey:
        parts = self._fragments(table)
        conditions = (fill(sql_text(f"scan/sqlite/suspects/{suspect}.sql"), parts) for suspect in suspects)
        parts["counts"] = "".join(f",\n  COUNT(*) FILTER (WHERE {condition})" for condition in conditions)
        with self._running("survey", table):
            rows, *counts = self._execute("survey", parts).fetchone()
        return Survey(rows, dict(zip(suspects, counts, strict=True)))

    def suspect_rows(self, table: Table, suspect: str) -> Iterator[SuspectRow]:
        parts = self._fragments(table)
        parts["condition"] = fill(sql_text(f"scan/sqlite/suspects/{suspect}.sql"), parts)
        widths = (max(1, len(self.locator(table))), len(table.key))
        with self._running("survey", table):
            for row in self._execute("suspect_rows", parts):
                locator, key, (at, updated, *state) = _split(row, *widths)
                yield SuspectRow(locator, key, parse_time(at, table.zone), parse_time(updated, table.zone), *state)

    def duplicate_rows(self, table: Table, *, distrust_indexes: bool = False) -> Iterator[DuplicateRow]:
        parts = self._fragments(table, distrust=distrust_indexes)
        widths = (max(1, len(self.locator(table))), len(table.key))
        with self._running("duplicate_keys", table):
            if parts["rowid"] == "NULL":
                for n, *row in self._execute("duplicate_rows_joined", parts):
                    yield self._duplicate(n, row, widths, table)
                return
            keys = self._execute("duplicate_keys", parts)
            parts["rowids"] = ", ".join("?" * _BATCH)
            members = ((n, int(rowid[0])) for n, rowids in keys for rowid in _ROWID.finditer(rowids))
            while batch := list(islice(members, _BATCH)):
                rowids = [rowid for _n, rowid in batch] + [None] * (_BATCH - len(batch))
                rows = {row[0]: row[1:] for row in self._execute("duplicate_rows", parts, rowids)}
                for n, rowid in batch:
                    yield self._duplicate(n, rows[rowid], widths, table)

    def near_equal_keys(self, table: Table) -> Iterator[KeyVariant]:
        with self._running("near_equal_keys", table):
            for variants, joined, *key, rows in self._execute("near_equal_keys", self._fragments(table)):
                if variants > 1:
                    yield KeyVariant(variants, joined, tuple(key), rows)

    def group_totals(self, table: Table, groups: Sequence[Value]) -> list[GroupTotal]:
        parts = self._fragments(table)
        parts["group_counts"] = ", ".join(
            f"COUNT(*) FILTER (WHERE {parts['group']} IS ?{number}), "
            f"COUNT(*) FILTER (WHERE {parts['group']} IS ?{number} AND ({parts['key_is_null']}))"
            for number in range(1, len(groups) + 1)
        )
        with self._running("survey", table):
            counts = self._execute("group_totals", parts, groups).fetchone()
        return [GroupTotal(*pair) for pair in zip(counts[::2], counts[1::2], strict=True)]

    def same(self, column: Column, first: Value, second: Value) -> bool:
        if type(first) is type(second) and first == second:
            return True
        if isinstance(first, int | float) and isinstance(second, int | float):
            return first == second
        return column.json and self._json(first) == self._json(second)

    def close(self) -> None:
        self._connection.close()

    # ---- how a query runs

    def _fragments(self, table: Table, *, distrust: bool = False) -> dict[str, str]:
        rowid = rowid_name(self._connection, table.catalog)
        return fragments(table, rowid, self.locator(table), distrust=distrust)

    def _execute(self, name: str, parts: dict[str, str], arguments: Sequence[object] = ()) -> sqlite3.Cursor:
        self._deadline = time.monotonic() + self._timeout if self._timeout else None
        return self._connection.execute(fill(sql_text(f"scan/sqlite/{name}.sql"), parts), arguments)

    @contextmanager
    def _running(self, query: str, table: Table) -> Iterator[None]:
        self._steps, self._steps_per_row = 0, _STEPS_PER_ROW[query]
        self._progress.start(f"{visible(table.label)}: {query.replace('_', ' ')}", table.catalog.row_estimate)
        try:
            with self._failures():
                yield
        finally:
            self._deadline = None
            self._progress.finish()

    @contextmanager
    def _failures(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            if "interrupted" in str(error):
                self._interrupt.check()
                raise StatementStopped(
                    f"a statement took longer than --timeout allows ({self._timeout:g} s)",
                    "allow more, or add an index on the key",
                ) from None
            raise explain(error, self._path) from error

    def _tick(self) -> int:
        """Called by SQLite every `_STEPS` steps; anything but 0 ends the statement."""
        if self._interrupt.signum is not None:
            return 1
        if self._deadline is not None and time.monotonic() > self._deadline:
            return 1
        if self._steps_per_row:
            self._steps += _STEPS
            self._progress.advance_to(self._steps // self._steps_per_row)
        return 0

    def _duplicate(self, n: int, row: Sequence[Value], widths: tuple[int, int], table: Table) -> DuplicateRow:
        locator, key, (at, group, *values) = _split(row, *widths)
        return DuplicateRow(n, key, locator, parse_time(at, table.zone), group, tuple(values))

    # ---- functions that SQLite calls

    def _fold(self, raw: bytes) -> bytes:
        return fold(raw.decode(self._encoding, "surrogateescape")).encode(self._encoding, "surrogateescape")

    def _hash_value(self, kind: str, raw: bytes) -> bytes:
        return self._hash.of_bytes(kind, raw)

    def _hash_json(self, kind: str, raw: bytes) -> bytes:
        if kind != "text":
            return self._hash.of_bytes(kind, raw)
        return self._hash.of_json(raw.decode(self._encoding, "surrogateescape"))

    def _json(self, value: Value) -> object:
        return self._hash.of_json(value) if isinstance(value, str) else value


def _split(row: Sequence[Value], locator: int, key: int) -> tuple[Key, Key, Sequence[Value]]:
    return tuple(row[:locator]), tuple(row[locator : locator + key]), row[locator + key :]
