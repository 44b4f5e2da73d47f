"""A partition: what is unique in one of them says nothing of the others."""

from __future__ import annotations

from collections.abc import Iterator

from dedupaudit.display import visible
from dedupaudit.migrate.facts import Facts
from dedupaudit.migrate.plan import Concern
from dedupaudit.migrate.preflight.base import Asked, refusal, word


def look(facts: Facts, asked: Asked) -> Iterator[Concern]:
    """Refuse the part, and name the whole."""
    if facts.table_kind == "partition":
        whole = f" of {visible(facts.parent)}" if facts.parent else ""
        yield refusal(
            f"{visible(asked.table)} is a partition{whole}: a constraint on it would let the same ID into the others",
            f"migrate the partitioned table: dedupaudit migrate plan {word(facts.parent or 'PARENT')}",
        )
