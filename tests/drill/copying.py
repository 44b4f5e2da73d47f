"""A database of a user's with tables in it, a scratch beside it, and what a retry would do to a copied table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from sqlalchemy import column, func, select, table
from sqlalchemy.exc import DBAPIError

from dedupaudit.config import DatabaseSettings, Settings, TableSettings
from dedupaudit.drill.against import AgainstTable, copy
from dedupaudit.drill.against.rows import bound
from dedupaudit.drill.protocol import Scratch
from dedupaudit.drill.scratch import open_scratch
from dedupaudit.interrupt import Interrupt
from dedupaudit.urls import parse_database_url


def settings_of(url: str) -> DatabaseSettings:
    return DatabaseSettings("db", parse_database_url(url))


@contextmanager
def scratch_of(database: DatabaseSettings) -> Iterator[Scratch]:
    scratch = open_scratch(database, Interrupt())
    try:
        yield scratch
    finally:
        scratch.drop()


@contextmanager
def copied(
    url: str, asked: str, values: Mapping[str, str] | None = None, **configured: Any
) -> Iterator[tuple[Scratch, AgainstTable]]:
    """Copy a table into a scratch for the block."""
    database = settings_of(url)
    settings = Settings((database,), {asked: TableSettings(**configured)} if configured else {})
    with scratch_of(database) as scratch:
        yield scratch, copy(scratch, settings, asked, values or {})


def send(scratch: Scratch, against: AgainstTable, *rows: dict[str, object]) -> list[str]:
    """Insert rows as a backend without any check does; return what the database said to each, `stored` or its error."""
    engine = scratch.engine()
    said = []
    try:
        for row in rows:
            try:
                with engine.begin() as connection:
                    target = _table(against, row)
                    connection.execute(target.insert(), bound(row, plain=engine.dialect.name == "sqlite"))
                said.append("stored")
            except DBAPIError as error:
                said.append(str(error.orig))
    finally:
        engine.dispose()
    return said


def rows_after_a_retry(scratch: Scratch, against: AgainstTable) -> int:
    """Send one event twice, and return how many rows it has then."""
    send(scratch, against, against.rows.event(7, "device-1"), against.rows.event(7, "device-1"))
    return count(scratch, against)


def count(scratch: Scratch, against: AgainstTable) -> int:
    engine = scratch.engine()
    try:
        with engine.connect() as connection:
            return int(connection.execute(select(func.count()).select_from(_table(against, {}))).scalar_one())
    finally:
        engine.dispose()


def _table(against: AgainstTable, row: Mapping[str, object]) -> Any:
    name = against.table.name
    return table(name[-1], *map(column, row), schema=name[0] if len(name) > 1 else None)
