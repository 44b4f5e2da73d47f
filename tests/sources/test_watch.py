"""The watch ends a statement when a signal comes or somebody waits, and touches nothing else."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator

import pytest

from dedupaudit.errors import Cancelled, SourceError
from dedupaudit.interrupt import Interrupt
from dedupaudit.sources.tables.watch import Watch


class Statement:
    """A statement that runs until somebody cancels it often enough."""

    def __init__(self, calls: int = 1) -> None:
        self.left = calls
        self.ended = threading.Event()

    def cancel(self) -> None:
        self.left -= 1
        if self.left <= 0:
            self.ended.set()

    def run(self) -> bool:
        return self.ended.wait(timeout=30)


@pytest.fixture
def interrupt() -> Iterator[Interrupt]:
    one = Interrupt()
    write = one.wakeup_fd()
    yield one
    os.close(write)
    assert one.fd is not None
    os.close(one.fd)


def test_a_signal_cancels_though_the_main_thread_runs_no_python(interrupt: Interrupt) -> None:
    write = interrupt.wakeup_fd()
    statement = Statement()
    watch = Watch(interrupt, statement.cancel)
    before = signal.set_wakeup_fd(write, warn_on_full_buffer=False)
    handled = signal.signal(signal.SIGUSR1, lambda *_: None)
    try:
        with watch.running():
            os.kill(os.getpid(), signal.SIGUSR1)
            assert statement.run()
    finally:
        signal.set_wakeup_fd(before)
        signal.signal(signal.SIGUSR1, handled)
        watch.close()
    os.close(write)


def test_a_statement_that_does_not_end_is_cancelled_again(interrupt: Interrupt) -> None:
    statement = Statement(calls=3)
    watch = Watch(interrupt, statement.cancel)
    with watch.running():
        interrupt.signum = signal.SIGTERM
        assert statement.run()
    watch.close()
    with pytest.raises(Cancelled) as caught:
        watch.check()
    assert caught.value.signum == signal.SIGTERM


def test_a_cancel_that_fails_is_tried_again(interrupt: Interrupt) -> None:
    statement = Statement(calls=3)

    def cancel() -> None:
        statement.cancel()
        raise ConnectionError

    watch = Watch(interrupt, cancel)
    with watch.running():
        interrupt.signum = signal.SIGINT
        assert statement.run()
    watch.close()


def test_who_waits_ends_the_statement_and_is_named(interrupt: Interrupt) -> None:
    statement = Statement()
    answers = iter([None, "pid 7 (migration) waits for a lock on t"])
    watch = Watch(interrupt, statement.cancel, lambda: next(answers), every=0.01)
    with watch.running():
        assert statement.run()
    watch.close()
    with pytest.raises(SourceError, match=r"gave way: pid 7 \(migration\) waits") as caught:
        watch.check()
    assert "replica" in caught.value.hint
    with pytest.raises(SourceError, match="gave way"), watch.running():
        pass


def test_a_look_that_fails_ends_nothing(interrupt: Interrupt) -> None:
    looked = threading.Event()

    def waiting() -> str | None:
        looked.set()
        raise ConnectionError

    statement = Statement()
    watch = Watch(interrupt, statement.cancel, waiting, every=0.01)
    with watch.running():
        assert looked.wait(timeout=30)
    watch.check()
    watch.close()
    assert not statement.ended.is_set()


def test_nothing_is_cancelled_while_no_statement_runs(interrupt: Interrupt) -> None:
    statement = Statement()
    watch = Watch(interrupt, statement.cancel, lambda: "somebody", every=0.01)
    watch.close()
    assert watch.gave_way is None
    assert not statement.ended.is_set()
