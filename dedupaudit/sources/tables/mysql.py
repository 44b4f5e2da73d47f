"""MySQL and MariaDB as a source of tables: one read-only snapshot, and the queries of `sql/scan/mysql/`."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

import pymysql

from dedupaudit.config import DatabaseSettings
from dedupaudit.display import visible
from dedupaudit.errors import SourceError, UsageError
from dedupaudit.interrupt import Interrupt
from dedupaudit.model import Strategy
from dedupaudit.progress import Progress
from dedupaudit.sources.tables import mysql_errors, mysql_rowhash, mysql_selects
from dedupaudit.sources.tables.catalog import Catalog, Column
from dedupaudit.sources.tables.mysql_catalog import CatalogReader
from dedupaudit.sources.tables.mysql_facts import has_global, writing_privileges
from dedupaudit.sources.tables.mysql_objects import ObjectReader
from dedupaudit.sources.tables.mysql_rows import Reader
from dedupaudit.sources.tables.mysql_session import Session
from dedupaudit.sources.tables.mysql_sql import LONGEST_KEY, Writer, binary_literal, check_text, declared_length, quote
from dedupaudit.sources.tables.mysql_tokens import numbering, repeated_rows
from dedupaudit.sources.tables.mysql_values import Kind, decoder, encode, kind_of, moment_decoder
from dedupaudit.sources.tables.near_equal import OddKey, near_equal_sets
from dedupaudit.sources.tables.payload import same_json
from dedupaudit.sources.tables.protocol import (
    DuplicateRow,
    Key,
    KeyVariant,
    ObjectRow,
    Reading,
    Sample,
    Survey,
    SuspectRow,
    Value,
)
from dedupaudit.sources.tables.table import Table, extent_of
from dedupaudit.sqlfiles import fill, sql_text

_SMALL = 50_000
"""Rows up to which the server's own GROUP BY is as fast as anything."""
_FEW_KINDS = 8
_PLAIN_BATCH = 500
_HASH_BATCH = 500


