"""Finds out whom a statement waits for: a thread beside the one that waits, on a connection of its own."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Event, Thread

_AFTER = 0.7
"""Seconds from which a statement may be waiting for somebody; the lock timeouts end the wait after two."""
_EVERY = 0.2

STATEMENT = 80
"""Characters of a blocker's statement that are told."""


class Blockers(ABC):
    """Remembers who stood in the way of the running statement. It only looks: nobody is cancelled or ended."""

    def __init__(self) -> None:
        self._thread: Thread | None = None
        self._closed = Event()
        self._began: float | None = None
        self._seen: tuple[float, str] = (0.0, "")

    @abstractmethod
    def ask(self) -> str:
        """Say, for people, whom the session waits for; empty where it waits for nobody. May raise anything."""

    @abstractmethod
    def hang_up(self) -> None:
        """End the connection that asks, where there is one."""

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
        with suppress(Exception):
            self.hang_up()

    def _run(self) -> None:
        while not self._closed.wait(_EVERY):
            began = self._began
            if began is None or time.monotonic() - began < _AFTER:
                continue
            # A server that takes no second connection has nobody to name, and that is all that is lost.
            with suppress(Exception):
                said = self.ask()
                if said and self._began == began:
                    self._seen = (began, said)
