"""One PostgreSQL session that can only read: how it connects, runs statements, is watched, and gives way."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any, BinaryIO, TypeVar, cast

import psycopg2
from psycopg2 import extensions

from dedupaudit.config import DatabaseSettings
from dedupaudit.display import visible
from dedupaudit.errors import SourceError, StatementStopped
from dedupaudit.interrupt import Interrupt
from dedupaudit.sources.tables.postgresql_errors import (
    RecoveryConflict,
    explain,
    explain_connecting,
    first_line,
    is_lost,
    no_new_session,
    standby_hung_up,
    too_old,
)
from dedupaudit.sources.tables.postgresql_sql import literal
from dedupaudit.sources.tables.postgresql_url import connection_parameters
from dedupaudit.sources.tables.protocol import Undecodable, Value
from dedupaudit.sources.tables.watch import Watch
from dedupaudit.sqlfiles import sql_text
from dedupaudit.units import show_duration
from dedupaudit.urls import DatabaseUrl

Row = tuple[Value, ...]
T = TypeVar("T")

LOCK_TIMEOUT = "5s"
_ATTEMPTS = 3
_FETCH = 1_000
_FIRST_FETCH = 50
# What decides how values are written and how the server works for us; jit costs half a second and gains nothing.
SETTINGS = {
    "default_transaction_read_only": "on",
    "row_security": "off",
    "lock_timeout": LOCK_TIMEOUT,
    "idle_in_transaction_session_timeout": "0",
    "timezone": "UTC",
    "datestyle": "ISO, YMD",
    "intervalstyle": "postgres",
    "bytea_output": "hex",
    "extra_float_digits": "1",
    "lc_monetary": "C",
    "xmloption": "content",
    "standard_conforming_strings": "on",
    "client_min_messages": "error",
    "cursor_tuple_fraction": "1",
    "jit": "off",
}


class Session:
    """A connection in one read-only transaction with one snapshot. Statements raise SourceError or Cancelled."""

    def __init__(self, settings: DatabaseSettings, interrupt: Interrupt, snapshot: str | None = None) -> None:
        self._snapshot = snapshot
        self.exported: str | None = None
        """What another session can take the same snapshot by, where the server gives that away."""
        self._parameters = connection_parameters(settings.url)
        self._where = shown_place(settings.url)
        self._timeout = settings.timeout
        self._interrupt = interrupt
        self._dead: SourceError | None = None
        self._monitor: extensions.connection | None = None
        self._cursors = 0
        self.standby = False
        self.renewed = False
        """Whether a standby made the audit take a second snapshot."""
        self.watch = Watch(interrupt, self.cancel, self._waiting)
        self._connect()

    # ---- beginning and end

    def _connect(self) -> None:
        self.connection = connect(self._parameters, self._where)
        self.version = self.connection.server_version
        try:
            refusal = too_old(self.version)
            if refusal:
                raise SourceError(refusal, "audit a replica of a newer version")
            with self._explained(self._where):
                self._prepare()
                self._begin()
        except BaseException:
            self.connection.close()
            raise

    def _prepare(self) -> None:
        connection = self.connection
        connection.autocommit = True
        self.encoding = receive_values(connection)
        settings = dict(SETTINGS)
        settings["statement_timeout"] = str(max(1, round(self._timeout * 1000))) if self._timeout else "0"
        if self.version >= 170_000:
            settings["transaction_timeout"] = "0"
        self._run("; ".join(f"SET {name} = {literal(value)}" for name, value in settings.items()))
        if self.version >= 140_000:
            # A server that notices a killed client ends its query; some systems cannot notice.
            with suppress(psycopg2.Error):
                self._run("SET client_connection_check_interval = '5s'")
        put_built_ins_first(self._run)

    def _begin(self) -> None:
        self._run("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        if self._snapshot is not None:
            self._run(f"SET TRANSACTION SNAPSHOT {literal(self._snapshot)}")
        # The first statement takes the snapshot: all later ones see this moment.
        found = self._run("SELECT pg_catalog.pg_backend_pid(), pg_catalog.pg_is_in_recovery()")[0]
        self.pid, self.standby = int(str(found[0])), bool(found[1])
        if self._snapshot is None and not self.standby:
            self._export()

    def _export(self) -> None:
        """Let another session see this snapshot; a server that will not has nothing lost, as nothing was read yet."""
        try:
            self.exported = str(self._run("SELECT pg_catalog.pg_export_snapshot()")[0][0])
        except psycopg2.DatabaseError as error:
            if error.pgcode is None or self.connection.closed:
                raise
            self._run("ROLLBACK; BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            self._run("SELECT 1")

    def renew(self, *, forced: bool = True) -> None:
        """Take a new snapshot, on a new connection where the old one is gone. `forced` by a standby, or asked for."""
        self.renewed = self.renewed or forced
        self.exported = None
        self._dead = None
        try:
            with self._explained(self._where):
                if self.connection.closed:
                    raise psycopg2.OperationalError("closed")
                self._run("ROLLBACK")
                self._begin()
        except SourceError:
            self.connection.close()
            self._dead = None
            self._reconnect()

    def _reconnect(self) -> None:
        try:
            self._connect()
        except SourceError as error:
            # A standby in the middle of its recovery may end the new session as well, at any moment of its beginning.
            self._dead = no_new_session(error, self._where)
            raise self._dead from error

    def close(self) -> None:
        """End the transaction and both connections; a statement that is still running is cancelled."""
        self.watch.close()
        with suppress(psycopg2.Error):
            if not self.connection.closed:
                if self.connection.get_transaction_status() == extensions.TRANSACTION_STATUS_ACTIVE:
                    self.connection.cancel()
                self.connection.close()
        if self._monitor is not None:
            with suppress(psycopg2.Error):
                self._monitor.close()

    # ---- questions

    @contextmanager
    def question(self, about: str, planner: Mapping[str, str] | None = None) -> Iterator[None]:
        """Ask within a savepoint: whatever happens, the transaction goes on, and its settings are as before."""
        with self._explained(about):
            settings = "".join(f"; SET LOCAL {name} = {value}" for name, value in (planner or {}).items())
            self._run(f"SAVEPOINT dedupaudit{settings}")
        try:
            with self._explained(about):
                yield
        finally:
            # After a signal nothing is asked any more: of a question left open, this runs while it is collected.
            if not self.connection.closed and self._interrupt.signum is None:
                with suppress(psycopg2.Error):
                    self._run("ROLLBACK TO SAVEPOINT dedupaudit; RELEASE SAVEPOINT dedupaudit")

    def retried(self, ask: Callable[[], T]) -> T:
        """Ask again, with a new snapshot, when a standby ended the question to go on with its recovery."""
        for _ in range(_ATTEMPTS - 1):
            try:
                return ask()
            except RecoveryConflict:
                self.renew()
        return ask()

    def streamed(self, ask: Callable[[], Iterator[T]]) -> Iterator[T]:
        """Ask again as `retried` does, as long as nothing of the answer was passed on."""
        for attempt in range(_ATTEMPTS):
            begun = False
            try:
                for row in ask():
                    begun = True
                    yield row
                return
            except RecoveryConflict:
                if begun or attempt == _ATTEMPTS - 1:
                    raise
                self.renew()

    def allow(self, started: float) -> None:
        """Raise StatementStopped where one question in many statements takes longer than one statement may."""
        if self._timeout and time.monotonic() - started > self._timeout:
            raise self._stopped()

    def _stopped(self) -> StatementStopped:
        return StatementStopped(
            f"a statement took longer than --timeout allows ({show_duration(self._timeout or 0)})",
            "allow more, or add an index on the key",
        )

    def rows(self, statement: str) -> list[Row]:
        """Return all rows of a statement, which are known to be few."""
        return self._run(statement)

    def execute(self, statement: str) -> None:
        """Run a statement for what it raises: psycopg2's own errors, for the caller to explain."""
        self._run(statement)

    def stream(self, statement: str) -> Iterator[Row]:
        """Yield the rows of a query: the client never holds all."""
        for batch in self.batches(statement):
            yield from batch

    def batches(self, statement: str, most: int = _FETCH) -> Iterator[list[Row]]:
        """Yield the rows of a query, some at a time: few at first, then as many as `most`."""
        self._cursors += 1
        name = f"dedupaudit_{self._cursors}"
        self._run(f"DECLARE {name} NO SCROLL CURSOR FOR\n{statement}")
        size = _FIRST_FETCH
        while batch := self._run(f"FETCH FORWARD {size} FROM {name}"):
            yield batch
            if len(batch) < size:
                break
            size = most
        self._run(f"CLOSE {name}")

    def copy(self, query: str, sink: BinaryIO) -> None:
        """Write the rows of a query into `sink` as COPY's text."""
        with self.watch.running(), self.connection.cursor() as cursor:
            try:
                cursor.copy_expert(self._encoded(f"COPY (\n{query}\n) TO STDOUT"), sink)
            except BaseException:
                # What the sink raised leaves the stream in the middle: the server is told to end it.
                with suppress(psycopg2.Error):
                    self.connection.cancel()
                raise

    def _run(self, statement: str) -> list[Row]:
        with self.watch.running(), self.connection.cursor() as cursor:
            cursor.execute(self._encoded(statement))
            return cursor.fetchall() if cursor.description else []

    def _encoded(self, statement: str) -> bytes:
        # As bytes it goes through whatever the client's encoding is.
        return statement.encode("utf-8", "surrogateescape")

    @contextmanager
    def _explained(self, about: str) -> Iterator[None]:
        if self._dead is not None:
            raise self._dead
        try:
            self.watch.check()
            yield
        except psycopg2.Error as error:
            self._interrupt.check()
            raise self._explanation(error, about) from error
        except SourceError:
            if self.watch.gave_way is not None:
                # Only the end of the transaction lets the others go on.
                self.connection.close()
            raise

    def _explanation(self, error: psycopg2.Error, about: str) -> SourceError:
        try:
            self.watch.check()
        except SourceError as gave_way:
            self.connection.close()
            return gave_way
        if error.pgcode == "57014" and "statement timeout" in first_line(error):
            return self._stopped()
        explained = explain(error, about)
        if self.standby and error.pgcode is None and is_lost(error):
            # In a subtransaction a standby ends the session at once, and psycopg2 keeps nothing of what it said.
            explained = standby_hung_up(error, about)
        if self.connection.closed or is_lost(error):
            self._dead = explained
        return explained

    # ---- what the watch does, in its own thread

    def cancel(self) -> None:
        """End the running statement on the server."""
        with suppress(psycopg2.Error):
            self.connection.cancel()

    def _waiting(self) -> str | None:
        if self._monitor is None or self._monitor.closed:
            self._monitor = connect(self._parameters, self._where)
            self._monitor.autocommit = True
        with self._monitor.cursor() as cursor:
            cursor.execute("SET statement_timeout = '5s'")
            cursor.execute(sql_text("scan/postgresql/waiting.sql"), (self.pid,))
            found = cursor.fetchone()
        if found is None:
            return None
        pid, application, relation = found
        shown = f" ({visible(application)})" if application else ""
        return f"pid {pid}{shown} waits for a lock on {visible(relation or 'a table')} that the audit reads"


