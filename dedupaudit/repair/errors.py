"""What can go wrong inside one chunk, and what the conductor does about each."""

from __future__ import annotations

from dedupaudit.errors import AuditError, ExitCode


class Busy(AuditError):
    """A lock timeout, a deadlock, a serialization failure, a database that is locked: nothing changed, try again.

    `blocked_by` says who held the lock, for people; empty where nobody knows.
    """

    id = "busy"
    exit_code = ExitCode.INCOMPLETE

    def __init__(self, message: str, hint: str = "", blocked_by: str = "") -> None:
        super().__init__(message, hint)
        self.blocked_by = blocked_by


KEPT = "look at the constraint or trigger that refuses it; the rows stay as they are"
"""The hint of a Violation."""


class Violation(AuditError):
    """A constraint or a trigger of the database refused a change: the group that caused it is left as it is."""

    id = "violation"
    exit_code = ExitCode.INCOMPLETE


class Surprise(AuditError):
    """What was read back is not what was written: the chunk is rolled back and the run ends."""

    id = "surprise"
    exit_code = ExitCode.FAILED
