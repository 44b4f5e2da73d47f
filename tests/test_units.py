"""Durations and sizes: what is understood, what is refused, and what the refusal says."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dedupaudit.errors import UsageError
from dedupaudit.units import duration, show_duration, size


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("500ms", 0.5),
        ("30s", 30),
        ("10min", 600),
        ("1h", 3600),
        ("7d", 604_800),
        ("1.5h", 5400),
        ("0s", 0),
        (" 2 H ", 7200),
    ],
)
def test_a_duration_is_seconds(text: str, seconds: float) -> None:
    assert duration(text) == seconds


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("400MB", 400_000_000),
        ("256MiB", 268_435_456),
        ("1GB", 10**9),
        ("2kb", 2000),
        ("3KiB", 3072),
        ("1TB", 10**12),
        ("7B", 7),
        ("1.5GiB", 1_610_612_736),
        ("0.5KB", 500),
    ],
)
def test_a_size_is_bytes(text: str, count: int) -> None:
    assert size(text) == count


@pytest.mark.parametrize(
    "text", ["90", "", "s", "1", "1m", "-1s", "1h30min", "1e3s", "inf s", "nan", "1 week", "٣s", "9" * 400 + "d"]
)
def test_any_other_duration_is_refused_with_the_forms(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        duration(text)
    assert "is not a duration" in caught.value.message
    assert "30s, 10min, 1h, 7d" in caught.value.hint


@pytest.mark.parametrize("text", ["256", "", "MB", "400M", "-1MB", "1.MB", "1XB", "٣MB", "1h"])
def test_any_other_size_is_refused_with_the_forms(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        size(text)
    assert "is not a size" in caught.value.message
    assert "400MB, 256MiB" in caught.value.hint


def test_a_refusal_shows_hostile_text_escaped_and_cut() -> None:
    with pytest.raises(UsageError) as caught:
        duration("\x1b[31m" + "x" * 500)
    assert "\x1b" not in caught.value.message
    assert len(caught.value.message) < 100


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.25, "250ms"), (30, "30s"), (90, "90s"), (5400, "90min"), (86_400, "1d"), (1.5, "1.5s"), (0, "0ms")],
)
def test_a_duration_is_shown_in_its_largest_whole_unit(seconds: float, text: str) -> None:
    assert show_duration(seconds) == text


@given(st.integers(0, 10**9), st.sampled_from(["ms", "s", "min", "h", "d"]))
def test_what_is_shown_reads_back(number: int, unit: str) -> None:
    seconds = duration(f"{number}{unit}")
    assert duration(show_duration(seconds)) == pytest.approx(seconds)
