"""The time that a line begins with, or says early: microseconds since the epoch, or None. Never an exception."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo

from dedupaudit.times import parse_time, to_micros

_LOOKED_AT = 200  # bytes of a line
_MONTHS = {name: number for number, name in enumerate(
    (b"jan", b"feb", b"mar", b"apr", b"may", b"jun", b"jul", b"aug", b"sep", b"oct", b"nov", b"dec"), 1
)}  # fmt: skip
_MONTH = rb"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
_TIME = re.compile(
    rb"""(?<![0-9A-Za-z_])(?:
      (?P<year>[0-9]{4})(?P<s>[-/])(?P<month>[0-9]{2})(?P=s)(?P<day>[0-9]{2})[T\ _]
      (?P<clock>[0-9]{2}:[0-9]{2}:[0-9]{2})(?:[.,](?P<fraction>[0-9]{1,9}))?[0-9]*
      (?:\ ?(?P<zone>Z(?![A-Za-z])|[+-][0-9]{2}:?[0-9]{2}(?![0-9])))?
    | (?P<wday>[0-9]{1,2})/(?P<wmonth>%(month)s)/(?P<wyear>[0-9]{4}):(?P<wclock>[0-9]{2}:[0-9]{2}:[0-9]{2})
      (?:\ (?P<wzone>[+-][0-9]{4}))?
    | (?P<smonth>%(month)s)\ {1,2}(?P<sday>[0-9]{1,2})\ (?P<sclock>[0-9]{2}:[0-9]{2}:[0-9]{2})
    )"""
    % {b"month": _MONTH},
    re.VERBOSE | re.IGNORECASE,
)
_EPOCH = re.compile(rb"[\[\s\"]{0,8}([0-9]{10}(?:\.[0-9]{1,9})?|[0-9]{13}|[0-9]{16})(?![0-9A-Za-z_])")
_SECOND = re.compile(rb"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}")


class Clock:
    """Reads times. `zone` is that of naive ones; `written` (microseconds) is when the file was last written to.

    Syslog's times have no year: theirs is the last in which they are not more than a day after `written`.
    """

    def __init__(self, zone: tzinfo = UTC, written: int | None = None) -> None:
        self._zone = zone
        self._day: tuple[bytes, int | None] = (b"", None)
        latest = 253_402_300_799_000_000
        moment = min(max(written or 0, 0), latest) if written is not None else None
        self._written = (
            datetime.now(UTC) if moment is None else datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=moment)
        )

    def find(self, line: bytes) -> int | None:
        """Return the first time within the line's first 200 bytes; an epoch counts only where the line begins."""
        head = line[:_LOOKED_AT]
        if epoch := _EPOCH.match(head):
            return self._epoch(epoch[1])
        match = _TIME.search(head)
        return self._of(match) if match else None

    def value(self, value: object) -> int | None:
        """Return the time that a field holds: a number, or text."""
        if isinstance(value, str):
            raw = value.strip()[:_LOOKED_AT].encode("utf-8", "replace")
            whole = _EPOCH.fullmatch(raw)
            match = None if whole else _TIME.match(raw)
            found = self._epoch(whole[1]) if whole else self._of(match) if match else None
            return found if found is not None else parse_time(value, self._zone)
        return parse_time(value, self._zone)

    def second(self, text: bytes, zoned: bool) -> int | None:
        """Return `YYYY-MM-DDTHH:MM:SS` (or with a space) in UTC or in the zone; what is not written so is None."""
        if not _SECOND.fullmatch(text):
            return None
        year, month, day = int(text[:4]), int(text[5:7]), int(text[8:10])
        if not zoned:
            return self._micros(year, month, day, text[11:], self._zone)
        hour, minute, second = int(text[11:13]), int(text[14:16]), int(text[17:])
        if self._day[0] != text[:10]:
            self._day = text[:10], self._micros(year, month, day, b"00:00:00", UTC)
        if self._day[1] is None or hour > 23 or minute > 59 or second > 59:
            return self._micros(year, month, day, text[11:], UTC)
        return self._day[1] + (hour * 3600 + minute * 60 + second) * 1_000_000

    def _epoch(self, text: bytes) -> int | None:
        whole, _, fraction = text.partition(b".")
        micros = parse_time(int(whole))
        return None if micros is None else micros + int(fraction[:6].ljust(6, b"0"))

    def _of(self, match: re.Match[bytes]) -> int | None:
        if match["year"]:
            zone = self._offset(match["zone"])
            micros = self._micros(int(match["year"]), int(match["month"]), int(match["day"]), match["clock"], zone)
            fraction = (match["fraction"] or b"")[:6].ljust(6, b"0")
            return None if micros is None else micros + int(fraction)
        if match["wyear"]:
            month = _MONTHS[match["wmonth"].lower()]
            zone = self._offset(match["wzone"])
            return self._micros(int(match["wyear"]), month, int(match["wday"]), match["wclock"], zone)
        return self._without_year(_MONTHS[match["smonth"].lower()], int(match["sday"]), match["sclock"])

    def _without_year(self, month: int, day: int, clock: bytes) -> int | None:
        latest = to_micros(self._written) + 86_400_000_000
        for year in range(self._written.year + 1, self._written.year - 8, -1):  # 29 February is rare
            micros = self._micros(year, month, day, clock, self._zone)
            if micros is not None and micros <= latest:
                return micros
        return None

    def _offset(self, text: bytes | None) -> tzinfo | None:
        if text is None:
            return self._zone
        if text in (b"Z", b"z"):
            return UTC
        minutes = int(text[1:3]) * 60 + int(text[-2:])
        if minutes >= 24 * 60:
            return None
        return timezone(timedelta(minutes=-minutes if text[:1] == b"-" else minutes))

    @staticmethod
    def _micros(year: int, month: int, day: int, clock: bytes, zone: tzinfo | None) -> int | None:
        hour, minute, second = int(clock[:2]), int(clock[3:5]), int(clock[6:8])
        leap = second == 60
        try:
            moment = datetime(year, month, day, hour, minute, 59 if leap else second, tzinfo=zone)
            return None if zone is None else to_micros(moment.astimezone(UTC)) + leap * 1_000_000
        except (ValueError, OverflowError):
            return None
