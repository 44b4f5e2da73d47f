"""The times of log lines: the common formats, zones, and that nothing raises."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dedupaudit.sources.logs.clock import Clock
from dedupaudit.times import to_micros

SHANGHAI = ZoneInfo("Asia/Shanghai")
WRITTEN = to_micros(datetime(2026, 1, 2, tzinfo=UTC))
AT = to_micros(datetime(2025, 12, 24, 8, 1, 14, tzinfo=UTC))


@pytest.mark.parametrize(
    ("line", "micros"),
    [
        ("2025-12-24T08:01:14Z x", AT),
        ("2025-12-24T08:01:14.487Z x", AT + 487_000),
        ("2025-12-24 08:01:14,487Z x", AT + 487_000),
        ("2025-12-24T08:01:14.123456789Z x", AT + 123_456),
        ("2025-12-24T16:01:14.5+08:00 x", AT + 500_000),
        ("2025-12-24 16:01:14 +0800 x", AT),
        ("2025-12-24T02:31:14-0530 x", AT),
        ("2025-12-24 16:01:14 x", AT),
        ("2025-12-24 16:01:14.487 -- x", AT + 487_000),
        ("2025/12/24 16:01:14,487 x", AT + 487_000),
        ("2025/12/24 16:01:14 [error] 12#12: *1 x", AT),
        ("[2025-12-24T08:01:14.487Z] x", AT + 487_000),
        ("INFO 2025-12-24T08:01:14.487Z x", AT + 487_000),
        ('10.0.0.1 - - [24/Dec/2025:08:01:14 +0000] "POST /activity_1 HTTP/1.1" 200', AT),
        ('10.0.0.1 - - [24/Dec/2025:16:01:14] "POST"', AT),
        ("Dec 24 16:01:14 host app[1]: x", AT),
        ("<13>Dec 24 16:01:14 host app[1]: x", AT),
        ("1766563274 x", AT),
        ("1766563274.487 x", AT + 487_000),
        ("[1766563274487] x", AT + 487_000),
        ("2016-12-31T23:59:60Z x", to_micros(datetime(2017, 1, 1, tzinfo=UTC))),
    ],
)
def test_the_common_formats(line: str, micros: int) -> None:
    assert Clock(SHANGHAI, WRITTEN).find(line.encode()) == micros


@pytest.mark.parametrize(
    "line",
    [
        "",
        "x",
        "activity_1766563274487",
        "2025-13-24T08:01:14Z",
        "2025-02-30 08:01:14",
        "0000-01-01T00:00:00Z",
        "2025-12-24T25:01:14Z",
        "2025-12-24T08:01:14+99:00",
        "0001-01-01T00:00:00+23:59",
        "9999-12-31T23:59:59-23:59",
        "Feb 30 10:00:00 host x",
        "12025-12-24T08:01:14Z",
        "17665632744871234567 x",
    ],
)
def test_what_is_no_time(line: str) -> None:
    assert Clock(UTC, WRITTEN).find(line.encode()) is None


def test_a_time_without_a_year_is_never_long_after_the_file_was_written() -> None:
    january = to_micros(datetime(2026, 1, 2, tzinfo=UTC))
    assert Clock(UTC, january).find(b"Jan  1 00:00:00 host x") == to_micros(datetime(2026, 1, 1, tzinfo=UTC))
    assert Clock(UTC, january).find(b"Dec 31 00:00:00 host x") == to_micros(datetime(2025, 12, 31, tzinfo=UTC))
    assert Clock(UTC, january).find(b"Feb 29 00:00:00 host x") == to_micros(datetime(2024, 2, 29, tzinfo=UTC))


@pytest.mark.parametrize("value", ["1766563274487", 1766563274487, 1766563274.487, "2025-12-24T16:01:14.487+08:00"])
def test_fields_hold_numbers_and_text(value: object) -> None:
    assert Clock(UTC).value(value) == AT + 487_000


@pytest.mark.parametrize("value", [None, True, [], {}, float("nan"), 10**40, "", "soon"])
def test_fields_that_hold_no_time(value: object) -> None:
    assert Clock(UTC).value(value) is None


PIECES = st.lists(
    st.sampled_from(
        ["2025", "-", "12", "/", "24", "T", " ", "08", ":", "01", "14", ".", ",", "487", "Z", "+", "0800", "Dec",
         "0000", "9999", "99", "1766563274", "[", "\0", "\ud800", "é"]
    ),
    max_size=14,
)  # fmt: skip


@given(PIECES.map("".join), st.one_of(st.none(), st.integers(-(10**20), 10**20)))
def test_nothing_that_looks_like_a_time_raises(text: str, written: int | None) -> None:
    clock = Clock(SHANGHAI, written)
    for found in (clock.find(text.encode("utf-8", "surrogatepass")), clock.value(text)):
        assert found is None or isinstance(found, int)


@given(st.binary(max_size=60))
def test_no_bytes_raise(line: bytes) -> None:
    found = Clock(UTC).find(line)
    assert found is None or isinstance(found, int)


@given(st.one_of(st.integers(), st.floats(), st.text(max_size=30)))
def test_no_value_raises(value: object) -> None:
    found = Clock(UTC).value(value)
    assert found is None or isinstance(found, int)


@given(st.datetimes(min_value=datetime(1970, 1, 2), max_value=datetime(2200, 1, 1)))
def test_both_ways_to_read_a_second_agree(moment: datetime) -> None:
    text = moment.replace(microsecond=0).isoformat(" ").encode()
    clock = Clock(ZoneInfo("Europe/London"))
    assert clock.second(text, zoned=False) == clock.find(text)
    assert clock.second(text, zoned=True) == clock.find(text + b"Z")
