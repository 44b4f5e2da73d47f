"""Tries a row on the copied table, and takes it back."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

import sqlalchemy
from sqlalchemy.exc import DBAPIError

from dedupaudit.display import visible
from dedupaudit.drill.against.rows import bound
from dedupaudit.errors import UsageError
from dedupaudit.ingest.violations import is_unique
from dedupaudit.redact import scrub

if TYPE_CHECKING:
    from dedupaudit.drill.protocol import Scratch


def refusal(scratch: Scratch, name: tuple[str, ...], *rows: Mapping[str, object]) -> BaseException | None:
    """Insert rows into a table of the scratch and roll them back; return the driver's error where it takes them not."""
    target = sqlalchemy.table(name[-1], *map(sqlalchemy.column, rows[0]), schema=name[0] if len(name) > 1 else None)
    engine = scratch.engine()
    try:
        with engine.connect() as connection, connection.begin() as transaction:
            for row in rows:
                connection.execute(target.insert(), bound(row, plain=engine.dialect.name == "sqlite"))
            if engine.dialect.name == "postgresql":
                connection.exec_driver_sql("SET CONSTRAINTS ALL IMMEDIATE")
            transaction.rollback()
    except DBAPIError as error:
        return error.orig
    finally:
        if engine.dialect.name == "mysql":
            # Some storage engines take nothing back. Where the server is gone, that is told by what comes next.
            with suppress(DBAPIError), engine.begin() as connection:
                connection.execute(target.delete())
        engine.dispose()
    return None


def explained(name: tuple[str, ...], refused: BaseException) -> UsageError:
    """Return what it means that the copy takes no row of the drill's."""
    clash = "no two events can be there at once, so no retry can be told from another event"
    return UsageError(
        f"--against: the copy of {visible(name[-1])} refuses a row that the drill made: {said(refused)}",
        clash if is_unique(refused) else "say what a column has to hold: --value COLUMN=TEXT",
    )


def said(error: BaseException) -> str:
    """Return the database's own words, harmless."""
    text = error.args[-1] if error.args else error
    return visible(scrub(" ".join(str(text).split())), 300)
