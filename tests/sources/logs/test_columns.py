"""Lines for the embedded engine, made without an event in between, are those of the events."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dedupaudit.config.models import LogEventSettings
from dedupaudit.errors import SourceError
from dedupaudit.sources.logs import reader, side_by_side
from dedupaudit.sources.logs.columns import coded, decoded, line_within, rendered
from dedupaudit.sources.logs.protocol import NO_SPAN, Span
from dedupaudit.sources.logs.reader import FileLogs
from tests.sources.logs.making import TEXT
from tests.sources.logs.test_oracle import contents

ITEM = "activity_1766557428498"
AT = 1_766_563_274_487_000
HARD = (
    "2025-12-24T08:01:14.487Z 发送 activity_1766557428498",
    "2025-12-24T08:01:14,487Z 发送 activity_1766557428499",
    "2025-12-24 08:01:14.487 发送 activity_1766557428498",
    "2025-12-24T08:01:14x487Z 发送 activity_1766557428498",
    "2025-12-24T08:01:14.4²7Z 发送 activity_1766557428498",
    "2025-12-24T08:01:14.487Z 发送 activity_176655742849²",
    "2025-12-24T08:01:14.487Z 发送 activity_0766557428498",
    "2025-12-24T08:01:14.487Z 发送 activity_17665574284981",
    "2025-12-24T08:01:14.487Z 发送 activity_1766557428498-7f3a",
    "2025-12-24T08:01:14.487Z 发送 activity_1766557428498b activity_3",
    "2025-12-24T08:01:14.487Z a_b activity_1766557428498 发送",
    "2025-12-24T08:01:14.487Z a_1766557428498b activity_1766557428498 发送",
    "2025-12-24T08:01:14.487Z a_1766557428498 发送 activity_1766557428498",
    "2025-12-24T08:01:14.487Z 超时（30秒），重新入队 screenshot_1766557428498",
    "2025-12-24T08:01:14.487Z 发送 screenshot_1766557428498 process_1766557428498",
    "2025-12-24T08:01:14.487Z 发送 activity_1766557428498 device=d1",
    '{"time": "2025-12-24T08:01:14.487Z", "msg": "sent activity_1766557428498", "device": "d\\t\\n\\u001b漢"}',
    "1969-12-24T08:01:14.487Z 发送 activity_1766557428498",
    "0001-01-01T00:00:00.000 发送 activity_1766557428498",
    "发送 activity_1766557428498",
    "2025-12-24T08:01:14.487Z 发送 activity_1766557428498\r",
)


def columns(path: Path, wanted: frozenset[str] | None = None, span: Span = NO_SPAN) -> list[bytes]:
    logs = FileLogs([str(path)], "Europe/London")
    return b"".join(logs.columns(wanted, span)).splitlines()


def expected(path: Path, wanted: frozenset[str] | None = None, span: Span = NO_SPAN) -> list[bytes]:
    logs = FileLogs([str(path)], "Europe/London")
    return b"".join(rendered(batch, 0, span) for batch in logs.batches(wanted)).splitlines()


wishes = st.sampled_from([None, frozenset({"requeue"}), frozenset({"send", "timeout"})])
spans = st.sampled_from([NO_SPAN, (AT, None), (None, AT - 1), (AT, AT)])
hard = st.lists(st.sampled_from(HARD), max_size=30).map(lambda lines: [line.encode() for line in lines])


@given(st.one_of(contents, hard), wishes, spans)
def test_lines_are_those_of_the_events(content: list[bytes], wanted: frozenset[str] | None, span: Span) -> None:
    # What was met once is looked up the second time.
    raw = "发送接收重新入队\n".encode() * 40 + b"\n".join(content) + b"\n" + b"\n".join(content)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "app.log")
        path.write_bytes(raw)
        assert columns(path, wanted, span) == expected(path, wanted, span)


@pytest.mark.parametrize("encoding", ["utf-8", "gb18030", "utf-16"])
def test_other_processes_read_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, encoding: str) -> None:
    paths = [tmp_path / "a.log", tmp_path / "b.log"]
    for number, path in enumerate(paths):
        lines = "\n".join(line.replace("1766557428498", f"17665574284{number}8") for line in HARD)
        path.write_bytes(((TEXT + lines + "\n") * 1_200).encode(encoding, "replace"))
    alone, helped = (FileLogs([str(path) for path in paths]) for _ in range(2))
    expected = sorted(b"".join(alone.columns()).splitlines())
    monkeypatch.setattr(reader, "_LARGE", 1)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: {0, 1})
    assert sorted(b"".join(helped.columns()).splitlines()) == expected
    assert helped.files == alone.files
    assert all(file.events for file in helped.files)


def test_nothing_beside_the_logs_is_run_by_other_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("re.py", "pickle.py", "zoneinfo.py", "sitecustomize.py"):
        (tmp_path / name).write_text("import os; os._exit(9)")
    (tmp_path / "app.log").write_text(TEXT, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(reader, "_LARGE", 1)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: {0, 1})
    assert len(columns(tmp_path / "app.log")) == 14


@pytest.mark.parametrize("start", ["raise SystemExit(1)", "import sys; sys.stdin.buffer.read(9)"])
def test_a_process_that_dies_is_a_failure_and_no_end_of_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, start: str
) -> None:
    (tmp_path / "app.log").write_text(TEXT * 3_000, encoding="utf-8")
    monkeypatch.setattr(side_by_side, "_START", start)
    monkeypatch.setattr(reader, "_LARGE", 1)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: {0, 1})
    with pytest.raises(SourceError, match="ended early"):
        columns(tmp_path / "app.log")


def test_patterns_of_the_users_own_are_in_the_columns(tmp_path: Path) -> None:
    (tmp_path / "app.log").write_text("2025-12-24T08:01:14.487Z back again: x\ty\n", encoding="utf-8")
    own = LogEventSettings(name="requeue", pattern=r"back again: (?P<id>.+)")
    logs = FileLogs([str(tmp_path / "app.log")], own=[own])
    assert b"".join(logs.columns()) == b"requeue\t\\N\t1766563274487000\t\\N\t0\t1\tx\\0009y\n"
    logs.close()


@given(st.one_of(st.from_regex(r"(activity|screenshot|process)_[0-9]{1,19}", fullmatch=True), st.text()))
def test_an_id_comes_back_from_its_number(ident: str) -> None:
    code = coded(ident)
    assert code is None or (decoded(int(code)) == ident and 0 < int(code) < 2**63)


def test_ids_that_differ_only_in_zeros_or_kind_have_different_numbers() -> None:
    assert coded("activity_01") is None
    assert coded("activity_٣") is None
    assert len({coded("activity_1"), coded("screenshot_1"), coded("process_1"), coded("activity_11")}) == 4


def test_a_line_without_a_time_is_in_no_span() -> None:
    assert not line_within("send\t11\t\\N\t\\N\t0\t1\t\\N", (0, None))
