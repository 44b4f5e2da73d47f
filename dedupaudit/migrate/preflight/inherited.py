"""Inheritance of PostgreSQL: no unique constraint reaches the children."""

from __future__ import annotations

from collections.abc import Iterator

from dedupaudit.display import visible
from dedupaudit.migrate.facts import Facts
from dedupaudit.migrate.plan import Concern
from dedupaudit.migrate.preflight.base import Asked, refusal


def look(facts: Facts, asked: Asked) -> Iterator[Concern]:
    """Refuse a table that has children, or is one."""
    if facts.table_kind == "inherited":
        with_whom = f" with {visible(facts.parent)}" if facts.parent else ""
        yield refusal(
            f"{visible(asked.table)} shares rows by inheritance{with_whom}, and a unique constraint of PostgreSQL holds"
            " in one of such tables alone",
            "undo the inheritance (ALTER TABLE … NO INHERIT …), or make it a partitioned table (PARTITION BY), and then"
            " plan again",
        )
