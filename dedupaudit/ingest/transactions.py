"""One transaction for one piece of work, tried again where the database asks for it. All work here can be repeated."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar

from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from dedupaudit.ingest.errors import Unavailable
from dedupaudit.ingest.violations import is_again

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

T = TypeVar("T")

ATTEMPTS: Final = 10
PATIENCE: Final = 30.0
"""Seconds after which no other attempt is begun: the client has given up by then."""

_FIRST_PAUSE, _LONGEST_PAUSE = 0.01, 1.0
_BUSY_MILLISECONDS = 5000
_LEVEL = "READ COMMITTED"
_SET_LEVEL = "SET TRANSACTION ISOLATION LEVEL READ COMMITTED"
_STRICT = ("STRICT_TRANS_TABLES", "STRICT_ALL_TABLES", "TRADITIONAL")
_KNOWN = "dedupaudit.ingest"
_PSYCOPG2_READY = 1  # extensions.STATUS_READY: in no transaction


def in_transaction(
    engine: Engine, work: Callable[[Connection], T], *, attempts: int = ATTEMPTS, one_insert: bool = False
) -> T:
    """Do the work in a transaction at READ COMMITTED (SQLite: BEGIN IMMEDIATE), commit, and return what it returned.

    `one_insert`: the work is one INSERT and reads nothing, so that it is a transaction by itself, and the same at every
    isolation level: that spares PostgreSQL two round trips, and MySQL, which begins at REPEATABLE READ, one.

    After a deadlock, a lock timeout, a serialization failure or a lost connection (in COMMIT too, when nobody knows
    whether it was done) it is done again, with a new transaction, after a short pause. Raises Unavailable when that
    did not help, and the driver's error (a DBAPIError) for anything else; then nothing was written.
    """
    deadline = time.monotonic() + PATIENCE
    for attempt in range(1, attempts + 1):
        try:
            return _once(engine, work, one_insert)
        except PoolTimeout as error:
            raise _unavailable(error) from error
        except _Unreachable as error:
            failure: BaseException = error.error
        except DBAPIError as error:
            # A traceback in a log would show what was typed and seen.
            error.hide_parameters = True
            if not is_again(error):
                raise
            failure = error
        if attempt == attempts or time.monotonic() > deadline:
            raise _unavailable(failure) from failure
        pause = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2 ** (attempt - 1))
        time.sleep(pause * random.uniform(0.5, 1))  # noqa: S311 (no secret)
    raise ValueError("at least one attempt")


class _Unreachable(Exception):
    """Nothing was begun."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error


def _once(engine: Engine, work: Callable[[Connection], T], one_insert: bool) -> T:
    try:
        connection = engine.connect()
    except DBAPIError as error:
        # Refused, not yet up, too many connections: drivers have no code for most of it.
        raise _Unreachable(error) from error
    with connection:
        try:
            return _in_connection(connection, work, one_insert)
        except BaseException:
            # Where COMMIT itself failed (SQLite: a reader holds the file), SQLAlchemy would hand the connection back
            # to its pool with the transaction open.
            with suppress(SQLAlchemyError):
                connection.rollback()
            raise


def _in_connection(connection: Connection, work: Callable[[Connection], T], one_insert: bool) -> T:
    if connection.dialect.name == "sqlite":
        _begin_sqlite(connection)
        done = work(connection)
        connection.commit()
        return done
    # SQLAlchemy does not wrap what is asked beside its statements, and there a server that restarted is met first.
    bare_error = connection.dialect.loaded_dbapi.Error
    session, begun = None, False
    try:
        session = _session(connection, one_insert)
        session.begin(connection)
        begun = True
        done = work(connection)
        connection.commit()
    except BaseException as error:
        # Before the session is as it was: MySQL commits what is open when autocommit is turned on.
        _undo(connection)
        if not begun and isinstance(error, bare_error):
            connection.invalidate()
            raise _Unreachable(error) from error
        raise
    finally:
        if session is not None:
            try:
                session.end(connection)
            except BaseException as error:
                connection.invalidate()
                # Where it is gone, the work is done or not all the same.
                if not isinstance(error, (bare_error, SQLAlchemyError)):
                    raise
    return done


