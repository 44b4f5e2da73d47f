"""Bounds the waits of a long PostgreSQL statement that blocks nobody: it is told whom it waits for, and may be ended.

A concurrent build waits for every transaction that is open, one after the other: a forgotten session would hold it for
ever, and nobody would know. Only waiting counts, however long the building itself takes.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from dedupaudit.migrate.databases.protocol import Patience
from dedupaudit.reports.words import length

_WORTH_TELLING, _AGAIN = 2.0, 30.0
"""Seconds after which somebody is told, and is told again: with many writers a build waits for each a little."""


class Waiting:
    """Looks at one running statement, from a thread beside it. `ask` says for people whom it waits for, if anybody."""

    def __init__(self, ask: Callable[[], str], patience: Patience | None) -> None:
        self._ask = ask
        self._patience = patience
        self._since: float | None = None
        self._told = float("-inf")

    def too_long(self) -> str | None:
        """Return why the statement is to be ended; None while it works, or may wait longer."""
        if self._patience is None:
            return None
        who = self._ask()
        if not who:
            self._since = None
            return None
        now = time.monotonic()
        self._since = self._since or now
        if now - self._since >= _WORTH_TELLING and now - self._told >= _AGAIN:
            self._patience.announce(f"waiting, which blocks nobody, for {who}")
            self._told = now
        if now - self._since < self._patience.seconds:
            return None
        return f"it waited longer than {length(self._patience.seconds)} for {who}"
