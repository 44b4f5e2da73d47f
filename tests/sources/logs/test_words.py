"""Each line of the incident, in Chinese as it was written, and the like of it in English."""

from __future__ import annotations

import pytest

from dedupaudit.config.models import LogEventSettings
from dedupaudit.sources.logs.clock import Clock
from dedupaudit.sources.logs.lines import LineParser
from dedupaudit.sources.logs.words import EVENTS, classifier

ID = "activity_1766557428498"
AT = 1_766_563_274_487_000


def parser() -> LineParser:
    return LineParser(classifier(lossy=False), Clock())


def told(text: str) -> list[str]:
    return [one.event for one in parser().parse(f"2025-12-24T08:01:14.487Z {text}".encode())]


@pytest.mark.parametrize(
    ("text", "events"),
    [
        (f"发送 {ID}", ["send"]),
        (f"超时（30秒），重新入队 {ID}", ["timeout", "requeue"]),
        (f"重新入队 {ID}", ["requeue"]),
        (f"超时 {ID}", ["timeout"]),
        (f"再次发送 {ID}", ["resend"]),
        (f"接收 {ID}", ["receive"]),
        (f"写入数据库 {ID}", ["db_write"]),
        (f"发送响应 {ID}", ["response"]),
        (f"响应丢失 {ID}", ["response_lost"]),
        (f"[Screenshot] 插入数据库成功: {ID}", ["db_write"]),
        (f"[Idempotent] {ID} 已完成上传，跳过", ["idempotent_skip"]),
        (f"[Concurrent] {ID} 正在上传中，等待完成", ["concurrent_wait"]),
        (f"[Retry] {ID} 之前失败，重新上传", ["retry"]),
        (f"[Screenshot] 上传完成: {ID}", ["upload_done"]),
        (f"[Screenshot] 上传失败: {ID}", ["upload_failed"]),
        (f"[Idempotent] Activity {ID} already exists", ["idempotent_skip"]),
        (f"sending {ID}", ["send"]),
        (f"Sent again: {ID}", ["resend"]),
        (f"sent {ID} again", ["resend"]),
        (f"Timed out after 30 s, re-queued {ID}", ["timeout", "requeue"]),
        (f"timeout, requeue {ID}", ["timeout", "requeue"]),
        (f"re-sending {ID} after timeout", ["resend"]),
        (f"received {ID}", ["receive"]),
        (f"{ID} written to the database", ["db_write"]),
        (f"inserted {ID} into the database", ["db_write"]),
        (f"response sent {ID}", ["response"]),
        (f"sending the response for {ID}", ["response"]),
        (f"response lost: {ID}", ["response_lost"]),
        (f"upload done {ID}", ["upload_done"]),
        (f"upload of {ID} failed", ["upload_failed"]),
        (f"{ID} failed before, uploading again", ["retry"]),
        (f"{ID} upload in progress, waiting", ["concurrent_wait"]),
    ],
)
def test_a_line_tells_its_events(text: str, events: list[str]) -> None:
    assert told(text) == events


@pytest.mark.parametrize(
    "text",
    [
        "重新入队",
        "heartbeat",
        f"心跳 {ID}",
        f"发送失败 {ID}",
        f"not sent {ID}",
        f"resentment {ID}",
        "发送 my_activity_1",
        "发送 activity_queue",
    ],
)
def test_a_line_without_an_id_or_a_known_word_tells_nothing(text: str) -> None:
    assert told(text) == []


def test_a_line_with_several_ids_tells_an_event_of_each() -> None:
    found = parser().parse(f"2025-12-24T08:01:14.487Z 发送 {ID}, screenshot_2, {ID}".encode())
    assert [(one.event, one.id, one.at) for one in found] == [("send", ID, AT), ("send", "screenshot_2", AT)]


def test_a_line_of_json_tells_by_its_fields() -> None:
    line = f'{{"ts": 1766563274487, "device_id": "mac-7", "msg": "\\u91cd\\u65b0\\u5165\\u961f {ID}", "n": 2}}'
    (one,) = parser().parse(line.encode())
    assert (one.event, one.id, one.at, one.device) == ("requeue", ID, AT, "mac-7")
    assert one.fields["n"] == "2"


def test_an_event_named_in_json_needs_no_words() -> None:
    (one,) = parser().parse(f'{{"time": "2025-12-24T08:01:14.487Z", "event": "response_lost", "id": "{ID}"}}'.encode())
    assert (one.event, one.at) == ("response_lost", AT)


def test_json_that_was_cut_off_is_read_as_text() -> None:
    (one,) = parser().parse(f'{{"time": "2025-12-24T08:01:14.487Z", "msg": "重新入队 {ID}", "devi'.encode())
    assert (one.event, one.at) == ("requeue", AT)


def test_a_line_of_logfmt_tells_by_its_fields() -> None:
    line = f'time=2025-12-24T08:01:14.487Z level=info device=pc-1 msg="再次发送 \\"{ID}\\""'
    (one,) = parser().parse(line.encode())
    assert (one.event, one.id, one.at, one.device, one.fields["level"]) == ("resend", ID, AT, "pc-1", "info")


def test_text_may_name_its_device() -> None:
    (one,) = parser().parse(f"2025-12-24T08:01:14.487Z 接收 {ID} device_id: win-3".encode())
    assert one.device == "win-3"


def test_the_events_are_those_of_the_configuration() -> None:
    for event in EVENTS:
        LogEventSettings(name=event, pattern=r"(?P<id>\w+)")  # type: ignore[arg-type]  # it is what is tested
