"""Finds out whom a statement waits for: a thread beside the one that waits, on a connection of its own."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from threading import Event, Thread

from pymysql.cursors import Cursor

from dedupaudit.display import visible
from dedupaudit.redact import scrub
from dedupaudit.sources.tables.mysql_session import Driver, Raw
from dedupaudit.sqlfiles import fill, sql_text

_AFTER = 0.7
"""Seconds from which a statement may be waiting for somebody; the lock timeouts end the wait after two."""
_EVERY = 0.2
_ENOUGH = 80


class Blockers:
    """Remembers who stood in the way of the running statement. It only looks: nobody is cancelled or ended."""

    def __init__(self, connect: Callable[[], Driver], session: int, product: str) -> None:
        self._connect = connect
        self._session = str(session)
        self._queries = (f"repair/mysql/blockers_{product.lower()}.sql", "repair/mysql/blockers_metadata.sql")
        self._connection: Driver | None = None
        self._thread: Thread | None = None
        self._closed = Event()
        self._began: float | None = None
        self._seen: tuple[float, str] = (0.0, "")

    @contextmanager
    def watching(self) -> Iterator[None]:
        """While inside, a statement is running and may wait."""
        if self._thread is None:
            self._thread = Thread(target=self._run, name="blockers", daemon=True)
            self._thread.start()
        began = self._began = time.monotonic()
        self._seen = (began, "")
        try:
            yield
        finally:
            self._began = None

    @property
    def seen(self) -> str:
        """Whom the last statement waited for, for people; empty where it waited for nobody, or nobody knows."""
        return self._seen[1]

    def close(self) -> None:
        """End the thread and its connection."""
        self._closed.set()
        if self._thread is not None:
            self._thread.join(timeout=5)
        if self._connection is not None:
            with suppress(Exception):
                self._connection.close()

    def _run(self) -> None:
        while not self._closed.wait(_EVERY):
            began = self._began
            if began is None or time.monotonic() - began < _AFTER:
                continue
            for query in self._queries:
                # Who may not look there, or has no second connection, has nobody to name: no more is lost.
                with suppress(Exception):
                    said = self._asked(query)
                    if said and self._began == began:
                        self._seen = (began, said)
                        break

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
        known.append(f"its statement: {visible(scrub(' '.join(statement.split())), _ENOUGH)}")
    return f"session {visible(number)}" + (f" ({', '.join(known)})" if known else "")
