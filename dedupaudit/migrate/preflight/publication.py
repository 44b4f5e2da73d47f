"""Logical replication: DDL does not travel with the rows."""

from __future__ import annotations

from collections.abc import Iterator

from dedupaudit.display import visible
from dedupaudit.migrate.facts import Facts
from dedupaudit.migrate.plan import Concern
from dedupaudit.migrate.preflight.base import Asked, note


def look(facts: Facts, asked: Asked) -> Iterator[Concern]:
    """Say that each side needs its own migration."""
    if facts.published:
        yield note(
            f"{visible(asked.table)} is replicated logically, and DDL is not: the other side gets no constraint from"
            " this migration, though it gets the deletes of the clean step",
            "migrate the subscriber as well, after its publisher: a constraint there that the publisher lacks stops"
            " replication at the first duplicate",
        )
