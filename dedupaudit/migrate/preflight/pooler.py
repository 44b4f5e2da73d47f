"""A pooler that hands out a connection for each transaction: locks and settings of a session would go to others."""

from __future__ import annotations

from collections.abc import Iterator

from dedupaudit.display import visible
from dedupaudit.migrate.facts import Facts
from dedupaudit.migrate.plan import Concern
from dedupaudit.migrate.preflight.base import Asked, refusal


def look(facts: Facts, asked: Asked) -> Iterator[Concern]:  # noqa: ARG001 (every check is called alike)
    """Refuse to work through one."""
    if facts.pooler:
        yield refusal(
            f"the connection does not reach the server itself: {visible(facts.pooler, 300)}",
            "connect to the server itself (often port 5432 instead of 6432), or to a pool in session mode:"
            " --db postgresql://user@server:5432/database",
        )
