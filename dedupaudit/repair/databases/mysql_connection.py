"""The one MySQL or MariaDB connection that writes: how it is opened, what it refuses, and what its failures mean."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import NoReturn

import pymysql
from pymysql.cursors import Cursor

from dedupaudit.config import DatabaseSettings
from dedupaudit.display import visible
from dedupaudit.errors import AuditError, Refused, SourceError
from dedupaudit.repair.databases.mysql_blockers import MysqlBlockers
from dedupaudit.repair.errors import KEPT, Busy, Violation
from dedupaudit.sources.tables import mysql_errors
from dedupaudit.sources.tables.mysql_facts import ServerFacts, too_old
from dedupaudit.sources.tables.mysql_options import read_login
from dedupaudit.sources.tables.mysql_session import Driver, Raw, connect
from dedupaudit.sqlfiles import sql_text

_FAILURES = (pymysql.err.MySQLError, OSError, struct.error, IndexError, AssertionError, ValueError, RuntimeError)
_MODES = "ANSI_QUOTES,NO_ENGINE_SUBSTITUTION,NO_AUTO_VALUE_ON_ZERO,STRICT_ALL_TABLES,ALLOW_INVALID_DATES"
_DAY = "86400"

# Session variables, for those servers that have them. What the row's hash depends on is as in an audit's session.
_SETTINGS = {
    # Strict: a value that does not fit is an error. Zero and invalid dates that are stored can be given back.
    "sql_mode": f"'{_MODES},NO_BACKSLASH_ESCAPES'",
    "time_zone": "'+00:00'",
    "autocommit": "1",
    "completion_type": "0",
    "foreign_key_checks": "1",
    "unique_checks": "1",
    "check_constraint_checks": "1",
    "sql_safe_updates": "0",
    "sql_auto_is_null": "0",
    "sql_big_selects": "1",
    "sql_select_limit": "18446744073709551615",
    # A digest is made of 64 bytes a row: what is longer would be cut, with a warning only.
    "group_concat_max_len": "67108864",
    "lock_wait_timeout": "2",
    "innodb_lock_wait_timeout": "2",
    "wait_timeout": _DAY,
    "net_read_timeout": _DAY,
    "net_write_timeout": _DAY,
    "idle_transaction_timeout": "0",
    "idle_write_transaction_timeout": "0",
}
# What is done without where the role may not set it.
_WISHES = {
    "innodb_strict_mode": "1",
    "information_schema_stats_expiry": "0",
    # A thousand keys are a thousand ranges of the primary key: no join with a temporary table, no pass over the table.
    "in_predicate_conversion_threshold": "0",
    "range_optimizer_max_mem_size": "0",
    "optimizer_max_sel_arg_weight": "0",
    "eq_range_index_dive_limit": "0",
}
_READ_ONLY = ("read_only", "super_read_only", "innodb_read_only")

_BUSY = {
    1205: "another session holds a lock that it needs, for longer than 2 s",
    1213: "it and another session waited for each other (a deadlock), and the server chose this one to give way",
    1020: "another session changed the same rows at the same time",
    1412: "another session changed the table's definition at the same time",
    3101: "another member of the group changed the same rows at the same time",
    3572: "another session holds a lock that it needs",
}
_VIOLATIONS = frozenset({
    1048, 1062, 1169, 1216, 1217, 1264, 1265, 1292, 1364, 1366, 1406, 1442, 1451, 1452, 1557, 1586, 1644, 1690, 1761,
    1762, 3140, 3819, 4025,
})  # fmt: skip
DENIED = frozenset({1044, 1142, 1143, 1227, 1370, 1419})
# By number: what it means to one who writes, and what to do.
_TAKES_NO_WRITES = frozenset({1290, 1792, 1836, 3100})
_FULL = ("the server's disk, or what it gives a table, is full", "free space there: what was begun is rolled back")
_WRITING = {
    3: _FULL,
    1021: _FULL,
    1041: ("the server is out of memory", "run again when it has more"),
    1114: _FULL,
    1153: ("a statement is larger than max_allowed_packet", "raise it on the server, or repair fewer groups at a time"),
    1197: ("the transaction is larger than max_binlog_cache_size", "raise it, or repair fewer groups at a time"),
    1206: ("the server has no memory for more locks", "give it a larger buffer pool, or repair fewer groups at a time"),
    1317: ("its statement was cancelled on the server (KILL)", "run the same command again"),
    1054: ("the table was changed since it was looked at", "make a new plan"),
    1146: ("the table is gone, or was renamed, since it was looked at", "make a new plan"),
    1665: ("the binary log takes no changes at READ COMMITTED", "set binlog_format to ROW or MIXED"),
}
_SOME_NUMBER = re.compile(rb"\D(\d+)")


class Denied(Refused):
    """A privilege is missing."""


class Connection:
    """A session that may write. Statements raise Busy, Violation, Refused or SourceError; it is never made anew."""

    def __init__(self, settings: DatabaseSettings) -> None:
        self._login = read_login(settings.url)
        self.place = self._login.place
        self._gone: SourceError | None = None
        self._inside = False
        self._connection = connect(self._login)
        self.number = int(self._connection.thread_id())  # type: ignore[no-untyped-call]  # the stubs say nothing of it
        # Which product it is decides how one is asked who blocks: it is known when the session has begun.
        self._blockers: MysqlBlockers | None = None
        try:
            self._begin(settings.timeout)
        except BaseException:
            self.close()
            raise

    def _begin(self, timeout: float | None) -> None:
        self.variables = {
            (name or "").lower(): value or ""
            for name, value in self.texts("SHOW SESSION VARIABLES")  # before the settings: values are those of others
        }
        [(version, comment, database, user)] = self.texts(
            "SELECT VERSION(), @@version_comment, DATABASE(), CURRENT_USER()"
        )
        if refusal := too_old(version or "", comment or ""):
            raise Refused(f"{self.place}: {visible(refusal)}", "upgrade the server")
        for name in _READ_ONLY:
            value = self.variables.get(name, "OFF")
            if value.upper() not in ("OFF", "0", ""):
                raise Refused(
                    f"{self.place}: the server takes no writes ({name} is {visible(value)})",
                    "is it a replica? name the primary in the URL",
                )
        packet, lower = self.variables["max_allowed_packet"], self.variables["lower_case_table_names"]
        known = frozenset(self.variables)
        self.facts = ServerFacts(version or "", comment or "", known, int(packet), database or "", lower != "0")
        self.user = user or ""
        self.run("SET NAMES utf8mb4")
        settings = _SETTINGS | _limits(timeout)
        for name, value in (settings | _WISHES).items():
            if name in known:
                with suppress(*([] if name in settings else [Denied])):
                    self.run(f"SET SESSION {name} = {value}")
        self.run(sql_text("repair/mysql/session.sql"))
        with suppress(AuditError):
            grants = tuple(str(row[0]) for row in self.texts("SHOW GRANTS"))
            self.facts = ServerFacts(
                version or "", comment or "", known, int(packet), database or "", lower != "0", grants
            )
        self._blockers = MysqlBlockers(lambda: connect(self._login), self.number, self.facts.product)

    # ---- statements

    def run(self, statement: str) -> int:
        """Run a statement; return how many rows it changed, of UPDATE how many it found, changed or not."""
        cursor = self._cursor(statement)
        result = getattr(cursor, "_result", None)
        found = _SOME_NUMBER.search(getattr(result, "message", None) or b"")
        # "Rows matched: 3  Changed: 1  Warnings: 0", in whatever language: PyMySQL's count is of the changed ones.
        if found and statement.lstrip()[:6].upper() == "UPDATE":
            return int(found[1])
        return int(cursor.rowcount)

    def rows(self, statement: str) -> list[Raw]:
        """Return all rows of a statement, values as bytes."""
        return list(self._cursor(statement).fetchall())

    def texts(self, statement: str) -> list[tuple[str | None, ...]]:
        """Return all rows of a statement about names and other texts."""
        return [
            tuple(None if value is None else value.decode("utf-8", "replace") for value in row)
            for row in self.rows(statement)
        ]

    def allows(self, statement: str) -> bool:
        """Say whether the role may do what a statement does: asked by EXPLAIN, which wants the same privileges."""
        try:
            self.run(f"EXPLAIN {statement}")
        except Denied:
            return False
        return True

    @contextmanager
    def backslashes(self) -> Iterator[None]:
        """While inside, a backslash in a literal escapes: information_schema writes the members of an ENUM so."""
        self.run(f"SET SESSION sql_mode = '{_MODES}'")
        try:
            yield
        finally:
            self.run(f"SET SESSION sql_mode = {_SETTINGS['sql_mode']}")

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit what is done inside, or roll all of it back."""
        if self._inside:
            raise RuntimeError("a transaction is open already")
        self.run("START TRANSACTION")
        self._inside = True
        try:
            yield
            self.run("COMMIT")
        except BaseException:
            # A lock timeout rolls back one statement only. What cannot be asked any more the server rolls back itself.
            if self._gone is None:
                with suppress(AuditError):
                    self.run("ROLLBACK")
            raise
        finally:
            self._inside = False

    def cancel(self) -> None:
        """End the running statement on the server, from another thread and another connection; the session goes on."""
        other = connect(self._login)
        try:
            with other.cursor() as cursor:
                cursor.execute(f"KILL QUERY {self.number}")
        finally:
            other.close()

    def _cursor(self, statement: str) -> Cursor:
        if self._gone is not None:
            raise self._gone
        try:
            cursor = self._connection.cursor(Cursor)
            if self._blockers is None:
                cursor.execute(statement)
            else:
                with self._blockers.watching():
                    cursor.execute(statement)
            return cursor
        except _FAILURES as error:
            self._complain(error)
        except BaseException:
            # In the middle of an answer: nothing can be asked any more, and nothing of it may be committed.
            self._end(SourceError(f"{self.place}: the run was interrupted", "run the same command again: it goes on"))
            raise

    def _complain(self, error: BaseException) -> NoReturn:
        code = mysql_errors.code_of(error)
        if mysql_errors.is_lost(error):
            lost = SourceError(
                f"{self.place}: the connection to the server was lost",
                "run the same command again: it goes on where the database says it is",
            )
            self._end(lost)
            raise lost from error
        said = mysql_errors.text_of(error)
        if code in _BUSY:
            by = self._blockers.seen if self._blockers is not None and code not in (1213, 1020) else ""
            raise Busy(f"{self.place}: {_BUSY[code]}", "try again", by) from error
        if code in _VIOLATIONS:
            raise Violation(f"{self.place}: the server refuses the change: {said}", KEPT) from error
        if code in DENIED:
            raise Denied(f"{self.place}: the role may not do it: {said}", "GRANT it what the message names") from error
        if code in _TAKES_NO_WRITES:
            raise Refused(f"{self.place}: the server takes no writes: {said}", "name the primary in the URL") from error
        if code == 1030 and re.search(r"\b28\b", said):
            code = 1021
        if code in _WRITING:
            message, hint = _WRITING[code]
            raise SourceError(f"{self.place}: {message}", hint) from error
        raise mysql_errors.explain(error, self.place) from error

    def _end(self, why: SourceError) -> None:
        """End the session, on the server too: it might not notice, and go on with a statement."""
        self._gone = why
        with suppress(*_FAILURES, SourceError):
            other = connect(self._login)
            with suppress(*_FAILURES), other.cursor() as cursor:
                cursor.execute(f"KILL CONNECTION {self.number}")
            other.close()
        self._drop()

    def _drop(self) -> None:
        # Not close(), which says goodbye first, and may wait for that.
        connection: Driver = self._connection
        with suppress(*_FAILURES):
            connection._force_close()  # type: ignore[attr-defined]  # the stubs leave out what is private

    def close(self) -> None:
        """End the session; its locks end with it, and what is not committed is rolled back."""
        if self._blockers is not None:
            self._blockers.close()
        if self._connection.open:
            with suppress(*_FAILURES):
                self._connection.close()


def _limits(seconds: float | None) -> dict[str, str]:
    if seconds is None:
        return {}
    return {
        "max_statement_time": f"{max(seconds, 0.001):.6f}",
        "max_execution_time": str(max(1, round(seconds * 1000))),
    }
