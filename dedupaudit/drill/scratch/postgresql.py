"""A scratch schema in a PostgreSQL database."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

import psycopg2

from dedupaudit.config import DatabaseSettings
from dedupaudit.display import visible
from dedupaudit.drill.protocol import Shape
from dedupaudit.drill.scratch.owner import COLUMNS, MARKER, Leftover, is_name, marker, new_name, number_of
from dedupaudit.drill.scratch.servers import abandoned_on
from dedupaudit.drill.scratch.shapes import FUNCTION, TABLES, statements_of
from dedupaudit.errors import SourceError
from dedupaudit.interrupt import Interrupt
from dedupaudit.migrate.databases.postgresql_pooler import pooler_between
from dedupaudit.sources.tables.postgresql_errors import explain, too_old
from dedupaudit.sources.tables.postgresql_session import connect, receive_values, shown_place
from dedupaudit.sources.tables.postgresql_sql import literal, quote
from dedupaudit.sources.tables.postgresql_url import connection_parameters

if TYPE_CHECKING:
    from sqlalchemy import Engine

Row = tuple[Any, ...]

_DUPLICATE_SCHEMA = "42P06"
_DENIED = "42501"
_READ_ONLY = "25006"
_WAITED = ("55P03", "40P01")
_ATTEMPTS = 3
_PATIENCE = "10s"
_SETTINGS = "SET client_min_messages = error; SET standard_conforming_strings = on"
_LOCK_CLASS = 0x64647570
"""The first half of the advisory lock of each drill; the second is the number in its schema's name."""


class Session:
    """A `ServerSession`: one connection in autocommit."""

    called: ClassVar[str] = "schema {} in"

    def __init__(self, settings: DatabaseSettings) -> None:
        self.place = shown_place(settings.url)
        self._connection = connect(connection_parameters(settings.url), self.place)
        self._connection.autocommit = True
        self.version = self._connection.server_version
        try:
            if refusal := too_old(self.version):
                raise SourceError(f"{self.place}: {refusal}", "upgrade the server")
            receive_values(self._connection)
            self.rows(f"SET lock_timeout = '{_PATIENCE}'; {_SETTINGS}")
            if self.version >= 140_000:
                self.rows("SET idle_session_timeout = 0")
        except BaseException:
            self.close()
            raise

    def rows(self, statement: str) -> list[Row]:
        """Run a statement and return its rows."""
        try:
            return self.raw(statement)
        except psycopg2.Error as error:
            raise self.explained(error) from error

    def raw(self, statement: str, parameters: Sequence[object] | None = None) -> list[Row]:
        """Run a statement and return its rows; raises what psycopg2 raises."""
        with self._connection.cursor() as cursor:
            cursor.execute(statement.encode("utf-8", "surrogateescape"), parameters)
            return cursor.fetchall() if cursor.description else []

    def explained(self, error: psycopg2.Error) -> SourceError:
        """Return what a failure means to a drill."""
        if error.pgcode == _DENIED and "for database" in str(error):
            database, role = map(quote, self.rows("SELECT pg_catalog.current_database(), current_user")[0])
            return SourceError(
                f"{self.place}: the role may not make a schema in this database, which a drill needs;"
                " never give that to the audit's login: docs/drill.md makes one for drills",
                visible(f"GRANT CREATE ON DATABASE {database} TO {role}", 500),
            )
        if error.pgcode == _READ_ONLY:
            return SourceError(
                f"{self.place}: the server takes no writes here: it is a standby, or default_transaction_read_only is"
                " on",
                "name a primary in the URL; a drill may well run on a copy of production",
            )
        return explain(error, self.place)

    def sees_every_lock(self) -> bool:
        """Say that it does: there is one primary."""
        return True

    def marked(self) -> list[str]:
        """Return the scratches that this role may drop."""
        rows = self.rows(
            "SELECT n.nspname::text FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
            f" WHERE c.relname = {literal(MARKER)} AND c.relkind = 'r' AND pg_catalog.pg_has_role(n.nspowner, 'USAGE')"
            " AND ARRAY(SELECT a.attname::text FROM pg_catalog.pg_attribute a WHERE a.attrelid = c.oid"
            " AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum)"
            f" = ARRAY[{', '.join(map(literal, COLUMNS))}] ORDER BY 1"
        )
        return [str(name) for (name,) in rows if is_name(str(name))]

    def lock(self, name: str) -> bool:
        """Take a scratch's advisory lock, unless another session has it."""
        return bool(self.rows(f"SELECT pg_catalog.pg_try_advisory_lock({_lock(name)})")[0][0])

    def unlock(self, name: str) -> None:
        """Give the lock back."""
        self.rows(f"SELECT pg_catalog.pg_advisory_unlock({_lock(name)})")

    def owners(self, name: str) -> list[Row]:
        """Return the rows of a marker."""
        return self.rows(f"SELECT {', '.join(COLUMNS)} FROM {quote(name)}.{quote(MARKER)}")

    def remove(self, name: str) -> None:
        """Drop a scratch and all that is in it."""
        self.patiently(f"DROP SCHEMA IF EXISTS {quote(name)} CASCADE", name)

    def patiently(self, statement: str, name: str) -> None:
        """Run a statement that needs every lock of a scratch; what still holds one after a while is ended."""
        for attempt in range(_ATTEMPTS):
            try:
                self.raw(statement)
                return
            except psycopg2.Error as error:
                if error.pgcode not in _WAITED or attempt == _ATTEMPTS - 1:
                    raise self.explained(error) from error
            # The drill's own sessions alone, and those only where the role may.
            with suppress(SourceError):
                self.rows(
                    "SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.pg_stat_activity"
                    f" WHERE application_name = {literal(_application(name))} AND usename = current_user"
                    " AND pid <> pg_catalog.pg_backend_pid()"
                )

    def close(self) -> None:
        """End the connection, and the lock that it may hold."""
        with suppress(psycopg2.Error):
            self._connection.close()


