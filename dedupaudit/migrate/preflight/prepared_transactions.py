"""Prepared transactions: nobody ends them by itself, and the wait step waits for them."""

from __future__ import annotations

from collections.abc import Iterator

from dedupaudit.migrate.facts import Facts
from dedupaudit.migrate.plan import Concern
from dedupaudit.migrate.preflight.base import Asked, counted, listed, warning


def look(facts: Facts, asked: Asked) -> Iterator[Concern]:  # noqa: ARG001 (every check is called alike)
    """Warn of each prepared transaction."""
    if waiting := facts.prepared_transactions:
        end = (
            "COMMIT PREPARED 'NAME' or ROLLBACK PREPARED 'NAME'"
            if facts.product == "postgresql"
            else "XA COMMIT or XA ROLLBACK, with its id from XA RECOVER"
        )
        yield warning(
            f"{counted(len(waiting), 'prepared transaction')} {'is' if len(waiting) == 1 else 'are'} open, which the"
            f" migration must wait for, and which end by nobody's time-out: {listed(waiting)}",
            f"ask whose they are, and end them: {end}",
        )
