"""The databases of the adversarial writers: sessions that tell refusals by their codes, and each dialect's upserts."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import psycopg2
import pymysql
import pymysql.err

from tests.repair.databases import MARIADB, POSTGRESQL, SQLITE, Database
from tests.servers.fixtures import shared_mariadb, shared_postgresql

CONSTRAINT = "t_id_key"
LEVELS = ("READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE")
PATIENCE = 10
"""Seconds that a writer waits for any lock: whoever is blocked longer gets an error that no test allows.

Eight writers of a thousand rows each wait for one another, some seconds on a busy machine, with the finished index too.
"""

COLUMNS = "seq BIGINT PRIMARY KEY, id {text} NOT NULL, op BIGINT NOT NULL, prev BIGINT, note VARCHAR(40)"

Row = tuple[Any, ...]


class Gone(Exception):
    """The connection is lost: whether what was last said was done, the server knows."""


class Refused(Exception):
    """The database refused a statement: its code (SQLSTATE, errno, or SQLite's name), and what it said."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(f"{code}: {text}")
        self.code, self.text = code, text


@dataclass(frozen=True)
class Upsert:
    """An INSERT that does something else where the row is there. It is filled with {values}.

    `takes_stored` says that it is given the primary key of a stored row; `replaces` that it deletes what it meets;
    `until` is a code that is right before the constraint is there.
    """

    name: str
    sql: str
    takes_stored: bool = False
    replaces: bool = False
    until: str = ""


class Session(Protocol):
    """A connection of the application; `longest` is the longest time that a statement took, in seconds."""

    longest: float

    def ask(self, statement: str) -> list[Row]:
        """Run a statement and return its rows; raises Refused and Gone."""

    def affected(self) -> int:
        """Return how many rows the last statement changed, as the server counts."""

    def close(self) -> None:
        """End the session."""


class Place(Protocol):
    """A database under attack."""

    @property
    def name(self) -> str: ...

    @property
    def database(self) -> Database: ...

    @property
    def unique(self) -> str:
        """Return the code of a unique violation."""

    @property
    def lock(self) -> str: ...

    @property
    def quarantine(self) -> str: ...

    @property
    def upserts(self) -> tuple[Upsert, ...]: ...

    def prepare(self, columns: str = COLUMNS) -> None:
        """Make the tables t and written."""

    def session(self, level: str, kind: str = "plain") -> Session:
        """Connect; `kind` is plain, inserter (no right but INSERT) or replica."""

    def begin(self, level: str) -> tuple[str, ...]:
        """Return the statements that begin a transaction."""

    def conflicts(self, level: str) -> dict[str, str]:
        """Return the codes that the finished index gives to such writers too, and why."""

    def left(self) -> list[Row]:
        """Return what is left of the tool's helpers around t: triggers, indexes, tables, functions."""

    def is_protected(self) -> bool:
        """Say whether the catalog shows a valid unique constraint of the right name on id alone."""


@dataclass
class _Timed:
    """What sessions share."""

    connection: Any
    longest: float = field(default=0.0, init=False)
    _count: int = field(default=0, init=False)

    def affected(self) -> int:
        return self._count

    def close(self) -> None:
        self.connection.close()

    def _run(self, statement: str) -> list[Row]:
        began = time.perf_counter()
        try:
            with self.connection.cursor() as cursor:
                cursor.execute(statement)
                self._count = cursor.rowcount
                return list(cursor.fetchall()) if cursor.description else []
        finally:
            self.longest = max(self.longest, time.perf_counter() - began)


class _PostgresqlSession(_Timed):
    def ask(self, statement: str) -> list[Row]:
        try:
            return self._run(statement)
        except psycopg2.Error as error:
            if self.connection.closed or error.pgcode is None or error.pgcode.startswith("57P"):
                raise Gone(str(error)) from error
            name = f" [{error.diag.constraint_name}]" if error.diag.constraint_name else ""
            raise Refused(error.pgcode, f"{error.diag.message_primary}{name}") from error


class PostgresqlPlace:
    """The worker's PostgreSQL."""

    name = "postgresql"
    database: Database = POSTGRESQL
    unique = "23505"
    lock = " FOR UPDATE"
    quarantine = "dedupaudit.quarantine_t"
    upserts = (
        Upsert("do nothing", "INSERT INTO t VALUES {values} ON CONFLICT DO NOTHING"),
        Upsert(
            "do update",
            "INSERT INTO t VALUES {values} ON CONFLICT (seq) DO UPDATE"
            " SET prev = t.op, op = excluded.op, note = excluded.note",
            takes_stored=True,
        ),
        Upsert(
            "do update key",
            "INSERT INTO t VALUES {values} ON CONFLICT (seq) DO UPDATE SET id = excluded.id, prev = t.op,"
            " op = excluded.op",
            takes_stored=True,
        ),
        Upsert(
            "do update by the key",
            "INSERT INTO t VALUES {values} ON CONFLICT (id) DO UPDATE SET prev = t.op, op = excluded.op",
            until="42P10",
        ),
    )

    def prepare(self, columns: str = COLUMNS) -> None:
        """Make the tables, and a role that may only insert."""
        self.database.run(
            f"CREATE TABLE t ({columns.format(text='varchar(60)')}); CREATE INDEX by_op ON t (op);"
            "CREATE TABLE written (op BIGINT PRIMARY KEY);"
            "DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'inserter') THEN"
            " CREATE ROLE inserter LOGIN; END IF; END $$;"
            "GRANT USAGE ON SCHEMA public TO inserter; GRANT INSERT ON t, written TO inserter"
        )

    def session(self, level: str, kind: str = "plain") -> Session:
        """Connect at an isolation level."""
        user = "inserter" if kind == "inserter" else "postgres"
        session = _PostgresqlSession(shared_postgresql().connect("repaired", user))
        session.ask(f"SET lock_timeout = '{PATIENCE}s'")
        session.ask(f"SET default_transaction_isolation = '{level.lower()}'")
        # Sequential scans of a small table would lock it as a whole for a serializable transaction.
        session.ask("SET enable_seqscan = off")
        if kind == "replica":
            session.ask("SET session_replication_role = replica")
        return session

    def begin(self, level: str) -> tuple[str, ...]:  # noqa: ARG002 (as promised)
        """Return BEGIN: the session has its level."""
        return ("BEGIN",)

    def conflicts(self, level: str) -> dict[str, str]:
        """Return what two writers of one key, or of two keys in opposite orders, get from any unique index."""
        found = {"40P01": "two statements stored two keys in opposite orders"}
        if level != "READ COMMITTED":
            found["40001"] = "a row that the snapshot does not see was stored, or changed"
        return found

    def left(self) -> list[Row]:
        """Return triggers, functions and relations of the tool."""
        return self.database.ask(
            "SELECT tgname::text FROM pg_trigger WHERE NOT tgisinternal AND tgname LIKE 'dedupaudit%'"
            " UNION ALL SELECT relname::text FROM pg_class WHERE relname LIKE 'dedupaudit%' OR relname LIKE 'guard%'"
            " UNION ALL SELECT proname::text FROM pg_proc WHERE proname LIKE 'guard%' OR proname LIKE 'dedupaudit%'"
            " UNION ALL SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid"
        )

    def is_protected(self) -> bool:
        """Read pg_constraint and both flags of its index."""
        return self.database.ask(
            "SELECT conname::text, pg_get_constraintdef(c.oid), indisvalid, indisready FROM pg_constraint c"
            " JOIN pg_index ON indexrelid = conindid WHERE contype = 'u' AND c.conrelid = 't'::regclass"
        ) == [(CONSTRAINT, "UNIQUE (id)", True, True)]


class _MariadbSession(_Timed):
    def ask(self, statement: str) -> list[Row]:
        try:
            return self._run(statement)
        except (pymysql.err.MySQLError, OSError) as error:
            code = error.args[0] if error.args else 0
            if not isinstance(error, pymysql.err.MySQLError) or code in (0, 1927, 2006, 2013):
                raise Gone(str(error)) from error
            raise Refused(str(code), str(error.args[-1])) from error


class MariadbPlace:
    """The worker's MariaDB. The key's collation takes letters of both cases for one."""

    name = "mariadb"
    database: Database = MARIADB
    unique = "1062"
    lock = " FOR UPDATE"
    quarantine = "dedupaudit_quarantine_t"
    upserts = (
        Upsert("ignore", "INSERT IGNORE INTO t VALUES {values}"),
        Upsert("replace", "REPLACE INTO t VALUES {values}", takes_stored=True, replaces=True),
        Upsert(
            "on duplicate",
            "INSERT INTO t VALUES {values} ON DUPLICATE KEY UPDATE prev = op, op = VALUES(op), note = VALUES(note)",
            takes_stored=True,
        ),
        Upsert(
            "on duplicate key",
            "INSERT INTO t VALUES {values} ON DUPLICATE KEY UPDATE prev = op, op = VALUES(op), id = VALUES(id)",
            takes_stored=True,
        ),
    )

    def prepare(self, columns: str = COLUMNS) -> None:
        """Make the tables, and a user who may only insert."""
        text = "VARCHAR(60) COLLATE utf8mb4_general_ci"
        self.database.run(
            f"CREATE TABLE t ({columns.format(text=text)}, INDEX by_op (op)) ENGINE = InnoDB",
            "CREATE TABLE written (op BIGINT PRIMARY KEY) ENGINE = InnoDB",
            "CREATE USER IF NOT EXISTS inserter@localhost",
            "GRANT INSERT ON repaired.t TO inserter@localhost",
            "GRANT INSERT ON repaired.written TO inserter@localhost",
        )

    def session(self, level: str, kind: str = "plain") -> Session:
        """Connect at an isolation level."""
        user = "inserter" if kind == "inserter" else "root"
        session = _MariadbSession(shared_mariadb().connect("repaired", user))
        session.ask(f"SET lock_wait_timeout = {PATIENCE}, innodb_lock_wait_timeout = {PATIENCE}")
        session.ask(f"SET SESSION TRANSACTION ISOLATION LEVEL {level}")
        return session

    def begin(self, level: str) -> tuple[str, ...]:  # noqa: ARG002 (as promised)
        """Return BEGIN: the session has its level."""
        return ("BEGIN",)

    def conflicts(self, level: str) -> dict[str, str]:  # noqa: ARG002 (as promised)
        """Return what two writers of neighbouring keys get from any unique index of InnoDB."""
        return {"1213": "gap locks, or two keys in opposite orders"}

    def left(self) -> list[Row]:
        """Return triggers, tables and indexes of the tool, but its journal and quarantine."""
        return self.database.ask(
            "SELECT trigger_name FROM information_schema.triggers WHERE trigger_schema = 'repaired'"
            " AND trigger_name LIKE 'dedupaudit%'"
            " UNION ALL SELECT table_name FROM information_schema.tables WHERE table_schema = 'repaired'"
            " AND table_name LIKE 'dedupaudit\\_guard%'"
            " UNION ALL SELECT index_name FROM information_schema.statistics WHERE table_schema = 'repaired'"
            " AND table_name = 't' AND index_name LIKE 'dedupaudit%'"
        )

    def is_protected(self) -> bool:
        """Read the catalog of indexes."""
        return self.database.ask(
            "SELECT index_name, column_name, sub_part FROM information_schema.statistics"
            " WHERE table_schema = 'repaired' AND table_name = 't' AND non_unique = 0 AND index_name <> 'PRIMARY'"
        ) == [(CONSTRAINT, "id", None)]


class _SqliteSession:
    def __init__(self, path: Path) -> None:
        self.longest = 0.0
        self._count = 0
        self._connection = sqlite3.connect(path, isolation_level=None, timeout=PATIENCE, check_same_thread=False)
        self._connection.execute("PRAGMA synchronous = OFF")

    def ask(self, statement: str) -> list[Row]:
        began = time.perf_counter()
        try:
            cursor = self._connection.execute(statement)
            self._count = cursor.rowcount
            return cursor.fetchall()
        except sqlite3.Error as error:
            raise Refused(error.sqlite_errorname, str(error)) from error
        finally:
            self.longest = max(self.longest, time.perf_counter() - began)

    def affected(self) -> int:
        return self._count

    def close(self) -> None:
        self._connection.close()


class SqlitePlace:
    """A file. One writes at a time, whatever the level."""

    name = "sqlite"
    database: Database = SQLITE
    unique = "SQLITE_CONSTRAINT_UNIQUE"
    lock = ""
    quarantine = "dedupaudit_quarantine_t"
    upserts = (
        Upsert("or ignore", "INSERT OR IGNORE INTO t VALUES {values}"),
        Upsert("or replace", "INSERT OR REPLACE INTO t VALUES {values}", takes_stored=True, replaces=True),
        Upsert(
            "do update",
            "INSERT INTO t VALUES {values} ON CONFLICT (seq) DO UPDATE SET prev = t.op, op = excluded.op",
            takes_stored=True,
        ),
    )

    def prepare(self, columns: str = COLUMNS) -> None:
        """Make the tables."""
        self.database.run(
            f"CREATE TABLE t ({columns.format(text='TEXT')})",
            "CREATE INDEX by_op ON t (op)",
            "CREATE TABLE written (op INTEGER PRIMARY KEY)",
            "PRAGMA journal_mode = WAL",
        )

    def session(self, level: str, kind: str = "plain") -> Session:  # noqa: ARG002 (as promised)
        """Open the file."""
        return _SqliteSession(SQLITE.path)

    def begin(self, level: str) -> tuple[str, ...]:  # noqa: ARG002 (as promised)
        """Return a BEGIN that takes the lock at once, so that waiting is all that can happen."""
        return ("BEGIN IMMEDIATE",)

    def conflicts(self, level: str) -> dict[str, str]:  # noqa: ARG002 (as promised)
        """Return nothing: whoever waits at most as long as he is willing to sees no other error."""
        return {}

    def left(self) -> list[Row]:
        """Return triggers, tables and indexes of the tool, but its journal and quarantine."""
        return self.database.ask(
            "SELECT name FROM sqlite_master WHERE name LIKE 'dedupaudit%' AND (type = 'trigger' OR name LIKE '%guard%'"
            " OR (type = 'index' AND tbl_name = 't'))"
        )

    def is_protected(self) -> bool:
        """Read the list of indexes."""
        found: Sequence[Row] = self.database.ask(
            "SELECT l.name, l.\"unique\", l.partial, i.name FROM pragma_index_list('t') l, pragma_index_info(l.name) i"
            " WHERE l.\"unique\" AND l.origin = 'c'"
        )
        return [*found] == [(CONSTRAINT, 1, 0, "id")]


PLACES: dict[str, Place] = {"postgresql": PostgresqlPlace(), "mariadb": MariadbPlace(), "sqlite": SqlitePlace()}
