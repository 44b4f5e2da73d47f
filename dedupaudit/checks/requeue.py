"""requeue: IDs that a client gave up on and put back into its queue."""

from __future__ import annotations

from dedupaudit.checks.log_check import LogCheck

CHECK = LogCheck(
    "requeue",
    frozenset({"requeue"}),
    "{id} was put back into the client's queue {times}",
    "each re-queue is one more send of what may be stored already: let the backend look for the ID before it writes",
)
