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
    cascading = [key for key in facts.foreign_keys if _changes_what_is_guarded(key, asked)]
    if not cascading:
        return
    rules = listed(f"{key.name} ({_rules(key)})" for key in cascading)
    if facts.product in _SILENT:
        names = ", ".join(f"DROP FOREIGN KEY {quote(facts.product, key.name)}" for key in cascading)
        yield refusal(
            f"foreign keys of {visible(asked.table)} change its rows without firing triggers, so that the guard would"
            f" not see it: {rules}",
            f"give them ON DELETE RESTRICT for the time of the migration: ALTER TABLE {asked.quoted} {names}, then ADD"
            " them without CASCADE; afterwards put back what was",
        )
    else:
        yield note(
            f"foreign keys of {visible(asked.table)} change its rows by cascades; triggers fire for those too, and the"
            f" guard sees them: {rules}"
        )


def _changes_what_is_guarded(key: ForeignKey, asked: Asked) -> bool:
    """Say whether a change of the other table deletes rows of this one, or changes their key."""
    if not key.outgoing:
        return False
    touches_key = bool(set(key.columns) & set(asked.key))
    deletes = key.on_delete.upper() == "CASCADE" or (key.on_delete.upper() in _CHANGING and touches_key)
    return deletes or (key.on_update.upper() in _CHANGING and touches_key)


def _rules(key: ForeignKey) -> str:
    told = [
        f"ON {what} {rule.upper()}"
        for what, rule in (("DELETE", key.on_delete), ("UPDATE", key.on_update))
        if rule.upper() in _CHANGING
    ]
    return ", ".join(told)
