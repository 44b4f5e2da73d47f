"""Log files for tests, and the events that a reader finds in them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from dedupaudit.config.models import LogEventSettings
from dedupaudit.sources.logs.protocol import LogEvent, LogFile
from dedupaudit.sources.logs.reader import FileLogs

LINES = (
    "2025-12-24T08:01:14.487Z 发送 activity_1766557428498",
    "2025-12-24T08:01:44.487Z 超时（30秒），重新入队 activity_1766557428498",
    "2025-12-24T08:01:50.000Z 心跳正常，队列为空，继续等待",
    "2025-12-24T08:02:14.487Z 再次发送 activity_1766557428498",
    "2025-12-24T08:02:14.500Z 接收 activity_1766557428498",
    "2025-12-24T08:02:14.510Z 写入数据库 activity_1766557428498",
    "2025-12-24T08:02:14.520Z 响应丢失 activity_1766557428498",
    "2025-12-24T08:02:15.000Z [Idempotent] screenshot_1766557428499 已完成上传，跳过",
    "2025-12-24T08:02:15.000Z [Concurrent] screenshot_1766557428499 正在上传中，等待完成",
    "2025-12-24T08:02:15.000Z [Retry] screenshot_1766557428499 之前失败，重新上传",
    "2025-12-24T08:02:15.001Z [Screenshot] 插入数据库成功: screenshot_1766557428499",
    "2025-12-24T08:02:15.002Z [Screenshot] 上传完成: screenshot_1766557428499",
    "2025-12-24T08:02:15.003Z [Screenshot] 上传失败: screenshot_1766557428499",
    "2025-12-24T08:02:15.004Z 发送响应 screenshot_1766557428499",
)
EVENTS = [
    (1, "send"), (2, "timeout"), (2, "requeue"), (4, "resend"), (5, "receive"), (6, "db_write"), (7, "response_lost"),
    (8, "idempotent_skip"), (9, "concurrent_wait"), (10, "retry"), (11, "db_write"), (12, "upload_done"),
    (13, "upload_failed"), (14, "response"),
]  # fmt: skip
TEXT = "".join(f"{line}\n" for line in LINES)


def read(path: Path | str, zone: str = "UTC", own: Sequence[LogEventSettings] = ()) -> tuple[list[LogEvent], LogFile]:
    """Return the events of one file, and what was found of it."""
    logs = FileLogs([str(path)], zone, own)
    events = list(logs.events())
    logs.close()
    (file,) = logs.files
    return events, file


def short(events: Sequence[LogEvent]) -> list[tuple[int, str]]:
    """Return line and name of each event."""
    return [(event.line, event.event) for event in events]
