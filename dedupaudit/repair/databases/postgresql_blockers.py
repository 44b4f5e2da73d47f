"""Finds out whom a statement waits for: a thread beside the one that waits, on a connection of its own."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from threading import Event, Thread

from psycopg2 import extensions

from dedupaudit.display import visible
from dedupaudit.redact import scrub
from dedupaudit.sqlfiles import fill, sql_text

_AFTER = 0.7
"""Seconds from which a statement may be waiting for somebody; lock_timeout ends the wait after two."""
_EVERY = 0.2
_ENOUGH = 80


class Blockers:
    """Remembers who stood in the way of the running statement. It only looks: nobody is cancelled or ended."""

    def __init__(self, connect: Callable[[], extensions.connection], pid: int) -> None:
        self._connect = connect
        self.watched = pid
        """The pid of the session whose statements are watched."""
        self._connection: extensions.connection | None = None
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

    @property
    def pid(self) -> int | None:
        """The pid of the connection that looks, where there is one."""
        connection = self._connection
        return None if connection is None or connection.closed else connection.info.backend_pid

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
            # A server that takes no second connection has nobody to name, and that is all that is lost.
            with suppress(Exception):
                said = self._asked()
                if said and self._began == began:
                    self._seen = (began, said)

    def _asked(self) -> str:
        if self._connection is None or self._connection.closed:
            self._connection = self._connect()
            self._connection.autocommit = True
            with self._connection.cursor() as cursor:
                cursor.execute("SET statement_timeout = '2s'; SET default_transaction_read_only = on")
        with self._connection.cursor() as cursor:
            cursor.execute(fill(sql_text("repair/postgresql/blockers.sql"), {"pid": str(self.watched)}))
            return "; ".join(_told(*row) for row in cursor.fetchall())


def _told(pid: int, application: str | None, role: str | None, state: str | None, at: str | None, query: str) -> str:
    if not pid:
        return "a prepared transaction (see pg_prepared_xacts)"
    known = [f"application {visible(application)}"] if application else []
    known += [f"role {visible(role)}"] if role else []
    if state:
        known.append(f"{visible(state)} since {visible(at)}")
    # Of others a role sees as much only where it is a member of pg_read_all_stats.
    if query and state:
        known.append(f"its last statement: {visible(scrub(' '.join(query.split())), _ENOUGH)}")
    return f"pid {pid}" + (f" ({', '.join(known)})" if known else "")
