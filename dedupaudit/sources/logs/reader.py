"""Log files as a LogSource: file by file, block by block, with memory that does not grow with the logs."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, BinaryIO
from zoneinfo import ZoneInfo

from dedupaudit.display import visible
from dedupaudit.interrupt import Interrupt
from dedupaudit.sources.logs.blocks import Block, Lines
from dedupaudit.sources.logs.clock import Clock
from dedupaudit.sources.logs.encodings import MISREAD
from dedupaudit.sources.logs.lines import LineParser
from dedupaudit.sources.logs.own import OwnPatterns
from dedupaudit.sources.logs.protocol import LogEvent, LogFile, UnknownLine
from dedupaudit.sources.logs.quick import QuickParser, narrowed
from dedupaudit.sources.logs.rotation import STDIN
from dedupaudit.sources.logs.unpacking import pieces
from dedupaudit.sources.logs.words import classifier, literals

if TYPE_CHECKING:
    from dedupaudit.config.models import LogEventSettings

_UNKNOWN_LENGTH = 2000  # characters of a line that no pattern knew


class FileLogs:
    """A LogSource of files; see protocol.py. `paths` are in the order in which they are to be read."""

    def __init__(
        self,
        paths: Sequence[str],
        timezone: str = "UTC",
        own: Sequence[LogEventSettings] = (),
        interrupt: Interrupt | None = None,
        standard_input: BinaryIO | None = None,
    ) -> None:
        self._paths = tuple(paths)
        self._zone = ZoneInfo(timezone)
        self._own = OwnPatterns(own) if own else None
        self._interrupt = interrupt or Interrupt()
        self._standard_input = standard_input
        self._files: tuple[LogFile, ...] = tuple(LogFile(_shown(path)) for path in self._paths)

    @property
    def files(self) -> tuple[LogFile, ...]:
        return self._files

    def batches(self, wanted: frozenset[str] | None = None) -> Iterator[list[LogEvent]]:
        self._files = tuple(LogFile(_shown(path)) for path in self._paths)
        for path, file in zip(self._paths, self._files, strict=True):
            reading = _Reading(file, self._clock(path), wanted, self._own)
            for block in self._blocks(path, file):
                events = reading.events(block)
                file.events += len(events)
                if events:
                    yield events

    def events(self, wanted: frozenset[str] | None = None) -> Iterator[LogEvent]:
        for batch in self.batches(wanted):
            yield from batch

    def unknown_lines(self, limit: int) -> Iterator[UnknownLine]:
        left = limit
        for path in self._paths:
            file = LogFile(_shown(path))
            reading = _Reading(file, self._clock(path), None, self._own)
            for block in self._blocks(path, file) if left > 0 else ():
                known = {event.line for event in reading.events(block)}
                for index, line in enumerate(block.text.split(b"\n")):
                    number = block.first_line + index
                    if line.strip() and number not in known and left > 0:
                        left -= 1
                        text = line[: 4 * _UNKNOWN_LENGTH].decode("utf-8", "replace").removesuffix("\r")
                        yield UnknownLine(file.name, number, text[:_UNKNOWN_LENGTH])
                if left <= 0:
                    break

    def close(self) -> None:
        """Let go of the engine that tries the user's patterns."""
        if self._own:
            self._own.close()

    def _blocks(self, path: str, file: LogFile) -> Iterator[Block]:
        stream = (self._standard_input or sys.stdin.buffer) if path == STDIN else None
        for block in Lines(file).blocks(pieces(file, path, stream)):
            self._interrupt.check()
            yield block

    def _clock(self, path: str) -> Clock:
        try:
            written = None if path == STDIN else os.stat(path).st_mtime_ns // 1000
        except (OSError, ValueError):
            written = None
        return Clock(self._zone, written)


class _Reading:
    """Reads the blocks of one file with the built-in profiles and the user's patterns."""

    def __init__(self, file: LogFile, clock: Clock, wanted: frozenset[str] | None, own: OwnPatterns | None) -> None:
        self._file, self._clock, self._wanted, self._own = file, clock, wanted, own
        self._literals = literals(wanted)
        self._lossy = False
        self._quick = self._made()

    def events(self, block: Block) -> list[LogEvent]:
        """Return a block's events; what the user's patterns find goes behind what the line says in known words."""
        lossy = self._file.encoding == MISREAD
        if lossy != self._lossy:
            self._lossy, self._quick = lossy, self._made(lossy=lossy)
        narrow = self._literals is not None and not lossy
        events = self._quick.events(narrowed(block, self._literals or ()) if narrow else block)
        return self._with_own(events, block) if self._own else events

    def _made(self, *, lossy: bool = False) -> QuickParser:
        parser = LineParser(classifier(lossy=lossy), self._clock)
        return QuickParser(parser, self._clock, self._file.name, self._wanted)

    def _with_own(self, events: list[LogEvent], block: Block) -> list[LogEvent]:
        hits = self._own.hits(block) if self._own else []
        if not hits:
            return events
        seen = {(event.line, event.event, event.id) for event in events}
        lines = block.text.split(b"\n")
        begins = [0]
        for line in lines:
            begins.append(begins[-1] + len(line) + 1)
        for hit in hits:
            number, offset = block.place(hit.line_index, begins[hit.line_index])
            if (number, hit.event, hit.id) in seen or (self._wanted is not None and hit.event not in self._wanted):
                continue
            seen.add((number, hit.event, hit.id))
            at = self._clock.value(hit.time) if hit.time else self._clock.find(lines[hit.line_index])
            events.append(LogEvent(hit.event, hit.id, at, hit.device, self._file.name, number, offset))
        return sorted(events, key=lambda event: event.line)


def _shown(path: str) -> str:
    return "standard input" if path == STDIN else visible(path, 1000)
