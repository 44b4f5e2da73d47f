"""What the role may not do."""

from __future__ import annotations

from collections.abc import Iterator

from dedupaudit.display import escape, visible
from dedupaudit.migrate.facts import Facts
from dedupaudit.migrate.plan import Concern
from dedupaudit.migrate.preflight.base import Asked, refusal


def look(facts: Facts, asked: Asked) -> Iterator[Concern]:
    """Refuse where a right is missing, with what would give it."""
    if facts.missing:
        yield refusal(
            f"this role lacks rights for the migration of {visible(asked.table)}",
            "as the owner or an administrator: " + "; ".join(escape(one) for one in facts.missing),
        )
