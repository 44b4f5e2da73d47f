"""overlapping_send: IDs that a client sent again while an earlier upload of them still ran."""

from __future__ import annotations

from dedupaudit.checks.log_check import LogCheck

CHECK = LogCheck(
    "overlapping_send",
    frozenset({"send", "resend", "requeue", "receive", "db_write"}),
    "{id} was sent again {times} while an earlier upload of it still ran",
    "let the client abort the first upload before it puts the item back into its queue",
)
