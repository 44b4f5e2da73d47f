"""The one connection of an audit to MySQL or MariaDB: read-only, one snapshot, and cancelled from a second one."""

from __future__ import annotations

import socket
import ssl
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Lock
from typing import TYPE_CHECKING, Any

import pymysql
from pymysql.cursors import Cursor, SSCursor

from dedupaudit.config import DatabaseSettings
from dedupaudit.display import visible
from dedupaudit.errors import Cancelled, SourceError, UsageError
from dedupaudit.interrupt import Interrupt
from dedupaudit.sources.tables import mysql_errors
from dedupaudit.sources.tables.mysql_facts import ServerFacts, too_old
from dedupaudit.sources.tables.mysql_options import Login, read_login
from dedupaudit.sources.tables.mysql_sql import literal
from dedupaudit.sources.tables.watch import Watch
from dedupaudit.sqlfiles import sql_text

Raw = tuple[bytes | None, ...]

if TYPE_CHECKING:
    Driver = pymysql.Connection[Any]
else:
    Driver = pymysql.connections.Connection

_SLOW_CONSUMER = 86_400
_FAILURES = (pymysql.err.MySQLError, OSError, struct.error, IndexError, AssertionError, ValueError, RuntimeError)
_FETCH = 500

# Session variables, for those servers that have them.
_SETTINGS = {
    "sql_mode": "'ANSI_QUOTES,NO_BACKSLASH_ESCAPES,NO_ENGINE_SUBSTITUTION'",
    "time_zone": "'+00:00'",
    "lock_wait_timeout": "5",
    "innodb_lock_wait_timeout": "5",
    "wait_timeout": str(_SLOW_CONSUMER),
    "net_read_timeout": str(_SLOW_CONSUMER),
    "net_write_timeout": str(_SLOW_CONSUMER),
    "group_concat_max_len": "8000000",
    # Rows of repeated keys are found by a hash join; without these MariaDB compares each with each.
    "join_cache_level": "8",
    "join_buffer_size": "16777216",
    "join_buffer_space_limit": "33554432",
    # Its cache would give row counts of a day ago.
    "information_schema_stats_expiry": "0",
}


