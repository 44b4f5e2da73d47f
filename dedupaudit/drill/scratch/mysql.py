"""A scratch database on a MySQL or MariaDB server."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

import pymysql

from dedupaudit.config import DatabaseSettings
from dedupaudit.display import visible
from dedupaudit.drill.protocol import Shape
from dedupaudit.drill.scratch.owner import COLUMNS, MARKER, Leftover, is_name, marker, new_name
from dedupaudit.drill.scratch.servers import abandoned_on
from dedupaudit.drill.scratch.shapes import TABLES, statements_of
from dedupaudit.errors import SourceError
from dedupaudit.interrupt import Interrupt
from dedupaudit.sources.tables import mysql_errors
from dedupaudit.sources.tables.mysql_facts import too_old, writing_privileges
from dedupaudit.sources.tables.mysql_options import read_login
from dedupaudit.sources.tables.mysql_session import connect
from dedupaudit.sources.tables.mysql_sql import literal, quote

if TYPE_CHECKING:
    from sqlalchemy import Engine

Row = tuple[str | None, ...]

_FAILURES = (pymysql.err.MySQLError, OSError, struct.error, IndexError, AssertionError, ValueError, RuntimeError)
_EXISTS = 1007
_WAITED = (1205, 1213)
_DENIED = (1044, 1142, 1143, 1227, 1370)
_READ_ONLY = (1290, 1792, 1836, 3100)
_NEEDED = "CREATE, DROP, ALTER, INDEX, TRIGGER, SELECT, INSERT, UPDATE, DELETE"
_ATTEMPTS = 3
_PATIENCE = 10
_SETTINGS = (
    "SET NAMES utf8mb4",
    "SET SESSION sql_mode = 'NO_BACKSLASH_ESCAPES,NO_ENGINE_SUBSTITUTION,STRICT_ALL_TABLES'",
    "SET SESSION wait_timeout = 86400, autocommit = 1",
)


class Session:
    """A `ServerSession`: one connection in autocommit. `database` is another than the URL's."""

    called: ClassVar[str] = "database {} beside"

    def __init__(self, settings: DatabaseSettings, database: str | None = None) -> None:
        self._login = read_login(settings.url)
        self.place = self._login.place
        self._connection = connect(replace(self._login, database=database) if database else self._login)
        try:
            [(version, comment)] = self.rows("SELECT VERSION(), @@version_comment")
            if refusal := too_old(version or "", comment or ""):
                raise SourceError(f"{self.place}: {visible(refusal)}", "upgrade the server")
            for setting in _SETTINGS:
                self.rows(setting)
            self.rows(f"SET SESSION lock_wait_timeout = {_PATIENCE}, innodb_lock_wait_timeout = {_PATIENCE}")
        except BaseException:
            self.close()
            raise

    def rows(self, statement: str) -> list[Row]:
        """Run a statement and return its rows, as texts."""
        try:
            return self.raw(statement)
        except _FAILURES as error:
            raise self.explained(error) from error

    def raw(self, statement: str) -> list[Row]:
        """Run a statement and return its rows; raises what PyMySQL raises."""
        with self._connection.cursor() as cursor:
            cursor.execute(statement)
            found: list[Any] = list(cursor.fetchall())
        return [tuple(None if value is None else value.decode("utf-8", "replace") for value in row) for row in found]

    def explained(self, error: BaseException) -> SourceError:
        """Return what a failure means to a drill."""
        code = mysql_errors.code_of(error)
        if code in _DENIED:
            return self.denied(mysql_errors.text_of(error))
        if code in _READ_ONLY:
            return SourceError(
                f"{self.place}: the server takes no writes: {mysql_errors.text_of(error)}", "name a primary in the URL"
            )
        return mysql_errors.explain(error, self.place)

    def denied(self, said: str) -> SourceError:
        """Return what to grant for a drill."""
        user, _at, host = (self.raw("SELECT CURRENT_USER()")[0][0] or "").rpartition("@")
        return SourceError(
            f"{self.place}: the role may not make a database, or not use it, which a drill needs: {said};"
            " never give that to the audit's login: docs/drill.md makes one for drills",
            visible(rf"GRANT {_NEEDED} ON `dedupaudit\_drill\_%`.* TO {literal(user)}@{literal(host)}", 500),
        )

    def sees_every_lock(self) -> bool:
        """Say whether there is one primary: in Galera or a replication group each server has locks of its own."""
        found = self.rows("SHOW GLOBAL VARIABLES WHERE Variable_name IN ('wsrep_on', 'group_replication_group_name')")
        return all((value or "OFF").upper() == "OFF" for _name, value in found)

    def marked(self) -> list[str]:
        """Return the scratches that this role can see."""
        rows = self.rows(
            "SELECT TABLE_SCHEMA, GROUP_CONCAT(COLUMN_NAME ORDER BY ORDINAL_POSITION) FROM information_schema.COLUMNS"
            f" WHERE TABLE_NAME = {literal(MARKER)} AND TABLE_SCHEMA LIKE {literal('dedupaudit|_drill|_%')} ESCAPE '|'"
            " GROUP BY TABLE_SCHEMA ORDER BY 1"
        )
        return [name for name, columns in rows if name and is_name(name) and columns == ",".join(COLUMNS)]

    def lock(self, name: str) -> bool:
        """Take a scratch's lock, unless another session has it."""
        return self.rows(f"SELECT GET_LOCK({literal(name)}, 0)") == [("1",)]

    def unlock(self, name: str) -> None:
        """Give the lock back."""
        self.rows(f"SELECT RELEASE_LOCK({literal(name)})")

    def owners(self, name: str) -> list[Row]:
        """Return the rows of a marker."""
        return self.rows(f"SELECT {', '.join(COLUMNS)} FROM {quote(name)}.{quote(MARKER)}")

    def remove(self, name: str) -> None:
        """Drop a scratch and all that is in it."""
        self.patiently(f"DROP DATABASE IF EXISTS {quote(name)}", name)

    def patiently(self, statement: str, name: str) -> None:
        """Run a statement that needs every lock of a scratch; what still holds one after a while is ended."""
        for attempt in range(_ATTEMPTS):
            try:
                self.raw(statement)
                return
            except _FAILURES as error:
                if mysql_errors.code_of(error) not in _WAITED or attempt == _ATTEMPTS - 1:
                    raise self.explained(error) from error
            [(user, own)] = self.rows("SELECT SUBSTRING_INDEX(USER(), '@', 1), CONNECTION_ID()")
            for number, whose, _host, database, *_rest in self.rows("SHOW PROCESSLIST"):
                if (whose, database) == (user, name) and number != own:
                    with suppress(SourceError):
                        self.rows(f"KILL CONNECTION {number}")

    def close(self) -> None:
        """End the connection, and the lock that it may hold."""
        with suppress(*_FAILURES):
            self._connection.close()


