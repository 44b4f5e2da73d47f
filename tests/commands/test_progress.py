"""Progress is drawn on a terminal, says rows, rate and time left, and ends no run."""

from __future__ import annotations

import os
import pty
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import TextIO

import pytest

from dedupaudit.commands import progress as module
from dedupaudit.commands.progress import TerminalProgress
from dedupaudit.progress import SILENT, Progress


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[int, TextIO]]:
    """Return a terminal's two ends, on which every picture is drawn at once."""
    monkeypatch.setattr(module, "_BETWEEN", 0.0)
    monkeypatch.setattr(module, "_SETTLED", 0.0)
    master, slave = pty.openpty()
    stream = os.fdopen(slave, "w", encoding="utf-8")
    yield master, stream
    for end in (stream.close, lambda: os.close(master)):
        with suppress(OSError):  # a test took the terminal away
            end()


def seen(terminal: tuple[int, TextIO]) -> str:
    """Return all that was drawn: a terminal hands it over in pieces, so an end is written behind it."""
    master, stream = terminal
    stream.write("<end>")
    stream.flush()
    drawn = b""
    while not drawn.endswith(b"<end>"):
        drawn += os.read(master, 65_536)
    return drawn.decode()


def test_silence_is_progress(capfd: pytest.CaptureFixture[str]) -> None:
    SILENT.start("step", None)
    SILENT.advance_to(1)
    SILENT.finish()
    assert capfd.readouterr() == ("", "")


def test_rows_rate_and_time_left_are_said(terminal: tuple[int, TextIO]) -> None:
    _, stream = terminal
    progress: Progress = TerminalProgress(stream)
    progress.start("db.activities: duplicates", 1_000)
    time.sleep(0.01)
    progress.advance_to(250)
    text = seen(terminal)
    assert "db.activities: duplicates" in text
    assert "25%" in text
    assert "250 rows" in text
    assert "rows/s" in text
    assert "left" in text
    progress.finish()


def test_an_unknown_total_has_no_time_left(terminal: tuple[int, TextIO]) -> None:
    _, stream = terminal
    progress = TerminalProgress(stream)
    progress.start("step", None)
    progress.advance_to(250)
    progress.finish()
    text = seen(terminal)
    assert "250 rows" in text
    assert "left" not in text
    assert "%" not in text


def test_more_rows_than_estimated_are_all_of_them(terminal: tuple[int, TextIO]) -> None:
    _, stream = terminal
    progress = TerminalProgress(stream)
    progress.start("step", 10)
    progress.advance_to(25)
    progress.finish()
    text = seen(terminal)
    assert "100%" in text
    assert "250%" not in text


def test_the_line_is_gone_and_the_cursor_back_at_the_end(terminal: tuple[int, TextIO]) -> None:
    _, stream = terminal
    progress = TerminalProgress(stream)
    progress.start("step", 10)
    progress.finish()
    progress.finish()
    last = seen(terminal)
    assert last.count("\x1b[?25h") == 1
    assert last.rindex("\x1b[2K") > last.rindex("step")


def test_a_hostile_label_is_text(terminal: tuple[int, TextIO]) -> None:
    _, stream = terminal
    progress = TerminalProgress(stream)
    progress.start("\x1b]0;title\x07[bold]x[/bold]", 10)
    progress.finish()
    text = seen(terminal)
    assert r"\x1b]0;title\x07[bold]x[/bold]" in text
    assert "\x1b]0" not in text


def test_a_terminal_that_goes_away_does_not_end_the_run(terminal: tuple[int, TextIO]) -> None:
    master, stream = terminal
    progress = TerminalProgress(stream)
    progress.start("step", 10)
    os.close(master)
    for rows in range(5):
        progress.advance_to(rows)
    progress.finish()
    progress.start("next step", 10)
    progress.advance_to(1)
    progress.finish()


def test_a_reader_that_goes_away_does_not_end_the_run() -> None:
    read, write = os.pipe()
    stream = os.fdopen(write, "w")
    progress = TerminalProgress(stream)
    os.close(read)
    progress.start("step", 10)
    progress.advance_to(1)
    progress.finish()
    with pytest.raises(BrokenPipeError):
        stream.close()
