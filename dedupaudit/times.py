"""Foreign times become microseconds since 1970 (UTC), and those become the report's text."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NAIVE_EPOCH = datetime(1970, 1, 1)
_DAY = 86_400_000_000
# Nobody wrote milliseconds before 1973: a smaller number is seconds. A larger one than the year 5138 in
# milliseconds is microseconds, and so on; the bounds leave no date between 1973 and 5138 ambiguous.
_UNITS = ((10**11, 1_000_000), (10**14, 1_000), (10**17, 1))
_FIRST = int((datetime(1, 1, 1, tzinfo=UTC) - EPOCH).total_seconds()) * 1_000_000
_LAST = int((datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC) - EPOCH).total_seconds()) * 1_000_000 + 999_999


def parse_time(value: object, zone: tzinfo = UTC) -> int | None:
    """Return microseconds since the epoch, or None for what is no time.

    Numbers are epoch milliseconds (seconds, microseconds and nanoseconds are told apart by their size); text is
    ISO 8601, read in `zone` where it names none; a datetime is taken as it is.
    """
    if isinstance(value, str):
        return _from_text(value, zone)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _from_number(value)
    return _from_datetime(value, zone) if isinstance(value, datetime) else None


def _from_text(text: str, zone: tzinfo) -> int | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return _from_digits(text)
    if text.isdecimal():
        # `20251224` is a date to Python, and a number to every backend that stores epochs as text.
        return _from_digits(text)
    if moment.tzinfo is None and zone is UTC:
        # The usual case, at a third of the price.
        return _micros(moment - _NAIVE_EPOCH)
    return _from_datetime(moment, zone)


def _from_datetime(moment: datetime, zone: tzinfo) -> int | None:
    """Return None for a moment that is outside the years 1 to 9999 once it is in UTC: no date can show it."""
    try:
        micros = to_micros(moment if moment.tzinfo else moment.replace(tzinfo=zone))
    except (OverflowError, ValueError):
        return None
    return micros if _FIRST <= micros <= _LAST else None


def _from_digits(text: str) -> int | None:
    stripped = text.strip()
    if len(stripped) > 25 or not stripped.isascii() or "_" in stripped:  # 1_000 is a number to Python alone
        return None
    try:
        return _from_number(int(stripped))
    except ValueError:
        return None


def _from_number(value: int | float) -> int | None:
    if value != value or value in (float("inf"), float("-inf")):
        return None
    size = abs(value)
    micros = next((int(value * factor) for bound, factor in _UNITS if size < bound), int(value // 1_000))
    return micros if _FIRST <= micros <= _LAST else None


def to_micros(moment: datetime) -> int:
    """Return a zoned datetime as microseconds since the epoch."""
    return _micros(moment - EPOCH)


def _micros(delta: timedelta) -> int:
    return (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds


def iso(micros: int) -> str:
    """Return ISO 8601 in UTC with a Z: milliseconds, or microseconds where there are any."""
    day, rest = divmod(micros, _DAY)
    seconds, fraction = divmod(rest, 1_000_000)
    minutes, second = divmod(seconds, 60)
    hour, minute = divmod(minutes, 60)
    digits = f"{fraction:06d}" if fraction % 1_000 else f"{fraction // 1_000:03d}"
    return f"{day_text(day)}T{hour:02d}:{minute:02d}:{second:02d}.{digits}Z"


def iso_or_none(micros: int | None) -> str | None:
    """Return `iso`, or None for no time."""
    return None if micros is None else iso(micros)


def day_number(micros: int) -> int:
    """Return the UTC day as a count of days since the epoch."""
    return micros // _DAY


@lru_cache(maxsize=4096)
def day_text(number: int) -> str:
    """Return a day number as YYYY-MM-DD."""
    return (EPOCH + timedelta(days=number)).date().isoformat()


def now_micros() -> int:
    """Return the present moment in microseconds since the epoch."""
    return to_micros(datetime.now(UTC))
