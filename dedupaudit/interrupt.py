"""A signal that asks the run to stop: set by main's handler, looked at wherever the run waits."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module

from dedupaudit.errors import Cancelled

_stopped_by: int | None = None  # of the process, as a signal's handler is


@dataclass
class Interrupt:
    """Mutable on purpose: a signal handler may do little more than write down that it was called.

    Python runs handlers only between its own instructions, not while a driver waits for a server. `fd` becomes
    readable at once, whatever the main thread does; nobody reads from it, so that everybody can wait for it.
    """

    signum: int | None = None
    fd: int | None = None
    is_deferred: bool = False
    """Whether a signal waits until somebody calls `check`."""

    def wakeup_fd(self) -> int:
        """Make the pipe that `fd` is the end of, and return the other end, for `signal.set_wakeup_fd`."""
        self.fd, write = os.pipe()
        os.set_blocking(write, False)
        return write

    @contextmanager
    def deferred(self) -> Iterator[None]:
        """Let a signal wait, within the block, until `check` is called; a second one does not wait."""
        before, self.is_deferred = self.is_deferred, True
        try:
            yield
        finally:
            self.is_deferred = before

    def check(self) -> None:
        """Raise Cancelled if a signal came."""
        if self.signum is not None:
            raise Cancelled(self.signum)


@dataclass
class _Held:
    """How many blocks of `held` the process is in, and the signal that came meanwhile."""

    blocks: int = 0
    signum: int | None = None


_held = _Held()


@contextmanager
def held() -> Iterator[None]:
    """Let a signal wait until the end of the block, which raises Cancelled then; a second one does not wait.

    For what is short and worth nothing by halves: a report being written, a file being put in its place. In the main
    thread alone.
    """
    _held.blocks += 1
    try:
        yield
    finally:
        _held.blocks -= 1
        if not _held.blocks and _held.signum is not None:
            signum, _held.signum = _held.signum, None
            raise Cancelled(signum)


def import_whole(name: str) -> None:
    """Import a module in C++; a signal waits, because raised amid its classes it ends the process by SIGABRT."""
    with held():
        import_module(name)


def is_held() -> bool:
    """Say whether a signal waits for the end of a block."""
    return _held.signum is not None


def stop(signum: int, *, at_once: bool) -> None:
    """Raise Cancelled, as a signal's handler; or later, where it is held and need not be `at_once`."""
    global _stopped_by
    _stopped_by = signum
    if _held.blocks and not at_once:
        _held.signum = signum
        return
    _held.signum = None
    raise Cancelled(signum)


# What is said in place of what the handler raised: by DuckDB, and by SQLite when it was in a function of ours.
_DROPPED = ("Query interrupted", "user-defined function raised exception")


@contextmanager
def passed_on() -> Iterator[None]:
    """Raise Cancelled where a library in C was at work when the handler raised: it makes that an error of its own."""
    try:
        yield
    except Exception as error:
        if _stopped_by is None or str(error) not in _DROPPED:
            raise
        raise Cancelled(_stopped_by) from error


@dataclass
class Runtime:
    """What commands share with main: the interrupt that signals set, and whether -v was given."""

    interrupt: Interrupt = field(default_factory=Interrupt)
    verbose: bool = False
