"""The databases that the repair is tested on: the same few operations for each, none of which uses the product.

A dump holds every row byte for byte as the database itself hands it out: PostgreSQL's binary COPY, MariaDB's bytes in
hexadecimal, SQLite's values with their storage classes and rowids. The tool's own tables are no part of a dump.
"""

from __future__ import annotations

import hashlib
import sqlite3
import struct
from collections.abc import Hashable, Iterator, Sequence
from contextlib import closing
from io import BytesIO
from pathlib import Path
from typing import Any, Protocol

import psycopg2

from tests.servers.fixtures import shared_mariadb, shared_postgresql

Dump = dict[str, list[Any]]
"""The rows of each table, in an order of their own."""

Row = tuple[Any, ...]

INSENSITIVE = "insensitive"
"""The collation that takes letters of both cases for one, by whatever name the database has for it."""


class Database(Protocol):
    """One empty database at a time."""

    name: str
    finds_rows_without_key: bool
    """Whether a table without a primary key can be repaired."""

    def fresh(self, folder: Path) -> str:
        """Make the database empty, and return its URL."""

    def run(self, *statements: str) -> None:
        """Run statements, each committed at once; foreign keys are enforced."""

    def ask(self, query: str) -> list[Row]:
        """Return the rows of a query."""

    def insert(self, table: str, rows: Sequence[Row]) -> None:
        """Insert rows that have a value for every column."""

    def text(self, collation: str = "") -> str:
        """Return the type of a short text."""

    def table(self, name: str, columns: Sequence[str], options: str = "") -> str:
        """Return the statement that creates a table."""

    def dump(self) -> Dump:
        """Return all rows of all tables but the tool's own."""

    def content(self) -> Hashable:
        """Return what changes with anything at all in the database, the tool's own tables too."""

    def schema(self) -> Hashable:
        """Return what changes with the definition of any table, index or trigger but the tool's own."""


def checksum(dump: Dump) -> str:
    """Return one hash of a whole database's rows."""
    return hashlib.sha256(repr(sorted(dump.items())).encode()).hexdigest()


def is_own(name: str) -> bool:
    """Say whether a table is one of the tool's."""
    return name.startswith("dedupaudit_")


class Sqlite:
    """A file; `encoding` is the pragma's."""

    name = "sqlite"
    finds_rows_without_key = True

    def __init__(self, encoding: str = "UTF-8") -> None:
        self._encoding = encoding
        self.path = Path()

    def fresh(self, folder: Path) -> str:
        self.path = folder / "app.db"
        for name in ("app.db", "app.db-wal", "app.db-shm", "app.db-journal"):
            (folder / name).unlink(missing_ok=True)
        with closing(sqlite3.connect(self.path)) as connection:
            connection.execute(f"PRAGMA encoding = '{self._encoding}'")
            connection.execute("CREATE TABLE bystander (x)")
            connection.execute("INSERT INTO bystander VALUES (1)")
            connection.commit()
        return f"sqlite:///{self.path}"

    def _connect(self) -> closing[sqlite3.Connection]:
        connection = sqlite3.connect(self.path, isolation_level=None)
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA synchronous = OFF")
        return closing(connection)

    def run(self, *statements: str) -> None:
        with self._connect() as connection:
            for statement in statements:
                connection.execute(statement)

    def ask(self, query: str) -> list[Row]:
        with self._connect() as connection:
            return connection.execute(query).fetchall()

    def insert(self, table: str, rows: Sequence[Row]) -> None:
        with self._connect() as connection:
            connection.execute("BEGIN")
            for row in rows:
                connection.execute(f"INSERT INTO {table} VALUES ({', '.join('?' * len(row))})", row)
            connection.execute("COMMIT")

    def text(self, collation: str = "") -> str:
        return "TEXT COLLATE NOCASE" if collation else "TEXT"

    def table(self, name: str, columns: Sequence[str], options: str = "") -> str:
        return f"CREATE TABLE {name} ({', '.join(columns)}){options}"

    def dump(self) -> Dump:
        with self._connect() as connection:
            connection.text_factory = bytes
            names = [
                str(name, "utf-8")
                for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            ]
            return {name: self._rows(connection, name) for name in names if not is_own(name)}

    def _rows(self, connection: sqlite3.Connection, name: str) -> list[Any]:
        columns = [str(row[1], "utf-8") for row in connection.execute(f'PRAGMA table_xinfo("{name}")')]
        listed = ", ".join(f'"{column}", typeof("{column}")' for column in columns)
        rowid = next((one for one in ("rowid", "oid", "_rowid_") if one not in columns), "NULL")
        try:
            rows = connection.execute(f'SELECT {rowid}, {listed} FROM "{name}"').fetchall()
        except sqlite3.OperationalError:  # WITHOUT ROWID
            rows = connection.execute(f'SELECT NULL, {listed} FROM "{name}"').fetchall()
        return sorted((tuple(map(_exact, row)) for row in rows), key=repr)

    def content(self) -> Hashable:
        files = sorted(path for path in self.path.parent.iterdir() if path.name.startswith("app.db"))
        return tuple((path.name, hashlib.sha256(path.read_bytes()).hexdigest()) for path in files)

    def schema(self) -> Hashable:
        rows = self.ask("SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY type, name")
        return repr([row for row in rows if not is_own(row[2])])


