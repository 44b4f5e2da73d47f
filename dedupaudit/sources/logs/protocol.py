"""What a source of log events says: facts about lines, and what was found of each file. Nothing here is a verdict."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, NamedTuple, Protocol

Encoding = Literal["ascii", "utf-8", "gb18030", "utf-16-le", "utf-16-be", "utf-8 misread as windows-1252"]
Compression = Literal["none", "gzip", "xz", "zstd"]

Span = tuple[int | None, int | None]
"""Two moments in microseconds since the epoch, None for no limit; an event without a time lies between no two."""
NO_SPAN: Span = (None, None)

NO_FIELDS: Mapping[str, str] = MappingProxyType({})


class LogEvent(NamedTuple):
    """One event of one ID that one line tells of.

    `at` is microseconds since the epoch, None where the line has no time that can be read. `line` counts from 1;
    `offset` is where the line begins, in bytes of the unpacked file. `fields` is what else a line with fields said.
    """

    event: str
    id: str
    at: int | None
    device: str | None
    file: str
    line: int
    offset: int
    fields: Mapping[str, str] = NO_FIELDS


class ClientClock(NamedTuple):
    """By how many seconds a client's clock is ahead of the backend's; `steady` where all that it wrote agrees in it."""

    ahead: float
    steady: bool = True


class UnknownLine(NamedTuple):
    """A line that no pattern knew; its text is foreign, and may have been cut."""

    file: str
    line: int
    text: str


@dataclass
class LogFile:
    """One file and, once it was read, what it held. Mutable: its counts grow while it is read.

    `damage` says why the file was not read to its end, or that parts of it could not be; None for a whole one.
    """

    name: str
    encoding: Encoding = "ascii"
    compression: Compression = "none"
    lines: int = 0
    bytes: int = 0
    events: int = 0
    long_lines: int = 0
    damage: str | None = None


class LogSource(Protocol):
    """Log files, each stream of rotated ones in the order in which they were written."""

    @property
    def files(self) -> tuple[LogFile, ...]:
        """The files, in the order in which they are read; their counts are whole once `events` has ended."""

    def batches(self, wanted: frozenset[str] | None = None) -> Iterator[list[LogEvent]]:
        """Yield events file by file, in the order of their lines; only those named by `wanted`, where it is given.

        A file that cannot be opened or is damaged is no exception: its LogFile says so, and the others are read.
        Raises Cancelled when a signal came.
        """

    def columns(self, wanted: frozenset[str] | None = None, span: Span = (None, None)) -> Iterator[bytes]:
        """Yield the same as lines for the embedded engine (columns.py), of a span of time; not in the files' order."""

    def events(self, wanted: frozenset[str] | None = None) -> Iterator[LogEvent]:
        """Yield the events of `batches` one by one."""

    def unknown_lines(self, limit: int) -> Iterator[UnknownLine]:
        """Yield the first `limit` lines that are not blank and that no pattern knew."""
