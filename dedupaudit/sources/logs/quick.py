"""Events of a whole block at a time: what lines look like apart from time and ID is parsed once and remembered.

Six million lines are too many for a loop over lines. The block is cut at its IDs, in C; for each ID the words around it
are looked up. Words that were not met before, and lines of any other form, go to the LineParser: both ways agree.
"""

from __future__ import annotations

import re

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

    def events(self, block: Block) -> list[LogEvent]:
        """Return the wanted events of a block, in the order of its lines."""
        parts = _CUT.split(block.text)
        found: list[LogEvent] = []
        known, file, make = self._known, self._file, tuple.__new__
        index, at, last = 0, 0, len(parts) - 1
        first, base, in_place = block.first_line, block.offset, block.starts is None and block.places is None
        for number in range(1, last, 2):
            before, item, after = parts[number - 1], parts[number], parts[number + 1]
            end = before.rfind(b"\n") + 1
            if end:
                index += before.count(b"\n")
            elif number > 1:  # the line's first ID took the whole line
                at += len(before) + len(item)
                continue
            begin = at + end
            at += len(before) + len(item)
            tail = after.find(b"\n")
            if tail < 0:
                if number + 1 < last:  # further IDs are in this line
                    found += self._carefully(block, index, begin, _line_at(block.text, begin))
                    continue
                tail = len(after)
            head = before[end : end + _TIME_END]
            words = before[end + _TIME_END - 1 :] + b"\0" + after[:tail]
            told = known.get(words)
            micros = self._micros(head)
            if told is None or micros is None:
                events = self._carefully(block, index, begin, before[end:] + item + after[:tail])
                if micros is not None and words not in known:
                    self._remember(words, micros, events)
                found += events
                continue
            names, kind = told
            line, offset = (first + index, base + begin) if in_place else block.place(index, begin)
            for name in names:
                one = (name, kind + item.decode("ascii"), micros, None, file, line, offset, NO_FIELDS)
                found.append(make(LogEvent, one))
        return found

    def _micros(self, head: bytes) -> int | None:
        """Return the time of `2025-12-24T08:01:14.487Z` or `2025-12-24 08:01:14,487 `, and None for any other head."""
        millis = _MILLIS.get(head[_FRACTION:])
        if millis is None:
            return None
        second = self._clock.second(head[:_FRACTION], millis[1])
        return None if second is None else second + millis[0]

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


def narrowed(block: Block, literals: tuple[bytes, ...]) -> Block:
    """Return the block's lines that hold one of the literals; all of them where JSON may have escaped its letters."""
    text = block.text
    if b"\\u" in text:
        return block
    begins = set()
    for literal in literals:
        hit = text.find(literal)
        while hit >= 0:
            begins.add(text.rfind(b"\n", 0, hit) + 1)
            end = text.find(b"\n", hit)
            hit = text.find(literal, end) if end >= 0 else -1
    lines, places, counted, index = [], [], 0, 0
    for begin in sorted(begins):
        index += text.count(b"\n", counted, begin)
        counted = begin
        lines.append(_line_at(text, begin))
        places.append(block.place(index, begin))
    return Block(b"\n".join(lines), block.first_line, block.offset, None, places)
