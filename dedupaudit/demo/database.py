"""Fills `app.db`: good rows and planted ones, merged by their time as they would have come in."""

from __future__ import annotations

import heapq
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

from dedupaudit.demo.background import Background
from dedupaudit.demo.paths import shown
from dedupaudit.demo.rows import CREATE, CREATE_INDEXES, ROW_TYPES, Row, TableName
from dedupaudit.demo.scene import Case
from dedupaudit.display import visible
from dedupaudit.errors import OutputError


def fill(path: Path, cases: Sequence[Case], background: Background) -> None:
    """Write the three tables into an empty file; rows are streamed, so memory stays flat.

    Raises OutputError where SQLite cannot write them all, for example on a full disk.
    """
    try:
        with closing(sqlite3.connect(path.as_uri() + "?mode=rw", uri=True)) as connection:
            # A build that breaks off is done again from an empty file: no journal is needed, and none is left behind.
            connection.execute("PRAGMA journal_mode = OFF")
            connection.execute("PRAGMA synchronous = OFF")
            connection.executescript(CREATE)
            with connection:
                for table in ROW_TYPES:
                    connection.executemany(_insert(table), _rows(table, cases, background))
            connection.executescript(CREATE_INDEXES)
    except sqlite3.Error as error:
        hint = "make room, or choose another folder, and build the demo again: dedupaudit demo DIR"
        raise OutputError(f"{shown(path)} could not be written in full: {visible(str(error))}", hint) from error


def _insert(table: TableName) -> str:
    columns = ROW_TYPES[table]._fields
    # The names are this module's own; the values are bound.
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"  # noqa: S608


def _rows(table: TableName, cases: Sequence[Case], background: Background) -> Iterator[Row]:
    planted = sorted((row for case in cases if case.table == table for row in case.rows), key=_time)
    return heapq.merge(background.rows_of(table), planted, key=_time)


def _time(row: Row) -> str:
    return row.created_at
