"""PostgreSQL for the conformance suite: collations of three kinds, two encodings, views, partitions and schemas."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any, cast

import psycopg2
import psycopg2.errors
import psycopg2.extensions

from dedupaudit.sources.tables.protocol import Engine, TableSource
from tests.conformance.names import NAMES
from tests.conformance.tables import Col, RawText, Refused, Stored, Tab, Type, is_json, typed
from tests.servers.fixtures import shared_postgresql

_TYPES: dict[Type, str] = {"text": "text", "integer": "bigint", "real": "float8", "bytes": "bytea", "json": "jsonb"}
_SCHEMA = "app data"
# A text, and the encoding of its database, where it is not UTF-8.
_ENCODINGS = {"sql_ascii": "SQL_ASCII", "latin1": "LATIN1"}
INSENSITIVE = "insensitive"


@dataclass
class _Session:
    """The connection to one of the adapter's databases, with what was asked of its scratch tables."""

    connection: psycopg2.extensions.connection
    answers: dict[Hashable, bool] = field(default_factory=dict)
    scratch: dict[tuple[Col, ...], str] = field(default_factory=dict)

    def run(self, sql: str | bytes) -> list[Any]:
        with self.connection.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchall() if cursor.description else []

    def literal(self, value: Stored) -> bytes:
        """Return the value as SQL, of no type of its own but that of the column."""
        with self.connection.cursor() as cursor:
            if isinstance(value, RawText):
                return cursor.mogrify("convert_from(%s, 'SQL_ASCII')", (psycopg2.Binary(value.raw),))
            if isinstance(value, str) and not value.isascii() and self.connection.encoding == "SQLASCII":
                return cursor.mogrify("convert_from(%s, 'SQL_ASCII')", (psycopg2.Binary(value.encode()),))
            if isinstance(value, bytes):
                return cursor.mogrify("%s", (psycopg2.Binary(value),))
            return cursor.mogrify("%s", (None if value is None else str(value),))