class MysqlSource:
    """A `TableSource` over one database of a MySQL or MariaDB server."""

    dialect = "mysql"

    def __init__(self, settings: DatabaseSettings, interrupt: Interrupt, progress: Progress, reading: Reading) -> None:
        self.name = settings.name
        self._reading = reading
        self._progress = progress
        self._salt = secrets.token_hex(16)
        self._session = Session(settings, interrupt)
        self._catalogs = CatalogReader(self._session)
        self._objects = ObjectReader(self._session, self._step, progress.advance_to)

    # ---- the catalog

    def names(self) -> list[str]:
        return self._catalogs.names(self._session.facts.database)

    def catalog(self, parts: Sequence[str]) -> Catalog | None:
        database = parts[0] if len(parts) > 1 else self._session.facts.database
        return self._catalogs.read(database, parts[-1])

    def check_condition(self, catalog: Catalog, condition: str, where: str) -> None:
        check_text(condition, where)
        try:
            # No row is read, and no other privilege is needed, as EXPLAIN of a view would need.
            self._session.rows(f"SELECT 1 FROM {catalog.quoted} WHERE (\n{condition}\n) LIMIT 0")  # noqa: S608 (fenced)
        except SourceError as error:
            cause = error.__cause__
            if not isinstance(cause, pymysql.err.MySQLError) or mysql_errors.is_lost(cause):
                raise
            if mysql_errors.code_of(cause) in mysql_errors.TIMED_OUT | {1142, 1143, 1044, 1412}:
                raise
            raise UsageError(
                f"{where}: {self._session.facts.product} refuses the condition: {mysql_errors.text_of(cause)}",
                "it must be one condition over this table's columns that only reads; write text 'so' and names \"so\"",
            ) from None

    def locator(self, table: Table) -> tuple[str, ...]:
        return table.catalog.primary_key

    def strategy(self, table: Table) -> tuple[Strategy, str]:
        engine, why = self._choose(table)
        held = self._catalogs.engines.get(table.catalog.quoted)
        if held:
            why += f"; {held} has no consistent snapshot: rows that change meanwhile may be seen twice or not at all"
        return engine, why

    def _choose(self, table: Table) -> tuple[Strategy, str]:
        asked, server = self._reading.engine, self._session.facts.product
        cannot = self._cannot_stream(table)
        index = self._index(table)
        if asked == "pushdown" or (asked == "auto" and index):
            along = f"along index {visible(index)}" if index else "one sort of the keys (no index on them)"
            return "pushdown", f"GROUP BY in {server}, {along}"
        if cannot:
            refused = "the snapshot engine cannot be used: " if asked == "snapshot" else ""
            return "pushdown", f"GROUP BY in {server}: {refused}{cannot}"
        rows = table.catalog.row_estimate
        if asked == "auto" and rows is not None and rows <= _SMALL:
            return "pushdown", f"GROUP BY in {server}: a small table"
        return "snapshot", "hashes of the keys are read in ranges of the primary key: no index on the key"

    def _index(self, table: Table) -> str | None:
        names = set(table.key_names)
        if table.distrust_indexes or any(kind_of(column).numbered for column in table.key):
            return None
        for index in table.catalog.indexes:
            if set(index.columns[: len(names)]) == names and not (index.partial or index.prefix):
                return index.name
        return None

    def _cannot_stream(self, table: Table) -> str | None:
        if table.distrust_indexes:
            return "indexes are distrusted, and the primary key is one"
        if table.catalog.kind != "table":
            return f"a {table.catalog.kind} has no primary key to read it by"
        if numbering(table) is None:
            return "the primary key is not a single integer that fits 64 bits"
        if self._writer(table).token() is None:
            return "this type of key has no hash that agrees with the server's equality"
        return None

    # ---- the queries

    def survey(self, table: Table, suspects: Sequence[str], kinds: Sequence[Value] = ()) -> Survey:
        writer, parts = self._parts(table)
        conditions = [fill(sql_text(f"scan/mysql/suspects/{suspect}.sql"), parts) for suspect in suspects]
        known = [_kind_literal(table.group, kind) for kind in kinds] if len(kinds) <= _FEW_KINDS else [None]
        few = all(one is not None for one in known)
        if few:
            conditions += [f"{writer.kind()} <=> {one}" for one in known]
        parts["counts"] = "".join(f",\n  COUNT(IF({condition}, 1, NULL))" for condition in conditions)
        with self._step("survey", table):
            counts = [int(count or 0) for count in self._session.rows(_filled("survey", parts))[0]]
            by_kind = dict(zip(kinds, counts[1 + len(suspects) :], strict=True)) if few else self._by_kind(table, parts)
        return Survey(counts[0], dict(zip(suspects, counts[1:], strict=False)), by_kind)

    def _by_kind(self, table: Table, parts: dict[str, str]) -> dict[Value, int]:
        return self._kinds(table, _filled("rows_by_kind", parts))

    def survey_soon(self, table: Table, suspects: Sequence[str]) -> None:
        """Do nothing: one connection has one snapshot, and cannot do two things."""

    def null_keys_by_kind(self, table: Table) -> dict[Value, int]:
        _writer, parts = self._parts(table)
        with self._step("survey", table):
            return self._kinds(table, _filled("null_keys_by_kind", parts))

    def _kinds(self, table: Table, statement: str) -> dict[Value, int]:
        decode = decoder(table.group) if table.group else bytes
        return {
            None if kind is None else decode(kind): int(count or 0) for kind, count in self._session.rows(statement)
        }

    def suspect_rows(self, table: Table, suspect: str) -> Iterator[SuspectRow]:
        _writer, parts = self._parts(table)
        parts["condition"] = fill(sql_text(f"scan/mysql/suspects/{suspect}.sql"), parts)
        reader = Reader(table, self.locator(table))
        with self._step("suspect rows", table):
            for row in self._session.stream(_filled("suspect_rows", parts)):
                yield reader.suspect(row)

    def duplicate_rows(self, table: Table) -> Iterator[DuplicateRow]:
        engine, _why = self._choose(table)
        writer, parts = self._parts(table)
        reader = Reader(table, self.locator(table))
        self._make_room(table)
        with self._step("duplicate keys", table):
            if engine == "snapshot":
                yield from repeated_rows(
                    self._session, writer, parts, reader, self._reading.memory_limit, self._progress.advance_to
                )
                return
            # Without it the groups go into a temporary table, at five times the time.
            index, token = self._index(table), writer.token()
            parts["hint"] = "" if index else "SQL_BIG_RESULT"
            hashed = not index and token is not None and self._misses_padding(table)
            query = _filled("duplicate_rows_hashed" if hashed else "duplicate_rows", {**parts, "token": token or ""})
            # Without a hash join MariaDB compares each row with each repeated key: slow, and right.
            self._session.set(join_cache_level="2" if self._misses_padding(table) and not hashed else "8")
            yield from reader.groups(self._session.stream(query))

    def _misses_padding(self, table: Table) -> bool:
        """Say whether MariaDB's hash join takes 'a' and 'a ' for two keys, as it does in a padding _bin collation."""
        facts = (self._catalogs.collations.get(column.collation) for column in table.key)
        return any(fact is not None and fact.pads and fact.name.endswith("_bin") for fact in facts)

    def _make_room(self, table: Table) -> None:
        """Have sorts compare whole keys: beyond max_sort_length different ones would be merged."""
        longest = 1024
        for column in table.key:
            kind = kind_of(column)
            if kind.text or kind.bytes or kind.base == "json":
                length = declared_length(column)
                if length > LONGEST_KEY:
                    length = self._longest(table, column)
                longest = max(longest, min(length * (32 if kind.text else 1) + 8, 8_388_608))
        self._session.set(
            max_sort_length=str(longest),
            sort_buffer_size=str(max(8_388_608, min(longest * 20, 1 << 28))),
        )

    def _longest(self, table: Table, column: Column) -> int:
        writer, parts = self._parts(table)
        rows = self._session.rows(
            f"SELECT MAX(CHAR_LENGTH({writer.named(column)})) FROM {parts['table']} WHERE {parts['where']}"  # noqa: S608
        )
        return int(rows[0][0] or 0)

    def rows_of(self, table: Table, ident: str) -> Iterator[DuplicateRow]:
        found = table.where_also(self._writer(table).is_part_of_key(ident))
        _writer, parts = self._parts(found)
        reader = Reader(found, self.locator(found))
        with self._step("rows of one ID", table):
            for row in self._session.stream(_filled("rows", parts)):
                yield reader.duplicate(row)

    def object_rows(
        self, table: Table, fields: Sequence[Column] = (), keys: Sequence[str] | None = None
    ) -> Iterator[list[ObjectRow]]:
        return self._objects.rows(*self._parts(table), fields, keys)

    def check_select(self, select: str, where: str) -> None:
        mysql_selects.check_select(self._session, select, where)

    def selected(self, select: str, where: str) -> Iterator[list[Value]]:
        return mysql_selects.selected(self._session, select, where)

    def renew(self) -> None:
        mysql_selects.renew(self._session)

    def lag(self) -> float | None:
        return mysql_selects.lag(self._session)

    def near_equal_keys(self, table: Table) -> Iterator[KeyVariant]:
        self._make_room(table)
        _writer, parts = self._parts(table)
        reader = Reader(table, ())
        with self._step("near equal keys", table):
            parts["condition"] = parts["key_is_odd"]
            odd = (reader.odd(row) for row in self._session.stream(_filled("odd_keys", parts)))
            yield from near_equal_sets(
                odd, lambda keys: self._plain(table, parts, reader, keys), self._reading.memory_limit
            )

    def _plain(self, table: Table, parts: dict[str, str], reader: Reader, keys: Sequence[Key]) -> Iterable[OddKey]:
        """Return, of these keys, those that are in the table byte for byte and are not odd."""
        written = [literal for key in keys if (literal := reader.literal(key)) is not None]
        for begin in range(0, len(written), _PLAIN_BATCH):
            batch = written[begin : begin + _PLAIN_BATCH]
            parts["condition"] = f"NOT ({parts['key_is_odd']}) AND {reader.whole()} IN ({', '.join(batch)})"
            for row in self._session.rows(_filled("odd_keys", parts)):
                yield reader.odd(row)

    def extent(self, table: Table) -> tuple[int, int] | None:
        if table.time is None:
            return None
        _writer, parts = self._parts(table)
        decode = moment_decoder(table.time)
        with self._step("first and last time", table):
            ends = self._session.rows(_filled("extent", parts))[0]
        return extent_of([None if end is None else decode(end) for end in ends], table)

    def is_empty(self, table: Table) -> bool:
        _writer, parts = self._parts(table)
        return self._session.rows(_filled("is_empty", parts))[0][0] == b"1"

    def sample_distinct(self, catalog: Catalog, columns: Sequence[str], limit: int) -> Sample:
        quoted = [quote(column) for column in columns]
        parts = {
            "table": catalog.quoted,
            "columns": ", ".join(quoted) or "NULL",
            "counts": "".join(f",\n  COUNT(DISTINCT {column})" for column in quoted),
            "limit": str(int(limit)),
        }
        self._session.watched.add(catalog.name)
        rows, *distinct = (int(count or 0) for count in self._session.rows(_filled("sample_distinct", parts))[0])
        return Sample(rows, dict(zip(columns, distinct, strict=True)))

    def row_hashes(self, table: Table, locators: Sequence[Key]) -> list[str | None]:
        catalog, found = table.catalog, dict[Key, str]()
        if catalog.primary_key:
            self._parts(table)
            for begin in range(0, len(locators), _HASH_BATCH):
                query = mysql_rowhash.hashes_query(catalog, locators[begin : begin + _HASH_BATCH])
                found |= mysql_rowhash.by_locator(catalog, self._session.rows(query))
        if mysql_rowhash.lacks_hash(found):
            raise SourceError(
                f"{visible(table.label)}: a row is larger than max_allowed_packet", "raise it on the server"
            )
        return [found.get(locator) for locator in locators]

    def identity(self) -> dict[str, str]:
        product = self._session.facts.product
        return mysql_rowhash.identity(product, self._session.texts(mysql_rowhash.identity_query(product))[0])

    def clock(self) -> int:
        return int(self._session.rows(mysql_rowhash.CLOCK)[0][0] or 0)

    def same(self, column: Column, first: Value, second: Value) -> bool:
        if type(first) is type(second) and first == second:
            return True
        if isinstance(first, int | float) and isinstance(second, int | float):
            return first == second
        return column.json and same_json(first, second)

    def remarks(self) -> tuple[str, ...]:
        facts = self._session.facts
        found = []
        writing = writing_privileges(facts.grants, facts.database)
        if writing:
            shown = visible("; ".join(writing), 300)
            found.append(f"the role could write ({shown}): GRANT it nothing but SELECT, and that is certain")
        if not has_global(facts.grants, "PROCESS"):
            found.append("without the PROCESS privilege the audit cannot see which sessions wait behind it")
        found += [
            f"{name} is {engine}, which has no consistent snapshot"
            for name, engine in self._catalogs.engines.items()
            if name in self._session.touched
        ]
        return tuple(found)

    def close(self) -> None:
        self._session.close()

    # ---- how a query runs

    def _writer(self, table: Table) -> Writer:
        self._catalogs.learn(column.collation for column in table.catalog.columns if column.collation)
        return Writer(table, self._catalogs.collations, self._salt)

    def _parts(self, table: Table) -> tuple[Writer, dict[str, str]]:
        writer = self._writer(table)
        self._session.watched.add(table.catalog.name)
        self._session.touched.add(table.catalog.quoted)
        return writer, writer.fragments(self.locator(table))

    @contextmanager
    def _step(self, words: str, table: Table) -> Iterator[None]:
        self._progress.start(f"{visible(table.label)}: {words}", table.catalog.row_estimate)
        self._session.reading = visible(table.label)
        try:
            yield
        finally:
            self._session.reading = ""
            self._progress.finish()


def _filled(name: str, parts: dict[str, str]) -> str:
    return fill(sql_text(f"scan/mysql/{name}.sql"), parts)


def _kind_literal(column: Column | None, kind: Value) -> str | None:
    """Return a kind as an SQL literal of its bytes, None where the column's own way of writing is not known."""
    if kind is None:
        return "NULL"
    if column is None:
        return None
    found: Kind = kind_of(column)
    if found.text:
        raw = encode(kind, found.charset)
        # An explicit collation decides: no copy of the column's value is made, as CAST would for each row and kind.
        return None if raw is None else f"{binary_literal(raw)} COLLATE `binary`"
    if found.integer and isinstance(kind, int) and found.base not in ("bit", "year"):
        return binary_literal(str(kind).encode())
    return None
