"""Durations and sizes as people write them (`30s`, `10min`, `400MB`), for flags, environment and files alike."""

from __future__ import annotations

import re
from collections.abc import Collection

from dedupaudit.errors import UsageError

DURATION_FORMS = "a number and its unit: 500ms, 30s, 10min, 1h, 7d"
SIZE_FORMS = "a number and its unit: 400MB, 256MiB, 1GB (kB, MB, GB, TB count in thousands, KiB, MiB, GiB, TiB in 1024)"

_SECONDS = {"ms": 0.001, "s": 1.0, "min": 60.0, "h": 3_600.0, "d": 86_400.0}
_BYTES: dict[str, int] = {
    "b": 1,
    **{f"{letter}b": 1000**power for power, letter in enumerate("kmgt", start=1)},
    **{f"{letter}ib": 1024**power for power, letter in enumerate("kmgt", start=1)},
}
# Twelve digits hold every sensible figure, and keep a hostile one from becoming infinite.
_FORM = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,9})?)\s?([A-Za-z]{1,8})")


def duration(text: str) -> float:
    """Return seconds from `500ms`, `30s`, `10min`, `1h` or `7d`.

    A bare number is refused, since nobody can tell whether it means seconds or milliseconds. Raises UsageError.
    """
    number, unit = _split(text, "duration", DURATION_FORMS, _SECONDS)
    return float(number) * _SECONDS[unit]


def size(text: str) -> int:
    """Return bytes from `400MB` (10^6 each), `256MiB` (2^20 each) and their like. Raises UsageError."""
    number, unit = _split(text, "size", SIZE_FORMS, _BYTES)
    whole, _, fraction = number.partition(".")
    factor = _BYTES[unit]
    # Integers throughout: a float would lose bytes above 2^53.
    scale: int = 10 ** len(fraction)
    return int(whole + fraction) * factor // scale


def show_duration(seconds: float) -> str:
    """Return seconds in the largest unit that leaves a whole number: 5400 is `90min`, 0.25 is `250ms`."""
    for unit in ("d", "h", "min", "s"):
        if seconds >= _SECONDS[unit] and seconds % _SECONDS[unit] == 0:
            return f"{seconds / _SECONDS[unit]:.0f}{unit}"
    if seconds < 1:
        return f"{seconds * 1000:.9f}".rstrip("0").rstrip(".") + "ms"
    return f"{seconds:.9f}".rstrip("0").rstrip(".") + "s"


def _split(text: str, kind: str, forms: str, units: Collection[str]) -> tuple[str, str]:
    match = _FORM.fullmatch(text.strip())
    if match and match[2].lower() in units:
        return match[1], match[2].lower()
    shown = repr(text if len(text) <= 40 else text[:40] + "...")
    raise UsageError(f"{shown} is not a {kind}", f"write {forms}")