def _exact(value: object) -> object:
    # nan is unequal to itself, and 1 == 1.0.
    return (value.hex(), struct.pack(">d", value)) if isinstance(value, float) else value


class Postgresql:
    """A database of the worker's server, with one schema beside public."""

    name = "postgresql"
    finds_rows_without_key = True
    _database = "repaired"

    def __init__(self) -> None:
        self._connection: Any = None

    def fresh(self, folder: Path) -> str:  # noqa: ARG002 (as promised)
        server = shared_postgresql()
        if not self._is_alive():
            if not server.execute(f"SELECT 1 FROM pg_database WHERE datname = '{self._database}'"):
                server.create_database(self._database, "ENCODING 'UTF8' LOCALE 'C.UTF-8'")
            self._connection = server.connect(self._database)
            self.run("SET client_min_messages = error; SET lock_timeout = '5s'")
        locale = "provider = icu, locale = 'und-u-ks-level2', deterministic = false"
        self.run(
            "DROP SCHEMA IF EXISTS public, dedupaudit, other CASCADE; CREATE SCHEMA public; CREATE SCHEMA other;"
            f"CREATE COLLATION public.{INSENSITIVE} ({locale});"
            "CREATE TABLE bystander (x int); INSERT INTO bystander VALUES (1)"
        )
        return server.url(database=self._database)

    def _is_alive(self) -> bool:
        """Say whether the connection still is one: other tests of the worker restart its servers."""
        try:
            return self._connection is not None and bool(self.ask("SELECT 1"))
        except psycopg2.Error:
            return False

    def run(self, *statements: str) -> None:
        with self._connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)

    def ask(self, query: str) -> list[Row]:
        with self._connection.cursor() as cursor:
            cursor.execute(query)
            return list(cursor.fetchall())

    def insert(self, table: str, rows: Sequence[Row]) -> None:
        with self._connection.cursor() as cursor:
            for row in rows:
                cursor.execute(f"INSERT INTO {table} VALUES ({', '.join(['%s'] * len(row))})", row)

    def text(self, collation: str = "") -> str:
        return f"text COLLATE {INSENSITIVE}" if collation else "text"

    def table(self, name: str, columns: Sequence[str], options: str = "") -> str:
        return f"CREATE TABLE {name} ({', '.join(columns)}){options}"

    def _tables(self, *, own: bool) -> list[tuple[str, str]]:
        found = self.ask(
            "SELECT table_schema, table_name FROM information_schema.tables WHERE table_type = 'BASE TABLE'"
            " AND table_schema NOT IN ('pg_catalog', 'information_schema') ORDER BY 1, 2"
        )
        return [(schema, name) for schema, name in found if own or schema != "dedupaudit"]

    def dump(self) -> Dump:
        rows = {f"{schema}.{name}": sorted(self._copied(schema, name)) for schema, name in self._tables(own=False)}
        # What a sequence gives next is a row of its own.
        for schema, name in self.ask("SELECT schemaname, sequencename FROM pg_sequences ORDER BY 1, 2"):
            rows[f"{schema}.{name}"] = self.ask(f'SELECT last_value, is_called FROM "{schema}"."{name}"')
        return rows

    def _copied(self, schema: str, name: str) -> Iterator[tuple[bytes, ...]]:
        out = BytesIO()
        with self._connection.cursor() as cursor:
            cursor.copy_expert(f'COPY (SELECT * FROM ONLY "{schema}"."{name}") TO STDOUT (FORMAT binary)', out)
        raw, place = out.getvalue(), 19
        while (width := struct.unpack_from(">h", raw, place)[0]) >= 0:
            place += 2
            fields = []
            for _ in range(width):
                (length,) = struct.unpack_from(">i", raw, place)
                place += 4
                # The length first: NULL (-1) is no empty value.
                fields.append(struct.pack(">i", length) + raw[place : place + max(length, 0)])
                place += max(length, 0)
            yield tuple(fields)

    def content(self) -> Hashable:
        rows = [
            self.ask(f'SELECT ctid::text, xmin::text, xmax::text, t::text FROM "{schema}"."{name}" AS t ORDER BY ctid')
            for schema, name in self._tables(own=True)
        ]
        relations = self.ask(
            "SELECT n.nspname, relname, relkind, relfilenode, c.xmin::text, relacl::text FROM pg_class c"
            " JOIN pg_namespace n ON n.oid = relnamespace WHERE n.nspname !~ '^pg_(toast|temp)' ORDER BY c.oid"
        )
        return repr((rows, relations, self.ask("SELECT nspname FROM pg_namespace ORDER BY 1"), self.dump()))

    def schema(self) -> Hashable:
        columns = self.ask(
            "SELECT attrelid::regclass::text, attnum, attname, format_type(atttypid, atttypmod), attnotnull,"
            " attidentity, attgenerated FROM pg_attribute JOIN pg_class c ON c.oid = attrelid"
            " JOIN pg_namespace n ON n.oid = relnamespace WHERE nspname IN ('public', 'other') ORDER BY 1, 2"
        )
        constraints = self.ask(
            "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(c.oid), convalidated FROM pg_constraint c"
            " JOIN pg_namespace n ON n.oid = connamespace WHERE nspname IN ('public', 'other') ORDER BY 1, 2"
        )
        triggers = self.ask(
            "SELECT tgrelid::regclass::text, tgname, tgenabled FROM pg_trigger WHERE NOT tgisinternal ORDER BY 1, 2"
        )
        return repr((columns, constraints, triggers))


