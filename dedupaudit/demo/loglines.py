"""The lines of the client's and the backend's logs, in the words of the real ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

Stream = Literal["client", "backend"]


class LogLine(NamedTuple):
    """One line: when (epoch milliseconds), in whose log, its words, and the events that it tells of."""

    at: int
    stream: Stream
    text: str
    events: tuple[str, ...]
    item: str


def _line(stream: Stream, words: str, *events: str) -> Callable[[int, str], LogLine]:
    def at(moment: int, item: str) -> LogLine:
        return LogLine(moment, stream, words.format(item), events, item)

    return at


send = _line("client", "发送 {}", "send")
resend = _line("client", "再次发送 {}", "resend")
requeue = _line("client", "超时（30秒），重新入队 {}", "timeout", "requeue")

receive = _line("backend", "接收 {}", "receive")
write = _line("backend", "写入数据库 {}", "db_write")
answer = _line("backend", "发送响应 {}", "response")
answer_lost = _line("backend", "响应丢失 {}", "response_lost")

insert_picture = _line("backend", "[Screenshot] 插入数据库成功: {}", "db_write")
upload_done = _line("backend", "[Screenshot] 上传完成: {}", "upload_done")
upload_failed = _line("backend", "[Screenshot] 上传失败: {}", "upload_failed")
skip_done = _line("backend", "[Idempotent] {} 已完成上传，跳过", "idempotent_skip")
wait_for_other = _line("backend", "[Concurrent] {} 正在上传中，等待完成", "concurrent_wait")
retry_failed = _line("backend", "[Retry] {} 之前失败，重新上传", "retry")
