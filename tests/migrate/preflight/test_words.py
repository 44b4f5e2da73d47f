"""Words that several checks use."""

from __future__ import annotations

import pytest

from dedupaudit.migrate.preflight.base import counted, lasting, listed, sized


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (61.0, "61 s"), (120.0, "2 min"), (3_600.0, "1.0 h"), (172_800.0, "2.0 days")],
)
def test_seconds(seconds: float, text: str) -> None:
    assert lasting(seconds) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1_000, "1.0 kB"),
        (460_000_000, "460 MB"),
        (1_400_000_000, "1.4 GB"),
        (10**15, "1000.0 TB"),
    ],
)
def test_bytes(number: int, text: str) -> None:
    assert sized(number) == text


def test_numbers_and_lists() -> None:
    assert (counted(1, "row"), counted(1_200, "row"), counted(2, "index", "indexes")) == (
        "1 row",
        "1,200 rows",
        "2 indexes",
    )
    assert listed(["a", "b "]) == 'a, "b "'
    assert listed("abcde") == "a, b, c, d, e"
    assert listed("abcdefg") == "a, b, c, d, e, and 2 more"
