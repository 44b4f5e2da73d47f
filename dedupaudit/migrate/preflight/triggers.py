"""Triggers of the table: those that may rewrite the key, and those that the clean step would fire."""

from __future__ import annotations

from collections.abc import Iterator

from dedupaudit.display import visible
from dedupaudit.migrate.facts import Facts
from dedupaudit.migrate.plan import Concern
from dedupaudit.migrate.preflight.base import Asked, has_guard, listed, note, warning, word


def look(facts: Facts, asked: Asked) -> Iterator[Concern]:
    """Warn of BEFORE triggers, and of those that fire on DELETE."""
    rewriting = [
        one.name for one in facts.triggers if one.timing == "BEFORE" and {"INSERT", "UPDATE"} & set(one.events)
    ]
    if rewriting and has_guard(asked):
        if facts.product == "postgresql":
            yield note(
                f"BEFORE triggers of {visible(asked.table)} may rewrite the key ({listed(rewriting)}); the guard looks"
                " after the row is stored, and sees the key as it ends up"
            )
        else:
            yield warning(
                f"BEFORE triggers of {visible(asked.table)} may rewrite the key ({listed(rewriting)}); the guard's"
                " fire after them, in the order in which they were created",
                "create no trigger on the table until the migration is over",
            )
    deleting = [one.name for one in facts.triggers if "DELETE" in one.events]
    if deleting and facts.duplicates.removed:
        flags = " ".join(f"--allow-trigger {word(name)}" for name in deleting)
        yield warning(
            f"the clean step would fire {listed(deleting)} on {visible(asked.table)} for every duplicate that it"
            " moves into quarantine",
            f"look at what they do; if that is right: migrate apply … {flags}",
        )
