"""Servers that take no writes: replicas, and those that were told so."""

from __future__ import annotations

from collections.abc import Iterator

from dedupaudit.display import visible
from dedupaudit.migrate.facts import Facts
from dedupaudit.migrate.plan import Concern
from dedupaudit.migrate.preflight.base import Asked, refusal


def look(facts: Facts, asked: Asked) -> Iterator[Concern]:
    """Refuse, and say why the server takes no writes."""
    if facts.read_only:
        yield refusal(
            f"{visible(asked.table)} cannot be changed here: {visible(facts.read_only, 200)}",
            "connect to the primary: --db URL",
        )