class Mariadb:
    """A database of the worker's server."""

    name = "mariadb"
    finds_rows_without_key = False
    _database = "repaired"

    def __init__(self) -> None:
        self._connection: Any = None

    def fresh(self, folder: Path) -> str:  # noqa: ARG002 (as promised)
        server = shared_mariadb()
        if not self._is_alive():
            self._connection = server.connect()
            self.run(
                "SET lock_wait_timeout = 5, innodb_lock_wait_timeout = 5, time_zone = '+00:00',"
                " sql_mode = 'NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES'"
            )
        self.run(
            f"DROP DATABASE IF EXISTS {self._database}",
            f"CREATE DATABASE {self._database} CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin",
            f"USE {self._database}",
            "CREATE TABLE bystander (x INT)",
            "INSERT INTO bystander VALUES (1)",
        )
        return server.url(database=self._database)

    def _is_alive(self) -> bool:
        """Say whether the connection still is one: other tests of the worker restart its servers."""
        try:
            return self._connection is not None and bool(self.ask("SELECT 1"))
        except psycopg2.Error:
            return False

    def run(self, *statements: str) -> None:
        with self._connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)

    def ask(self, query: str) -> list[Row]:
        with self._connection.cursor() as cursor:
            cursor.execute(query)
            return list(cursor.fetchall())

    def insert(self, table: str, rows: Sequence[Row]) -> None:
        with self._connection.cursor() as cursor:
            for row in rows:
                cursor.execute(f"INSERT INTO {table} VALUES ({', '.join(['%s'] * len(row))})", row)

    def text(self, collation: str = "") -> str:
        return f"VARCHAR(80) COLLATE {'utf8mb4_general_ci' if collation else 'utf8mb4_nopad_bin'}"

    def table(self, name: str, columns: Sequence[str], options: str = "") -> str:
        return f"CREATE TABLE {name} ({', '.join(columns)}) ENGINE=InnoDB{options}"

    def _columns(self) -> dict[str, list[tuple[str, str]]]:
        found: dict[str, list[tuple[str, str]]] = {}
        for table, column, kind in self.ask(
            "SELECT c.table_name, column_name, data_type FROM information_schema.columns c"
            " JOIN information_schema.tables USING (table_schema, table_name)"
            f" WHERE table_schema = '{self._database}' AND table_type = 'BASE TABLE' ORDER BY 1, ordinal_position"
        ):
            found.setdefault(table, []).append((column, kind))
        return found

    def dump(self) -> Dump:
        return {name: self._rows(name, columns) for name, columns in self._columns().items() if not is_own(name)}

    def _rows(self, name: str, columns: Sequence[tuple[str, str]]) -> list[Any]:
        texts = ", ".join(_bytes_of("`" + column.replace("`", "``") + "`", kind) for column, kind in columns)
        return sorted(self.ask(f"SELECT {texts} FROM `{name}`"), key=repr)

    def content(self) -> Hashable:
        tables = self.ask(
            "SELECT table_schema, table_name, table_type, create_time, update_time FROM information_schema.tables"
            " WHERE table_schema NOT IN ('information_schema', 'performance_schema', 'sys', 'mysql') ORDER BY 1, 2"
        )
        rows = {name: self._rows(name, columns) for name, columns in self._columns().items()}
        return repr((tables, rows, self.schema(), self.ask("SHOW DATABASES")))

    def schema(self) -> Hashable:
        created = [self.ask(f"SHOW CREATE TABLE `{name}`") for name in self._columns() if not is_own(name)]
        triggers = self.ask("SELECT trigger_name, action_statement FROM information_schema.triggers ORDER BY 1")
        return repr((created, triggers))


def _bytes_of(column: str, kind: str) -> str:
    """Return SQL for a value's bytes in hexadecimal; NULL stays NULL."""
    if kind == "float":
        # Its text has six digits; as a DOUBLE it has all of them.
        return f"CAST({column} + 0e0 AS CHAR)"
    if kind in ("enum", "set"):
        # The wrong value '' has the number 0, and a member '' another.
        return f"CONCAT({column} + 0, ':', HEX(CAST({column} AS BINARY)))"
    if kind in ("geometry", "point"):
        return f"HEX({column})"
    return f"HEX(CAST({column} AS BINARY))"


SQLITE, POSTGRESQL, MARIADB = Sqlite(), Postgresql(), Mariadb()
DATABASES: tuple[Database, ...] = (SQLITE, POSTGRESQL, MARIADB)
"""One of each: two of a kind would drop each other's database."""