class MysqlScratch:
    """A `Scratch`. A pickled one is the address alone: the lock stays with the process that made the database."""

    def __init__(self, settings: DatabaseSettings, name: str, alive: Session | None = None) -> None:
        self.around = settings
        """The database beside which it is."""
        self._alive = alive
        self.name = name
        self.shown = visible(f"database {name} beside {read_login(settings.url).place}")

    def __getstate__(self) -> dict[str, object]:
        return self.__dict__ | {"_alive": None}

    def create(self, shape: Shape) -> None:
        """Make empty tables of this shape, in place of those that are there."""
        names = {table: f"{quote(self.name)}.{table}" for table in TABLES}
        with session(self.around, self.name) as opened:
            opened.patiently(f"DROP TABLE IF EXISTS {', '.join(names.values())}", self.name)
            for statement in statements_of("mysql", shape, names):
                opened.rows(statement)

    def table(self, name: str) -> tuple[str, ...]:
        """Return the real name of a table in it."""
        return self.name, name

    def database(self) -> DatabaseSettings:
        """Return what the audit opens."""
        return replace(self.around, url=replace(self.around.url, database=self.name))

    def engine(self) -> Engine:
        """Return a new engine for this process."""
        from dedupaudit.drill.engines import engine_of

        return engine_of(self.database().url)

    def drop(self) -> None:
        """Take it all away."""
        with session(self.around) as opened:
            opened.remove(self.name)
        if self._alive is not None:
            self._alive.close()
            self._alive = None


def make(settings: DatabaseSettings, interrupt: Interrupt) -> MysqlScratch:
    """Make an empty scratch database of a new name, and hold its lock as long as this process lives."""
    alive = Session(settings)
    try:
        _refuse_what_cannot_end(alive)
        while True:
            interrupt.check()
            name = new_name()
            if not alive.lock(name):
                continue
            # As the database beside it: its collation is that of what a trigger compares.
            like = alive.rows("SELECT @@character_set_database, @@collation_database")[0]
            try:
                alive.raw(f"CREATE DATABASE {quote(name)} CHARACTER SET {like[0]} COLLATE {like[1]}")
            except _FAILURES as error:
                alive.unlock(name)
                if mysql_errors.code_of(error) != _EXISTS:
                    raise alive.explained(error) from error
                continue
            scratch = MysqlScratch(settings, name, alive)
            try:
                for statement in _marked(name):
                    alive.rows(statement)
            except BaseException:
                scratch.drop()
                raise
            return scratch
    except BaseException:
        alive.close()
        raise


def abandoned(settings: DatabaseSettings, *, drop: bool) -> list[Leftover]:
    """Return the databases that killed drills left on this server, and drop them where that is asked for."""
    with session(settings) as opened:
        return abandoned_on(opened, drop=drop)


@contextmanager
def session(settings: DatabaseSettings, database: str | None = None) -> Iterator[Session]:
    """Open a session for the block."""
    opened = Session(settings, database)
    try:
        yield opened
    finally:
        opened.close()


def _refuse_what_cannot_end(opened: Session) -> None:
    """Raise SourceError where a database could be made and not be dropped again, or where a replica would differ."""
    for name, value in opened.rows("SHOW GLOBAL VARIABLES WHERE Variable_name IN ('read_only', 'super_read_only')"):
        if (value or "OFF").upper() not in ("OFF", "0"):
            raise SourceError(
                f"{opened.place}: the server takes no writes ({name} is {visible(value)})",
                "is it a replica? name the primary in the URL; a drill may well run on a copy of production",
            )
    grants = [line or "" for (line,) in opened.rows("SHOW GRANTS")]
    held = ", ".join(line.rpartition(" on ")[0] for line in writing_privileges(grants, new_name())).split(", ")
    if "CREATE" in held and not {"DROP", "ALL", "ALL PRIVILEGES"} & set(held):
        raise opened.denied("it could make one, and not drop it again")


def _marked(name: str) -> list[str]:
    table = f"{quote(name)}.{quote(MARKER)}"
    columns = ", ".join(f"{column} VARCHAR(255) NOT NULL" for column in COLUMNS)
    return [
        # Some servers take no table without a primary key.
        f"CREATE TABLE {table} ({columns}, PRIMARY KEY (host)) ENGINE = InnoDB",
        f"INSERT INTO {table} VALUES ({', '.join(map(literal, marker()))})",
    ]
