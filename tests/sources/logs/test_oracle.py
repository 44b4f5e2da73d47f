"""The reader against a slow and obvious one, on lines of every kind in random order."""

from __future__ import annotations

import re
import tempfile
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dedupaudit.sources.logs.reader import FileLogs

ZONE = ZoneInfo("Europe/London")
Found = tuple[int, str, str, int | None, int]

WORDS = {
    "发送": ["send"],
    "再次发送": ["resend"],
    "超时（30秒），重新入队": ["timeout", "requeue"],
    "超时": ["timeout"],
    "接收": ["receive"],
    "写入数据库": ["db_write"],
    "发送响应": ["response"],
    "响应丢失": ["response_lost"],
    "[Screenshot] 上传完成:": ["upload_done"],
    "心跳": [],
    "队列": [],
    "": [],
}


def oracle(raw: bytes) -> list[Found]:
    """Return line, event, ID, time and offset, read as a person would: one line after the other."""
    found: list[Found] = []
    offset = 0
    for number, line in enumerate(raw.split(b"\n"), 1):
        text = line.decode("utf-8", "replace")
        names = next((WORDS[word] for word in sorted(WORDS, key=len, reverse=True) if word and word in text), [])
        ids = re.findall(r"(?<![0-9A-Za-z_])(?:activity|screenshot|process)_[0-9]+", text)
        stamp = re.search(r"(?<!\w)(\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d)([.,]\d{3})?(Z?)", text)
        at = None
        if stamp:
            moment = datetime.fromisoformat(stamp[1] + ("+00:00" if stamp[3] else ""))
            moment = moment if moment.tzinfo else moment.replace(tzinfo=ZONE)
            at = int(moment.timestamp()) * 1_000_000 + int((stamp[2] or ".0")[1:]) * 1000
        found += [(number, name, item, at, offset) for item in dict.fromkeys(ids) for name in names]
        offset += len(line) + 1
    return found


def fast(path: Path, wanted: frozenset[str] | None = None) -> list[Found]:
    logs = FileLogs([str(path)], "Europe/London")
    return [(event.line, event.event, event.id, event.at, event.offset) for event in logs.events(wanted)]


times = st.one_of(
    st.just(""),
    st.builds(
        lambda moment, between, fraction, zone: moment.replace(microsecond=0).isoformat(between) + fraction + zone,
        st.datetimes(min_value=datetime(2001, 1, 1), max_value=datetime(2040, 1, 1)),
        st.sampled_from("T "),
        st.sampled_from(["", ".487", ",002", ".000"]),
        st.sampled_from(["Z", ""]),
    ),
)
ids = st.builds(
    "{}{}_{}".format,
    st.sampled_from(["", "", "", "x", "my_"]),
    st.sampled_from(["activity", "screenshot", "process", "order"]),
    st.integers(0, 10**13),
)
lines = st.builds(
    lambda time, before, words, between, one, after, more: f"{time}{before}{words}{between}{one}{after}{more}",
    times,
    st.sampled_from([" ", " [main] ", "\t", ""]),
    st.sampled_from(sorted(WORDS)),
    st.sampled_from([" ", ": ", ""]),
    st.one_of(ids, st.just("")),
    st.sampled_from(["", " ", "\r", "，完", "\0", " rtt=12ms"]),
    st.one_of(st.just(""), ids.map(" {}".format)),
)
noise = st.binary(max_size=12).map(lambda raw: raw.replace(b"\n", b""))
contents = st.lists(st.one_of(lines.map(str.encode), lines.map(str.encode), noise), max_size=25)


@given(contents, st.booleans(), st.sampled_from([None, frozenset({"requeue"}), frozenset({"send", "timeout"})]))
def test_events_are_those_of_a_slow_reader(content: list[bytes], whole: bool, wanted: frozenset[str] | None) -> None:
    # Enough of UTF-8 that no noise makes the file look like something else.
    raw = "发送接收重新入队\n".encode() * 40 + b"\n".join(content) + (b"\n" if whole else b"")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "app.log")
        path.write_bytes(raw)
        found = fast(path, wanted)
    assert found == [one for one in oracle(raw) if wanted is None or one[1] in wanted]


@given(contents.map(b"\n".join), st.sampled_from(["utf-8", "gb18030", "utf-16-le", "utf-16-be"]))
def test_the_text_is_the_same_in_every_encoding(raw: bytes, encoding: str) -> None:
    text = "2025-12-24T08:01:14.487Z 接收 activity_1766557428498\n" * 40 + raw.decode("utf-8", "ignore")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "app.log")
        path.write_bytes(text.encode(encoding))
        found = [one[:4] for one in fast(path)]
    assert found == [one[:4] for one in oracle(text.encode("utf-8"))]


@given(st.one_of(st.binary(max_size=300), contents.map(b"\n".join)))
def test_no_bytes_raise(raw: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "app.log")
        path.write_bytes(raw)
        logs = FileLogs([str(path)])
        list(logs.events())
        list(logs.unknown_lines(5))


@pytest.mark.parametrize("times", [1, 9])
def test_lines_are_whole_across_blocks(tmp_path: Path, times: int) -> None:
    line = "2025-12-24T08:01:14.487Z 超时（30秒），重新入队 activity_1766557428498 {}\n"
    raw = "".join(line.format("x" * (n % 97)) for n in range(5_000 * times)).encode()
    path = tmp_path / "app.log"
    path.write_bytes(raw)
    assert fast(path) == oracle(raw)
