"""The one PostgreSQL connection that writes: how it is opened, what it refuses, and what its failures mean."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from io import BytesIO
from typing import NamedTuple

import psycopg2
from psycopg2 import extensions

from dedupaudit.config import DatabaseSettings
from dedupaudit.display import visible
from dedupaudit.errors import AuditError, Refused, SourceError, StatementStopped
from dedupaudit.redact import scrub
from dedupaudit.repair.databases.postgresql_blockers import PostgresqlBlockers
from dedupaudit.repair.errors import KEPT, Busy, Violation
from dedupaudit.sources.tables.postgresql_errors import explain, first_line, is_lost, too_old
from dedupaudit.sources.tables.postgresql_session import (
    SETTINGS,
    Row,
    connect,
    put_built_ins_first,
    receive_values,
    shown_place,
)
from dedupaudit.sources.tables.postgresql_sql import literal
from dedupaudit.sources.tables.postgresql_url import connection_parameters
from dedupaudit.sqlfiles import sql_text
from dedupaudit.units import show_duration

_SETTINGS = {
    **SETTINGS,
    "default_transaction_read_only": "off",
    "default_transaction_isolation": "read committed",
    "default_transaction_deferrable": "off",
    "lock_timeout": "2s",
    # A thousand keys of a table that is not large are found by the index too: what is read is what is changed.
    "random_page_cost": "1.1",
}
# Waited for somebody: nothing is wrong with what was asked.
_BUSY = {
    "55P03": "another session holds a lock that it needs, for longer than 2 s",
    "40P01": "it and another session waited for each other (a deadlock), and PostgreSQL chose this one to give way",
    "40001": "another session changed the same rows at the same time",
}
# By SQLSTATE: what it means to one who writes, what to do.
_WRITING = {
    "42501": (
        "the role may not do it",
        "name the repairer's or the migrator's login: docs/repair.md and docs/migrate.md have their GRANTs",
    ),
    "25006": ("the server takes no writes (any more)", "is it a standby now? name the primary in the URL"),
    "53100": ("the server's disk is full", "free space there: what was begun is rolled back; run again"),
    "53200": ("the server is out of memory or of locks", "repair fewer groups at a time"),
    "53400": ("a limit of the server is reached", "see its log; raise the limit, or repair fewer groups at a time"),
    "55000": (
        "the table cannot be changed as it is",
        "a published table needs a REPLICA IDENTITY: ALTER TABLE … REPLICA IDENTITY FULL, or give it a primary key",
    ),
}


# What COPY's text format reads as something else.
_NULL = r"\N"
_NONE = str(None)
_ESCAPED = str.maketrans({"\\": r"\\", "\t": r"\t", "\n": r"\n", "\r": r"\r"})


class Refusal(NamedTuple):
    """What refused a change: SQLSTATE, the constraint's name or nothing, where it was raised, and words for people."""

    state: str
    constraint: str
    context: str
    message: str


