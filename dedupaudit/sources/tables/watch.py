"""Watches one connection while it waits for its server: a signal or somebody who waits behind it ends the statement."""

from __future__ import annotations

import select
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from threading import Event, Thread

from dedupaudit.errors import SourceError
from dedupaudit.interrupt import Interrupt

# How often a statement that was cancelled is cancelled again: it may not have begun when the first call came.
_AGAIN = 0.2
_SHORTEST = 0.05


class Watch:
    """A thread beside the one that reads.

    `cancel` ends the running statement on the server; `waiting` says in words who waits behind the audit, or None. Both
    run in the thread, on connections of their own, and may raise: a watch that cannot look does not end the audit.
    """

    def __init__(
        self,
        interrupt: Interrupt,
        cancel: Callable[[], None],
        waiting: Callable[[], str | None] | None = None,
        every: float = 2.0,
    ) -> None:
        self._interrupt = interrupt
        self._cancel = cancel
        self._waiting = waiting
        self._every = every
        self._busy = Event()
        self._closed = Event()
        self._thread: Thread | None = None
        self.gave_way: str | None = None
        """Who the audit gave way to, once it did."""

    @contextmanager
    def running(self) -> Iterator[None]:
        """While inside, a statement of the connection may be running and may be cancelled."""
        self.check()
        if self._thread is None:
            self._thread = Thread(target=self._run, name="watch", daemon=True)
            self._thread.start()
        self._busy.set()
        try:
            yield
        finally:
            self._busy.clear()

    def check(self) -> None:
        """Raise Cancelled if a signal came, SourceError if the audit gave way."""
        self._interrupt.check()
        if self.gave_way is not None:
            raise SourceError(
                f"gave way: {self.gave_way}, and everybody else would have waited behind that",
                "scan a replica, or again when it is done",
            )

    def close(self) -> None:
        """End the thread; harmless when it never began."""
        self._closed.set()
        # Wakes the thread, which would end its wait for a statement 200 ms later by itself.
        self._busy.set()
        if self._thread is not None:
            self._thread.join(timeout=2 * self._every)

    def _run(self) -> None:
        looked = time.monotonic()
        while not self._closed.is_set():
            if not self._busy.wait(timeout=_AGAIN) or self._closed.is_set():
                continue
            if self._signalled(_SHORTEST):
                self._end_statement()
            elif self._waiting is not None and time.monotonic() - looked >= self._every:
                looked = time.monotonic()
                with suppress(Exception):
                    self.gave_way = self._waiting()
                if self.gave_way is not None:
                    self._end_statement()

    def _signalled(self, timeout: float) -> bool:
        """Wait for a signal; the handler itself may not have run yet, which is why the pipe is asked."""
        if self._interrupt.signum is not None:
            return True
        if self._interrupt.fd is None:
            self._closed.wait(timeout)
            return False
        return bool(select.select([self._interrupt.fd], [], [], timeout)[0])

    def _end_statement(self) -> None:
        while self._busy.is_set() and not self._closed.is_set():
            with suppress(Exception):
                self._cancel()
            self._closed.wait(_AGAIN)
