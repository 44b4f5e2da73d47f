"""repeated_receive: IDs that reached the backend more than once, which proves a repeated upload."""

from __future__ import annotations

from dedupaudit.checks.log_check import LogCheck

CHECK = LogCheck(
    "repeated_receive",
    frozenset({"receive"}),
    "{id} was received by the backend {times}",
    "answer what is stored already with success, and write it once: a unique constraint, and its violation caught",
)
