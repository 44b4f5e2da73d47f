"""Every failure that a user can meet: what happened, what to do next, and the exit code it ends in."""

from __future__ import annotations

from enum import IntEnum
from typing import ClassVar


class ExitCode(IntEnum):
    """What the process says to the script that called it. Signals end in 128 + their number."""

    CLEAN = 0
    FINDINGS = 1
    USAGE = 2
    INCOMPLETE = 3
    NOTHING = 4
    REFUSED = 5
    FAILED = 6
    CRASH = 70
    LOCKED = 75


class AuditError(Exception):
    """A failure with a message (what, where) and a hint (what to do next).

    Both are text for people: every foreign value in them has gone through `display`, and no secret is in them. `id` is
    what `--log-json` calls it: programs rely on it, and docs/log-json.md lists it.
    """

    id: ClassVar[str] = "usage"
    exit_code: ExitCode = ExitCode.USAGE

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(AuditError):
    """A wrong option, a broken configuration, a named table or column that does not exist."""


class SourceError(AuditError):
    """A source that cannot be reached, refuses, or ends early: the run is incomplete."""

    id = "source"
    exit_code = ExitCode.INCOMPLETE


class StatementStopped(SourceError):
    """A statement that took longer than --timeout allows: what it was for is stopped, the rest goes on."""

    id = "source.timeout"


class OutputError(AuditError):
    """A report or findings file that could not be written in full."""

    id = "output"
    exit_code = ExitCode.INCOMPLETE


class NothingToCheck(AuditError):
    """None of the tables, files or IDs that were looked for exists."""

    id = "nothing_to_check"
    exit_code = ExitCode.NOTHING


class Refused(AuditError):
    """A safety rule says no."""

    id = "refused"
    exit_code = ExitCode.REFUSED


class RunFailed(AuditError):
    """A run that changes or proves something ran, and failed."""

    id = "failed"
    exit_code = ExitCode.FAILED


class Locked(AuditError):
    """Another run works on the same table, or looks at the same sources."""

    id = "locked"
    exit_code = ExitCode.LOCKED


class Cancelled(BaseException):
    """A signal asked the run to stop; `signum` is the signal's number.

    It is raised wherever the program is, in a library too: like KeyboardInterrupt it is none of the exceptions that
    `except Exception` is meant for, and that somebody would pass over or take for a failure of his own.
    """

    def __init__(self, signum: int) -> None:
        super().__init__(f"stopped by signal {signum}")
        self.signum = signum
