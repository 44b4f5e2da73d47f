"""Progress on a terminal: the step, rows, rows a second and time left, on one line that is gone at the end."""

from __future__ import annotations

import time
from typing import TextIO

from rich.console import Console
from rich.live import Live
from rich.text import Text

from dedupaudit.display import escape
from dedupaudit.reports.words import length

_BETWEEN = 0.1  # seconds from one picture to the next
_SETTLED = 1.0  # seconds before a rate says anything
_BAR = 20
_WIDE = 100  # columns with room for a bar
_SHORTEST = 12


class _Console(Console):
    """A console that says when its reader is gone, where rich would end the process."""

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError


class TerminalProgress:
    """Draws on a stream that is a terminal; whether it is one, and wanted, the caller decides.

    It draws when it is told something, not from a thread of its own, and falls silent for good when the terminal goes
    away: a closed window does not end an audit.
    """

    def __init__(self, stream: TextIO) -> None:
        self._unicode = (getattr(stream, "encoding", None) or "ascii").lower().startswith("utf")
        # rich would take a stream that TERM calls dumb, or a test's, for a file.
        self._console = _Console(file=stream, force_terminal=True, highlight=False, markup=False, emoji=False)
        self._live: Live | None = None
        self._gone = False
        self._label, self._total, self._unit = "", 0, "rows"
        self._started = self._next = 0.0

    def start(self, label: str, total: int | None, unit: str = "rows") -> None:
        """Begin a step, and end the one before it."""
        self.finish()
        if self._gone:
            return
        self._label, self._total, self._unit = escape(label), max(total or 0, 0), unit
        self._started = time.monotonic()
        self._next = self._started + _BETWEEN
        # Neither stdout, where the report goes, nor a thread: both are Live's own idea.
        live = Live(
            self._picture(0, 0.0),
            console=self._console,
            auto_refresh=False,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        try:
            live.start(refresh=True)
        except (OSError, ValueError):
            self._gone = True
            return
        self._live = live

    def advance_to(self, rows: int) -> None:
        """Draw again, if it is time to."""
        now = time.monotonic()
        if now < self._next or self._live is None:
            return
        self._next = now + _BETWEEN
        try:
            self._live.update(self._picture(rows, now - self._started), refresh=True)
        except (OSError, ValueError):
            self._gone = True
            self.finish()

    def finish(self) -> None:
        """Take the line away."""
        live, self._live = self._live, None
        if live is None:
            return
        try:
            live.stop()
        except (OSError, ValueError):  # ValueError: the stream was closed
            self._gone = True

    def _picture(self, rows: int, seconds: float) -> Text:
        facts = [f"{rows:,} {self._unit}"] if rows else []
        rate = rows / seconds if seconds > _SETTLED else 0.0
        if rate:
            facts.append(f"{rate:,.0f} {self._unit}/s")
        bar = ""
        if self._total and rows:
            # `total` is an estimate (statistics of the server): it may be passed.
            done = min(rows / self._total, 1.0)
            full, empty = ("━", "─") if self._unicode else ("#", ".")
            filled = round(done * _BAR)
            bar = full * filled + empty * (_BAR - filled)
            facts.insert(0, f"{done:.0%}")
            if rate and rows < self._total:
                facts.append(f"{length(max((self._total - rows) / rate, 1.0))} left")
        width = self._console.width
        bar = f"  {bar}" if bar and width >= _WIDE else ""
        said = "".join(f"  {fact}" for fact in facts)
        # The figures are what is looked for: a long label gives way.
        label = Text(self._label, style="bold", no_wrap=True)
        label.truncate(max(width - 1 - len(bar) - len(said), _SHORTEST), overflow="ellipsis")
        return Text.assemble(label, (bar, "cyan"), said, no_wrap=True, overflow="crop", end="")
