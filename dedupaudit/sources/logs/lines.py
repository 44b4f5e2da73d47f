"""What one line tells: the careful way, which is also what the fast way (quick.py) asks where it is not certain."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from dedupaudit.sources.logs.clock import Clock
from dedupaudit.sources.logs.protocol import NO_FIELDS
from dedupaudit.sources.logs.words import EVENTS, Classify

# `activity_1766557428498`, from the underscore on.
TAIL_OF_ID = rb"_[0-9][0-9A-Za-z]*(?:-[0-9A-Za-z]+)*"
ID = re.compile(rb"(?<![0-9A-Za-z_])(?:activity|screenshot|process)" + TAIL_OF_ID)
_DEVICE = re.compile(rb"\b(?:device|device_id|deviceId)[\"']?\s{0,3}[=:]\s{0,3}[\"']?([0-9A-Za-z_.-]{1,255})")
_LOGFMT = re.compile(rb"(?:^|\s)(?:msg|message|event|level|ts)=")
_PAIR = re.compile(
    rb"(?:(?<=\s)|^)([A-Za-z_@][0-9A-Za-z_.-]{0,99})=(\"(?:[^\"\\]|\\.){0,2000}+\"|[^\s\"]*+)", re.DOTALL
)
_TIME_KEYS = ("time", "timestamp", "ts", "@timestamp", "datetime", "date", "at", "t")
_WORD_KEYS = ("msg", "message", "text", "log", "event", "action")
_DEVICE_KEYS = ("device", "device_id", "deviceId")
_EVENT_KEYS = ("event", "event_name", "action")
_MOST_FIELDS = 50
_LONGEST_FIELD = 1000


class Told(NamedTuple):
    """One event of one ID in a line."""

    event: str
    id: str
    at: int | None
    device: str | None
    fields: Mapping[str, str]


class LineParser:
    """Reads single lines in UTF-8: text, JSON, logfmt."""

    def __init__(self, classify: Classify, clock: Clock) -> None:
        self._classify = classify
        self._clock = clock

    def parse(self, line: bytes) -> list[Told]:
        """Return what a line (without its end) tells, by ID and event; nothing where no ID is in it."""
        ids = list(dict.fromkeys(match[0].decode("ascii") for match in ID.finditer(line)))
        if not ids:
            return []
        fields = _fields(line)
        if fields:
            events, at, device = self._of_fields(fields, line)
            kept = _kept(fields)
        else:
            events = self._classify(ID.sub(b"\0", line))
            at = self._clock.find(line) if events else None
            found = _DEVICE.search(line)
            device = found[1].decode("ascii") if found else None
            kept = NO_FIELDS
        return [Told(event, one, at, device, kept) for one in ids for event in events]

    def _of_fields(self, fields: Mapping[str, Any], line: bytes) -> tuple[tuple[str, ...], int | None, str | None]:
        named = next((value for key in _EVENT_KEYS if (value := fields.get(key)) in EVENTS), None)
        words = " ".join(value for key in _WORD_KEYS if isinstance(value := fields.get(key), str))
        masked = ID.sub(b"\0", words.encode("utf-8", "replace"))
        events = (named,) if named else self._classify(masked)
        if named in ("timeout", "requeue") and len(both := self._classify(masked)) == 2:
            events = both  # {"event": "requeue", "msg": "timed out, …"}
        is_json = line.lstrip().startswith(b"{")
        if not events and not is_json:
            events = self._classify(ID.sub(b"\0", line))
        at = next((micros for key in _TIME_KEYS if (micros := self._clock.value(fields.get(key))) is not None), None)
        if at is None and not is_json:
            at = self._clock.find(line)
        device = next((str(fields[key]) for key in _DEVICE_KEYS if isinstance(fields.get(key), str | int)), None)
        return events, at, device


def _fields(line: bytes) -> Mapping[str, Any]:
    """Return what a line of JSON or logfmt says by name; nothing for text."""
    if line.lstrip()[:1] == b"{":
        try:
            value = json.loads(line.decode("utf-8", "replace"))
        except (ValueError, RecursionError):
            return {}  # cut in half, or no JSON at all: its words may tell more
        return value if isinstance(value, dict) else {}
    if not _LOGFMT.search(line):
        return {}
    return {match[1].decode("ascii"): _unquoted(match[2]) for match in _PAIR.finditer(line)}


def _unquoted(raw: bytes) -> str:
    text = raw.decode("utf-8", "replace")
    if not text.startswith('"'):
        return text
    return re.sub(r"\\(.)", lambda m: {"n": "\n", "t": "\t"}.get(m[1], m[1]), text[1:-1], flags=re.DOTALL)


def _kept(fields: Mapping[str, Any]) -> Mapping[str, str]:
    """Return what else the line says, as text, within bounds: nested values are left out."""
    kept: dict[str, str] = {}
    for key, value in fields.items():
        if isinstance(value, str | int | float) and key not in _TIME_KEYS and len(kept) < _MOST_FIELDS:
            kept[key[:100]] = str(value)[:_LONGEST_FIELD]
    return kept
