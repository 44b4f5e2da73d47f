"""Signals that wait, and signals that a library in C drops."""

from __future__ import annotations

import os
import signal
import sqlite3
from collections.abc import Iterator

import pytest

from dedupaudit.config import DatabaseSettings
from dedupaudit.errors import Cancelled
from dedupaudit.interrupt import Interrupt, Runtime, held, is_held, passed_on
from dedupaudit.main import _watch_signals, run
from dedupaudit.repair.databases.sqlite import SqliteRepair
from dedupaudit.urls import parse_database_url
from tests.conftest import SqliteDb

_ALL = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@pytest.fixture
def interrupt(monkeypatch: pytest.MonkeyPatch) -> Iterator[Interrupt]:
    """Return what main's own handlers write to, which handle this process's signals."""
    monkeypatch.setattr("dedupaudit.interrupt._stopped_by", None)
    before = {number: signal.getsignal(number) for number in _ALL}
    made = Interrupt()
    _watch_signals(made)
    yield made
    os.close(signal.set_wakeup_fd(-1))
    if made.fd is not None:
        os.close(made.fd)
    for number, handler in before.items():
        signal.signal(number, handler)


def send(number: signal.Signals = signal.SIGTERM) -> None:
    os.kill(os.getpid(), number)


@pytest.mark.usefixtures("interrupt")
def test_a_signal_that_is_held_comes_at_the_end_of_the_outermost_block() -> None:
    done: list[str] = []
    with pytest.raises(Cancelled) as caught, held():
        with held():
            send()
            done.append("inner")
        assert is_held()
        done.append("outer")
    assert done == ["inner", "outer"]
    assert caught.value.signum == signal.SIGTERM
    assert not is_held()


@pytest.mark.usefixtures("interrupt")
def test_who_asks_twice_does_not_wait() -> None:
    done: list[str] = []
    with pytest.raises(Cancelled) as caught, held():
        send()
        done.append("one")
        send(signal.SIGINT)
        done.append("two")
    assert done == ["one"]
    assert caught.value.signum == signal.SIGINT
    assert not is_held()


@pytest.mark.usefixtures("interrupt")
def test_a_signal_goes_before_what_fails_in_the_block() -> None:
    with pytest.raises(Cancelled) as caught, held():
        send()
        raise ValueError("the disk is full")
    assert isinstance(caught.value.__context__, ValueError)


def test_one_that_is_deferred_is_not_raised_by_the_end_of_a_block(interrupt: Interrupt) -> None:
    with interrupt.deferred():
        with held():
            send()
        assert interrupt.signum == signal.SIGTERM
    with pytest.raises(Cancelled):
        interrupt.check()


@pytest.mark.usefixtures("interrupt")
def test_a_signal_in_a_function_that_sqlite_calls_is_no_failure_of_the_database(
    sqlite_db: SqliteDb, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite says only that a function failed: an undo called that a failure (6)."""

    def signalled() -> None:
        send()
        raise AssertionError

    path = sqlite_db("CREATE TABLE activities (id TEXT); INSERT INTO activities VALUES ('activity_1')")
    database = SqliteRepair(DatabaseSettings("db", parse_database_url(f"sqlite:///{path}"), None))
    monkeypatch.setattr("hashlib.sha256", signalled)
    with pytest.raises(Cancelled):
        database.digest("dedupaudit_row_hash('text', id)", "FROM activities")
    database.close()


@pytest.mark.usefixtures("interrupt")
def test_a_function_that_fails_without_a_signal_is_a_failure() -> None:
    with pytest.raises(sqlite3.OperationalError), passed_on():
        raise sqlite3.OperationalError("user-defined function raised exception")


def test_the_code_of_a_signal_goes_before_that_of_an_error_that_came_after_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    nowhere = ["report", "nowhere.json"]
    assert run(nowhere, Runtime()) == 2
    assert run(nowhere, Runtime(Interrupt(signum=signal.SIGTERM))) == 143
    first, second = capsys.readouterr().err.split("dedupaudit: ")[1:]
    assert first == second
