"""Transactions that the wait step will wait for."""

from __future__ import annotations

from collections.abc import Iterator

from dedupaudit.display import visible
from dedupaudit.migrate.facts import Facts, OpenTransaction
from dedupaudit.migrate.plan import Concern
from dedupaudit.migrate.preflight.base import Asked, has_guard, lasting, warning

LONG = 60.0
"""Seconds."""


def look(facts: Facts, asked: Asked) -> Iterator[Concern]:
    """Warn of a transaction, or of a snapshot of another, that has been open for more than a minute."""
    transaction, snapshot = facts.oldest_transaction, facts.oldest_snapshot
    if transaction and transaction.seconds > LONG:
        yield _told("a transaction", transaction, asked, facts)
    if snapshot and snapshot.seconds > LONG and snapshot != transaction:
        yield _told("a snapshot", snapshot, asked, facts)


def _told(what: str, one: OpenTransaction, asked: Asked, facts: Facts) -> Concern:
    waits = (
        "the migration waits until it has ended, and writers go on meanwhile"
        if has_guard(asked)
        else "if it has touched the table, the lock on the table waits for it, and is tried again"
    )
    return warning(
        f"{what} has been open for {lasting(one.seconds)} ({visible(one.who, 200)}): {waits}",
        "end it, or give the wait more time with --wait"
        + (
            "; SELECT pg_terminate_backend(PID) ends it by force"
            if facts.product == "postgresql"
            else "; KILL ID ends it by force"
            if facts.product in ("mysql", "mariadb")
            else ""
        ),
    )
