"""Progress for a program that reads stderr: a JSON line where a step begins and ends, and one a second between."""

from __future__ import annotations

import time
from contextlib import suppress

from dedupaudit.saying import say

_BETWEEN = 1.0  # seconds from one line to the next


class JsonProgress:
    """Says how far a step has come; a reader that goes away does not end an audit."""

    def __init__(self) -> None:
        self._label: str | None = None
        self._total: int | None = None
        self._rows = 0
        self._started = self._next = 0.0

    def start(self, label: str, total: int | None, unit: str = "rows") -> None:
        """Begin a step, and end the one before it."""
        self.finish()
        self._label, self._total, self._rows = label, total, 0
        self._started = time.monotonic()
        self._next = self._started + _BETWEEN
        self._say("started")

    def advance_to(self, rows: int) -> None:
        """Say how many rows are done, if it is time to."""
        self._rows = rows
        now = time.monotonic()
        if now < self._next or self._label is None:
            return
        self._next = now + _BETWEEN
        self._say("advanced")

    def finish(self) -> None:
        """End the step."""
        if self._label is not None:
            self._say("finished")
        self._label = None

    def _say(self, what: str) -> None:
        seconds = round(time.monotonic() - self._started, 3)
        with suppress(BrokenPipeError):
            say(
                f"progress.{what}",
                f"{what}: {self._label}",
                label=self._label,
                rows=self._rows,
                total=self._total,
                seconds=seconds,
            )
