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
from dedupaudit.sources.logs.own import OwnPatterns
from dedupaudit.sources.logs.protocol import NO_SPAN, LogEvent, LogFile, Span, UnknownLine
from dedupaudit.sources.logs.reading import Reading
from dedupaudit.sources.logs.rotation import STDIN
from dedupaudit.sources.logs.side_by_side import Task, processors, read_side_by_side
from dedupaudit.sources.logs.unpacking import pieces

if TYPE_CHECKING:
    from dedupaudit.config.models import LogEventSettings

_LARGE = 32_000_000  # bytes of log files from which other processes help
_BLOCKS_A_TASK = 8
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
            reading = Reading(file, self._clock(path), wanted, self._own)
            for block in self._blocks(path, file):
                events = reading.events(block)
                file.events += len(events)
                if events:
                    yield events

    def columns(self, wanted: frozenset[str] | None = None, span: Span = NO_SPAN) -> Iterator[bytes]:
        self._files = tuple(LogFile(_shown(path)) for path in self._paths)
        if self._own is None and self._large():
            yield from read_side_by_side(self._tasks(wanted, span), self._files)
            return
        for number, (path, file) in enumerate(zip(self._paths, self._files, strict=True)):
            reading = Reading(file, self._clock(path), wanted, self._own)
            for block in self._blocks(path, file):
                events, lines = reading.lines(block, number, span)
                file.events += events
                yield lines

    def _tasks(self, wanted: frozenset[str] | None, span: Span) -> Iterator[Task]:
        """Yield pieces of work for other processes: some blocks of one file each."""
        for number, (path, file) in enumerate(zip(self._paths, self._files, strict=True)):
            start = (file.name, self._zone.key, self._written(path), wanted, span)
            blocks: list[Block] = []
            for block in self._blocks(path, file):
                blocks.append(block)
                if len(blocks) >= _BLOCKS_A_TASK:
                    yield Task(number, start, file.encoding, blocks)
                    blocks = []
            if blocks:
                yield Task(number, start, file.encoding, blocks)

    def _large(self) -> bool:
        """Say whether other processes are worth their start."""
        if processors() < 2:
            return False
        sizes = [os.path.getsize(path) for path in self._paths if path != STDIN and os.path.exists(path)]
        return STDIN in self._paths or sum(sizes) >= _LARGE

    def events(self, wanted: frozenset[str] | None = None) -> Iterator[LogEvent]:
        for batch in self.batches(wanted):
            yield from batch

    def unknown_lines(self, limit: int) -> Iterator[UnknownLine]:
        left = limit
        for path in self._paths:
            file = LogFile(_shown(path))
            reading = Reading(file, self._clock(path), None, self._own)
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
        return Clock(self._zone, self._written(path))

    @staticmethod
    def _written(path: str) -> int | None:
        """Return when a file was last written to, in microseconds since the epoch."""
        try:
            return None if path == STDIN else os.stat(path).st_mtime_ns // 1000
        except (OSError, ValueError):
            return None


def _shown(path: str) -> str:
    return "standard input" if path == STDIN else visible(path, 1000)
