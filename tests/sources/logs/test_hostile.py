"""Lines that were made to hurt: none raises, none holds the reader up, none is mistaken."""

from __future__ import annotations

from pathlib import Path

import pytest

from dedupaudit.config.models import LogEventSettings
from dedupaudit.errors import UsageError
from dedupaudit.sources.logs.blocks import MAX_LINE
from dedupaudit.sources.logs.reader import FileLogs
from tests.sources.logs.making import EVENTS, TEXT, read, short

MEGABYTES = 10 << 20


@pytest.mark.parametrize("encoding", ["utf-8", "gb18030", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("filling", ["x", '{"a":', "sent ", 'a="\\" ', "activity_1 ", "超时"])
def test_a_line_of_ten_megabytes_is_cut_and_counted(tmp_path: Path, encoding: str, filling: str) -> None:
    log = tmp_path / "app.log"
    long = "2025-12-24T08:00:00.000Z 再次发送 activity_7 " + filling * (MEGABYTES // len(filling.encode(encoding)))
    log.write_bytes((TEXT + long + "\n" + TEXT).encode(encoding))
    events, file = read(log)
    after = [(line + 15, event) for line, event in EVENTS]
    assert [one for one in short(events) if one[0] != 15] == EVENTS + after
    assert {event.id for event in events if event.line == 15} >= {"activity_7"}
    assert (file.lines, file.long_lines, file.damage) == (29, 1, None)
    assert file.bytes == log.stat().st_size


def test_a_long_line_just_over_the_bound_is_cut(tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    start = b"2025-12-24T08:00:00.000Z sent activity_7 "
    log.write_bytes(start + b"x" * (MAX_LINE - len(start)) + b" activity_8\n" + start + b"\n")
    events, file = read(log)
    assert [(event.line, event.id) for event in events] == [(1, "activity_7"), (2, "activity_7")]
    assert events[1].offset == MAX_LINE + 12
    assert file.long_lines == 1


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("\x1b[31m2025-12-24T08:00:00.000Z\x1b[0m 重新入队 activity_1\x1b[K".encode(), ["activity_1"]),
        (b"2025-12-24T08:00:00.000Z sent\0activity_1\0", ["activity_1"]),
        (b"sent \xed\xa0\x80 activity_1 \xed\xb0\x80", ["activity_1"]),
        (b"sent activity_1\xe2\x80\xa8sent activity_2\rsent activity_3", ["activity_1", "activity_2", "activity_3"]),
        (b'{"msg": "sent activity_1", "n": ' + b"9" * 5000 + b"}", ["activity_1"]),
        (b'{"msg": ' + b"[" * 50_000 + b" sent activity_1", ["activity_1"]),
        (b'{"msg": "\\ud800 sent activity_1", "ts": "\\ud800", "device": "\\ud800"}', ["activity_1"]),
        (b'{"event": ["sent"], "msg": 7, "ts": {}, "x": "activity_1"}', []),
        (b'[1, "sent activity_1"]', ["activity_1"]),
        (b'msg="sent activity_1', ["activity_1"]),
    ],
)  # fmt: skip
def test_a_strange_line_tells_what_it_tells(tmp_path: Path, line: bytes, found: list[str]) -> None:
    log = tmp_path / "app.log"
    log.write_bytes(line + b"\n" + TEXT.encode("utf-8"))
    events, _ = read(log)
    assert [event.id for event in events if event.line == 1] == found
    assert [one for one in short(events) if one[0] != 1] == [(line + 1, event) for line, event in EVENTS]


def own(pattern: str) -> LogEventSettings:
    return LogEventSettings(name="requeue", pattern=pattern)


def test_a_pattern_of_the_users_finds_id_time_and_device(tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    log.write_text(
        "x\n<1766563274487> dev7: back into the queue: order-7\n2025-12-24 16:01:14 back into the queue: A\n"
    )
    pattern = r"(?:<(?P<time>\d+)> (?P<device>\w+): )?back into the (queue): (?P<id>[\w-]+)"
    events, _ = read(log, "Asia/Shanghai", [own(pattern)])
    assert [(e.event, e.id, e.at, e.device, e.line, e.offset) for e in events] == [
        ("requeue", "order-7", 1_766_563_274_487_000, "dev7", 2, 2),
        ("requeue", "A", 1_766_563_274_000_000, None, 3, 53),
    ]


def test_what_a_pattern_and_the_known_words_find_is_one_event(tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    log.write_text(TEXT, "utf-8")
    events, _ = read(log, own=[own(r"重新入队 (?P<id>\w+)")])
    assert short(events) == EVENTS


def test_a_pattern_is_tried_where_only_its_event_is_wanted(tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    log.write_text(TEXT + "back again: X\n", "utf-8")
    logs = FileLogs([str(log)], own=[own(r"back again: (?P<id>\w+)")])
    assert short(list(logs.events(frozenset({"requeue"})))) == [(2, "requeue"), (15, "requeue")]
    assert short(list(logs.events(frozenset({"send"})))) == [(1, "send")]
    assert [line.line for line in logs.unknown_lines(5)] == [3]


@pytest.mark.parametrize("bomb", [r"(a+)+$", r"(a|aa)+$", r"(?:a*)*b", r"(.*)*(.*)*(.*)*c"])
def test_a_pattern_that_could_run_for_ever_does_not(tmp_path: Path, bomb: str) -> None:
    log = tmp_path / "app.log"
    log.write_text("sent activity_1\n" + "a" * 60_000 + "!\n")
    events, _ = read(log, own=[own(rf"(?P<id>x?){bomb}")])
    assert short(events) == [(1, "send")]


@pytest.mark.parametrize("pattern", [r"(?=x)(?P<id>x)", r"(?P<id>x)\1", r"(?P<id>x)(?P<other>y)", r"(?<!a)(?P<id>x)"])
def test_a_pattern_that_cannot_be_tried_safely_is_wrong_usage(tmp_path: Path, pattern: str) -> None:
    with pytest.raises(UsageError, match="logs.events requeue"):
        FileLogs([str(tmp_path / "app.log")], own=[own(pattern)])
