"""Figures, times and lengths of time as a tired reader takes them in: for every form that people read."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from math import isfinite

from dedupaudit.model import Base64, KeyValue

NOT_COUNTED = "-"
"""What stands where nobody looked. It is never 0."""


def count(number: int | None) -> str:
    """Return 5000002 as `5,000,002`, and None as `-`."""
    return NOT_COUNTED if number is None else f"{number:,}"


def plural(number: int, one: str, many: str = "") -> str:
    """Return `1 row`, `2 rows`, `1,000 rows`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def percent(fraction: float | None) -> str:
    """Return a fraction as a percentage of two telling digits or more: 2.0 is `200 %`, 4e-7 is `0.00004 %`."""
    if fraction is None or not isfinite(fraction):
        return NOT_COUNTED
    value = fraction * 100
    size = abs(value)
    if size == 0:
        return "0 %"
    if size < 1e-6:
        return "< 0.000001 %"
    if size >= 10:
        text = f"{value:,.1f}"
    else:
        text = f"{value:.8f}"
        first = next(place for place, digit in enumerate(text.lstrip("-").replace(".", "")) if digit != "0")
        text = f"{value:.{max(first + 1, 1)}f}"
    return (text.rstrip("0").rstrip(".") if "." in text else text) + " %"


def size(number: int) -> str:
    """Return bytes in thousands: `999 B`, `1.2 GB`, `340 MB`."""
    value, units = float(number), iter(("B", "kB", "MB", "GB", "TB", "PB", "EB"))
    unit = next(units)
    while abs(value) >= (1000 if unit == "B" else 999.5) and (larger := next(units, None)):
        value, unit = value / 1000, larger
    text = f"{value:,.0f}" if unit == "B" or abs(value) >= 99.95 else f"{value:.1f}".removesuffix(".0")
    return f"{text} {unit}"


def place(source: str, target: str) -> str:
    """Return where a finding is: `db.activities`, a whole source, or a store, whose URL says it all."""
    return source if target in ("*", source) else target if is_store(source, target) else f"{source}.{target}"


def is_store(source: str, target: str) -> bool:
    """Say whether a target is a store of objects, and no table."""
    return source == "objects" and "://" in target


def parsed(moment: str | None) -> datetime | None:
    """Return a report's time, or None where it is none: a saved report may hold anything."""
    try:
        found = datetime.fromisoformat(moment or "")
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def length(seconds: float | None) -> str:
    """Return a length of time: `0 s`, `12 ms`, `1.4 s`, `2 min`, `1 h 5 min`, `3 d 2 h`; None is empty."""
    if seconds is None or not isfinite(seconds):
        return ""
    if seconds < 0:
        return "-" + length(-seconds)
    if 0 < seconds < 0.9995:
        return f"{max(seconds * 1000, 1):.0f} ms"
    if seconds < 119.95:
        return f"{seconds:.1f}".removesuffix(".0") + " s"
    whole = round(seconds)
    for size, large, small_size, small in ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= size:
            rest = whole % size // small_size
            return f"{whole // size:,} {large}" + (f" {rest} {small}" if rest else "")
    return f"{whole} s"


def listed(counts: Mapping[str, int]) -> str:
    """Return `3 high, 1 low`, without what is zero."""
    return ", ".join(f"{number:,} {name}" for name, number in counts.items() if number)


def folded(names: Iterable[str], most: int) -> str:
    """Return names with commas between; of more than `most` the rest is counted."""
    every = list(dict.fromkeys(names))
    shown = ", ".join(every[:most])
    return f"{shown} and {len(every) - most:,} more" if len(every) > most else shown


def raw(value: KeyValue) -> object:
    """Return a part of a key as the database has it: bytes where they are bytes."""
    if not isinstance(value, Base64):
        return value
    try:
        return b64decode(value.base64, validate=True)
    except ValueError:  # a saved report may hold anything
        return value.base64
