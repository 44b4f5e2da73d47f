"""What a driver's error means: a violated constraint, by code and name, or something that is worth another try."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from itertools import permutations
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from dedupaudit.ingest.tables import Described

Kind = Literal["unique", "foreign_key", "not_null", "check", "too_long", "partition", "encoding", "other"]


@dataclass(frozen=True)
class Refusal:
    """A value or a row that the database refused. `constraint`: its name, where the database tells it."""

    kind: Kind
    constraint: str | None = None

    def is_of_key(self, described: Described) -> bool:
        """Say whether it is the key's own unique constraint: a row of that key may be there."""
        return self.kind == "unique" and self.constraint in described.constraints


# https://www.postgresql.org/docs/current/errcodes-appendix.html
_PG: dict[str, Kind] = {
    "23505": "unique",
    "23503": "foreign_key",
    "23001": "foreign_key",
    "23502": "not_null",
    "23514": "check",
    "44000": "check",
    "22001": "too_long",
}
# Also what no other value of the same row would cure: invalid data, a row too large, a trigger's RAISE.
_PG_REFUSED = ("22", "23", "54", "P0001")

# https://dev.mysql.com/doc/mysql-errors/8.0/en/server-error-reference.html and MariaDB's list.
_MY: dict[int, Kind] = {
    1062: "unique",
    1169: "unique",
    1586: "unique",
    1216: "foreign_key",
    1452: "foreign_key",
    1048: "not_null",
    1364: "not_null",
    3819: "check",
    4025: "check",
    1369: "check",
    1406: "too_long",
    1526: "partition",
}
_MY_REFUSED = {1118, 1153, 1264, 1265, 1292, 1366, 1367, 1411, 1644, 1690, 3140, 3141, 3146, 3156, 3158, 4078}

_LITE: dict[int, Kind] = {
    sqlite3.SQLITE_CONSTRAINT_UNIQUE: "unique",
    sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY: "unique",
    sqlite3.SQLITE_CONSTRAINT_ROWID: "unique",
    sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY: "foreign_key",
    sqlite3.SQLITE_CONSTRAINT_NOTNULL: "not_null",
    sqlite3.SQLITE_CONSTRAINT_CHECK: "check",
    sqlite3.SQLITE_TOOBIG: "too_long",
    sqlite3.SQLITE_CONSTRAINT_TRIGGER: "other",
    sqlite3.SQLITE_CONSTRAINT | 12 << 8: "other",  # SQLITE_CONSTRAINT_DATATYPE, of STRICT tables
    sqlite3.SQLITE_MISMATCH: "other",
}
_LITE_UNIQUE = "UNIQUE constraint failed: "

# The server hangs up on a statement that is too large, and would on the next one.
_MY_PACKET = 1153
_PG_DEADLOCK, _MY_DEADLOCK = "40P01", 1213
# Serialization, lock timeout, and a server that goes down or comes up.
_PG_AGAIN = {_PG_DEADLOCK, "40001", "55P03", "57P01", "57P02", "57P03"}
# Lock timeout, changed since it was read, Galera and group replication; and a connection that is gone.
_MY_AGAIN = {_MY_DEADLOCK, 1205, 1020, 1047, 3101, 1053, 1927, 2006, 2013, 2014, 2055, 4031}
_LITE_AGAIN = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}


def violation_of(error: BaseException, described: Described) -> Refusal | None:
    """Return what was refused; None where the error is about something else (no permission, a lost connection)."""
    cause = _cause(error)
    if isinstance(cause, UnicodeEncodeError):
        return Refusal("encoding")  # by the driver, whose connection does not speak UTF-8
    if described.dialect == "postgresql":
        return _of_postgresql(cause)
    if described.dialect == "sqlite":
        return _of_sqlite(cause, described)
    return _of_mysql(cause, described)


def _of_postgresql(cause: BaseException) -> Refusal | None:
    code = _sqlstate(cause)
    if code in _PG:
        said = getattr(cause, "diag", None)
        constraint = getattr(said, "constraint_name", None)
        if _PG[code] == "check" and constraint is None and getattr(said, "table_name", None):
            return Refusal("partition")  # there is none for the row; a CHECK has a name, and a trigger's RAISE no table
        return Refusal(_PG[code], constraint)
    return Refusal("other") if code.startswith(_PG_REFUSED) else None


def _of_mysql(cause: BaseException, described: Described) -> Refusal | None:
    code = _number(cause)
    kind = _MY.get(code)
    if kind == "unique":
        return Refusal("unique", _last_key(str(cause.args[-1]), described))
    if kind:
        return Refusal(kind)
    return Refusal("other") if code in _MY_REFUSED else None


def _last_key(message: str, described: Described) -> str | None:
    """Return the key that a message ends with: the value before it is hostile, and may say the same of another key.

    `… for key 'PRIMARY'`; MySQL 8 says `… for key 'activities.PRIMARY'`. In some of the servers' languages words follow
    the key, but nothing in quotes.
    """
    message = message[: message.rfind("'") + 1].lower()
    for name in sorted((*described.constraints, *described.others), key=len, reverse=True):
        ends = (f"'{name}'".lower(), f"'{described.real_name}.{name}'".lower())
        if message.endswith(ends):
            return name
    return None


def _of_sqlite(cause: BaseException, described: Described) -> Refusal | None:
    code = getattr(cause, "sqlite_errorcode", 0)
    kind = _LITE.get(code)
    if kind != "unique":
        return Refusal(kind) if kind else None
    failed = str(cause).removeprefix(_LITE_UNIQUE).lower()
    for columns in permutations(described.table.key_columns):
        if described.constraints and failed == ", ".join(f"{described.real_name}.{name}" for name in columns).lower():
            return Refusal("unique", described.constraints[0])
    return Refusal("unique", failed)


def is_unique(error: BaseException) -> bool:
    """Say whether some unique key refused a row, whichever: for who has no description of the table."""
    cause = _cause(error)
    kinds = (_PG.get(_sqlstate(cause)), _MY.get(_number(cause)), _LITE.get(getattr(cause, "sqlite_errorcode", 0)))
    return "unique" in kinds


def is_deadlock(error: BaseException) -> bool:
    """Say whether a server ended the transaction because two waited for each other."""
    cause = _cause(error)
    return _sqlstate(cause) == _PG_DEADLOCK or _number(cause) == _MY_DEADLOCK


def is_again(error: BaseException) -> bool:
    """Say whether the same work may succeed in a new transaction, maybe on a new connection."""
    cause = _cause(error)
    if _number(cause) == _MY_PACKET:
        return False
    if getattr(error, "connection_invalidated", False):
        return True
    if isinstance(cause, sqlite3.Error):
        return getattr(cause, "sqlite_errorcode", 0) & 0xFF in _LITE_AGAIN
    code = _sqlstate(cause)
    return code in _PG_AGAIN or code.startswith("08") or _number(cause) in _MY_AGAIN


def _cause(error: BaseException) -> BaseException:
    """Return the driver's error that SQLAlchemy wraps."""
    wrapped = getattr(error, "orig", None)
    return wrapped if isinstance(wrapped, BaseException) else error


def _sqlstate(cause: BaseException) -> str:
    """Return PostgreSQL's code; psycopg2 and psycopg have their own name for it."""
    return str(getattr(cause, "pgcode", None) or getattr(cause, "sqlstate", None) or "")


def _number(cause: BaseException) -> int:
    code = cause.args[0] if cause.args else None
    return code if isinstance(code, int) else 0
