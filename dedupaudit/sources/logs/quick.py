"""Events of a whole block at a time: what lines look like apart from time and ID is parsed once and remembered.

Six million lines are too many for a loop over lines. The block is cut at its IDs, in C; for each ID the words around it
are looked up. Words that were not met before, and lines of any other form, go to the LineParser: both ways agree.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from dedupaudit.sources.logs.blocks import Block
from dedupaudit.sources.logs.clock import Clock
from dedupaudit.sources.logs.lines import TAIL_OF_ID, LineParser
from dedupaudit.sources.logs.protocol import NO_FIELDS, LogEvent

# The underscore comes first, because the pattern engine looks for a single byte much faster than for a choice of words.
_CUT = re.compile(
    rb"(_(?:(?<=activity_)|(?<=screenshot_)|(?<=process_))" + TAIL_OF_ID.removeprefix(b"_") + rb")([^\n]*)"
)
_MILLIS = {b"%c%03d%c" % (dot, ms, end): (ms * 1000, end == 90) for dot in b".," for ms in range(1000) for end in b"Z "}
_TIME_END = 24  # of `2025-12-24T08:01:14.487Z`
_FRACTION = 19
_REMEMBERED = 8192
# Behind a time these would belong to it: a zone, or more of its digits.
_PART_OF_TIME = re.compile(rb".[0-9A-Za-z+-]", re.DOTALL)


class QuickParser:
    """Reads blocks of one file."""

    def __init__(self, parser: LineParser, clock: Clock, file: str, wanted: frozenset[str] | None) -> None:
        self._parser, self._clock, self._file, self._wanted = parser, clock, file, wanted
        # By the words around an ID: events, and the ID's part before the underscore; None: a line for the LineParser.
        self._known: dict[tuple[bytes, bytes], tuple[tuple[str, ...], str] | None] = {}
        # Seconds by their text: naive ones, and those in UTC.
        self._times: tuple[dict[bytes, int], dict[bytes, int]] = ({}, {})

    def events(self, block: Block) -> list[LogEvent]:
        """Return the wanted events of a block, in the order of its lines."""
        parts = _CUT.split(block.text)
        found: list[LogEvent] = []
        known, (naive, zoned), file, make, put = self._known.get, self._times, self._file, tuple.__new__, found.append
        first, base, in_place = block.first_line, block.offset, block.starts is None and block.places is None
        index = at = 0
        for before, item, tail in zip(parts[:-1:3], parts[1::3], parts[2::3], strict=True):
            end = before.rfind(b"\n") + 1
            if end:
                index += before.count(b"\n")
            begin = at + end
            at += len(before) + len(item) + len(tail)
            told = known((before[end + _TIME_END - 1 :], tail))
            millis = _MILLIS.get(before[end + _FRACTION : end + _TIME_END])
            if told is None or millis is None:
                found += self._first_time(block, index, begin, before[end:], item, tail)
                continue
            text = before[end : end + _FRACTION]
            second = (zoned if millis[1] else naive).get(text) or self._second(text, zoned=millis[1])
            if second is None:
                found += self._first_time(block, index, begin, before[end:], item, tail)
                continue
            names, kind = told
            line, offset = (first + index, base + begin) if in_place else block.place(index, begin)
            for name in names:
                one = (name, kind + item.decode(), second + millis[0], None, file, line, offset, NO_FIELDS)
                put(make(LogEvent, one))
        return found

    def _first_time(
        self, block: Block, index: int, begin: int, before: bytes, item: bytes, tail: bytes
    ) -> list[LogEvent]:
        """Parse a line carefully, and remember its words."""
        events = self._carefully(block, index, begin, before + item + tail)
        millis, words = _MILLIS.get(before[_FRACTION:_TIME_END]), (before[_TIME_END - 1 :], tail)
        if millis and words not in self._known:
            second = self._second(before[:_FRACTION], zoned=millis[1])
            if second is not None:
                self._remember(words, second + millis[0], events)
        return events

    def _second(self, text: bytes, *, zoned: bool) -> int | None:
        """Return what `2025-12-24T08:01:14` is in UTC or in the clock's zone; None where it is not written so."""
        times = self._times[zoned]
        micros = times.get(text)
        if micros is None and (micros := self._clock.second(text, zoned=zoned)) is not None:
            if len(times) >= _REMEMBERED:
                times.clear()
            times[text] = micros
        return micros

    def _remember(self, words: tuple[bytes, bytes], micros: int, events: list[LogEvent]) -> None:
        """Keep what words around an ID tell, where nothing but the time and the ID can differ from line to line."""
        if len(self._known) >= _REMEMBERED:
            self._known.clear()
        plain = all(event.at == micros and event.device is None and not event.fields for event in events)
        # A further ID in the line would be taken for one of its words.
        if not plain or _CUT.search(words[1]) or _PART_OF_TIME.match(words[0]):
            self._known[words] = None
        elif not events:
            self._known[words] = ((), "")
        else:
            self._known[words] = (tuple(event.event for event in events), events[0].id.partition("_")[0])

    def _carefully(self, block: Block, index: int, begin: int, line: bytes) -> list[LogEvent]:
        number, offset = block.place(index, begin)
        return [
            LogEvent(told.event, told.id, told.at, told.device, self._file, number, offset, told.fields)
            for told in self._parser.parse(line.removesuffix(b"\r"))
            if self._wanted is None or told.event in self._wanted
        ]


def narrowed(block: Block, literals: Sequence[re.Pattern[bytes]]) -> Block:
    """Return the block's lines that hold one of the literals; all where JSON may have escaped its letters."""
    text = block.text
    if b"\\" in text and b"\\u" in text:
        return block
    lines, places = [], []
    begin, end, index = 0, -1, 0
    for at in sorted([hit.start() for literal in literals for hit in literal.finditer(text)]):
        if at < end:
            continue  # the same line once more
        start = (text.rfind(b"\n", begin, at) + 1) or begin
        end = text.find(b"\n", at)
        end = len(text) if end < 0 else end
        index += text.count(b"\n", begin, start)
        begin = start
        lines.append(text[start:end])
        places.append(block.place(index, start))
    return Block(b"\n".join(lines), block.first_line, block.offset, None, places)
