"""What goes wrong on order inside a worker: slow and broken uploads, and a connection that is lost after its COMMIT."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterable
from os import dup
from typing import Any

from sqlalchemy import Engine, event
from sqlalchemy.engine import ExceptionContext

from dedupaudit.drill.messages import Put
from dedupaudit.drill.scenario import NO_FAULT, Fault
from dedupaudit.errors import SourceError
from dedupaudit.ingest.violations import is_deadlock
from dedupaudit.sources.objects.protocol import ObjectFact
from dedupaudit.stores.protocol import ObjectStore


class FaultyStore:
    """An ObjectStore before another. The first upload of a request goes as its fault says; every PUT is noted."""

    def __init__(self, store: ObjectStore, slow: float, announce: Callable[[], None], wait: Callable[[], None]) -> None:
        """`announce` says that an upload is under way; `wait` returns when it may go on; `slow` is seconds."""
        self._store = store
        self._slow = slow
        self._announce = announce
        self._wait = wait
        self._fault = NO_FAULT
        self._asked = 0.0
        self._puts: list[Put] = []
        self.shown = store.shown

    def begin(self, fault: Fault) -> None:
        """Begin a request."""
        self._fault, self._asked, self._puts = fault, time.monotonic(), []

    def puts(self) -> tuple[Put, ...]:
        """Return the request's PUTs."""
        return tuple(self._puts)

    @property
    def missed(self) -> bool:
        """Say whether there was no upload although something was to go wrong with it."""
        return bool(self._fault.slow or self._fault.then)

    def put(
        self, key: str, content: bytes, *, content_type: str = "application/octet-stream", overwrite: bool = False
    ) -> bool:
        """Write as the store does, after what the fault says."""
        began = time.monotonic()
        written, failed = False, True
        try:
            self._suffer()
            written = self._store.put(key, content, content_type=content_type, overwrite=overwrite)
            failed = not written and not self._store.holds(key, content)
        finally:
            self._puts.append(Put(key, self._asked, began, written, failed))
        return written

    def _suffer(self) -> None:
        fault, self._fault = self._fault, NO_FAULT
        if fault.slow or fault.then:
            self._announce()
        if fault.then:
            self._wait()
        elif fault.slow:
            time.sleep(self._slow)
        if fault.upload_fails:
            raise SourceError("the connection to the store broke, as the drill had it", "send it again")

    def preflight(self, prefix: str = "") -> None:
        """Ask the store."""
        self._store.preflight(prefix)

    def holds(self, key: str, content: bytes) -> bool | None:
        """Ask the store."""
        return self._store.holds(key, content)

    def look(self, key: str) -> ObjectFact | None:
        """Ask the store."""
        return self._store.look(key)

    def below(self, prefix: str) -> Iterable[list[ObjectFact]]:
        """Ask the store."""
        return self._store.below(prefix)

    def delete(self, keys: Iterable[str]) -> int:
        """Ask the store."""
        return self._store.delete(keys)

    def url(self, key: str) -> str:
        """Ask the store."""
        return self._store.url(key)

    def close(self) -> None:
        """Ask the store."""
        self._store.close()


class FaultyEngine:
    """Watches an engine: counts its deadlocks, and breaks the connection after a COMMIT where that is ordered.

    The server has committed then, and nobody is told: the error that comes up is the driver's own. Transactions that
    wrote nothing are not counted: a writer's look at the catalog is no COMMIT of an event.
    """

    def __init__(self, engine: Engine) -> None:
        self.deadlocks = 0
        self._commits_left = 0
        self._wrote = False
        self._break = _BREAKS.get(engine.dialect.driver)
        self._commit = engine.dialect.do_commit
        # There is no event between the COMMIT and its answer.
        engine.dialect.do_commit = self._committing  # type: ignore[assignment]
        event.listen(engine, "before_cursor_execute", self._read)
        event.listen(engine, "rollback", self._forget)
        event.listen(engine, "handle_error", self._look_at)

    def begin(self, fault: Fault) -> None:
        """Begin a request."""
        self.deadlocks = 0
        self._commits_left = fault.dropped_after
        self._wrote = False

    @property
    def missed(self) -> bool:
        """Say whether the connection was not broken although that was ordered."""
        return bool(self._commits_left and self._break)

    def _read(self, _connection: Any, _cursor: Any, statement: str, *_more: Any) -> None:
        self._wrote = self._wrote or not statement.lstrip().upper().startswith(_READING)

    def _forget(self, _connection: Any) -> None:
        self._wrote = False

    def _committing(self, connection: Any) -> None:
        wrote, self._wrote = self._wrote, False
        self._commit(connection)
        if self._commits_left and wrote:
            self._commits_left -= 1
            if not self._commits_left and self._break:
                self._break(connection.dbapi_connection)

    def _look_at(self, context: ExceptionContext) -> None:
        self.deadlocks += is_deadlock(context.original_exception)


_READING = ("SELECT", "SET", "SHOW")


def _break_psycopg2(connection: Any) -> None:
    with socket.socket(fileno=dup(connection.fileno())) as raw:
        raw.shutdown(socket.SHUT_RDWR)
    connection.cursor().execute("SELECT 1")


def _break_pymysql(connection: Any) -> None:
    connection._sock.shutdown(socket.SHUT_RDWR)
    connection.commit()


_BREAKS = {"psycopg2": _break_psycopg2, "pymysql": _break_pymysql}
"""By SQLAlchemy's name of the driver. SQLite has no connection that could break."""
