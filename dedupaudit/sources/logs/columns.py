"""Events as lines of tab-separated text for the embedded engine: event, ID, microseconds, device, file, line, name.

An ID of the usual form is a number: its own digits, and one for its kind. Numbers are loaded, grouped and compared in
half the time that text takes. Any other ID has no number here, and is the name.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from dedupaudit.snapshot.escaping import NULL, escape
from dedupaudit.sources.logs.protocol import NO_SPAN, LogEvent, Span

COLUMNS = {
    "event": "VARCHAR",
    "id": "BIGINT",
    "moment": "BIGINT",
    "device": "VARCHAR",
    "file": "USMALLINT",
    "line": "BIGINT",
    "name": "VARCHAR",
}
"""The columns of a line, with the engine's types; `file` is the number of the file among those that are read."""

KINDS = {"activity_": "1", "screenshot_": "2", "process_": "3"}
_BEGINNINGS = {digit: kind for kind, digit in KINDS.items()}
_USUAL = re.compile(r"(activity_|screenshot_|process_)([1-9][0-9]{0,16})")


def coded(ident: str) -> str | None:
    """Return the number of an ID, in digits; None for an ID of another form."""
    usual = _USUAL.fullmatch(ident)
    return usual[2] + KINDS[usual[1]] if usual and usual[2].isascii() else None


def decoded(number: int) -> str:
    """Return the ID that has a number."""
    digits = str(number)
    return _BEGINNINGS[digits[-1]] + digits[:-1]


def line_of(event: str, ident: str, at: str | None, device: str | None, file: int, number: int) -> str:
    """Return one event as a line, without its end."""
    code = coded(ident)
    told = NULL if device is None else escape(device)
    return f"{event}\t{code or NULL}\t{at or NULL}\t{told}\t{file}\t{number}\t{NULL if code else escape(ident)}"


def rendered(events: Sequence[LogEvent], file: int, span: Span = NO_SPAN) -> bytes:
    """Return the events of one file, within a span, as lines."""
    if span != NO_SPAN:
        events = [event for event in events if _within(event.at, *span)]
    if not events:
        return b""
    lines = [
        line_of(one.event, one.id, None if one.at is None else str(one.at), one.device, file, one.line)
        for one in events
    ]
    return "".join([f"{line}\n" for line in lines]).encode("utf-8")


def line_within(line: str, span: Span) -> bool:
    """Say whether a line, as `rendered` makes them, lies within the span."""
    at = line.split("\t", 3)[2]
    return at != NULL and _within(int(at), *span)


def _within(at: int | None, since: int | None, until: int | None) -> bool:
    return at is not None and (since is None or at >= since) and (until is None or at <= until)
