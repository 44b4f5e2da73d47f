"""The demo's log files: the client's and the backend's, with what a day's rotation leaves behind."""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from dataclasses import dataclass

from dedupaudit.demo.loglines import LogLine, Stream
from dedupaudit.demo.rows import stamp
from dedupaudit.demo.scene import FIRST_DAY

_DAY = 86_400_000

# Where each stream's lines go: the file, and the moment (epoch milliseconds) until which it was written to.
_ROTATION: dict[Stream, tuple[tuple[str, int | None], ...]] = {
    "client": (
        ("app-console.log.2.gz", FIRST_DAY + _DAY),
        ("app-console.log.1", FIRST_DAY + 2 * _DAY),
        ("app-console.log", None),
    ),
    "backend": (("backend.log.1", FIRST_DAY + 2 * _DAY), ("backend.log", None)),
}


@dataclass(frozen=True)
class LogFile:
    """A log file: its name under the demo's folder, and its text."""

    name: str
    text: str

    @property
    def content(self) -> bytes:
        """The bytes on disk; packed without a time, so that the same text gives the same bytes."""
        raw = self.text.encode("utf-8")
        return gzip.compress(raw, mtime=0) if self.name.endswith(".gz") else raw


def rotate(lines: Sequence[LogLine]) -> tuple[LogFile, ...]:
    """Return the files that `lines`, in the order of their time, were written to."""
    files = []
    for stream, periods in _ROTATION.items():
        own, start = [line for line in lines if line.stream == stream], 0
        for name, end in periods:
            inside = [line for line in own if line.at >= start and (end is None or line.at < end)]
            text = "".join(f"{stamp(line.at, 'T')}Z {line.text}\n" for line in inside)
            files.append(LogFile(f"logs/{name}", text))
            start = end or 0
    return tuple(files)
