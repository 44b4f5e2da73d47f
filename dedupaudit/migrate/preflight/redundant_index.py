"""Indexes that nobody needs any more once the new one stands."""

from __future__ import annotations

from collections.abc import Iterator

from dedupaudit.display import visible
from dedupaudit.migrate.facts import Facts
from dedupaudit.migrate.plan import Concern
from dedupaudit.migrate.preflight.base import Asked, listed, note, quote


def look(facts: Facts, asked: Asked) -> Iterator[Concern]:
    """Name them, and how they are dropped; the tool does not."""
    if names := facts.redundant_indexes:
        yield note(
            f"with the new index {listed(names)} of {visible(asked.table)} {'becomes' if len(names) == 1 else 'become'}"
            " redundant: every write keeps them up for nothing",
            "afterwards, one by one: " + "; ".join(_drop(facts, asked, name) for name in names[:5]),
        )


def _drop(facts: Facts, asked: Asked, name: str) -> str:
    quoted = name if '"' in name or "." in name else quote(facts.product, name)
    match facts.product:
        case "postgresql":
            return f"DROP INDEX CONCURRENTLY {quoted}"
        case "sqlite":
            return f"DROP INDEX {quoted}"
        case _:
            return f"ALTER TABLE {asked.quoted} DROP INDEX {quote(facts.product, name)}, ALGORITHM=INPLACE, LOCK=NONE"
