"""Row-level security: duplicates that the role cannot see would stop the build."""

from __future__ import annotations

from collections.abc import Iterator

from dedupaudit.display import visible
from dedupaudit.migrate.facts import Facts
from dedupaudit.migrate.plan import Concern
from dedupaudit.migrate.preflight.base import Asked, refusal


def look(facts: Facts, asked: Asked) -> Iterator[Concern]:
    """Refuse to judge by a part of the rows."""
    if facts.hides_rows:
        yield refusal(
            f"row-level security hides rows of {visible(asked.table)} from this role, and the index is for all of them",
            "connect as the table's owner, where the security is not forced, or as an administrator: ALTER ROLE …"
            " BYPASSRLS",
        )