class PostgresqlScratch:
    """A `Scratch`. A pickled one is the address alone: the lock stays with the process that made the schema."""

    def __init__(self, settings: DatabaseSettings, name: str, alive: Session | None = None) -> None:
        # By this name sessions that a killed worker left are found.
        named = {**settings.url.query, "application_name": _application(name)}
        self._settings = replace(settings, url=replace(settings.url, query=named))
        self._alive = alive
        self.around = settings
        """The database that it is in."""
        self.also: tuple[str, ...] = ()
        """Schemas that sessions search after this one, for the operators of the columns' types."""
        self.name = name
        self.shown = visible(f"schema {name} in {shown_place(settings.url)}")

    def __getstate__(self) -> dict[str, object]:
        return self.__dict__ | {"_alive": None}

    def create(self, shape: Shape) -> None:
        """Make empty tables of this shape, in place of those that are there."""
        schema = quote(self.name)
        names = {table: f"{schema}.{table}" for table in TABLES}
        old = f"DROP TABLE IF EXISTS {', '.join(names.values())} CASCADE; DROP FUNCTION IF EXISTS {schema}.{FUNCTION}()"
        new = statements_of("postgresql", shape, names, schema)
        with session(self._settings) as opened:
            # Statements that are sent as one are one transaction.
            opened.patiently("; ".join([old, *(text.rstrip().rstrip(";") for text in new)]), self.name)

    def table(self, name: str) -> tuple[str, ...]:
        """Return the real name of a table in it."""
        return self.name, name

    def database(self) -> DatabaseSettings:
        """Return what the audit opens."""
        return self._settings

    def engine(self) -> Engine:
        """Return a new engine for this process."""
        from dedupaudit.drill.engines import engine_of

        return engine_of(self._settings.url, search_path=(self.name, *self.also))

    def drop(self) -> None:
        """Take it all away."""
        with session(self._settings) as opened:
            opened.remove(self.name)
        if self._alive is not None:
            self._alive.close()
            self._alive = None


def make(settings: DatabaseSettings, interrupt: Interrupt) -> PostgresqlScratch:
    """Make an empty scratch schema of a new name, and hold its lock as long as this process lives."""
    alive = Session(settings)
    try:
        if pooler := pooler_between(settings):
            # Behind it the search path of a drill's session would be that of the application's next one.
            raise SourceError(f"{alive.place}: {pooler}", "name the server itself (often port 5432 instead of 6432)")
        _refuse_where_all_is_published(alive)
        while True:
            interrupt.check()
            name = new_name()
            if not alive.lock(name):
                continue
            try:
                # One transaction: a schema without its marker would never be cleaned.
                alive.raw("; ".join([f"CREATE SCHEMA {quote(name)}", *_marked(name)]))
            except psycopg2.Error as error:
                alive.unlock(name)
                if error.pgcode != _DUPLICATE_SCHEMA:
                    raise alive.explained(error) from error
            else:
                return PostgresqlScratch(settings, name, alive)
    except BaseException:
        alive.close()
        raise


def abandoned(settings: DatabaseSettings, *, drop: bool) -> list[Leftover]:
    """Return the schemas that killed drills left in this database, and drop them where that is asked for."""
    with session(settings) as opened:
        return abandoned_on(opened, drop=drop)


def _refuse_where_all_is_published(opened: Session) -> None:
    """Raise SourceError where rows of every table go to subscribers, who stop at a table that they do not have."""
    found = opened.rows("SELECT pubname::text FROM pg_catalog.pg_publication WHERE puballtables LIMIT 1")
    if found:
        raise SourceError(
            f"{opened.place}: publication {visible(found[0][0])} is FOR ALL TABLES: its subscribers would be sent rows"
            " of the drill's tables, which they do not have, and stop",
            "drill in a database without one, such as a copy of production",
        )


@contextmanager
def session(settings: DatabaseSettings) -> Iterator[Session]:
    """Open a session for the block."""
    opened = Session(settings)
    try:
        yield opened
    finally:
        opened.close()


def _application(name: str) -> str:
    return f"dedupaudit drill {name.rpartition('_')[2]}"


def _lock(name: str) -> str:
    """Return what the advisory lock of a scratch is called by."""
    return f"{_LOCK_CLASS}, {number_of(name)}"


def _marked(name: str) -> list[str]:
    table = f"{quote(name)}.{quote(MARKER)}"
    columns = ", ".join(f"{column} text NOT NULL" for column in COLUMNS)
    return [f"CREATE TABLE {table} ({columns})", f"INSERT INTO {table} VALUES ({', '.join(map(literal, marker()))})"]
