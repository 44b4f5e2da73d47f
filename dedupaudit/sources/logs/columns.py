"""Events as lines of tab-separated text for the embedded engine: event, ID, microseconds, device, file, line."""

from __future__ import annotations

from collections.abc import Sequence

from dedupaudit.snapshot.escaping import escape_all, lines
from dedupaudit.sources.logs.protocol import LogEvent, Span

COLUMNS = {
    "event": "VARCHAR",
    "id": "VARCHAR",
    "moment": "BIGINT",
    "device": "VARCHAR",
    "file": "USMALLINT",
    "line": "BIGINT",
}
"""The columns of a line, with the engine's types; `file` is the number of the file among those that are read."""


def rendered(events: Sequence[LogEvent], file: int, span: Span = (None, None)) -> bytes:
    """Return the events of one file, within a span, as lines; column by column, because there are millions."""
    if span != (None, None):
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


def _within(at: int | None, since: int | None, until: int | None) -> bool:
    return at is not None and (since is None or at >= since) and (until is None or at <= until)
