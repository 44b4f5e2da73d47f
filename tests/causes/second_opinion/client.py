"""A device: its own clock, its queue, and the loop that takes five items and uploads them side by side."""

from __future__ import annotations

from collections import deque

from tests.causes.second_opinion.backend import Backend
from tests.causes.second_opinion.network import Network
from tests.causes.second_opinion.records import Attempt, Clock, Item, Line, World

TIMEOUT = 30_000
AT_ONCE = 5
MOST_ATTEMPTS = 8

_WORDS = {
    "zh": ("发送 {}", "超时（30秒），重新入队 {}", "再次发送 {}"),
    "en": ("send {}", "timeout (30 s), re-queued {}", "send again {}"),
}


class Device:
    """A client; `skew` is how many milliseconds its clock is ahead."""

    def __init__(
        self, name: str, skew: int, language: str, world: World, clock: Clock, network: Network, backend: Backend
    ) -> None:
        self.name, self.skew = name, skew
        self._send, self._timeout, self._again = _WORDS[language]
        self._world, self._clock, self._network, self._backend = world, clock, network, backend
        self._queue: deque[tuple[Item, int]] = deque()
        self._running = False
        self._outstanding = 0
        self._troubled = False
        self._arrived = 0

    def record(self, item: Item) -> None:
        """Queue a thing that happened, or that was copied from another device."""
        self._queue.append((item, 1))
        if not self._running:
            self._running = True
            self._clock.after(self._network.between(20, 400), self._turn)

    def _turn(self) -> None:
        batch = [self._queue.popleft() for _ in range(min(AT_ONCE, len(self._queue)))]
        self._running = bool(batch)
        self._outstanding, self._troubled = len(batch), False
        for item, number in batch:
            self._upload(item, number)

    def _upload(self, item: Item, number: int) -> None:
        now = self._clock.now
        attempt = Attempt(item, number, now)
        self._world.attempts.append(attempt)
        self._log(self._send if number == 1 else self._again, item)
        self._clock.after(TIMEOUT, lambda: self._gave_up(attempt))
        if not self._network.happens(now, 0.02):  # else the request is lost
            wait = self._network.usually(now, 3, 120, 0.004, (10_000, 80_000))
            # One connection: what is sent later does not arrive earlier, so a stall holds up all that is behind it.
            self._arrived = max(self._arrived + 1, now + wait)
            self._clock.at(self._arrived, lambda: self._backend.receive(attempt, lambda: self._settle(attempt)))

    def _gave_up(self, attempt: Attempt) -> None:
        if attempt.settled:
            return
        self._log(self._timeout, attempt.item)
        self._troubled = True
        if attempt.number < MOST_ATTEMPTS:
            self._queue.appendleft((attempt.item, attempt.number + 1))
        self._settle(attempt)

    def _settle(self, attempt: Attempt) -> None:
        if attempt.settled:  # an answer after the timeout: nobody waits for it any more
            return
        attempt.settled = True
        self._outstanding -= 1
        if not self._outstanding:
            self._clock.after(self._pause(), self._turn)

    def _pause(self) -> int:
        if not self._troubled:
            return self._network.between(100, 1_500)
        return self._network.usually(0, 29_500, 31_000, 0.3, (3, 400))

    def _log(self, words: str, item: Item) -> None:
        self._world.lines.append(Line(self.name, self._clock.now + self.skew, words.format(item.id)))