class Session:
    """The connection, its snapshot, and the watch over what it runs."""

    def __init__(self, settings: DatabaseSettings, interrupt: Interrupt) -> None:
        self._login = read_login(settings.url)
        self.place = self._login.place
        self._gone: SourceError | None = None
        self._monitor: Driver | None = None
        self._monitor_lock = Lock()
        self.reading = ""
        """The table that is being read, for messages."""
        self.touched: set[str] = set()
        """Quoted names of the tables that were read."""
        self.watched: set[str] = set()
        self._streaming = False
        self._connection = connect(self._login)
        self._id = int(self._connection.thread_id())  # type: ignore[no-untyped-call]  # the stubs say nothing of it
        self._watch = Watch(interrupt, self._kill, self._waiting)
        try:
            self._begin(settings.timeout)
        except BaseException:
            self.close()
            raise

    def _begin(self, timeout: float | None) -> None:
        version, comment, packet, lower, database = (
            text or ""
            for text in self.texts(
                "SELECT VERSION(), @@version_comment, @@max_allowed_packet, @@lower_case_table_names, DATABASE()"
            )[0]
        )
        if refusal := too_old(version, comment):
            raise SourceError(f"{self.place}: {visible(refusal)}", "upgrade the server, or audit a copy on a newer one")
        known = frozenset((name or "").lower() for name, _value in self.texts("SHOW SESSION VARIABLES"))
        self.facts = ServerFacts(version, comment, known, int(packet), database, lower != "0")
        self.run("SET NAMES utf8mb4")
        self.set(**_SETTINGS, **_timeouts(timeout))
        self.run(sql_text("scan/mysql/session.sql"))
        self.run(sql_text("scan/mysql/begin.sql"))
        with suppress(SourceError):
            grants = tuple(str(row[0]) for row in self.texts("SHOW GRANTS"))
            self.facts = ServerFacts(version, comment, known, int(packet), database, lower != "0", grants)

    def set(self, **values: str) -> None:
        """Set those of these session variables that the server knows."""
        pairs = [f"SESSION {name} = {value}" for name, value in values.items() if name in self.facts.settings]
        for pair in pairs:
            self.run(f"SET {pair}")

    # ---- statements

    def run(self, statement: str) -> None:
        """Run a statement without rows."""
        self.rows(statement)

    def rows(self, statement: str) -> list[Raw]:
        """Return all rows of a statement, values as bytes."""
        with self._statement():
            cursor = self._connection.cursor(Cursor)
            cursor.execute(statement)
            return list(cursor.fetchall())

    def described(self, statement: str) -> tuple[list[tuple[str, int]], list[Raw]]:
        """Return the columns of a statement, their names and the protocol's numbers of their types, and its rows."""
        with self._statement():
            cursor = self._connection.cursor(Cursor)
            cursor.execute(statement)
            return [(str(column[0]), int(column[1])) for column in cursor.description or ()], list(cursor.fetchall())

    def texts(self, statement: str) -> list[tuple[str | None, ...]]:
        """Return all rows of a statement about names and other texts."""
        return [
            tuple(None if value is None else value.decode("utf-8", "replace") for value in row)
            for row in self.rows(statement)
        ]

    def stream(self, statement: str) -> Iterator[Raw]:
        """Yield rows as they come; nothing else can be asked until the last was read or the iterator is closed."""
        finished = False
        cursor = None
        try:
            with self._statement():
                self._streaming = True
                cursor = self._connection.cursor(SSCursor)
                cursor.execute(statement)
                while rows := cursor.fetchmany(_FETCH):
                    yield from rows
            finished = True
        finally:
            if not finished and cursor is not None:
                self._abandon(cursor)
            self._streaming = False

    @contextmanager
    def _statement(self) -> Iterator[None]:
        if self._gone is not None:
            raise self._gone
        if self._streaming:
            raise RuntimeError("a stream of this session is still being read")
        try:
            with self._watch.running():
                yield
        except _FAILURES as error:
            self._complain(error)
        except Cancelled:
            # PyMySQL waits in Python: the signal ends the wait before the watch could end the statement.
            self._end()
            raise

    def _end(self) -> None:
        """End the session on the server, whatever it does: no statement is left, nor begins after this."""
        self._gone = SourceError(f"{self.place}: the run was interrupted", "run it again")
        self._kill_session()
        self._drop()

    def _kill_session(self) -> None:
        with suppress(*_FAILURES, SourceError):
            self._kill("CONNECTION")

    def _complain(self, error: BaseException) -> None:
        try:
            self._watch.check()
        except SourceError as gave_way:
            # The locks that others wait for end with the transaction.
            self._gone = gave_way
            self._kill_session()
            self._drop()
            raise
        explained = mysql_errors.explain(error, self.place, self.reading)
        if mysql_errors.is_lost(error):
            self._gone = explained
            # Only the connection may be gone: the server would not notice, and go on with the statement for hours.
            self._kill_session()
        raise explained from error

    def _drop(self) -> None:
        self._forget_stream()
        sock = getattr(self._connection, "_sock", None)
        if sock is not None:
            # PyMySQL reads through a file of its own, which keeps a socket that is only closed.
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()

    def _forget_stream(self) -> None:
        if result := getattr(self._connection, "_result", None):
            result.unbuffered_active = False  # PyMySQL would read the rest of it when it is collected

    def _abandon(self, cursor: SSCursor) -> None:
        """End a stream that nobody reads any more, on the server too."""
        if self._gone is not None or not self._connection.open:
            return
        try:
            if getattr(cursor, "_result", None) is not None and cursor._result.unbuffered_active:  # type: ignore[attr-defined]  # PyMySQL has no public word for it
                self._kill()
            cursor.close()
        except pymysql.err.MySQLError as error:
            if mysql_errors.is_lost(error):
                self._gone = mysql_errors.explain(error, self.place, self.reading)

    # ---- the second connection: used by the watch's thread, and by nobody while a statement runs

    def _monitoring(self) -> Driver:
        if self._monitor is None or not self._monitor.open:
            self._monitor = connect(self._login)
        return self._monitor

    def _kill(self, what: str = "QUERY") -> None:
        """End the running statement on the server; where that cannot be said to it, end the connection."""
        try:
            with self._monitor_lock, self._monitoring().cursor() as cursor:
                cursor.execute(f"KILL {what} {self._id}")
        except (pymysql.err.MySQLError, SourceError) as error:
            if mysql_errors.code_of(error) != 1094:
                self._monitor = None
                sock = getattr(self._connection, "_sock", None)
                if sock is not None:
                    sock.shutdown(socket.SHUT_RDWR)

    def _waiting(self) -> str | None:
        """Say which session waits for a lock on a table that this audit holds open, and has waited for a second."""
        if not self.watched:
            return None
        with self._monitor_lock, self._monitoring().cursor() as cursor:
            cursor.execute(sql_text("scan/mysql/waiting.sql"))
            for number, user, statement in cursor.fetchall():
                if int(number) == self._id:  # the audit itself waits for a lock
                    continue
                said = statement.decode("utf-8", "replace").casefold()
                for table in self.watched:
                    if table.casefold() in said:
                        return f"session {int(number)} ({visible(user.decode())}) waits for a lock on {visible(table)}"
        return None

    def close(self) -> None:
        """End the watch, the snapshot and both connections."""
        self._watch.close()
        self._forget_stream()
        for connection in (self._monitor, self._connection):
            if connection is not None and connection.open:
                with suppress(Exception):
                    connection.close()


