"""The transactions that are open on MySQL or MariaDB: which the guard waits for, and which are old."""

from __future__ import annotations

from dataclasses import dataclass

from dedupaudit.display import visible
from dedupaudit.errors import Refused
from dedupaudit.migrate.databases.mysql_standing import look
from dedupaudit.migrate.facts import OpenTransaction
from dedupaudit.redact import scrub
from dedupaudit.repair.databases.blockers import STATEMENT
from dedupaudit.repair.databases.mysql_connection import Connection, Denied
from dedupaudit.repair.databases.mysql_tables import Place, grantee
from dedupaudit.sources.tables.mysql_sql import literal, quote

Row = tuple[str | None, ...]
_FRESH = ("READ COMMITTED", "READ UNCOMMITTED")
_RECOVERED = "0"
_NAMED = 3
"""Transactions that are told where it may be any of them."""


@dataclass(frozen=True)
class Open:
    """An open transaction, of a row of look/transactions.sql."""

    session: str
    began: str
    seconds: float
    level: str
    number: str
    told: str

    @property
    def identity(self) -> tuple[str, ...]:
        """What tells it from the next transaction of its session: its number is another once it writes."""
        return (self.session, self.began, self.number if self.session == _RECOVERED else "")

    @property
    def keeps_snapshot(self) -> bool:
        """Whether it may still not see what is stored, or has stored what nobody sees.

        At READ COMMITTED each statement sees what is stored when it begins, and one that uses the table would have kept
        CREATE TRIGGER waiting. A transaction without a session was prepared (XA), and may hold rows of the table.
        """
        return self.session == _RECOVERED or self.level.upper() not in _FRESH


def open_of(row: Row) -> Open:
    """Return a transaction; foreign values in what is told of it are made visible."""
    session, began, seconds, level, modified, user, host, statement, number = row
    if session == _RECOVERED:
        said = "a prepared transaction (XA RECOVER shows it)"
    else:
        said = f"session {visible(session)}" + (f" (user {visible(user)}@{visible(host)})" if user else "")
    said += f", open since {visible(began)}, {visible((level or '').lower())}, {visible(modified)} rows changed"
    if statement:
        said += f", its statement: {visible(scrub(' '.join(statement.split())), STATEMENT)}"
    return Open(session or "", began or "", float(seconds or 0), level or "", number or "", said)


def older_than_guard(connection: Connection) -> dict[tuple[str, ...], str]:
    """Return the transactions that the guard must wait for, with what is told of each.

    Raises Refused where the role may not see those of others.
    """
    try:
        rows = connection.texts(look("transactions", own=str(connection.number)))
    except Denied as error:
        raise Refused(
            f"{connection.place}: the role cannot see the transactions of others, which the guard must wait for",
            f"GRANT PROCESS ON *.* TO {visible(grantee(connection))}",
        ) from error
    found = [open_of(row) for row in rows]
    return {one.identity: one.told for one in found if one.keeps_snapshot}


def perhaps_blocked_by(connection: Connection, place: Place) -> str:
    """Return who may hold a table's name, for people, where the server cannot say who does; empty: nobody is known.

    Those with an open transaction come first; a LOCK TABLES shows as a table in use, and a session that sleeps.
    """
    own = str(connection.number)
    found = [open_of(row) for row in connection.texts(look("transactions", own=own))]
    told = [one.told for one in found[:_NAMED]]
    in_use = connection.texts(f"SHOW OPEN TABLES FROM {quote(place.schema)} LIKE {literal(place.name)}")
    if any(row[2] != "0" for row in in_use):
        seen = ", ".join((own, *(one.session for one in found)))
        idle = connection.texts(look("sleepers", schema=literal(place.schema), own=seen))
        if idle:
            told.append(f"an idle session ({', '.join(visible(row[0]) for row in idle)})")
    return f"perhaps {' or '.join(told)}" if told else ""


def oldest_of(rows: list[Row]) -> OpenTransaction | None:
    """Return the transaction that has been open longest."""
    found = max((open_of(row) for row in rows), key=lambda one: one.seconds, default=None)
    return OpenTransaction(found.seconds, found.told) if found else None
