"""PostgreSQL as a source of tables: one read-only session, one snapshot, and the queries of `sql/scan/postgresql/`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import psycopg2
from psycopg2 import extensions

from dedupaudit.config import DatabaseSettings
from dedupaudit.display import visible
from dedupaudit.errors import SourceError, UsageError
from dedupaudit.interrupt import Interrupt
from dedupaudit.model import Strategy
from dedupaudit.progress import Progress
from dedupaudit.sources.tables import postgresql_rowhash, postgresql_selects
from dedupaudit.sources.tables.catalog import Catalog, Column
from dedupaudit.sources.tables.fence import POSTGRESQL, fence_condition, fence_select
from dedupaudit.sources.tables.near_equal import OddKey, near_equal_sets
from dedupaudit.sources.tables.payload import same_json
from dedupaudit.sources.tables.postgresql_asking import Asking, as_number
from dedupaudit.sources.tables.postgresql_beside import Asked, Beside
from dedupaudit.sources.tables.postgresql_catalog import describe, find_relation, relation_names
from dedupaudit.sources.tables.postgresql_duplicates import Duplicates
from dedupaudit.sources.tables.postgresql_objects import ObjectReader
from dedupaudit.sources.tables.postgresql_session import Row, Session, name_of
from dedupaudit.sources.tables.postgresql_sql import (
    Writer,
    is_kind,
    literal,
    quote,
    texts,
    unfolded,
    wanted_keys,
)
from dedupaudit.sources.tables.postgresql_strategy import SMALL
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
from dedupaudit.sources.tables.table import Table, extent_of
from dedupaudit.sqlfiles import fill, sql_text
from dedupaudit.times import parse_time

_FEW_KINDS = 8
_WORD = re.compile(r"[^\W\d][\w$]*")


class PostgresqlSource:
    """A `TableSource` over one PostgreSQL database."""

    dialect = "postgresql"

    def __init__(self, settings: DatabaseSettings, interrupt: Interrupt, progress: Progress, reading: Reading) -> None:
        self.name = settings.name
        self._settings, self._interrupt = settings, interrupt
        self._beside: Beside | None = None
        self._session = Session(settings, interrupt)
        codec = extensions.encodings.get(self._session.encoding, "utf-8")
        self._ask = Asking(self._session, Writer(self._session.encoding, codec), reading, progress)
        self._duplicates = Duplicates(self._ask)
        self._objects = ObjectReader(self._ask)

    # ---- the catalog

    def names(self) -> list[str]:
        with self._session.question(self._whole):
            return relation_names(self._session)

    def catalog(self, parts: Sequence[str]) -> Catalog | None:
        with self._session.question(visible(".".join(parts))):
            relation = find_relation(self._session, parts)
            if relation is None:
                return None
            known = self._ask.described.get(relation.quoted)
            if known is None:
                known = self._ask.described[relation.quoted] = describe(self._session, relation)
            return known.catalog

    def check_condition(self, catalog: Catalog, condition: str, where: str) -> None:
        fence_condition(condition, where, POSTGRESQL)
        statement = f"SELECT 1 FROM {catalog.quoted} WHERE (\n{condition}\n)"  # noqa: S608 (fenced, quoted names)
        names = sorted(set(_WORD.findall(condition.lower())))
        with self._session.question(visible(catalog.name)):
            try:
                # The server takes the text as one statement or not at all, plans it, and runs nothing of it.
                self._session.execute(f"SELECT pg_catalog.query_to_xmlschema({literal(statement)}, false, false, '')")
            except (psycopg2.DataError, psycopg2.NotSupportedError) as error:
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
        return self._ask.locator(table)

    def strategy(self, table: Table) -> tuple[Strategy, str]:
        way = self._ask.way(table)
        return way.strategy, way.why

    # ---- the queries

    def survey(self, table: Table, suspects: Sequence[str], kinds: Sequence[Value] = ()) -> Survey:
        parts = self._ask.fragments(table)
        # Counting a few kinds in this pass is cheaper than a pass of their own.
        few = len(kinds) <= _FEW_KINDS and not any(isinstance(kind, Undecodable) for kind in kinds)
        asked = list(kinds) if few else []
        conditions = [fill(sql_text(f"scan/postgresql/suspects/{suspect}.sql"), parts) for suspect in suspects]
        conditions += [is_kind(parts["kind"], kind) for kind in asked]
        parts["counts"] = _counts(conditions)

        counted = self._duplicates.counted.get(table)
        if counted and not kinds and set(suspects) <= {"null_ids"}:
            return Survey(counted.rows, dict.fromkeys(suspects, counted.nulls), {})
        if self._beside and (found := self._beside.survey(table, suspects, kinds)):
            return found

        def ask() -> Survey:
            with self._ask.running("survey", table):
                rows, *counts = map(as_number, self._session.rows(self._ask.filled("survey", parts))[0])
                by_kind = dict(zip(asked, counts[len(suspects) :], strict=True))
                if not few:
                    wanted = set(kinds)
                    every = self._session.stream(self._ask.filled("rows_by_kind", parts))
                    by_kind = {kind: as_number(number) for kind, number in every if kind in wanted}
            return Survey(rows, dict(zip(suspects, counts, strict=False)), by_kind)

        return self._session.retried(ask)

    def survey_soon(self, table: Table, suspects: Sequence[str]) -> None:
        self._end_beside()
        snapshot, rows = self._session.exported, table.catalog.row_estimate
        if snapshot is None or (rows or 0) < SMALL:
            return
        parts = self._ask.fragments(table)
        conditions = [fill(sql_text(f"scan/postgresql/suspects/{suspect}.sql"), parts) for suspect in suspects]
        parts["counts"] = _counts(conditions)
        by_kind = self._ask.filled("survey_by_kind", parts) if table.group else None
        self._beside = Beside(
            Asked(table, tuple(suspects), self._ask.filled("survey", parts), by_kind),
            lambda: Session(self._settings, self._interrupt, snapshot),
            self._interrupt,
        )

    def null_keys_by_kind(self, table: Table) -> dict[Value, int]:
        statement = self._ask.filled("null_keys_by_kind", self._ask.fragments(table))

        def ask() -> dict[Value, int]:
            with self._ask.running("survey", table):
                return {kind: as_number(number) for kind, number in self._session.stream(statement)}

        return self._session.retried(ask)

    def suspect_rows(self, table: Table, suspect: str) -> Iterator[SuspectRow]:
        parts = self._ask.fragments(table)
        parts["condition"] = fill(sql_text(f"scan/postgresql/suspects/{suspect}.sql"), parts)
        statement = self._ask.filled("suspect_rows", parts)
        located = max(1, len(self._ask.locator(table)))
        key = located + len(table.key)

        def ask() -> Iterator[SuspectRow]:
            with self._ask.running("suspect rows", table):
                for row in self._session.stream(statement):
                    at, updated, *state = row[key:]
                    times = parse_time(at, table.zone), parse_time(updated, table.zone)
                    yield SuspectRow(row[:located], row[located:key], *times, *state)

        return self._session.streamed(ask)

    def duplicate_rows(self, table: Table) -> Iterator[DuplicateRow]:
        return self._duplicates.rows(table)

    def rows_of(self, table: Table, ident: str) -> Iterator[DuplicateRow]:
        return self._duplicates.rows_of(table, ident)

    def object_rows(
        self, table: Table, fields: Sequence[Column] = (), keys: Sequence[str] | None = None
    ) -> Iterator[list[ObjectRow]]:
        return self._objects.rows(table, fields, keys)

    def check_select(self, select: str, where: str) -> None:
        postgresql_selects.check_select(self._ask, select, where)

    def selected(self, select: str, where: str) -> Iterator[list[Value]]:
        fence_select(select, where, POSTGRESQL)
        return postgresql_selects.selected(self._ask, select, where)

    def renew(self) -> None:
        self._duplicates.counted.clear()
        self._end_beside()
        self._session.renew(forced=False)

    def lag(self) -> float | None:
        return postgresql_selects.lag(self._ask)

    def near_equal_keys(self, table: Table) -> Iterator[KeyVariant]:
        parts = self._ask.fragments(table)
        types = self._ask.known(table).types
        folded = [types[name].family == "text" for name in table.key_names]

        def found(row: Row) -> OddKey:
            key = tuple(part if text else unfolded(part) for part, text in zip(row, folded, strict=False))
            return OddKey(key, as_number(row[-2]), as_number(row[-1]), row[len(key) : -2])

        def odd() -> Iterator[OddKey]:
            with self._ask.running("nearly equal keys", table):
                yield from map(found, self._session.stream(self._ask.filled("odd_keys", parts)))

        def plain(keys: Sequence[Key]) -> Iterator[OddKey]:
            asked = {**parts, "wanted": wanted_keys(table, types, keys)}
            with self._ask.running("nearly equal keys", table):
                yield from map(found, self._session.stream(self._ask.filled("plain_keys", asked)))

        return self._session.streamed(lambda: near_equal_sets(odd(), plain, self._ask.reading.memory_limit))

    def extent(self, table: Table) -> tuple[int, int] | None:
        if table.time is None:
            return None
        statement = self._ask.filled("extent", {**self._ask.fragments(table), **self._ask.ends(table, table.time)})

        def ask() -> tuple[int, int] | None:
            with self._ask.running("first and last time", table):
                return extent_of(self._session.rows(statement)[0], table)

        return self._session.retried(ask)

    def is_empty(self, table: Table) -> bool:
        statement = self._ask.filled("is_empty", self._ask.fragments(table))

        def ask() -> bool:
            with self._ask.question(table):
                return bool(self._session.rows(statement)[0][0])

        return self._session.retried(ask)

    def sample_distinct(self, catalog: Catalog, columns: Sequence[str], limit: int) -> Sample:
        types = self._ask.described[catalog.quoted].types
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
                rows, *distinct = map(as_number, self._session.rows(self._ask.filled("sample_distinct", parts))[0])
            return Sample(rows, dict(zip(columns, distinct, strict=True)))

        return self._session.retried(ask)

    def row_hashes(self, table: Table, locators: Sequence[Key]) -> list[str | None]:
        return postgresql_rowhash.row_hashes(self._ask, table, locators)

    def identity(self) -> dict[str, str]:
        def ask() -> dict[str, str]:
            with self._session.question(self._whole):
                return postgresql_rowhash.identity(self._session.rows)

        return self._session.retried(ask)

    def clock(self) -> int:
        def ask() -> int:
            with self._session.question(self._whole):
                return postgresql_rowhash.clock(self._session.rows)

        return self._session.retried(ask)

    def same(self, column: Column, first: Value, second: Value) -> bool:
        if type(first) is type(second) and first == second:
            return True
        if isinstance(first, float) and isinstance(second, float):
            # Not a number is equal to itself in PostgreSQL, and to nothing in Python.
            return first != first and second != second
        return column.json and same_json(first, second)

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
                for described in self._ask.described.values():
                    parts = {"oid": str(described.relation.oid)}
                    rows = self._session.rows(self._ask.filled("may_write", parts))
                    if rows and rows[0][0]:
                        reasons.setdefault(str(rows[0][0]), []).append(visible(described.catalog.name))
        except SourceError:
            # What could not be read is in the coverage already.
            return ""
        if "is a superuser" in reasons:
            return "it is a superuser"
        return "; ".join(f"it {reason}: {', '.join(tables)}" for reason, tables in reasons.items())

    def close(self) -> None:
        self._end_beside()
        self._session.close()

    def _end_beside(self) -> None:
        if self._beside:
            self._beside.close()
            self._beside = None

    @property
    def _whole(self) -> str:
        return f"database {visible(self.name)}"


def _counts(conditions: Sequence[str]) -> str:
    return "".join(f",\n  pg_catalog.count(*) FILTER (WHERE {condition})" for condition in conditions)
