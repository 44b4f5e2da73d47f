"""Runs configured SELECTs on MySQL and MariaDB, takes a new snapshot, and says how far the server is behind."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pymysql
from pymysql.constants import ER, FIELD_TYPE

from dedupaudit.errors import SourceError, UsageError
from dedupaudit.sources.tables import mysql_errors
from dedupaudit.sources.tables.fence import MYSQL, SELECT_HINT, fence_select
from dedupaudit.sources.tables.mysql_session import Session
from dedupaudit.sources.tables.mysql_sql import more_than_reading
from dedupaudit.sources.tables.mysql_values import text_decoder
from dedupaudit.sources.tables.object_rows import BATCH
from dedupaudit.sources.tables.protocol import Value
from dedupaudit.sqlfiles import fill, sql_text

_INTEGERS = (FIELD_TYPE.TINY, FIELD_TYPE.SHORT, FIELD_TYPE.INT24, FIELD_TYPE.LONG, FIELD_TYPE.LONGLONG, FIELD_TYPE.YEAR)
_REALS = (FIELD_TYPE.FLOAT, FIELD_TYPE.DOUBLE)
# Strings of characters and of bytes; what else there is are numbers and times, in ASCII.
_STRINGS = (
    FIELD_TYPE.STRING,
    FIELD_TYPE.VAR_STRING,
    FIELD_TYPE.VARCHAR,
    FIELD_TYPE.TINY_BLOB,
    FIELD_TYPE.BLOB,
    FIELD_TYPE.MEDIUM_BLOB,
    FIELD_TYPE.LONG_BLOB,
)
# What a mistake in a SELECT is not: no right to read, too slow, a table that was changed.
_NOT_ITS_FAULT = mysql_errors.TIMED_OUT | {1142, 1143, 1044, 1412}
_NO_RIGHT = {ER.SPECIFIC_ACCESS_DENIED_ERROR, ER.ACCESS_DENIED_ERROR, ER.TABLEACCESS_DENIED_ERROR}


def check_select(session: Session, select: str, where: str) -> None:
    """Raise UsageError unless SQL is one SELECT of one column that only reads; no row of it is read."""
    _fence(select, where)
    try:
        session.described(_filled(select, "*", "LIMIT 0"))
    except SourceError as error:
        cause = error.__cause__
        if not isinstance(cause, pymysql.err.MySQLError) or mysql_errors.is_lost(cause):
            raise
        if mysql_errors.code_of(cause) in _NOT_ITS_FAULT:
            raise
        raise UsageError(
            f"{where}: {session.facts.product} refuses the SELECT: {mysql_errors.text_of(cause)}", SELECT_HINT
        ) from None


def _fence(select: str, where: str) -> None:
    fence_select(select, where, MYSQL)
    if found := more_than_reading(select):
        raise UsageError(f"{where}: {found} does more than read", SELECT_HINT)


def _filled(select: str, columns: str, limit: str = "") -> str:
    return fill(sql_text("scan/mysql/selected.sql"), {"select": select, "columns": columns, "limit": limit})


def selected(session: Session, select: str, where: str) -> Iterator[list[Value]]:
    """Yield the values of a SELECT that `check_select` let pass."""
    _fence(select, where)
    [(_name, kind)], _rows = session.described(_filled(select, "*", "LIMIT 0"))
    whole, decode = "CAST(`value` AS BINARY)", _decoder(session, kind, select)
    if decode is not bytes and kind in _STRINGS:
        whole = "CAST(CONVERT(`value` USING utf8mb4) AS BINARY)"
    elif kind in _REALS:
        whole = "(`value` + 0e0)"
    batch: list[Value] = []
    for (raw,) in session.stream(_filled(select, whole)):
        batch.append(None if raw is None else decode(raw))
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _decoder(session: Session, kind: int, select: str) -> Callable[[bytes], Value]:
    if kind in _INTEGERS:
        return int
    if kind in _REALS:
        return float
    if kind in (FIELD_TYPE.BIT, FIELD_TYPE.GEOMETRY):
        return bytes
    # Of no row at all, an aggregate is NULL in the type of its column.
    asked = _filled(select, "CHARSET(MAX(`value`))", "WHERE FALSE")
    if kind in _STRINGS and session.texts(asked)[0][0] == "binary":
        return bytes
    return text_decoder("utf8mb4")


def renew(session: Session) -> None:
    """End the snapshot and take a new one, as the session began."""
    session.run("COMMIT")
    session.run(sql_text("scan/mysql/session.sql"))
    session.run(sql_text("scan/mysql/begin.sql"))


def lag(session: Session) -> float | None:
    """Return how many seconds the server may be behind its source, as `TableSource.lag` does."""
    for statement in ("SHOW REPLICA STATUS", "SHOW SLAVE STATUS"):
        try:
            columns, rows = session.described(statement)
        except SourceError as error:
            code = mysql_errors.code_of(error.__cause__ or error)
            if code == ER.PARSE_ERROR:
                continue
            if code in _NO_RIGHT:
                break
            raise
        behind = [
            row[at]
            for row in rows
            for at, (name, _kind) in enumerate(columns)
            if name in ("Seconds_Behind_Source", "Seconds_Behind_Master")
        ]
        known = [float(value) for value in behind if value is not None]
        return None if len(known) < len(rows) else max(known, default=0.0)
    # A primary takes writes; a server that takes none may be behind one.
    return 0.0 if session.rows("SELECT @@global.read_only")[0][0] == b"0" else None