def connect(parameters: Mapping[str, Any], where: str) -> extensions.connection:
    """Open a connection; raises SourceError that says why it cannot be."""
    try:
        return cast("extensions.connection", psycopg2.connect("", **dict(parameters)))
    except (psycopg2.Error, UnicodeError) as error:
        explained = explain_connecting(str(error), where)
    # Raised here and not in the handler: the driver's error may repeat what was typed.
    raise explained


def receive_values(connection: extensions.connection) -> str:
    """Let values come as the protocol has them; return the name of the database's encoding."""
    encoding = connection.get_parameter_status("server_encoding") or "UTF8"
    # Without an encoding the server sends the bytes as they are, and only Latin-1 takes any byte.
    raw = encoding == "SQL_ASCII"
    connection.set_client_encoding("LATIN1" if raw else "UTF8")
    extensions.register_type(extensions.new_type((17,), "bytes", _bytes), connection)
    if raw:
        kinds = extensions.new_type((18, 19, 25, 1042, 1043), "text", _decode_raw)
        extensions.register_type(kinds, connection)
    return encoding


def put_built_ins_first(run: Callable[[str], list[Row]]) -> None:
    """Search pg_catalog first, unless it is so already: nothing in another schema stands in for a built-in."""
    path = str(run("SELECT pg_catalog.current_setting('search_path')")[0][0])
    schemas = [part.strip().strip('"') for part in path.split(",")]
    if "pg_catalog" in schemas and schemas[0] != "pg_catalog":
        run(f"SELECT pg_catalog.set_config('search_path', {literal('pg_catalog, ' + path)}, false)")


def shown_place(url: DatabaseUrl) -> str:
    """Return host, port and database for people."""
    host = url.query.get("host") or url.host or "the default socket"
    port = url.query.get("port") or url.port
    name = url.query.get("dbname") or url.database
    place = f"{host}:{port}" if port else str(host)
    return visible(f"{place}/{name}" if name else place)


def _decode_raw(text: str | bytes | None, _cursor: object) -> Value:
    if text is None:
        return None
    raw = text.encode("latin-1") if isinstance(text, str) else text
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return Undecodable(raw)


def _bytes(text: str | bytes | None, _cursor: object) -> bytes | None:
    return bytes.fromhex(text[2:]) if isinstance(text, str) else text


def names(rows: Sequence[Row], column: int = 0) -> list[str]:
    """Return one column of catalog rows as names; bytes that do not decode are kept by surrogates."""
    return [name_of(row[column]) for row in rows]


def name_of(value: object) -> str:
    """Return a name of the catalog as text."""
    if isinstance(value, Undecodable):
        return value.raw.decode("utf-8", "surrogateescape")
    return str(value)
