"""A device: records items, and uploads them in turns of five, side by side, each with a timeout of 30 seconds."""

from __future__ import annotations

from collections import deque

from tests.causes.simulated.backend import Backend
from tests.causes.simulated.state import Attempt, Item, Kernel, Line, Played

TIMEOUT = 30_000
BATCH = 5
_WORDS = {
    "send": ("发送 {}", "send {}"),
    "requeue": ("超时（30秒），重新入队 {}", "timeout (30 s), re-queued {}"),
    "resend": ("再次发送 {}", "send again {}"),
}


class Device:
    """One client with its own clock, which is `skew` milliseconds ahead of the true one."""

    def __init__(
        self,
        kernel: Kernel,
        played: Played,
        backend: Backend,
        name: str,
        *,
        skew: int,
        language: int,
        stream: str,
        named: bool,
    ) -> None:
        self.name = name
        self.skew = skew
        self._kernel = kernel
        self._played = played
        self._backend = backend
        self._language = language
        self._stream = stream
        self._named = named
        self._queue: deque[Item] = deque()
        self._sends: dict[Item, int] = {}
        self._expected = 0
        self._open = 0
        self._started = False

    def record_at(self, wait: int, item: Item) -> None:
        """Record an item `wait` milliseconds from now."""
        self._expected += 1
        self._kernel.after(wait, lambda: self._record(item))

    def start(self) -> None:
        """Begin the upload loop."""
        self._kernel.after(self._kernel.between(0, 30_000), self._turn)

    def _record(self, item: Item) -> None:
        self._expected -= 1
        self._queue.append(item)

    def _turn(self) -> None:
        batch = [self._queue.popleft() for _ in range(min(BATCH, len(self._queue)))]
        self._open = len(batch)
        for item in batch:
            self._send(item)
        if not batch and self._expected:
            self._kernel.after(self._kernel.between(25_000, 32_000), self._turn)

    def _send(self, item: Item) -> None:
        number = self._sends.get(item, 0) + 1
        self._sends[item] = number
        attempt = Attempt(item, number, self._kernel.now)
        self._played.attempts[item.id].append(attempt)
        self._log("send" if number == 1 else "resend", item)
        self._kernel.after(TIMEOUT + self._kernel.between(0, 15), lambda: self._time_out(attempt))
        self._backend.request(attempt, self._answered)

    def _answered(self, attempt: Attempt) -> None:
        if attempt.timed_out:
            # The item is in the queue again: nobody waits for this answer.
            return
        attempt.answered = self._kernel.now
        self._settle()

    def _time_out(self, attempt: Attempt) -> None:
        if attempt.answered is not None:
            return
        attempt.timed_out = True
        self._queue.append(attempt.item)
        self._log("requeue", attempt.item)
        self._settle()

    def _settle(self) -> None:
        self._open -= 1
        if self._open:
            return
        # Behind schedule the loop goes on at once.
        behind = len(self._queue) >= BATCH or self._kernel.chance(0.15)
        self._kernel.after(self._kernel.between(1, 120) if behind else self._kernel.between(25_000, 32_000), self._turn)

    def _log(self, event: str, item: Item) -> None:
        text = _WORDS[event][self._language].format(item.id)
        if self._named:
            text += f" device={self.name}"
        now = self._kernel.now
        self._played.lines.append(Line(now, now + self.skew, self._stream, text, item.id, event))
