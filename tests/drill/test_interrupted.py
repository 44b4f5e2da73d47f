"""A drill that is stopped by a signal, whenever it comes: nothing is left. More is in tests/cli/test_drill_ended.py."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

import pytest

from dedupaudit.drill.run import drill
from dedupaudit.errors import Cancelled
from dedupaudit.interrupt import Interrupt
from tests.drill.drilling import request, sqlite_file
from tests.drill.seeded import strategy

AT_THE_AUDIT = 10**9


@dataclass
class Doing:
    """A progress that does something once some of the clients were told, and notes the labels."""

    act: Callable[[], None]
    after: int = 20
    labels: list[str] = field(default_factory=list)
    done: bool = False

    def start(self, label: str, total: int | None, unit: str = "rows") -> None:
        self.labels.append(label)

    def advance_to(self, rows: int) -> None:
        if rows >= self.after and not self.done:
            self.done = True
            self.act()

    def finish(self) -> None:
        if self.after == AT_THE_AUDIT:
            self.advance_to(self.after)


@contextmanager
def watched(interrupt: Interrupt) -> Iterator[None]:
    """Handle SIGTERM as main does: the first one is noted, and a second one does not wait."""

    def cancel(signum: int, _frame: FrameType | None) -> None:
        again, interrupt.signum = interrupt.signum is not None, signum
        if again:
            raise Cancelled(signum)

    before = signal.signal(signal.SIGTERM, cancel)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def children() -> set[str]:
    """Return the processes below this one that live."""
    found: dict[str, str] = {}
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            try:
                told = (process / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if told[0] != "Z":
                found[process.name] = told[1]
    below = {str(os.getpid())}
    while more := {process for process, parent in found.items() if parent in below} - below:
        below |= more
    return below - {str(os.getpid())}


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    return folder


def test_a_signal_stops_it_and_nothing_is_left(tmp_path: Path, temporary: Path) -> None:
    before = children()
    interrupt = Interrupt()

    def stop() -> None:
        assert os.listdir(temporary)
        assert len(children() - before) > 6
        os.kill(os.getpid(), signal.SIGTERM)

    progress = Doing(stop)
    with watched(interrupt), pytest.raises(Cancelled) as caught:
        drill(request(sqlite_file(tmp_path), [strategy(), strategy()]), interrupt=interrupt, progress=progress)
    assert caught.value.signum == signal.SIGTERM
    assert progress.labels == ["without-none"]
    assert os.listdir(temporary) == []
    assert children() - before == set()


def test_a_signal_during_the_removal_does_not_end_it(
    tmp_path: Path, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dedupaudit.drill.scratch.sqlite import SqliteScratch

    interrupt = Interrupt()
    drop = SqliteScratch.drop
    pressed: list[int] = []

    def press_again(scratch: SqliteScratch) -> None:
        for _ in range(3):
            os.kill(os.getpid(), signal.SIGTERM)
            pressed.append(1)
        drop(scratch)

    monkeypatch.setattr(SqliteScratch, "drop", press_again)
    progress = Doing(lambda: os.kill(os.getpid(), signal.SIGTERM))
    with watched(interrupt), pytest.raises(Cancelled):
        drill(request(sqlite_file(tmp_path), [strategy()]), interrupt=interrupt, progress=progress)
    assert len(pressed) == 3
    assert os.listdir(temporary) == []
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


@pytest.mark.slow
def test_a_signal_during_the_audit_stops_it_too(tmp_path: Path, temporary: Path) -> None:
    interrupt = Interrupt()
    progress = Doing(lambda: os.kill(os.getpid(), signal.SIGTERM), after=AT_THE_AUDIT)
    with watched(interrupt), pytest.raises(Cancelled):
        drill(request(sqlite_file(tmp_path), [strategy()]), interrupt=interrupt, progress=progress)
    assert progress.done
    assert os.listdir(temporary) == []


def test_a_signal_before_anything_began_leaves_nothing(tmp_path: Path, temporary: Path) -> None:
    interrupt = Interrupt(signum=signal.SIGTERM)
    with pytest.raises(Cancelled):
        drill(request(sqlite_file(tmp_path), [strategy()]), interrupt=interrupt, progress=Doing(lambda: None))
    assert os.listdir(temporary) == []


@pytest.mark.slow
def test_it_runs_outside_of_the_main_thread_too(tmp_path: Path, temporary: Path) -> None:
    results: list[bool] = []

    def run() -> None:
        progress = Doing(lambda: None)
        results.append(
            drill(request(sqlite_file(tmp_path), [strategy()]), interrupt=Interrupt(), progress=progress).held
        )

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert results == [True]
