"""The backend, its database without a unique constraint, and its object store."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from tests.causes.simulated.state import Attempt, Item, Kernel, Line, Played, Row, object_key

Order = Literal["object first", "row first"]
Answer = Callable[[Attempt], None]

_WORDS = {
    "receive": ("接收 {}", "received {}"),
    "db_write": ("写入数据库 {}", "written to the database: {}"),
    "picture": ("[Screenshot] 插入数据库成功: {}", "[Screenshot] {} inserted into the database"),
    "response": ("发送响应 {}", "answer sent {}"),
    "response_lost": ("响应丢失 {}", "answer lost {}"),
    "upload_done": ("[Screenshot] 上传完成: {}", "[Screenshot] upload done: {}"),
    "upload_failed": ("[Screenshot] 上传失败: {}", "[Screenshot] upload failed: {}"),
    "idempotent_skip": ("[Idempotent] {} 已完成上传，跳过", "[Idempotent] {} already completed, skipped"),
}


@dataclass(frozen=True)
class Troubles:
    """How often what goes wrong, as shares of all cases."""

    request_lost: float = 0.04
    request_late: float = 0.02
    answer_lost: float = 0.13
    answer_late: float = 0.02
    slow_handler: float = 0.04
    slow_upload: float = 0.2
    upload_fails: float = 0.2


class Backend:
    """One node: devices stay connected to theirs, and each node has its own version of the screenshots' handler."""

    def __init__(
        self, kernel: Kernel, played: Played, name: str, order: Order, language: int, troubles: Troubles
    ) -> None:
        self._kernel = kernel
        self._played = played
        self._name = name
        self._order = order
        self._language = language
        self._troubles = troubles

    def request(self, attempt: Attempt, answer: Answer) -> None:
        """Take what a client puts on the wire: it arrives soon, late, or never."""
        if self._kernel.chance(self._troubles.request_lost):
            return
        wait = self._kernel.between(5, 400)
        if self._kernel.chance(self._troubles.request_late):
            wait = self._kernel.between(5_000, 75_000)
        self._kernel.after(wait, lambda: self._receive(attempt, answer))

    def _receive(self, attempt: Attempt, answer: Answer) -> None:
        attempt.received = self._kernel.now
        self._log("receive", attempt.item)
        wait = self._kernel.between(2, 40)
        if self._kernel.chance(self._troubles.slow_handler):
            wait = self._kernel.between(20_000, 80_000)
        if attempt.item.kind != "screenshot":
            self._kernel.after(wait, lambda: self._insert(attempt, lambda: self._answer(attempt, answer)))
        elif self._order == "object first":
            self._kernel.after(wait, lambda: self._object_first(attempt, answer))
        else:
            self._kernel.after(wait, lambda: self._row_first(attempt, answer))

    def _object_first(self, attempt: Attempt, answer: Answer) -> None:
        attempt.looked = self._kernel.now
        if object_key(attempt.item) in self._played.objects:
            self._skip(attempt, answer)
            return

        def stored() -> None:
            self._store(attempt)
            wait = self._kernel.between(2, 60)
            self._kernel.after(wait, lambda: self._insert(attempt, lambda: self._answer(attempt, answer)))

        self._kernel.after(self._upload_time(), stored)

    def _row_first(self, attempt: Attempt, answer: Answer) -> None:
        attempt.looked = self._kernel.now
        if attempt.item.id in self._played.rows:
            self._skip(attempt, answer)
            return

        def written() -> None:
            self._kernel.after(self._upload_time(), uploaded)

        def uploaded() -> None:
            if self._kernel.chance(self._troubles.upload_fails):
                attempt.upload_failed = True
                # The handler breaks off: the client hears nothing, and will time out.
                self._log("upload_failed", attempt.item)
                return
            self._store(attempt)
            self._answer(attempt, answer)

        self._kernel.after(self._kernel.between(2, 30), lambda: self._insert(attempt, written))

    def _upload_time(self) -> int:
        if self._kernel.chance(self._troubles.slow_upload):
            return self._kernel.between(20_000, 70_000)
        return self._kernel.between(2_000, 10_000)

    def _store(self, attempt: Attempt) -> None:
        key = object_key(attempt.item)
        attempt.stored = self._kernel.now
        self._played.objects[key] = (attempt.item.content[1], self._kernel.now)
        self._played.writes[key] += 1
        self._log("upload_done", attempt.item)

    def _insert(self, attempt: Attempt, then: Callable[[], None]) -> None:
        item = attempt.item
        attempt.written = self._kernel.now
        row = Row(item, self._kernel.now, attempt, self._kernel.between(0, 3))
        self._played.rows[item.id].append(row)
        self._log("picture" if item.kind == "screenshot" else "db_write", item, self._kernel.between(0, 4))
        then()

    def _skip(self, attempt: Attempt, answer: Answer) -> None:
        attempt.told_done = self._kernel.now
        self._log("idempotent_skip", attempt.item)
        self._answer(attempt, answer)

    def _answer(self, attempt: Attempt, answer: Answer) -> None:
        wait = self._kernel.between(4, 12)
        if self._kernel.chance(self._troubles.answer_lost):
            # A node does not always notice that nobody listens any more.
            noticed = self._kernel.chance(0.5)
            self._log("response_lost" if noticed else "response", attempt.item, wait)
            return
        self._log("response", attempt.item, wait)
        late = self._kernel.chance(self._troubles.answer_late)
        travel = self._kernel.between(25_000, 70_000) if late else self._kernel.between(5, 400)
        self._kernel.after(wait + travel, lambda: answer(attempt))

    def _log(self, event: str, item: Item, wait: int = 0) -> None:
        at = self._kernel.now + wait
        text = _WORDS[event][self._language].format(item.id)
        name = "db_write" if event == "picture" else event
        self._played.lines.append(Line(at, at, self._name, text, item.id, name))
