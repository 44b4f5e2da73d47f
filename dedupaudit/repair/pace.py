"""How fast a repair goes: chunks of half a second, pauses for replicas and for load, and patience with locks."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass

from dedupaudit.interrupt import Interrupt
from dedupaudit.repair.databases.protocol import RepairDatabase
from dedupaudit.repair.errors import Busy
from dedupaudit.units import show_duration

Announce = Callable[[str], None]
AskLag = Callable[[], float | None]

_FIRST, _LEAST, _MOST = 500, 2, 10_000
_POLL = 1.0


@dataclass(frozen=True)
class Kindness:
    """What a user asked for. Times are seconds; None asks for nothing."""

    chunk_time: float = 0.5
    max_lag: float | None = None
    max_load: int | None = None
    sleep: float = 0.0
    run_time: float | None = None


class Pace:
    """Says how many rows the next chunk may have, waits where others need the server, and says when to stop."""

    def __init__(
        self, database: RepairDatabase, kindness: Kindness, interrupt: Interrupt, announce: Announce, ask_lag: AskLag
    ) -> None:
        self._database, self._kindness, self._interrupt = database, kindness, interrupt
        self._announce, self._ask_lag = announce, ask_lag
        self._began = time.monotonic()
        self.rows = _FIRST
        """Rows that the next chunk may have."""

    def took(self, rows: int, seconds: float) -> None:
        """Learn from a chunk: the next one is at most twice as large, and at least half."""
        if rows * 2 < self.rows and seconds < self._kindness.chunk_time:
            return  # a short last chunk says nothing
        factor = self._kindness.chunk_time / max(seconds, 0.001)
        self.rows = int(min(max(self.rows * min(max(factor, 0.5), 2.0), _LEAST), _MOST))

    def smaller(self) -> None:
        """Take half as many rows: something stood in the way."""
        self.rows = max(self.rows // 2, _LEAST)

    @property
    def is_over(self) -> bool:
        """Whether the time that the run may take is over."""
        limit = self._kindness.run_time
        return limit is not None and time.monotonic() - self._began >= limit

    def wait_for_others(self) -> None:
        """Sleep between chunks as asked, and as long as a replica is behind or the server has much to do."""
        self.sleep(self._kindness.sleep)
        said = False
        while (why := self._too_much()) and not self.is_over:
            if not said:
                self._announce(f"waiting: {why}")
                said = True
            self.sleep(_POLL)

    def _too_much(self) -> str | None:
        most, lag = self._kindness.max_lag, None
        if most is not None:
            lag = self._ask_lag()
            if lag is not None and lag > most:
                return f"a replica is {lag:.1f} s behind, and --max-lag is {show_duration(most)}"
        if self._kindness.max_load is not None:
            load = self._database.load()
            if load is not None and load > self._kindness.max_load:
                return f"{load} sessions are at work, and --max-load is {self._kindness.max_load}"
        return None

    def back_off(self, attempt: int, busy: Busy) -> None:
        """Wait a little, longer each time, and not in step with others who wait; say who is waited for."""
        if attempt == 1:
            who = f" ({busy.blocked_by})" if busy.blocked_by else ""
            self._announce(f"waiting for a lock{who}: {busy.message}")
        self.sleep(min(0.05 * 2**attempt, 2.0) * random.uniform(0.5, 1.5))  # noqa: S311 (jitter, no secret)

    def patiently(self, act: Callable[[], None], seconds: float) -> None:
        """Do it, again while others are in the way; raises the last Busy when so much time is over."""
        end, attempt = time.monotonic() + seconds, 0
        while True:
            try:
                return act()
            except Busy as busy:
                attempt += 1
                if time.monotonic() >= end:
                    raise
                self.back_off(attempt, busy)

    def sleep(self, seconds: float) -> None:
        """Sleep; a signal ends it at once, and raises Cancelled."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self._interrupt.check()
            time.sleep(min(left, 0.1))
        self._interrupt.check()
