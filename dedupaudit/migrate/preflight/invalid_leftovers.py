"""What failed builds left behind: other people's invalid indexes, and the tool's own objects."""

from __future__ import annotations

from collections.abc import Iterator

from dedupaudit.display import visible
from dedupaudit.migrate.facts import Facts
from dedupaudit.migrate.plan import Concern
from dedupaudit.migrate.preflight.base import Asked, command, counted, have, listed, note, quote, warning


def look(facts: Facts, asked: Asked) -> Iterator[Concern]:
    """Warn of others' invalid indexes; say of the tool's own what becomes of them."""
    if invalid := facts.invalid_indexes:
        drop = "; ".join(f"DROP INDEX CONCURRENTLY {_named(facts, name)}" for name in invalid[:5])
        yield warning(
            f"{counted(len(invalid), 'invalid index', 'invalid indexes')} of {visible(asked.table)}"
            f" {have(len(invalid))} been left by a build that failed: {listed(invalid)}; no query uses such an index,"
            " every write pays for it, and it may refuse rows all the same",
            f"if nobody is building it now: {drop}",
        )
    if facts.leftovers and not asked.resumed:
        yield note(
            "an earlier migration left behind "
            + listed(f"{one.kind} {one.name}" for one in facts.leftovers)
            + ": applying this plan takes them up and finishes or removes them",
            f"to remove them only: {command('migrate rollback', asked)}",
        )


def _named(facts: Facts, name: str) -> str:
    # What is quoted already, or has its schema, is taken as it is.
    return name if '"' in name or "." in name else quote(facts.product, name)
