"""Runs configured SELECTs on SQLite, and takes a new snapshot."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager

from dedupaudit.display import visible
from dedupaudit.errors import UsageError
from dedupaudit.sources.tables.fence import SELECT_HINT, fence_select
from dedupaudit.sources.tables.object_rows import BATCH
from dedupaudit.sources.tables.protocol import Value
from dedupaudit.sources.tables.sqlite_guard import Stillness
from dedupaudit.sources.tables.sqlite_sql import names_only
from dedupaudit.sqlfiles import fill, sql_text

Execute = Callable[[str, dict[str, str], Sequence[object]], sqlite3.Cursor]


def check_select(connection: sqlite3.Connection, select: str, where: str) -> None:
    """Raise UsageError unless SQL is one SELECT of one column; nothing of it runs."""
    fence_select(select, where)
    try:
        for text in (select, names_only(select)):
            connection.execute("EXPLAIN " + fill(sql_text("scan/sqlite/selected.sql"), {"select": text})).close()
        filled = fill(sql_text("scan/sqlite/selected.sql"), {"select": select})
        columns = connection.execute(f"{filled}\nLIMIT 0").description
    except (sqlite3.Error, sqlite3.Warning) as error:
        raise UsageError(f"{where}: SQLite refuses the SELECT: {visible(str(error))}", SELECT_HINT) from None
    if len(columns) != 1:
        raise UsageError(f"{where}: the SELECT has {len(columns)} columns, and one is wanted", SELECT_HINT)


def selected(
    execute: Execute, failures: Callable[[], AbstractContextManager[None]], still: Stillness | None, select: str
) -> Iterator[list[Value]]:
    """Yield the values of a SELECT that `check_select` let pass."""
    with failures():
        cursor = execute("selected", {"select": select}, ())
        while rows := cursor.fetchmany(BATCH):
            yield [row[0] for row in rows]
    if still:
        still.check()


def renew(connection: sqlite3.Connection, still: Stillness | None) -> None:
    """End the snapshot; the next statement takes a new one, and until then no writer waits for this reader.

    What is read without locks has no snapshot, and must be as it was.
    """
    if still:
        still.check_asleep()
    connection.execute("COMMIT")
    connection.execute("BEGIN")
