"""Whatever a database stores as a time becomes one moment, and that moment's text says it again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dedupaudit.times import EPOCH, day_number, day_text, iso, iso_or_none, parse_time, to_micros

MOMENT = datetime(2025, 12, 24, 8, 1, 14, 487_000, tzinfo=UTC)
MICROS = 1_766_563_274_487_000
EARLIEST, LATEST = parse_time("0001-01-01T00:00:00Z"), parse_time("9999-12-31T23:59:59.999999Z")

moments = st.integers(min_value=EARLIEST or 0, max_value=LATEST or 0)
zones = st.sampled_from(["UTC", "Asia/Shanghai", "America/New_York", "Europe/Dublin", "Australia/Lord_Howe"])


@given(moments)
def test_the_text_of_a_moment_is_read_back_as_that_moment(micros: int) -> None:
    assert parse_time(iso(micros)) == micros


@given(moments)
def test_the_text_is_what_the_standard_library_says(micros: int) -> None:
    assert datetime.fromisoformat(iso(micros)) == EPOCH + timedelta(microseconds=micros)


@given(moments, moments)
def test_texts_of_moments_sort_as_the_moments_do(one: int, other: int) -> None:
    def seconds(micros: int) -> str:
        return iso(micros // 1_000 * 1_000)

    assert (seconds(one) < seconds(other)) == (one // 1_000 < other // 1_000)


@given(moments)
def test_the_day_of_a_moment_begins_its_text(micros: int) -> None:
    assert iso(micros).startswith(day_text(day_number(micros)) + "T")


@given(st.text() | st.integers() | st.floats() | st.binary() | st.none() | st.booleans(), zones)
def test_no_value_is_refused_and_every_moment_has_a_text(value: object, zone: str) -> None:
    micros = parse_time(value, ZoneInfo(zone))
    assert micros is None or parse_time(iso(micros)) == micros


@given(st.datetimes(), st.timezones())
def test_a_naive_time_is_read_in_its_zone(naive: datetime, zone: ZoneInfo) -> None:
    try:
        expected = to_micros(naive.replace(tzinfo=zone))
    except OverflowError:
        expected = None
    in_range = expected is not None and (EARLIEST or 0) <= expected <= (LATEST or 0)
    assert parse_time(naive.isoformat(" "), zone) == (expected if in_range else None)
    assert parse_time(naive, zone) == (expected if in_range else None)


@given(st.datetimes(timezones=st.timezones()), zones)
def test_a_zoned_time_is_not_moved_by_the_configured_zone(moment: datetime, zone: str) -> None:
    assert parse_time(moment, ZoneInfo(zone)) == parse_time(moment)


@pytest.mark.parametrize(
    "value",
    [
        1_766_563_274_487,
        1_766_563_274_487.0,
        1_766_563_274.487,
        MICROS,
        MICROS * 1_000,
        "1766563274487",
        " 1766563274487 ",
        "2025-12-24T08:01:14.487Z",
        "2025-12-24 08:01:14.487",
        "2025-12-24T16:01:14.487+08:00",
        "20251224T080114.487Z",
        MOMENT,
        MOMENT.replace(tzinfo=None),
        MOMENT.astimezone(timezone(timedelta(hours=8))),
    ],
)
def test_every_way_of_writing_one_moment(value: object) -> None:
    assert parse_time(value) == MICROS


def test_seconds_without_a_fraction_are_told_from_milliseconds() -> None:
    assert parse_time(1_766_563_274) == MICROS - 487_000


@pytest.mark.parametrize(("naive", "moment"), [("2025-07-01 12:00", "16:00"), ("2025-12-01 12:00", "17:00")])
def test_summer_time_is_the_zones_own(naive: str, moment: str) -> None:
    assert iso(parse_time(naive, ZoneInfo("America/New_York")) or 0)[11:16] == moment


def test_of_the_hour_that_comes_twice_the_first_is_meant() -> None:
    assert iso(parse_time("2025-11-02 01:30", ZoneInfo("America/New_York")) or 0) == "2025-11-02T05:30:00.000Z"


@pytest.mark.parametrize(
    "text", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00", "0001-01-01", "10000-01-01"]
)
def test_a_time_that_leaves_the_calendar_in_utc_is_no_time(text: str) -> None:
    assert parse_time(text, ZoneInfo("Asia/Shanghai")) is None


@pytest.mark.parametrize(
    "value",
    [None, True, False, "", " ", "soon", "2025-13-01", "1_766_563_274_487", "１７６６", "9" * 30, b"2025-12-24", "\0"],
)
def test_what_is_no_time(value: object) -> None:
    assert parse_time(value) is None


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf"), 1e300, -1e300, 10**40, -(10**40)])
def test_a_number_that_is_no_moment(value: float) -> None:
    assert parse_time(value) is None


def test_no_time_has_no_text() -> None:
    assert iso_or_none(None) is None
    assert iso_or_none(0) == "1970-01-01T00:00:00.000Z"
