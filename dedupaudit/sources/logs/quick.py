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
_CUT = re.compile(rb"(_(?:(?<=activity_)|(?<=screenshot_)|(?<=process_))" + TAIL_OF_ID.removeprefix(b"_") + rb")")
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
        self._known: dict[bytes, tuple[tuple[str, ...], str] | None] = {}
        # Seconds by their text: naive ones, and those in UTC.
        self._times: tuple[dict[bytes, int], dict[bytes, int]] = ({}, {})

    def events(self, block: Block) -> list[LogEvent]:
        """Return the wanted events of a block, in the order of its lines."""
        parts = _CUT.split(block.text)
        found: list[LogEvent] = []
        known, times, file, make, put = self._known.get, self._times, self._file, tuple.__new__, found.append
        first, base, in_place = block.first_line, block.offset, block.starts is None and block.places is None
        index, at, last = 0, 0, len(parts) - 1
        number = -1
        for before, item, after in zip(parts[:-1:2], parts[1::2], parts[2::2], strict=True):
            number += 2
            end = before.rfind(b"\n") + 1
            begin = at + end
            at += len(before) + len(item)
            if end:
                index += before.count(b"\n")
            elif number > 1:  # the line's first ID took the whole line
                continue
            tail = after.find(b"\n")
            if tail < 0:
                if number + 1 < last:  # further IDs are in this line
                    found += self._carefully(block, index, begin, _line_at(block.text, begin))
                    continue
                tail = len(after)
            millis = _MILLIS.get(before[end + _FRACTION : end + _TIME_END])
            words = before[end + _TIME_END - 1 :] + b"\0" + after[:tail]
            told = known(words)
            second = None
            if told is not None and millis is not None:
                second = times[millis[1]].get(before[end : end + _FRACTION])
                if second is None:
                    second = self._second(before[end : end + _FRACTION], zoned=millis[1])
            if told is None or millis is None or second is None:
                found += self._first_time(block, index, begin, before[end:] + item + after[:tail], words)
                continue
            names, kind = told
            for name in names:
                line, offset = (first + index, base + begin) if in_place else block.place(index, begin)
                micros = second + millis[0]
                put(make(LogEvent, (name, kind + item.decode(), micros, None, file, line, offset, NO_FIELDS)))
        return found

    def _first_time(self, block: Block, index: int, begin: int, line: bytes, words: bytes) -> list[LogEvent]:
        """Parse a line carefully, and remember its words."""
        events = self._carefully(block, index, begin, line)
        millis = _MILLIS.get(line[_FRACTION:_TIME_END])
        if millis and words not in self._known:
            second = self._second(line[:_FRACTION], zoned=millis[1])
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

    def _remember(self, words: bytes, micros: int, events: list[LogEvent]) -> None:
        """Keep what words around an ID tell, where nothing but the time and the ID can differ from line to line."""
        if len(self._known) >= _REMEMBERED:
            self._known.clear()
        plain = all(event.at == micros and event.device is None and not event.fields for event in events)
        if not plain or len({event.id for event in events}) > 1 or _PART_OF_TIME.match(words):
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


def _line_at(text: bytes, begin: int) -> bytes:
    end = text.find(b"\n", begin)
    return text[begin:] if end < 0 else text[begin:end]


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
