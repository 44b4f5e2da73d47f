"""Events of a whole block at a time: what lines look like apart from time and ID is parsed once and remembered.

Six million lines are too many for a careful look at each. A line is cut where its first underscore is, and the words
around the ID are looked up. Words that were not met before, and lines of any other form, go to the LineParser: both
ways agree.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate, count
from typing import NamedTuple

from dedupaudit.snapshot.escaping import NULL
from dedupaudit.sources.logs.blocks import Block
from dedupaudit.sources.logs.clock import Clock
from dedupaudit.sources.logs.columns import KINDS, line_of
from dedupaudit.sources.logs.lines import TAIL_OF_ID, LineParser
from dedupaudit.sources.logs.protocol import NO_FIELDS, LogEvent

# The underscore comes first, because the pattern engine looks for a single byte much faster than for a choice of words.
_ID = re.compile(r"_(?:(?<=activity_)|(?<=screenshot_)|(?<=process_))" + TAIL_OF_ID.removeprefix(b"_").decode("ascii"))
# In `2025-12-24T08:01:14.487Z`: where the point, the milliseconds and the words begin, what ends the time among them.
_POINT, _MILLIS, _WORDS = 19, 20, 23
_DIGITS = 13  # of an ID that is a time in milliseconds
_REMEMBERED = 8192
# Behind a time these would belong to it: a zone, or more of its digits.
_PART_OF_TIME = re.compile(r".[0-9A-Za-z+-]", re.DOTALL)


class Row(NamedTuple):
    """What one line tells of one ID, as it is written: `kind` and `item` are the ID, `at` microseconds in digits.

    `place` is the line's index in its block, counted from 0.
    """

    events: tuple[str, ...]
    kind: str
    item: str
    at: str | None
    place: int
    device: str | None = None
    fields: Mapping[str, str] = NO_FIELDS


class _Told(NamedTuple):
    """What the words around an ID tell; `begins` and `digit` stand before and behind the ID in a line (columns.py).

    `times` are the seconds that were met, of lines whose time ends as here.
    """

    events: tuple[str, ...]
    kind: str
    begins: tuple[str, ...]
    times: dict[str, str]
    digit: str


class QuickParser:
    """Reads blocks of one file."""

    def __init__(self, parser: LineParser, clock: Clock, file: str, wanted: frozenset[str] | None) -> None:
        self._parser, self._clock, self._file, self._wanted = parser, clock, file, wanted
        # By the words around an ID; None: lines for the LineParser.
        self._known: dict[str, _Told | None] = {}
        # Seconds since the epoch, in digits, by their text up to the point: naive ones, and those in UTC.
        self._naive: dict[str, str] = {}
        self._zoned: dict[str, str] = {}

    def events(self, block: Block) -> list[LogEvent]:
        """Return the wanted events of a block, in the order of its lines."""
        lines = block.text.decode("latin-1").split("\n")
        rows = [row for index, line in enumerate(lines) if "_" in line for row in self._of_any_form(index, line)]
        if not rows:
            return []
        begins = [0, *accumulate(len(line) + 1 for line in lines)]
        found = []
        for events, kind, item, at, index, device, fields in rows:
            number, offset = block.place(index, begins[index])
            micros = None if at is None else int(at)
            found += [
                LogEvent(name, kind + item, micros, device, self._file, number, offset, fields) for name in events
            ]
        return found

    def lines(self, block: Block, file: int) -> list[str]:
        """Return the same as lines for the embedded engine (columns.py), the file by its number, without line ends."""
        found: list[str] = []
        known, put = self._known.get, found.append
        # Of bytes each is one character so, and Python slices and remembers text as fast as bytes.
        lines = block.text.decode("latin-1").split("\n")
        numbers: Iterable[int] = count(block.first_line) if block.places is None else (one for one, _ in block.places)
        behind, end = f"000\t{NULL}\t{file}\t", f"\t{NULL}"
        for number, line in [(number, line) for number, line in zip(numbers, lines, strict=False) if "_" in line]:
            before, _, tail = line.partition("_")
            item, stamp, millis = tail[:_DIGITS], before[:_MILLIS], before[_MILLIS:_WORDS]
            if (
                item.isdecimal()
                and item >= "1"
                and (told := known(f"{before[_WORDS:]}_{tail[_DIGITS:]}")) is not None
                and millis.isdecimal()
                and (second := told[3].get(stamp) or self._second(stamp, told[3]))
            ):
                for begin in told[2]:
                    put(f"{begin}{item}{told[4]}{second}{millis}{behind}{number}{end}")
                continue
            for events, kind, item, at, _, device, _ in self._of_any_form(0, line):
                found += [line_of(name, kind + item, at, device, file, number) for name in events]
        return found

    def _of_any_form(self, index: int, line: str) -> list[Row]:
        """Return what a line tells whose ID is not that of the incident, or is not behind the first underscore."""
        found = _ID.search(line)
        if found is None:
            return []
        before, item, tail = line[: found.start()], found[0][1:], line[found.end() :]
        # An ID that is not behind the first underscore: its words must not be taken for those of one that is.
        words = f"{before[_WORDS:]}_{tail}" if "_" not in before else f"\n{before[_WORDS:]}\n{tail}"
        millis, times = before[_MILLIS:_WORDS], self._times(before)
        second = self._second(before[:_MILLIS], times) if times is not None and millis.isdecimal() else None
        if times is None or second is None:
            return self._carefully(index, line)
        at = f"{second}{millis}000"
        if words not in self._known:
            rows = self._carefully(index, line)
            # A further ID in the line, or more of its time, would be taken for one of its words.
            certain = not _ID.search(tail) and not _PART_OF_TIME.match(before[_WORDS:])
            self._remember(words, at, rows, times, certain=certain)
            return rows
        told = self._known[words]
        if told is None:
            return self._carefully(index, line)
        return [Row(told.events, told.kind, item, at, index)]

    def _times(self, before: str) -> dict[str, str] | None:
        """Return the seconds of times that end as the one does that the line begins with; None for another form."""
        return {"Z": self._zoned, " ": self._naive}.get(before[_WORDS : _WORDS + 1])

    def _second(self, text: str, times: dict[str, str]) -> str | None:
        """Return what `2025-12-24T08:01:14.` is in UTC or in the clock's zone; None where it is not written so.

        A second before 1970 is None too, because digits cannot be put behind it.
        """
        second = times.get(text)
        if second is None:
            zoned = times is self._zoned
            micros = self._clock.second(text[:_POINT].encode("latin-1"), zoned=zoned)
            if micros is None or micros < 1_000_000 or text[_POINT:] not in (".", ","):
                return None
            second = str(micros // 1_000_000)
            if len(times) >= _REMEMBERED:
                times.clear()
            times[text] = second
        return second

    def _remember(self, words: str, at: str, rows: list[Row], times: dict[str, str], *, certain: bool) -> None:
        """Keep what words around an ID tell, where nothing but the time and the ID can differ from line to line."""
        if len(self._known) >= _REMEMBERED:
            self._known.clear()
        if not certain or any(row.at != at or row.device is not None or row.fields for row in rows):
            self._known[words] = None
        else:
            events, kind = (rows[0].events, rows[0].kind) if rows else ((), "")
            begins = tuple(f"{name}\t" for name in events)
            self._known[words] = _Told(events, kind, begins, times, KINDS.get(kind, "") + "\t")

    def _carefully(self, index: int, line: str) -> list[Row]:
        rows: list[Row] = []
        for told in self._parser.parse(line.encode("latin-1").removesuffix(b"\r")):
            if self._wanted is not None and told.event not in self._wanted:
                continue
            kind, _, item = told.id.partition("_")
            at = None if told.at is None else str(told.at)
            last = rows[-1] if rows else None
            if last and (last.kind, last.item) == (kind + "_", item):
                rows[-1] = last._replace(events=(*last.events, told.event))
            else:
                rows.append(Row((told.event,), kind + "_", item, at, index, told.device, told.fields))
        return rows


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