class Postgresql:
    """One database for each encoding; creating a table drops all that is there."""

    name = "postgresql"
    engines: tuple[Engine, ...] = ("pushdown", "snapshot")
    variants: tuple[str, ...] = ("plain", "primary key", "partitioned", "view", "schema", "sql_ascii", "latin1")
    types: tuple[Type, ...] = ("text", "integer", "real", "bytes", "json")
    exact = ""
    abilities = frozenset({"forge", "failed build"})
    # 63 bytes, the longest with " index" and the like behind it.
    names: tuple[str, ...] = tuple(name for name in NAMES if len(name.encode()) < 50) + ("x" * 50, "ctid x", "public")
    no_conditions: tuple[str, ...] = (
        'id >= "2025-12-01"',
        '"missing column" = 1',
        "id = 1",
        "id",
        "pg_read_file('x')",
        "id = $$a$$",
        "id = E'\\x61'",
    )
    conditions: tuple[tuple[str, int], ...] = (
        ('"t"."id" = \'a\' AND note <> \'"x"\'', 2),
        ("\"id\" = 'a'", 2),
        ("length(id) - -1 = 2", 3),
        ("id = ANY ('{a,c}')", 2),
        ("id ~ '^[b]'", 1),
        ("id::text = 'a'", 2),
    )
    endless = "(SELECT max(x) FROM generate_series(1, 9999999999) AS n (x)) > 0"

    def collations(self, variant: str) -> tuple[str, ...]:
        # ICU knows Unicode only.
        return ("", "C") if variant in _ENCODINGS else ("", "C", "en-US-x-icu", INSENSITIVE)

    def create(self, folder: Path, table: Tab, variant: str = "plain") -> str:
        session = _session(variant)
        _clear(session)
        for statement in _statements(table, variant):
            session.run(statement)
        held, names = _held(table, variant), _listed(column.name for column in table.columns)
        rows = [b", ".join(map(session.literal, row)) for row in table.rows]
        inserts = [f"INSERT INTO {held} ({names}) VALUES (".encode() + row + b")" for row in rows]
        if inserts:
            session.run(b";".join(inserts))
        for name, parts in table.invalid:
            try:
                session.run(f"CREATE UNIQUE INDEX CONCURRENTLY {_quote(name)} ON {held} ({_listed(parts)})")
            except psycopg2.errors.UniqueViolation:
                continue
            raise AssertionError(f"the build of {name} did not fail")
        return shared_postgresql().url(database=_database(variant))

    def located(self, table: Tab, variant: str) -> tuple[str, ...]:
        return (_SCHEMA, table.name) if variant == "schema" else (table.name,)

    def can_store(self, value: Stored, column: Col, variant: str) -> bool:
        if isinstance(value, RawText):
            return variant == "sql_ascii" and column.type == "text"
        if not isinstance(value, str):
            return True
        if column.type == "json" and not is_json(value):
            return False
        return "\0" not in value and (variant != "latin1" or _fits(value))

    def stored(self, url: str, table: Tab, variant: str) -> list[tuple[Stored, ...]]:
        session = _session(variant)
        read = ", ".join(_read(column) for column in table.columns)
        encoding = "latin-1" if variant == "latin1" else "utf-8"
        rows = session.run(f"SELECT {read} FROM {_quote(*self._placed(table, variant))}")
        return [
            tuple(_value(value, column, encoding) for value, column in zip(row, table.columns, strict=True))
            for row in rows
        ]

    def _placed(self, table: Tab, variant: str) -> tuple[str, ...]:
        return self.located(table, variant) if variant == "schema" else ("public", table.name)

    def equal(self, columns: Sequence[Col], first: Sequence[Stored], second: Sequence[Stored], variant: str) -> bool:
        session = _session(variant)
        asked = tuple(columns)
        pair = (asked, typed(first), typed(second))
        if pair not in session.answers:
            session.answers[pair] = _ask(session, asked, (first, second))
        return session.answers[pair]

    def forge_unique(self, url: str, index: str) -> None:
        changed = f"UPDATE pg_index SET indisunique = true WHERE indexrelid = '{_quote(index)}'::regclass RETURNING 1"
        assert _session("plain").run(changed) == [(1,)]

    def content(self, url: str, folder: Path) -> Hashable:
        session = _session("plain")
        relations = session.run(
            "SELECT n.nspname, relname, relkind, relfilenode, c.xmin::text, relacl::text FROM pg_class c"
            " JOIN pg_namespace n ON n.oid = relnamespace WHERE n.nspname !~ '^pg_(toast|temp)' ORDER BY c.oid"
        )
        rows = [
            (schema, table, *session.run(f"SELECT ctid::text, xmin::text, t::text FROM {_quote(schema, table)} AS t"))
            for schema, table, kind, *_ in relations
            if kind == "r" and schema in ("public", _SCHEMA)
        ]
        others = session.run(
            "SELECT (SELECT count(*) FROM pg_roles), (SELECT count(*) FROM pg_proc),"
            " (SELECT count(*) FROM pg_database), (SELECT count(*) FROM pg_largeobject_metadata),"
            " (SELECT count(*) FROM pg_extension),"
            " (SELECT count(*) FROM pg_file_settings)"
        )
        return repr((relations, rows, others, sorted(path.name for path in folder.iterdir())))

    def execute(self, source: TableSource, statement: str) -> list[tuple[object, ...]]:
        connection = cast(psycopg2.extensions.connection, source._session.connection)  # type: ignore[attr-defined]
        with connection.cursor() as cursor:
            # The connection is in autocommit, and the audit's transaction a statement like any other.
            cursor.execute("ROLLBACK")
            try:
                cursor.execute(statement)
                return cursor.fetchall() if cursor.description else []
            except psycopg2.errors.ReadOnlySqlTransaction as error:
                raise Refused from error

    def writes(self, folder: Path) -> tuple[str, ...]:
        return (
            "INSERT INTO t VALUES ('x', 'x')",
            "UPDATE t SET id = 'x'",
            "DELETE FROM t",
            "TRUNCATE t",
            "WITH gone AS (DELETE FROM t RETURNING 1) SELECT * FROM gone",
            "EXPLAIN ANALYZE DELETE FROM t",
            "SELECT * FROM t FOR UPDATE",
            "SELECT * FROM t FOR SHARE",
            "SELECT * INTO u FROM t",
            "CREATE TABLE u (id text)",
            "CREATE TEMP TABLE u (id text)",
            "CREATE INDEX u ON t (id)",
            "CREATE VIEW u AS SELECT 1",
            "CREATE MATERIALIZED VIEW u AS SELECT 1",
            "CREATE SEQUENCE u",
            "CREATE SCHEMA u",
            "CREATE FUNCTION u() RETURNS int LANGUAGE sql AS 'SELECT 1'",
            "CREATE ROLE dedupaudit_u",
            "CREATE EXTENSION plpgsql",
            "ALTER TABLE t RENAME TO u",
            "ALTER ROLE postgres SET work_mem = '1MB'",
            "DROP TABLE t",
            "COMMENT ON TABLE t IS 'x'",
            "GRANT SELECT ON t TO PUBLIC",
            "REVOKE SELECT ON t FROM PUBLIC",
            "COPY t FROM PROGRAM 'echo x'",
            "DO $$ BEGIN INSERT INTO t VALUES ('x', 'x'); END $$",
            "PREPARE u AS DELETE FROM t; EXECUTE u",
            "PREPARE v AS SELECT * FROM t FOR UPDATE; EXECUTE v",
        )


def _database(variant: str) -> str:
    return f"conformance_{variant}" if variant in _ENCODINGS else "conformance"


def _session(variant: str) -> _Session:
    return _open_session(_database(variant), _ENCODINGS.get(variant, "UTF8"))


