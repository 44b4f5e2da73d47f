"""Blank keys: rows whose ID got lost are never merged, so that two of them stand in the way."""

from __future__ import annotations

from collections.abc import Iterator

from dedupaudit.display import visible
from dedupaudit.migrate.facts import Facts
from dedupaudit.migrate.plan import Concern
from dedupaudit.migrate.preflight.base import Asked, counted, have, key_of, note, quote, refusal, rows_where, textual


def look(facts: Facts, asked: Asked) -> Iterator[Concern]:
    """Refuse a blank key that occurs more than once; tell of one that stays."""
    groups = facts.duplicates.left.get("blank key", 0)
    names = [column.name for column in facts.key if textual(column)] or list(asked.key)
    condition = " OR ".join(f"trim({quote(facts.product, name)}{_cast(facts)}) = ''" for name in names)
    select = rows_where(asked, f"WHERE {condition}")
    if groups:
        yield refusal(
            f"{counted(max(facts.blank_keys, 2 * groups), 'row')} of {visible(asked.table)} have a blank key"
            f" {key_of(asked)}, {'one' if groups == 1 else f'{groups:,}'} of which occurs more than once: such rows"
            " lost their IDs, they are different events and are never merged",
            f"see them: {select}; give each its own ID (or NULL, where that is allowed)",
        )
    elif facts.blank_keys:
        yield note(
            f"{counted(facts.blank_keys, 'row')} of {visible(asked.table)} {have(facts.blank_keys)} a blank key"
            f" {key_of(asked)}: once the constraint stands, the next event that loses its ID is refused",
            f"see them: {select}",
        )


def _cast(facts: Facts) -> str:
    # PostgreSQL trims text alone.
    return "::text" if facts.product == "postgresql" else ""
