"""The two tables of the kill matrix on each database: made, filled anew for each point, and read with plain SQL."""

from __future__ import annotations

import shutil
import socket
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import psycopg2
import pymysql
import pymysql.err

from tests.servers.mariadb import MariadbServer
from tests.servers.postgresql import PostgresqlServer

Row = tuple[Any, ...]

CONFIG = """\
[tables.uploads]
key = ["id"]
device = "device_id"
status = "status"
object_key = "oss_key"
"""

_TABLES = (
    "CREATE TABLE uploads (seq BIGINT PRIMARY KEY, id VARCHAR(60), device_id VARCHAR(20), status VARCHAR(20),"
    " oss_key VARCHAR(60), retry_count INTEGER, note VARCHAR(60)){}",
    "CREATE TABLE tags (n BIGINT PRIMARY KEY, upload BIGINT NOT NULL, note VARCHAR(60){}){}",
    "CREATE TABLE written (op BIGINT PRIMARY KEY){}",
)
_LINK = ", FOREIGN KEY (upload) REFERENCES uploads (seq)"


def _tables(linked: bool, options: str = "") -> list[str]:
    """Return the statements that make the tables; not `linked`, nobody refers to the one that is repaired."""
    uploads, tags, written = _TABLES
    return [uploads.format(options), tags.format(_LINK if linked else "", options), written.format(options)]


COLUMNS = ("seq", "id", "device_id", "status", "oss_key", "retry_count", "note")
TAG_COLUMNS = ("n", "upload", "note")

SINGLE = range(1, 31)
"""Rows that are alone with their ID, and that the plan has nothing to do with."""


def _row(seq: int, name: str, status: str = "completed", retries: int = 0) -> Row:
    return (seq, name, "mac-1", status, f"k/{name}" if status == "completed" else None, retries, "first")


ROWS: tuple[Row, ...] = (
    *(_row(seq, f"single-{seq}") for seq in SINGLE),
    *(_row(101 + n, "pair") for n in range(2)),
    *(_row(111 + n, "triple") for n in range(3)),
    *(_row(121 + n, "plain") for n in range(2)),
    _row(131, "merged", "pending", 4),
    _row(132, "merged", "completed", 1),
    *(_row(141 + n, "four") for n in range(4)),
    _row(151, "states", "pending", 2),
    _row(152, "states", "uploading", 7),
    _row(153, "states"),
    *(_row(161 + n, "late") for n in range(2)),
    *(_row(171 + n, "last") for n in range(2)),
)
PLANNED: tuple[int, ...] = tuple(row[0] for row in ROWS if row[0] > 100)
TAGS: tuple[Row, ...] = tuple(
    (n, upload, f"tag {n}") for n, upload in enumerate((1, 101, 102, 102, 142, 143, 144, 151, 152, 153, 171, 172), 1)
)


class Gone(Exception):
    """The connection is lost: whether what was last said was done, the server knows."""


class Refused(Exception):
    """The database refused a statement: the transaction is to be rolled back."""


class Session(Protocol):
    """A connection of the application. Parameters are %s; every statement is its own transaction, or BEGIN was said."""

    def ask(self, statement: str, *parameters: object) -> list[Row]: ...

    def close(self) -> None: ...


@dataclass(frozen=True)
class Names:
    """What the tool's own tables are called."""

    runs: str
    journal: str
    uploads: str
    tags: str


class Place(Protocol):
    """A database of the matrix."""

    name: str
    url: str
    own: Names
    lock: str
    begin: str
    linked: bool
    """Whether tags refer to uploads: a repair of a table that nobody refers to takes another way."""

    def connect(self) -> Session: ...

    def restore(self) -> None:
        """Make everything as it was when the plan was made: none of the tool's tables, no session but ours."""


class _Sqlite:
    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None, timeout=10, check_same_thread=False)
        self._connection.execute("PRAGMA foreign_keys = ON")
        self._connection.execute("PRAGMA synchronous = OFF")

    def ask(self, statement: str, *parameters: object) -> list[Row]:
        try:
            return self._connection.execute(statement.replace("%s", "?"), parameters).fetchall()
        except sqlite3.Error as error:
            raise Refused(str(error)) from error

    def close(self) -> None:
        self._connection.close()


class SqlitePlace:
    """A file; `restore` copies one that was made before. Every other time it is in WAL mode."""

    name = "sqlite"
    own = Names(*(f"dedupaudit_{name}" for name in ("runs", "journal", "quarantine_uploads", "quarantine_tags")))
    lock = ""
    begin = "BEGIN IMMEDIATE"

    def __init__(self, folder: Path, *, linked: bool = True) -> None:
        self.linked = linked
        self.path = folder / "app.db"
        self.url = f"sqlite:///{self.path}"
        self._models = [folder / "rollback.db", folder / "wal.db"]
        for model, mode in zip(self._models, ("DELETE", "WAL"), strict=True):
            connection = sqlite3.connect(model, isolation_level=None)
            connection.execute(f"PRAGMA journal_mode = {mode}")
            _fill(connection, linked)
            connection.close()
        self.restore()

    def connect(self) -> Session:
        return _Sqlite(self.path)

    def restore(self) -> None:
        for left in ("-wal", "-shm", "-journal"):
            self.path.with_name(self.path.name + left).unlink(missing_ok=True)
        shutil.copyfile(self._models[0], self.path)
        self._models.reverse()


def _fill(connection: sqlite3.Connection, linked: bool) -> None:
    connection.execute("BEGIN")
    for statement in (*_tables(linked), *_inserts()):
        connection.execute(statement)
    connection.execute("COMMIT")


