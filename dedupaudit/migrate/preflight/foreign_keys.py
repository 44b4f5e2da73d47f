"""Foreign keys that change this table's rows behind its triggers."""

from __future__ import annotations

from collections.abc import Iterator

from dedupaudit.display import visible
from dedupaudit.migrate.facts import Facts, ForeignKey
from dedupaudit.migrate.plan import Concern
from dedupaudit.migrate.preflight.base import Asked, has_guard, listed, note, quote, refusal

_CHANGING = ("CASCADE", "SET NULL", "SET DEFAULT")
_SILENT = ("mysql", "mariadb")
"""InnoDB's cascades fire no triggers."""


def look(facts: Facts, asked: Asked) -> Iterator[Concern]:
    """Refuse cascades that the guard would not see."""
    if not has_guard(asked):
        return
    silent = facts.product in _SILENT
    # A row that a cascade deleted leaves an entry in the side table of InnoDB's guard, which only says "look closely".
    cascading = [key for key in facts.foreign_keys if _changes(key, asked) or (not silent and _deletes(key))]
    if not cascading:
        return
    rules = listed(f"{key.name} ({_rules(key)})" for key in cascading)
    if silent:
        names = ", ".join(f"DROP FOREIGN KEY {quote(facts.product, key.name)}" for key in cascading)
        yield refusal(
            f"foreign keys of {visible(asked.table)} change its key without firing triggers, so that the guard would"
            f" not see it: {rules}",
            f"give them RESTRICT for the time of the migration: ALTER TABLE {asked.quoted} {names}, then ADD"
            " them without CASCADE; afterwards put back what was",
        )
    else:
        yield note(
            f"foreign keys of {visible(asked.table)} change its rows by cascades; triggers fire for those too, and the"
            f" guard sees them: {rules}"
        )


def _deletes(key: ForeignKey) -> bool:
    """Say whether rows of this table go with rows of the other."""
    return key.outgoing and key.on_delete.upper() == "CASCADE"


def _changes(key: ForeignKey, asked: Asked) -> bool:
    """Say whether a change of the other table changes the key of rows of this one."""
    changing = key.on_update.upper() in _CHANGING or key.on_delete.upper() in ("SET NULL", "SET DEFAULT")
    return key.outgoing and changing and bool(set(key.columns) & set(asked.key))


def _rules(key: ForeignKey) -> str:
    told = [
        f"ON {what} {rule.upper()}"
        for what, rule in (("DELETE", key.on_delete), ("UPDATE", key.on_update))
        if rule.upper() in _CHANGING
    ]
    return ", ".join(told)