class Connection:
    """A session that may write. Statements raise Busy, Violation or SourceError; it is never made anew."""

    def __init__(self, settings: DatabaseSettings) -> None:
        self._parameters = connection_parameters(settings.url)
        self.place = shown_place(settings.url)
        self.name = settings.name
        self._timeout = settings.timeout
        self._dead: AuditError | None = None
        self._status: str | None = None
        self.in_transaction = False
        """Whether `transaction()` is open."""
        self._connection = connect(self._parameters, self.place)
        self.version = self._connection.server_version
        self.pid = self._connection.info.backend_pid
        self.blockers = PostgresqlBlockers(lambda: connect(self._parameters, self.place), self.pid)
        try:
            self._prepare()
        except BaseException:
            self.close()
            raise

    def _prepare(self) -> None:
        refusal = too_old(self.version)
        if refusal:
            raise Refused(f"{self.place}: {refusal}", "upgrade the server")
        self._connection.autocommit = True
        receive_values(self._connection)
        self.pid, standby, read_only, role = self._facts()
        self.blockers.watched = self.pid
        if standby:
            raise Refused(
                f"{self.place}: the server is a standby, which takes no writes",
                "name the primary in the URL; with several hosts, add ?target_session_attrs=read-write",
            )
        if read_only:
            raise Refused(
                f"{self.place}: default_transaction_read_only is on, for this role, database or server: somebody wants"
                " no writes here",
                "where that is not meant for the repair, add"
                " ?options=-c%20default_transaction_read_only%3Doff to the URL",
            )
        if role != "origin":
            raise Refused(
                f"{self.place}: session_replication_role is {visible(role)}: foreign keys would not be checked",
                "connect without that setting",
            )
        self._set()

    def _facts(self) -> tuple[int, bool, bool, str]:
        pid, standby, read_only, role = self.rows(sql_text("repair/postgresql/opening.sql"))[0]
        return int(str(pid)), bool(standby), bool(read_only), str(role)

    def _set(self) -> None:
        settings = dict(_SETTINGS)
        settings["statement_timeout"] = str(max(1, round(self._timeout * 1000))) if self._timeout else "0"
        if self.version >= 140_000:
            settings["idle_session_timeout"] = "0"
        if self.version >= 170_000:
            settings["transaction_timeout"] = "0"
        self.rows("; ".join(f"SET {name} = {literal(value)}" for name, value in settings.items()))
        if self.version >= 140_000:
            # A server that notices a killed client ends its statement; some systems cannot notice.
            with suppress(SourceError):
                self.rows("SET client_connection_check_interval = '2s'")
        put_built_ins_first(self.rows)

    # ---- statements

    def rows(self, statement: str) -> list[Row]:
        """Run a statement and return its rows, which are held at once."""
        return self._run(statement)[0]

    def execute(self, statement: str) -> int:
        """Run a statement and return how many rows it changed."""
        return self._run(statement)[1]

    def copy(self, statement: str, rows: Sequence[Sequence[str | int | None]]) -> None:
        """Run a COPY FROM STDIN with these rows."""
        text = _copied(rows)
        try:
            with self.blockers.watching(), self._connection.cursor() as cursor:
                # As bytes, like every statement: the client's encoding may lack what is in a text.
                cursor.copy_expert(statement, BytesIO(text.encode("utf-8", "surrogateescape")))
            return
        except psycopg2.Error as error:
            explained = self._explained(error)
        raise explained

    def define(self, statement: str) -> None:
        """Run DDL; raises Refused where the server will not, in its own words."""
        try:
            self._ask(statement)
            return
        except psycopg2.Error as error:
            explained = self._explained(error)
            if (error.pgcode or "")[:2] in ("42", "53", "54", "0A") and not self._dead:
                said = visible(scrub(" ".join(first_line(error).split())), 300)
                hint = _WRITING.get(error.pgcode or "", ("", "make it by hand, or let a role do it that may"))[1]
                explained = Refused(f"database {visible(self.name)}: PostgreSQL refuses to make a table: {said}", hint)
        raise explained

    def tried(self, statement: str) -> Refusal | list[Row]:
        """Run a statement that a constraint may refuse; return its rows, or what refused it.

        In a transaction it must stand in a savepoint of its own: after a refusal nothing else is possible there.
        """
        try:
            return self._ask(statement)[0]
        except psycopg2.Error as error:
            explained = self._explained(error)
            if isinstance(explained, Violation):
                diag = error.diag
                return Refusal(error.pgcode or "", diag.constraint_name or "", diag.context or "", explained.message)
        raise explained

    def restore(self) -> None:
        """Give the session its own settings, after statements that wanted others; harmless where it is lost."""
        if not self._connection.closed and self._dead is None:
            self._set()

    def cancel(self) -> None:
        """End the running statement on the server; any thread may ask for this."""
        with suppress(psycopg2.Error):
            self._connection.cancel()

    def _run(self, statement: str) -> tuple[list[Row], int]:
        try:
            return self._ask(statement)
        except psycopg2.Error as error:
            explained = self._explained(error)
        # Raised here and not in the handler: the driver's error may repeat a row's values.
        raise explained

    def _ask(self, statement: str) -> tuple[list[Row], int]:
        if self._dead is not None:
            raise self._dead
        with self.blockers.watching(), self._connection.cursor() as cursor:
            # As bytes it goes through whatever the client's encoding is, and nothing in it is a placeholder.
            cursor.execute(statement.encode("utf-8", "surrogateescape"))
            self._status = cursor.statusmessage
            return (cursor.fetchall() if cursor.description else []), max(cursor.rowcount, 0)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Begin a transaction; commit at the end, roll back on any exception. Within one: a savepoint."""
        if self.in_transaction:
            with self._savepoint():
                yield
            return
        self.rows("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE NOT DEFERRABLE")
        self.in_transaction = True
        try:
            yield
            self.rows("COMMIT")
            if self._status != "COMMIT":
                # An error that somebody swallowed: the server rolls back then, and calls that no error.
                raise SourceError(
                    f"database {visible(self.name)}: PostgreSQL rolled the transaction back instead of committing it",
                    "run again with -v for the details",
                )
        except BaseException:
            self._roll_back()
            raise
        finally:
            self.in_transaction = False

    @contextmanager
    def _savepoint(self) -> Iterator[None]:
        self.rows("SAVEPOINT dedupaudit")
        try:
            yield
            self.rows("RELEASE SAVEPOINT dedupaudit")
        except BaseException:
            # What cannot go back to here goes back to the beginning: the transaction around it notices.
            with suppress(AuditError):
                # Going back to it keeps it: one further out of the same name would not be found.
                self.rows("ROLLBACK TO SAVEPOINT dedupaudit; RELEASE SAVEPOINT dedupaudit")
            raise

    def _roll_back(self) -> None:
        if self._connection.closed or self._dead is not None:
            return
        try:
            status = self._connection.get_transaction_status()
            if status == extensions.TRANSACTION_STATUS_ACTIVE:
                # A signal came while the statement ran: nothing can be said to the server before it has ended.
                self._connection.cancel()
            if status != extensions.TRANSACTION_STATUS_IDLE:
                with self._connection.cursor() as cursor:
                    cursor.execute(b"ROLLBACK")
        except psycopg2.Error:
            # A connection in an unknown state is ended: that rolls back too.
            self._connection.close()

    def _explained(self, error: psycopg2.Error) -> AuditError:
        about = f"database {visible(self.name)}"
        state, said = error.pgcode or "", visible(scrub(" ".join(first_line(error).split())), 300)
        if self._connection.closed or is_lost(error):
            self._dead = explain(error, about) if is_lost(error) else _lost(about, said)
            return self._dead
        blocker = self.blockers.seen
        stopped = state == "57014" and "statement timeout" in first_line(error)
        if state in _BUSY or (stopped and blocker):
            what = _BUSY.get(state, "the statement waited for another session until --timeout was over")
            held = f"; in the way: {blocker}" if blocker else ""
            return Busy(f"{about}: {what}{held} ({said})", "it is tried again; see who holds the lock", blocker)
        if stopped:
            return StatementStopped(
                f"{about}: a statement took longer than --timeout allows ({show_duration(self._timeout or 0)})",
                "allow more, repair fewer groups at a time, or see whether the foreign keys' columns have an index",
            )
        if _is_refusal(error, state):
            return Violation(f"{about}: PostgreSQL refuses the change: {said}", KEPT)
        if state in _WRITING and "row-level security" not in said:
            what, hint = _WRITING[state]
            return SourceError(f"{about}: {what} ({said})", hint)
        return explain(error, about)

    def close(self) -> None:
        """End the session, and with it its transaction and its locks."""
        self.blockers.close()
        with suppress(psycopg2.Error):
            if not self._connection.closed:
                if self._connection.get_transaction_status() == extensions.TRANSACTION_STATUS_ACTIVE:
                    self._connection.cancel()
                self._connection.close()


def _copied(rows: Sequence[Sequence[str | int | None]]) -> str:
    """Return rows as COPY's text format has them. Nearly all are plain, and a few looks at the whole say so."""
    text = "".join(["\t".join(map(str, row)) + "\n" for row in rows])
    nulls, tabs = sum([list(row).count(None) for row in rows]), sum([len(row) - 1 for row in rows])
    plain = text.count("\t") == tabs and text.count("\n") == len(rows) and text.count(_NONE) == nulls
    if plain and "\\" not in text and "\r" not in text:
        return text.replace(_NONE, _NULL)
    return "".join("\t".join(map(_escaped, row)) + "\n" for row in rows)


def _escaped(value: str | int | None) -> str:
    return _NULL if value is None else str(value).translate(_ESCAPED)


def _is_refusal(error: psycopg2.Error, state: str) -> bool:
    """Say whether a constraint or a trigger refused a change."""
    if state[:2] in ("23", "27", "44", "P0"):
        return True
    context = error.diag.context if error.diag else None
    # A trigger may raise any state, or fail in any way; its function is in the context then.
    return state[:2] not in ("53", "57", "58", "XX") and "function" in (context or "")


def _lost(about: str, said: str) -> SourceError:
    return SourceError(f"{about}: the connection to the server is lost ({said})", "see the server's log; run again")