class _Postgres:
    def __init__(self, server: PostgresqlServer, database: str) -> None:
        try:
            self._connection = server.connect(database)
        except psycopg2.OperationalError as error:
            raise Gone(str(error)) from error

    def ask(self, statement: str, *parameters: object) -> list[Row]:
        try:
            with self._connection.cursor() as cursor:
                cursor.execute(statement, parameters or None)
                return cursor.fetchall() if cursor.description else []
        except psycopg2.Error as error:
            raise Gone(str(error)) if self._connection.closed else Refused(str(error)) from error

    def close(self) -> None:
        self._connection.close()


class PostgresqlPlace:
    name = "postgresql"
    own = Names(*(f"dedupaudit.{name}" for name in ("runs", "journal", "quarantine_uploads", "quarantine_tags")))
    lock = " FOR UPDATE"
    begin = "BEGIN"

    def __init__(self, server: PostgresqlServer, database: str = "kills", *, linked: bool = True) -> None:
        self.server, self._database, self.linked = server, database, linked
        self.url = server.create_database(database)
        for statement in _tables(linked):
            self.server.execute(statement, database=database)
        self.restore()

    def connect(self) -> Session:
        return _Postgres(self.server, self._database)

    def restore(self) -> None:
        for statement in ("DROP SCHEMA IF EXISTS dedupaudit CASCADE", "TRUNCATE uploads, tags, written", *_inserts()):
            self.server.execute(statement, database=self._database)


class _Maria:
    def __init__(self, server: MariadbServer, database: str) -> None:
        # Over a socket of our own: PyMySQL leaves that of a connection that fails open.
        wire = socket.socket(socket.AF_UNIX)
        self._connection: pymysql.Connection[Any] = pymysql.connect(
            user="root", database=database, charset="utf8mb4", autocommit=True, defer_connect=True
        )
        try:
            wire.connect(str(server.socket))
            self._connection.connect(wire)
        except (pymysql.err.MySQLError, OSError) as error:
            wire.close()
            raise Gone(str(error)) from error

    def ask(self, statement: str, *parameters: object) -> list[Row]:
        try:
            with self._connection.cursor() as cursor:
                cursor.execute(statement, parameters or None)
                return list(cursor.fetchall())
        except (pymysql.err.MySQLError, OSError) as error:
            lost = not isinstance(error, pymysql.err.MySQLError) or error.args[:1] in ((0,), (2006,), (2013,), (1927,))
            raise Gone(str(error)) if lost else Refused(str(error)) from error

    def close(self) -> None:
        if self._connection.open:
            self._connection.close()


class MariadbPlace:
    name = "mariadb"
    own = Names(*(f"dedupaudit_{name}" for name in ("runs", "journal", "quarantine_uploads", "quarantine_tags")))
    lock = " FOR UPDATE"
    begin = "BEGIN"

    def __init__(self, server: MariadbServer, database: str = "kills", *, linked: bool = True) -> None:
        self.server, self._database, self.linked = server, database, linked
        self.url = server.create_database(database)
        for statement in _tables(linked, " ENGINE = InnoDB"):
            self.server.execute(statement, database=database)
        self.restore()

    def connect(self) -> Session:
        return _Maria(self.server, self._database)

    def restore(self) -> None:
        own = ", ".join((self.own.runs, self.own.journal, self.own.uploads, self.own.tags))
        clear = (f"DROP TABLE IF EXISTS {own}", "DELETE FROM tags", "DELETE FROM uploads", "DELETE FROM written")
        for statement in (*clear, *_inserts()):
            self.server.execute(statement, database=self._database)


def _inserts() -> tuple[str, str]:
    def values(rows: Sequence[Row]) -> str:
        return ", ".join("(" + ", ".join("NULL" if part is None else repr(part) for part in row) + ")" for row in rows)

    return (f"INSERT INTO uploads VALUES {values(ROWS)}", f"INSERT INTO tags VALUES {values(TAGS)}")


# ---- what is there


@dataclass(frozen=True)
class State:
    """All of both tables, of what lies in quarantine (role, row), and of the tool's own tables."""

    uploads: dict[int, Row]
    tags: dict[int, Row]
    quarantined: tuple[tuple[str, Row], ...]
    runs: tuple[dict[str, Any], ...]
    journal: tuple[dict[str, Any], ...]


_RUN = ("id", "state", "rows_deleted", "groups_done", "groups_skipped", "proof", "message", "token")
_ENTRY = ("chunk", "seq", "line", "action", "target", "pk", "note")


def state_of(place: Place) -> State:
    """Read everything, in a session of its own."""
    session = place.connect()
    try:
        listed = ", ".join(COLUMNS)
        uploads = session.ask(f"SELECT {listed} FROM uploads")
        tags = session.ask(f"SELECT {', '.join(TAG_COLUMNS)} FROM tags")
        runs: list[Row] = []
        entries: list[Row] = []
        quarantined: list[Row] = []
        try:
            runs = session.ask(f"SELECT {', '.join(_RUN)} FROM {place.own.runs} ORDER BY started_at")
            entries = session.ask(f"SELECT {', '.join(_ENTRY)} FROM {place.own.journal} ORDER BY chunk, seq")
            quarantined = session.ask(f"SELECT dedupaudit_role, {listed} FROM {place.own.uploads}")
        except Refused as error:
            # Killed before it had made them; any other error is one.
            assert "exist" in str(error) or "no such table" in str(error), error
    finally:
        session.close()
    return State(
        {row[0]: row for row in uploads},
        {row[0]: row for row in tags},
        tuple((row[0], row[1:]) for row in quarantined),
        tuple(dict(zip(_RUN, row, strict=True)) for row in runs),
        tuple(dict(zip(_ENTRY, row, strict=True)) for row in entries),
    )
