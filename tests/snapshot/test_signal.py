"""A signal while the embedded engine works is a signal: the engine itself makes an error of it that names none."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Timer

import pytest

from dedupaudit.errors import Cancelled
from dedupaudit.interrupt import passed_on, stop
from dedupaudit.snapshot.engine import Engine, explained
from dedupaudit.snapshot.intake import Intake, read_lines
from tests.conftest import ROOT

# Takes 8 s, in pieces. After each of its own the main thread looks for signals; while it waits for a thread of the
# engine's it does not, and so it has to be alone.
LONG = "SELECT max(md5(range::VARCHAR)) FROM range(60000000)"


@contextmanager
def signalled() -> Iterator[None]:
    """Send the process a signal 0.2 s from now, and let its handler raise what the program's own does."""

    def handler(signum: int, _frame: object) -> None:
        stop(signum, at_once=False)

    before = signal.signal(signal.SIGUSR1, handler)
    timer = Timer(0.2, os.kill, (os.getpid(), signal.SIGUSR1))
    timer.start()
    try:
        yield
    finally:
        timer.join()
        signal.signal(signal.SIGUSR1, before)


def test_a_signal_in_mid_statement_is_no_failure_of_the_engine() -> None:
    with Engine(64_000_000) as engine:
        engine.connection.execute("SET threads = 1")
        with pytest.raises(Cancelled) as caught, signalled(), explained():
            engine.connection.execute(LONG)
        assert caught.value.signum == signal.SIGUSR1
        assert isinstance(caught.value.__cause__, RuntimeError)


def test_another_error_stays_what_it_is() -> None:
    with pytest.raises(RuntimeError, match="something else"), passed_on():
        raise RuntimeError("something else")


def test_what_is_collected_after_the_end_is_not_loaded() -> None:
    """A thread that is still at work when Python ends takes the process with it (SIGABRT)."""
    with Engine(64_000_000) as engine:
        engine.connection.execute("CREATE TABLE t (a BIGINT)")
        intake = Intake(engine, f"INSERT INTO t SELECT a FROM {read_lines({'a': 'BIGINT'})}")
        intake.write(b"1\n")
        intake.abandon()
        del intake
        gc.collect()
        assert "load" not in [thread.name for thread in threading.enumerate()]


def test_a_signal_while_the_last_piece_is_loaded_leaves_nobody_at_work() -> None:
    """CPython 3.11 takes a thread for ended whose `join` a signal broke off: the engine was closed beneath it."""
    with Engine(64_000_000) as engine:
        engine.connection.execute("CREATE TABLE t (a HUGEINT)")
        slow = f"INSERT INTO t SELECT sum(range) FROM range(700000000), {read_lines({'a': 'BIGINT'})}"
        with pytest.raises(Cancelled), signalled(), Intake(engine, slow) as intake:
            intake.write(b"1\n")
        assert intake._loader._ended.is_set()


def test_the_engine_is_imported_whole_by_whoever_is_the_first() -> None:
    """A scan of a server explains a failure of its files before it opens an engine."""
    script = """
import os, signal, sys
from dedupaudit.errors import Cancelled
from dedupaudit.interrupt import Interrupt
from dedupaudit.main import _watch_signals
from dedupaudit.snapshot.engine import explained
class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == "_duckdb":
            sys.meta_path.remove(self)
            os.kill(os.getpid(), signal.SIGTERM)
sys.meta_path.insert(0, Finder())
_watch_signals(Interrupt())
try:
    with explained():
        pass
except Cancelled:
    print("duckdb" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "True\n", "")