@cache
def _open_session(database: str, encoding: str) -> _Session:
    server = shared_postgresql()
    locale = "C.UTF-8" if encoding == "UTF8" else "C"
    server.create_database(database, f"ENCODING '{encoding}' LOCALE '{locale}'")
    session = _Session(server.connect(database))
    session.run("CREATE SCHEMA kept")
    session.run(f"ALTER DATABASE {database} SET search_path = public, kept")
    session.run("SET search_path = public, kept; SET client_min_messages = error; SET lock_timeout = '5s'")
    if encoding == "UTF8":
        locale = "provider = icu, locale = 'und-u-ks-level2', deterministic = false"
        session.run(f"CREATE COLLATION kept.{INSENSITIVE} ({locale})")
    return session


def _clear(session: _Session) -> None:
    drop = f"DROP SCHEMA IF EXISTS public, {_quote(_SCHEMA)} CASCADE"
    create = f"CREATE SCHEMA public; GRANT USAGE ON SCHEMA public TO PUBLIC; CREATE SCHEMA {_quote(_SCHEMA)}"
    try:
        session.run(f"{drop}; {create}")
    except psycopg2.errors.LockNotAvailable:
        # A test that failed may have left its audit open.
        session.run(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        session.run(f"{drop}; {create}")


def _statements(table: Tab, variant: str) -> Iterator[str]:
    columns = [_definition(column, variant) for column in table.columns]
    held, options = _held(table, variant), ""
    if table.primary_key:
        columns.append(f"PRIMARY KEY ({_listed(table.primary_key)})")
    elif variant == "primary key":
        columns.insert(0, '"row id" bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY')
    # A unique index of a partitioned table has to hold the partition key.
    parted = variant == "partitioned" and not (table.unique or table.primary_key or table.invalid)
    if parted:
        options = f" PARTITION BY HASH ({_quote(table.columns[0].name)})"
    yield f"CREATE TABLE {held} ({', '.join(columns)}){options}"
    for part in range(3 if parted else 0):
        yield f'CREATE TABLE "part {part}" PARTITION OF {held} FOR VALUES WITH (MODULUS 3, REMAINDER {part})'
    for word, indexes in (("UNIQUE INDEX", table.unique), ("INDEX", table.indexes)):
        for name, parts in indexes:
            yield f"CREATE {word} {_quote(name)} ON {held} ({_listed(parts)})"
    if variant == "view":
        names = _listed(column.name for column in table.columns)
        yield f"CREATE VIEW {_quote('public', table.name)} AS SELECT {names} FROM {held}"


def _held(table: Tab, variant: str) -> str:
    if variant == "view":
        return _quote("public", f"{table.name} held")
    return _quote(_SCHEMA if variant == "schema" else "public", table.name)


def _definition(column: Col, variant: str) -> str:
    kind = _TYPES[column.type]
    if variant == "primary key":
        kind = {"text": "varchar(1000)", "json": "json"}.get(column.type, kind)
    collation = f" COLLATE {_quote(column.collation)}" if column.collation and column.type == "text" else ""
    return f"{_quote(column.name)} {kind}{collation}{' NOT NULL' if column.not_null else ''}"


def _read(column: Col) -> str:
    # The bytes of a text, whether or not they decode.
    return f"textsend({_quote(column.name)}::text)" if column.type in ("text", "json") else _quote(column.name)


def _value(value: Any, column: Col, encoding: str) -> Stored:
    if not isinstance(value, memoryview):
        return cast(Stored, value)
    raw = bytes(value)
    if column.type == "bytes":
        return raw
    try:
        return raw.decode(encoding)
    except UnicodeDecodeError:
        return RawText(raw)


def _ask(session: _Session, columns: tuple[Col, ...], rows: Sequence[Sequence[Stored]]) -> bool:
    if columns not in session.scratch:
        name = session.scratch[columns] = f"scratch_{len(session.scratch)}"
        defined = ", ".join(_definition(replace(column, not_null=False), "plain") for column in columns)
        session.run(f"CREATE UNLOGGED TABLE kept.{name} ({defined})")
        session.run(f"CREATE UNIQUE INDEX ON kept.{name} ({_listed(column.name for column in columns)})")
    name = session.scratch[columns]
    values = b"), (".join(b", ".join(map(session.literal, row)) for row in rows)
    try:
        session.run(f"BEGIN; INSERT INTO kept.{name} VALUES (".encode() + values + b"); ROLLBACK")
    except psycopg2.errors.UniqueViolation:
        session.run("ROLLBACK")
        return True
    return False


def _fits(text: str) -> bool:
    try:
        text.encode("latin-1")
    except UnicodeEncodeError:
        return False
    return True


def _listed(names: Sequence[str] | Iterator[str]) -> str:
    return ", ".join(map(_quote, names))


def _quote(*parts: str) -> str:
    return ".".join('"' + part.replace('"', '""') + '"' for part in parts)
