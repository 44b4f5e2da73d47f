"""PostgreSQL as a source of tables: one read-only session, one snapshot, and the queries of `sql/scan/postgresql/`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from itertools import islice

import psycopg2
from psycopg2 import extensions

from dedupaudit.config import DatabaseSettings
from dedupaudit.display import visible
from dedupaudit.errors import SourceError, UsageError
from dedupaudit.interrupt import Interrupt
from dedupaudit.model import Strategy
from dedupaudit.progress import Progress
from dedupaudit.snapshot.tokens import TokenStore
from dedupaudit.sources.tables.catalog import Catalog, Column
from dedupaudit.sources.tables.fence import POSTGRESQL, fence_condition
from dedupaudit.sources.tables.near_equal import OddKey, near_equal_sets
from dedupaudit.sources.tables.payload import canonical_json
from dedupaudit.sources.tables.postgresql_catalog import Description, describe, find_relation, relation_names
from dedupaudit.sources.tables.postgresql_session import Row, Session, name_of
from dedupaudit.sources.tables.postgresql_sql import (
    Writer,
    integers,
    is_kind,
    literal,
    qualified,
    quote,
    texts,
    wanted_keys,
)
from dedupaudit.sources.tables.postgresql_strategy import Way, choose_way
from dedupaudit.sources.tables.protocol import (
    DuplicateRow,
    Key,
    KeyVariant,
    Reading,
    Sample,
    Survey,
    SuspectRow,
    Undecodable,
    Value,
)
from dedupaudit.sources.tables.table import Table
from dedupaudit.sqlfiles import fill, sql_text
from dedupaudit.times import parse_time

_FEW_KINDS = 8
# Rows that may be read at once, by workers side by side; more come through a cursor, which one worker fills.
_AT_ONCE = 4_000
_BATCH_OF_TOKENS = 50_000
_BATCH_OF_PLACES = 20_000
_WORD = re.compile(r"[^\W\d][\w$]*")
_WITHOUT_INDEXES = {"enable_indexscan": "off", "enable_indexonlyscan": "off", "enable_bitmapscan": "off"}
_ALONG_INDEX = dict.fromkeys(("enable_hashjoin", "enable_mergejoin", "enable_hashagg", "enable_seqscan"), "off")
_BY_PRIMARY_KEY = {"enable_seqscan": "off"}


class PostgresqlSource:
    """A `TableSource` over one PostgreSQL database."""

    dialect = "postgresql"

    def __init__(self, settings: DatabaseSettings, interrupt: Interrupt, progress: Progress, reading: Reading) -> None:
        self.name = settings.name
        self._reading = reading
        self._progress = progress
        self._session = Session(settings, interrupt)
        codec = extensions.encodings.get(self._session.encoding, "utf-8")
        self._writer = Writer(self._session.encoding, codec)
        self._described: dict[str, Description] = {}

    # ---- the catalog

    def names(self) -> list[str]:
        with self._session.question(self._whole):
            return relation_names(self._session)

    def catalog(self, parts: Sequence[str]) -> Catalog | None:
        with self._session.question(visible(".".join(parts))):
            relation = find_relation(self._session, parts)
            if relation is None:
                return None
            known = self._described.get(relation.quoted)
            if known is None:
                known = self._described[relation.quoted] = describe(self._session, relation)
            return known.catalog

    def check_condition(self, catalog: Catalog, condition: str, where: str) -> None:
        fence_condition(condition, where, POSTGRESQL)
        statement = f"SELECT 1 FROM {catalog.quoted} WHERE (\n{condition}\n)"  # noqa: S608 (fenced, quoted names)
        names = sorted(set(_WORD.findall(condition.lower())))
        with self._session.question(visible(catalog.name)):
            try:
                # The server takes the text as one statement or not at all, plans it, and runs nothing of it.
                self._session.execute(f"SELECT pg_catalog.query_to_xmlschema({literal(statement)}, false, false, '')")
            except psycopg2.DataError as error:
                raise self._refused(where, error) from None
            except psycopg2.ProgrammingError as error:
                if error.pgcode == "42501":
                    raise
                raise self._refused(where, error) from None
            asked = fill(sql_text("scan/postgresql/volatile_functions.sql"), {"names": texts(names)})
            volatile = {name_of(row[0]) for row in self._session.rows(asked)}
        volatile -= {column.name for column in catalog.columns}
        if volatile:
            raise UsageError(
                f"{where}: the condition calls {', '.join(map(visible, sorted(volatile)))}, which may change something",
                "write it with functions that are STABLE or IMMUTABLE",
            )

    @staticmethod
    def _refused(where: str, error: psycopg2.Error) -> UsageError:
        said = (error.diag.message_primary if error.diag else None) or str(error).partition("\n")[0]
        return UsageError(
            f"{where}: PostgreSQL refuses the condition: {visible(said, 300)}",
            "it must be one condition over this table's columns that only reads; write text 'so' and names \"so\"",
        )

    def locator(self, table: Table) -> tuple[str, ...]:
        described = self._known(table)
        if described.catalog.primary_key:
            return described.catalog.primary_key
        if described.relation.kind not in ("r", "p", "m"):
            return ()
        return ("tableoid", "ctid") if described.relation.branches or described.relation.kind == "p" else ("ctid",)

    def strategy(self, table: Table) -> tuple[Strategy, str]:
        way = self._way(table)
        return way.strategy, way.why

    # ---- the queries

    def survey(self, table: Table, suspects: Sequence[str], kinds: Sequence[Value] = ()) -> Survey:
        parts = self._fragments(table)
        # Counting a few kinds in this pass is cheaper than a pass of their own.
        few = len(kinds) <= _FEW_KINDS and not any(isinstance(kind, Undecodable) for kind in kinds)
        asked = list(kinds) if few else []
        conditions = [fill(sql_text(f"scan/postgresql/suspects/{suspect}.sql"), parts) for suspect in suspects]
        conditions += [is_kind(parts["kind"], kind) for kind in asked]
        parts["counts"] = "".join(f",\n  pg_catalog.count(*) FILTER (WHERE {condition})" for condition in conditions)

        def ask() -> Survey:
            with self._running("survey", table):
                rows, *counts = map(_number, self._session.rows(self._filled("survey", parts))[0])
                by_kind = dict(zip(asked, counts[len(suspects) :], strict=True))
                if not few:
                    wanted = set(kinds)
                    every = self._session.stream(self._filled("rows_by_kind", parts))
                    by_kind = {kind: _number(number) for kind, number in every if kind in wanted}
            return Survey(rows, dict(zip(suspects, counts, strict=False)), by_kind)

        return self._session.retried(ask)

    def null_keys_by_kind(self, table: Table) -> dict[Value, int]:
        statement = self._filled("null_keys_by_kind", self._fragments(table))

        def ask() -> dict[Value, int]:
            with self._running("survey", table):
                return {kind: _number(number) for kind, number in self._session.stream(statement)}

        return self._session.retried(ask)

    def suspect_rows(self, table: Table, suspect: str) -> Iterator[SuspectRow]:
        parts = self._fragments(table)
        parts["condition"] = fill(sql_text(f"scan/postgresql/suspects/{suspect}.sql"), parts)
        statement = self._filled("suspect_rows", parts)
        located = max(1, len(self.locator(table)))
        key = located + len(table.key)

        def ask() -> Iterator[SuspectRow]:
            with self._running("suspect rows", table):
                for row in self._session.stream(statement):
                    at, updated, *state = row[key:]
                    times = parse_time(at, table.zone), parse_time(updated, table.zone)
                    yield SuspectRow(row[:located], row[located:key], *times, *state)

        return self._session.streamed(ask)

    def duplicate_rows(self, table: Table) -> Iterator[DuplicateRow]:
        ask = self._tokens_first if self._way(table).strategy == "snapshot" else self._joined
        return _whole_keys(self._session.streamed(lambda: ask(table)), table)

    def _joined(self, table: Table) -> Iterator[DuplicateRow]:
        """Let the server find the keys and join their rows (pushdown)."""
        parts = self._fragments(table)
        planner = _ALONG_INDEX if self._way(table).index else {}
        with self._running("duplicate keys", table, planner):
            yield from self._made(table, self._session.stream(self._filled("duplicate_rows_joined", parts)))

    def _tokens_first(self, table: Table) -> Iterator[DuplicateRow]:
        """Let the server hash the keys, find here which hashes repeat, and ask for the rows of those (snapshot)."""
        parts = self._fragments(table)
        place = self._way(table).place
        parts["place"] = f", {qualified(table, place)}::pg_catalog.int8" if place else ""
        with TokenStore(self._reading.memory_limit, ("token", "place") if place else ("token",)) as store:
            with self._running("duplicate keys", table):
                self._session.copy(self._filled("tokens", parts), store.sink())
            store.finish()
            size = _BATCH_OF_PLACES if place else _BATCH_OF_TOKENS
            for batch in store.repeated(size):
                if place and len(batch) <= 5 * size:
                    found = f"{qualified(table, place)} = ANY ({integers([row[1] for row in batch])})"
                    planner = {} if table.distrust_indexes else _BY_PRIMARY_KEY
                else:
                    tokens = dict.fromkeys(row[0] for row in batch)
                    found, planner = f"{parts['token']} = ANY ({integers(list(tokens))})", {}
                statement = self._filled("duplicate_rows", {**parts, "found": found})
                with self._running("duplicate rows", table, planner):
                    yield from self._made(table, self._few_or_streamed(statement, streamed=bool(planner)))

    def _few_or_streamed(self, statement: str, *, streamed: bool) -> Iterator[Row]:
        if not streamed:
            # Workers help with a plain query and not with a cursor; but a plain query's rows are all held here.
            rows = self._session.rows(f"{statement}\nLIMIT {_AT_ONCE + 1}")
            if len(rows) <= _AT_ONCE:
                yield from rows
                return
            del rows
        yield from self._session.stream(statement)

    def _made(self, table: Table, rows: Iterator[Row]) -> Iterator[DuplicateRow]:
        key = 1 + max(1, len(self.locator(table)))
        at = key + len(table.key)
        zone = table.zone
        for row in rows:
            yield DuplicateRow(
                _number(row[0]), row[key:at], row[1:key], parse_time(row[at], zone), row[at + 1], row[at + 2 :]
            )

    def near_equal_keys(self, table: Table) -> Iterator[KeyVariant]:
        parts = self._fragments(table)
        types = self._known(table).types

        def odd() -> Iterator[OddKey]:
            with self._running("nearly equal keys", table):
                yield from map(_odd_key, self._session.stream(self._filled("odd_keys", parts)))

        def plain(keys: Sequence[Key]) -> Iterator[OddKey]:
            asked = {**parts, "wanted": wanted_keys(table, types, keys)}
            with self._running("nearly equal keys", table):
                yield from map(_odd_key, self._session.stream(self._filled("plain_keys", asked)))

        return self._session.streamed(lambda: near_equal_sets(odd(), plain, self._reading.memory_limit))

    def is_empty(self, table: Table) -> bool:
        statement = self._filled("is_empty", self._fragments(table))

        def ask() -> bool:
            with self._question(table):
                return bool(self._session.rows(statement)[0][0])

        return self._session.retried(ask)

    def sample_distinct(self, catalog: Catalog, columns: Sequence[str], limit: int) -> Sample:
        types = self._described[catalog.quoted].types
        quoted = [quote(column) for column in columns]
        # json has no equality: its text has.
        compared = [
            f"{name}::pg_catalog.text" if types[column].oid == 114 else name
            for name, column in zip(quoted, columns, strict=True)
        ]
        parts = {
            "table": catalog.quoted,
            "columns": ", ".join(quoted) or "NULL",
            "counts": "".join(f",\n  pg_catalog.count(DISTINCT {column})" for column in compared),
            "limit": str(limit),
        }

        def ask() -> Sample:
            with self._session.question(visible(catalog.name)):
                rows, *distinct = map(_number, self._session.rows(self._filled("sample_distinct", parts))[0])
            return Sample(rows, dict(zip(columns, distinct, strict=True)))

        return self._session.retried(ask)

    def same(self, column: Column, first: Value, second: Value) -> bool:
        if type(first) is type(second) and first == second:
            return True
        if not (column.json and isinstance(first, str) and isinstance(second, str)):
            return False
        value = canonical_json(first)
        return value is not None and value == canonical_json(second)

    def remarks(self) -> tuple[str, ...]:
        said = []
        place = f"database {visible(self.name)}"
        if self._session.standby:
            said.append(f"{place} is a standby: what the primary wrote last may not have reached it")
        if self._session.renewed:
            said.append(
                f"{place} is a standby that ended a query to recover: the tables were read at different moments"
            )
        writable = self._writable()
        if writable:
            said.append(f"the audit's role could write to {place} ({writable}): give it SELECT alone")
        return tuple(said)

    def _writable(self) -> str:
        reasons: dict[str, list[str]] = {}
        try:
            with self._session.question(self._whole):
                for described in self._described.values():
                    parts = {"oid": str(described.relation.oid)}
                    rows = self._session.rows(self._filled("may_write", parts))
                    if rows and rows[0][0]:
                        reasons.setdefault(str(rows[0][0]), []).append(visible(described.catalog.name))
        except SourceError:
            # What could not be read is in the coverage already.
            return ""
        if "is a superuser" in reasons:
            return "it is a superuser"
        return "; ".join(f"it {reason}: {', '.join(tables)}" for reason, tables in reasons.items())

    def close(self) -> None:
        self._session.close()

    # ---- how a query runs

    @property
    def _whole(self) -> str:
        return f"database {visible(self.name)}"

    def _known(self, table: Table) -> Description:
        return self._described[table.catalog.quoted]

    def _way(self, table: Table) -> Way:
        return choose_way(table, self._known(table), self._reading.engine, self._session.version)

    def _fragments(self, table: Table) -> dict[str, str]:
        return self._writer.fragments(table, self._known(table).types, self.locator(table))

    def _filled(self, name: str, parts: dict[str, str]) -> str:
        return fill(sql_text(f"scan/postgresql/{name}.sql"), parts)

    def _question(self, table: Table, planner: Mapping[str, str] | None = None) -> AbstractContextManager[None]:
        # No index is read where none is trusted.
        settings = {**(planner or {}), **(_WITHOUT_INDEXES if table.distrust_indexes else {})}
        return self._session.question(visible(table.label), settings)

    @contextmanager
    def _running(self, query: str, table: Table, planner: Mapping[str, str] | None = None) -> Iterator[None]:
        self._progress.start(f"{visible(table.label)}: {query}", None)
        try:
            with self._question(table, planner):
                yield
        finally:
            self._progress.finish()


def _whole_keys(rows: Iterator[DuplicateRow], table: Table) -> Iterator[DuplicateRow]:
    """Pass on the rows, and make sure that each key has as many as the server counted."""
    for first in rows:
        yield first
        rest = 1
        for row in islice(rows, first.n - 1):
            rest += 1
            yield row
        if rest < first.n:
            raise SourceError(
                f"{visible(table.label)}: a key has {first.n} rows and {rest} were found: an index is corrupt",
                "run again with --distrust-indexes, and REINDEX the table",
            )


def _odd_key(row: Row) -> OddKey:
    *key, joined, rows = row
    return OddKey(tuple(key), _number(joined), _number(rows))


def _number(value: Value) -> int:
    return value if isinstance(value, int) else int(str(value))