def _undo(connection: Connection) -> None:
    try:
        connection.rollback()
    except SQLAlchemyError:
        connection.invalidate()


@dataclass(frozen=True)
class _Session:
    """What a transaction has to change in a session, and to put back: nobody else's is changed."""

    raw: Any
    autocommit: bool
    wanted: bool
    """One INSERT is a transaction by itself: PostgreSQL is asked once, and not for BEGIN and COMMIT."""
    set_level: bool
    mode: str | None
    """The sql_mode, where that is not strict."""

    def begin(self, connection: Connection) -> None:
        if self.wanted != self.autocommit:
            _set_autocommit(self.raw, self.wanted)
        if self.set_level:
            connection.exec_driver_sql(_SET_LEVEL)
        if self.mode is not None:
            # Without it a text that is too long would be cut, and two IDs become one.
            connection.exec_driver_sql("SET SESSION sql_mode = concat(@@sql_mode, ',STRICT_ALL_TABLES')")

    def end(self, connection: Connection) -> None:
        if connection.invalidated:
            return
        if self.mode is not None:
            connection.exec_driver_sql("SET SESSION sql_mode = %s", (self.mode,))
        if self.wanted != self.autocommit:
            _set_autocommit(self.raw, self.autocommit)


def _begin_sqlite(connection: Connection) -> None:
    """Take the write lock at once: a transaction that reads first and writes later can only fail when others wrote."""
    if _KNOWN not in connection.info:
        if connection.exec_driver_sql("PRAGMA busy_timeout").scalar() == 0:
            connection.exec_driver_sql(f"PRAGMA busy_timeout = {_BUSY_MILLISECONDS}")
        connection.info[_KNOWN] = True
    if not connection.in_transaction():
        connection.begin()
    raw = connection.connection.dbapi_connection
    # The application may have told SQLAlchemy to say BEGIN by itself.
    if not getattr(raw, "in_transaction", False):
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def _session(connection: Connection, one_insert: bool) -> _Session:
    known = connection.info.get(_KNOWN)
    if known is None:
        known = connection.info[_KNOWN] = _look(connection)
    level, mode = known
    raw: Any = connection.connection.dbapi_connection
    # Each time: engines of one pool may differ in it.
    autocommit = _autocommits(raw)
    wanted = False
    if one_insert:
        wanted = autocommit or (connection.dialect.driver == "psycopg2" and raw.status == _PSYCOPG2_READY)
    return _Session(raw, autocommit, wanted, level != _LEVEL and not one_insert, mode)


def _look(connection: Connection) -> tuple[str, str | None]:
    """Ask once a connection: its isolation level, and its sql_mode where that is not strict."""
    level = str(connection.get_isolation_level())
    mode = None
    if connection.dialect.name != "postgresql":
        found = str(connection.exec_driver_sql("SELECT @@SESSION.sql_mode").scalar())
        mode = None if any(word in found for word in _STRICT) else found
    # What follows is the transaction's first statement; SQLAlchemy does not know of the first question.
    connection.rollback()
    raw = connection.connection.dbapi_connection
    if raw is not None:
        raw.rollback()
    return level, mode


def _autocommits(raw: Any) -> bool:
    found = getattr(raw, "get_autocommit", None) or getattr(raw, "autocommit", False)
    return (found() if callable(found) else found) is True


def _set_autocommit(raw: Any, on: bool) -> None:
    if callable(raw.autocommit):
        raw.autocommit(on)
    else:
        raw.autocommit = on


def _unavailable(error: BaseException) -> Unavailable:
    from dedupaudit.display import visible
    from dedupaudit.redact import scrub

    cause = getattr(error, "orig", None) or error
    said = scrub(str(cause.args[-1] if cause.args else cause)).strip().splitlines()
    return Unavailable(
        f"the database could not be written: {visible(said[0] if said else type(cause).__name__, 200)}",
        "whether the event is stored is open: send it again, which is safe",
    )
