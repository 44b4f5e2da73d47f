"""Asks PostgreSQL whom a session waits for."""

from __future__ import annotations

from collections.abc import Callable

from psycopg2 import extensions

from dedupaudit.display import visible
from dedupaudit.redact import scrub
from dedupaudit.repair.databases.blockers import STATEMENT, Blockers
from dedupaudit.sqlfiles import fill, sql_text


class PostgresqlBlockers(Blockers):
    """Watches the session of one pid; `connect` opens the connection that asks."""

    def __init__(self, connect: Callable[[], extensions.connection], pid: int) -> None:
        super().__init__()
        self._connect = connect
        self.watched = pid
        """The pid of the session whose statements are watched."""
        self._connection: extensions.connection | None = None

    @property
    def pid(self) -> int | None:
        """The pid of the connection that looks, where there is one."""
        connection = self._connection
        return None if connection is None or connection.closed else connection.info.backend_pid

    def ask(self) -> str:
        """Say whom the session waits for."""
        if self._connection is None or self._connection.closed:
            self._connection = self._connect()
            self._connection.autocommit = True
            with self._connection.cursor() as cursor:
                cursor.execute("SET statement_timeout = '2s'; SET default_transaction_read_only = on")
        with self._connection.cursor() as cursor:
            cursor.execute(fill(sql_text("repair/postgresql/blockers.sql"), {"pid": str(self.watched)}))
            return "; ".join(_told(*row) for row in cursor.fetchall())

    def hang_up(self) -> None:
        """End the connection that asks."""
        if self._connection is not None:
            self._connection.close()


def _told(pid: int, application: str | None, role: str | None, state: str | None, at: str | None, query: str) -> str:
    if not pid:
        return "a prepared transaction (see pg_prepared_xacts)"
    known = [f"application {visible(application)}"] if application else []
    known += [f"role {visible(role)}"] if role else []
    if state:
        known.append(f"{visible(state)} since {visible(at)}")
    # Of others a role sees as much only where it is a member of pg_read_all_stats.
    if query and state:
        known.append(f"its last statement: {visible(scrub(' '.join(query.split())), STATEMENT)}")
    return f"pid {pid}" + (f" ({', '.join(known)})" if known else "")