def connect(login: Login) -> Driver:
    """Open one connection; raises SourceError where that cannot be."""
    try:
        return connect_raw(login)
    except _FAILURES as error:
        raise mysql_errors.explain_login(error, login.place, login.timeout, tls=_wants_tls(login)) from error


def connect_raw(login: Login, **changed: Any) -> Driver:
    """Open one connection, with some of PyMySQL's parameters changed; raises what PyMySQL raises."""
    tls = _wants_tls(login)
    parameters: dict[str, Any] = {
        "host": login.host,
        "port": login.port,
        "user": login.user,
        "password": login.password.encode("utf-8", "surrogateescape"),
        "database": login.database,
        "unix_socket": login.socket,
        "charset": "utf8mb4",
        "use_unicode": False,
        "conv": {},
        "connect_timeout": login.timeout,
        "read_timeout": login.timeout,
        "write_timeout": login.timeout,
        "program_name": "dedupaudit",
        "autocommit": None,
        "local_infile": False,
        # Not left to PyMySQL: its older versions go on without TLS where the server has none.
        "ssl": _tls_context(login) if tls else None,
        "ssl_disabled": not tls,
        "defer_connect": True,
    }
    connection = _Connection(**(parameters | changed))
    connection.tls = "required" if tls and login.ssl_mode != "PREFERRED" else "preferred" if tls else "no"
    connection.connect()
    # Only the login is answered at once: a statement takes as long as it takes.
    connection._read_timeout = connection._write_timeout = None
    return connection


def _wants_tls(login: Login) -> bool:
    return login.ssl_mode != "DISABLED" and not login.socket


class _Connection(Driver):
    """Says before the password is sent whether TLS is there, whatever the version of PyMySQL."""

    tls = "no"
    # PyMySQL sets these; the stubs do not know them.
    server_capabilities: int
    _read_timeout: float | None
    _write_timeout: float | None

    def _request_authentication(self) -> None:
        offered = bool(self.server_capabilities & pymysql.constants.CLIENT.SSL)
        if self.tls == "required" and not offered:
            raise pymysql.err.OperationalError(2026, "SSL is required but the server doesn't support it")
        if self.tls == "preferred" and not offered:
            self.ssl = False
            self.client_flag &= ~pymysql.constants.CLIENT.SSL
        super()._request_authentication()  # type: ignore[misc]  # the stubs leave out what is private


def _tls_context(login: Login) -> ssl.SSLContext:
    verify = login.ssl_mode in ("VERIFY_CA", "VERIFY_IDENTITY")
    files = login.ssl_files
    try:
        if verify:
            context = ssl.create_default_context(cafile=files.get("ssl_ca"))
        else:
            # Without the system's authorities, which take 30 ms to read and are asked about nothing.
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = login.ssl_mode == "VERIFY_IDENTITY"
        context.verify_mode = ssl.CERT_REQUIRED if verify else ssl.CERT_NONE
        context.verify_flags &= ~getattr(ssl, "VERIFY_X509_STRICT", 0)
        if "ssl_cert" in files:
            context.load_cert_chain(files["ssl_cert"], files.get("ssl_key"), files.get("ssl_key_password"))
    except OSError as error:
        raise UsageError(
            f"cannot use the certificates that the database URL names: {visible(error.strerror or str(error))}",
            "ssl_ca, ssl_cert and ssl_key are paths of PEM files",
        ) from None
    return context


def _timeouts(seconds: float | None) -> dict[str, str]:
    if seconds is None:
        return {}
    return {
        "max_statement_time": literal(f"{max(seconds, 0.001):.6f}").strip("'"),
        "max_execution_time": str(max(1, round(seconds * 1000))),
    }
