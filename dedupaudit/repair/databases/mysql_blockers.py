"""Asks MySQL or MariaDB whom a session waits for: row locks first, then locks on tables' definitions."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from pymysql.cursors import Cursor

from dedupaudit.display import visible
from dedupaudit.redact import scrub
from dedupaudit.repair.databases.blockers import STATEMENT, Blockers
from dedupaudit.sources.tables.mysql_session import Driver, Raw
from dedupaudit.sqlfiles import fill, sql_text


class MysqlBlockers(Blockers):
    """Watches one session; `connect` opens the connection that asks."""

    def __init__(self, connect: Callable[[], Driver], session: int, product: str) -> None:
        super().__init__()
        self._connect = connect
        self._session = str(session)
        self._queries = (f"repair/mysql/blockers_{product.lower()}.sql", "repair/mysql/blockers_metadata.sql")
        self._connection: Driver | None = None

    def ask(self) -> str:
        """Say whom the session waits for."""
        for query in self._queries:
            # Who may not look there has nobody to name.
            with suppress(Exception):
                if said := self._asked(query):
                    return said
        return ""

    def hang_up(self) -> None:
        """End the connection that asks."""
        if self._connection is not None:
            self._connection.close()

    def _asked(self, query: str) -> str:
        if self._connection is None or not self._connection.open:
            self._connection = self._connect()
        with self._connection.cursor(Cursor) as cursor:
            cursor.execute(fill(sql_text(query), {"session": self._session}))
            return "; ".join(_told(row) for row in cursor.fetchall())


def _told(row: Raw) -> str:
    number, user, host, command, seconds, began, statement = (
        None if value is None else value.decode("utf-8", "replace") for value in row
    )
    known = [f"user {visible(user)}@{visible(host)}"] if user else []
    if command:
        known.append(f"{visible(command)} for {visible(seconds)} s")
    if began:
        known.append(f"transaction since {visible(began)}")
    if statement:
        known.append(f"its statement: {visible(scrub(' '.join(statement.split())), STATEMENT)}")
    return f"session {visible(number)}" + (f" ({', '.join(known)})" if known else "")
