"""Figures and lengths of time in words."""

from __future__ import annotations

import pytest

from dedupaudit.reports.words import count, folded, length, parsed, percent, place, plural, size


@pytest.mark.parametrize(
    ("fraction", "said"),
    [
        (0.0, "0 %"),
        (2.0, "200 %"),
        (0.042, "4.2 %"),
        (0.1, "10 %"),
        (1 / 3, "33.3 %"),
        (4e-7, "0.00004 %"),
        (1e-12, "< 0.000001 %"),
        (0.0999, "10 %"),
        (12.5, "1,250 %"),
        (None, "-"),
        (float("nan"), "-"),
        (float("inf"), "-"),
    ],
)
def test_a_fraction_becomes_a_percentage(fraction: float | None, said: str) -> None:
    assert percent(fraction) == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (None, ""),
        (0.0, "0 s"),
        (0.0001, "1 ms"),
        (0.012, "12 ms"),
        (0.9999, "1 s"),
        (1.4, "1.4 s"),
        (60.0, "60 s"),
        (120.0, "2 min"),
        (125.0, "2 min 5 s"),
        (3_900.0, "1 h 5 min"),
        (86_400.0, "1 d"),
        (266_400.0, "3 d 2 h"),
        (-90.0, "-90 s"),
    ],
)
def test_seconds_become_the_units_that_people_use(seconds: float | None, said: str) -> None:
    assert length(seconds) == said


def test_what_was_not_counted_is_not_zero() -> None:
    assert (count(None), count(0), count(5_000_002)) == ("-", "0", "5,000,002")


def test_nouns_agree_with_their_number() -> None:
    assert (plural(1, "row"), plural(2_000, "row"), plural(0, "entry", "entries")) == (
        "1 row",
        "2,000 rows",
        "0 entries",
    )


def test_names_beyond_the_limit_are_counted() -> None:
    assert folded(["a", "b", "a", "c"], 2) == "a, b and 1 more"


@pytest.mark.parametrize("text", [None, "", "yesterday", "\x1b[2J"])
def test_what_is_no_time_is_none(text: str | None) -> None:
    assert parsed(text) is None


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1_000, "1 kB"),
        (1_249, "1.2 kB"),
        (52_428_800, "52.4 MB"),
        (99_960, "100 kB"),
        (999_499, "999 kB"),
        (999_500, "1 MB"),
        (340_000_000, "340 MB"),
        (1_234_567_890, "1.2 GB"),
        (10**15, "1 PB"),
        (2**70, "1,181 EB"),
        (-1_500, "-1.5 kB"),
    ],
)
def test_bytes_are_told_in_thousands(number: int, said: str) -> None:
    assert size(number) == said


@pytest.mark.parametrize(
    ("source", "target", "said"),
    [
        ("db", "activities", "db.activities"),
        ("shard2", "*", "shard2"),
        ("objects", "oss://bucket/a/", "oss://bucket/a/"),
        ("objects", "screenshots", "objects.screenshots"),
        ("db", "oss://bucket/a/", "db.oss://bucket/a/"),
    ],
)
def test_a_store_is_told_by_its_url_alone(source: str, target: str, said: str) -> None:
    assert place(source, target) == said
