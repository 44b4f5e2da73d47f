"""Events as lines of tab-separated text for the embedded engine: event, ID, microseconds, device, file, line."""

from __future__ import annotations

from collections.abc import Sequence

from dedupaudit.snapshot.escaping import NULL, escape_all, lines
from dedupaudit.sources.logs.protocol import NO_SPAN, LogEvent, Span

COLUMNS = {
    "event": "VARCHAR",
    "id": "VARCHAR",
    "moment": "BIGINT",
    "device": "VARCHAR",
    "file": "USMALLINT",
    "line": "BIGINT",
}
"""The columns of a line, with the engine's types; `file` is the number of the file among those that are read."""


def rendered(events: Sequence[LogEvent], file: int, span: Span = NO_SPAN) -> bytes:
    """Return the events of one file, within a span, as lines; column by column, because there are millions."""
    if span != NO_SPAN:
        events = [event for event in events if _within(event.at, *span)]
    if not events:
        return b""
    names, ids, times, devices, _files, places, _offsets, _fields = zip(*events, strict=True)
    number = str(file)
    return lines(
        zip(
            names,
            escape_all(ids),
            [None if at is None else str(at) for at in times],
            escape_all(devices) if any(devices) else devices,
            [number] * len(names),
            map(str, places),
            strict=True,
        )
    )


def line_within(line: str, span: Span) -> bool:
    """Say whether a line, as `rendered` makes them, lies within the span."""
    at = line.split("\t", 3)[2]
    return at != NULL and _within(int(at), *span)


def _within(at: int | None, since: int | None, until: int | None) -> bool:
    return at is not None and (since is None or at >= since) and (until is None or at <= until)
