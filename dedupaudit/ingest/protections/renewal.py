"""One thread that renews whatever is held: started with the first, ended soon after the last."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from threading import Lock, Thread
from weakref import ref

_LINGERS = 1.0
"""Seconds for which the thread stays when nothing is held: one a request would cost more than the lock."""


@dataclass
class _Held:
    name: str
    shown: str
    due: float


class Renewal:
    """Renews each lock every `interval` seconds by `renew(name, token)`.

    That says False where the lock is another's by now (`lost` is told how messages name it, once), and None where
    nobody answered: it is tried again, sooner. It does not raise.
    """

    def __init__(self, interval: float, renew: Callable[[str, str], bool | None], lost: Callable[[str], None]) -> None:
        self._interval = interval
        self._renew = renew
        self._lost = lost
        self._mutex = Lock()
        self._held: dict[str, _Held] = {}
        self._thread: Thread | None = None
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=partial(_forget, ref(self)))

    def add(self, name: str, token: str, shown: str) -> None:
        """Renew from now on what was taken just now."""
        with self._mutex:
            self._held[token] = _Held(name, shown, time.monotonic() + self._interval)
            if self._thread is None or not self._thread.is_alive():
                self._thread = Thread(target=self._run, name="dedupaudit renewal", daemon=True)
                self._thread.start()

    def remove(self, token: str) -> bool:
        """Renew it no more; False: it was lost, and that was told."""
        with self._mutex:
            return self._held.pop(token, None) is not None

    def _run(self) -> None:
        # Nobody has to wake it: whatever is added while it sleeps is due later than what it sleeps for.
        while True:
            with self._mutex:
                if not self._held:
                    self._thread = None
                    return
                earliest = min(held.due for held in self._held.values())
            time.sleep(min(max(0.0, earliest - time.monotonic()), _LINGERS))
            now = time.monotonic()
            with self._mutex:
                due = sorted(
                    ((token, held) for token, held in self._held.items() if held.due <= now), key=lambda one: one[1].due
                )
            if not all(self._renewed(token, held) for token, held in due):
                time.sleep(self._interval / 4)

    def _renewed(self, token: str, held: _Held) -> bool:
        """Renew one; False: nobody answers, and the others would only wait for the same.

        Where it is this one alone that cannot be renewed, the others have their turn before it is tried again.
        """
        ours = self._renew(held.name, token)
        if ours is None:
            held.due = time.monotonic() + self._interval / 4
            return False
        if ours:
            held.due = time.monotonic() + self._interval
        elif self.remove(token):
            self._lost(held.shown)
        return True


def _forget(renewal: ref[Renewal]) -> None:
    """Leave to the parent what it holds: a child that renewed it would keep it for ever, should the parent die."""
    if found := renewal():
        # A thread does not survive a fork, nor does any give back here what it had locked in that moment.
        found._mutex = Lock()
        found._held.clear()
        found._thread = None
