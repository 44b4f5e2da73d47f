"""The backend: handlers that insert whatever arrives, or look before they leap; no constraint holds them back."""

from __future__ import annotations

from collections.abc import Callable

from tests.causes.second_opinion.network import Network
from tests.causes.second_opinion.records import BACKEND, Attempt, Clock, Line, Row, World

Answer = Callable[[], None]


class Backend:
    """Handles requests as they arrive. `row_first` names the devices whose pictures the newer handler takes."""

    def __init__(self, world: World, clock: Clock, network: Network, row_first: frozenset[str]) -> None:
        self._world, self._clock, self._network, self._row_first = world, clock, network, row_first
        self._known: set[str] = set()

    def receive(self, attempt: Attempt, answer: Answer) -> None:
        """Take a request; `answer` is called when the client gets one."""
        attempt.received = self._clock.now
        self._log("接收 {}", attempt)
        if attempt.item.table != "screenshots":
            wait = self._network.usually(self._clock.now, 5, 60, 0.012, (20_000, 95_000))
            if not self._network.happens(self._clock.now, 0.01):  # else the handler dies
                self._clock.after(wait, lambda: self._insert(attempt, answer))
            return
        attempt.row_first = attempt.item.device in self._row_first
        attempt.object_first = not attempt.row_first
        wait = self._network.usually(self._clock.now, 1, 6, 0.015, (15_000, 65_000))
        self._clock.after(wait, lambda: self._look(attempt, answer))

    def _insert(self, attempt: Attempt, answer: Answer) -> None:
        self._write(attempt)
        self._answer(attempt, answer)

    def _look(self, attempt: Attempt, answer: Answer) -> None:
        attempt.looked = self._clock.now
        if attempt.item.id in self._known:
            attempt.told_done = True
            self._log("[Idempotent] {} 已完成上传，跳过", attempt)
            self._answer(attempt, answer)
        elif attempt.row_first:
            self._clock.after(self._network.between(4, 20), lambda: self._row_then_object(attempt, answer))
        else:
            self._upload(attempt, lambda: self._object_then_row(attempt, answer))

    def _row_then_object(self, attempt: Attempt, answer: Answer) -> None:
        self._write(attempt)
        self._upload(attempt, lambda: self._answer(attempt, answer))

    def _object_then_row(self, attempt: Attempt, answer: Answer) -> None:
        wait = self._network.usually(self._clock.now, 4, 30, 0.02, (22_000, 50_000))
        if not self._network.happens(self._clock.now, 0.02):  # else the handler dies, and leaves an object
            self._clock.after(wait, lambda: self._insert(attempt, answer))

    def _upload(self, attempt: Attempt, then: Answer) -> None:
        wait = self._network.usually(self._clock.now, 2_000, 10_000, 0.10, (24_000, 60_000))
        fails = self._network.happens(self._clock.now, 0.08)
        self._clock.after(wait, lambda: self._uploaded(attempt, fails, then))

    def _uploaded(self, attempt: Attempt, fails: bool, then: Answer) -> None:
        if fails:  # and the handler raises, so that nobody is answered
            attempt.upload_failed = True
            self._log("[Screenshot] 上传失败: {}", attempt)
            return
        attempt.stored = self._clock.now
        self._world.objects[attempt.item.object_key] = (attempt.item, self._clock.now)
        self._log("[Screenshot] 上传完成: {}", attempt)
        then()

    def _write(self, attempt: Attempt) -> None:
        now = self._clock.now
        attempt.wrote = now
        self._known.add(attempt.item.id)
        self._world.rows.append(Row(attempt.item, now, attempt, now))
        picture = attempt.item.table == "screenshots"
        self._log("[Screenshot] 插入数据库成功: {}" if picture else "写入数据库 {}", attempt)

    def _answer(self, attempt: Attempt, answer: Answer) -> None:
        self._clock.after(self._network.between(1, 15), lambda: self._sent(attempt, answer))

    def _sent(self, attempt: Attempt, answer: Answer) -> None:
        lost = self._network.happens(self._clock.now, 0.06)
        noticed = lost and self._network.happens(0, 0.5)
        self._log("响应丢失 {}" if noticed else "发送响应 {}", attempt)
        if not lost:
            wait = self._network.usually(self._clock.now, 2, 80, 0.02, (29_000, 50_000))
            self._clock.after(wait, answer)

    def _log(self, words: str, attempt: Attempt) -> None:
        self._world.lines.append(Line(BACKEND, self._clock.now, words.format(attempt.item.id)))
