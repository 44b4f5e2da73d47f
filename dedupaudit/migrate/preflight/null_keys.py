"""NULL in the key: forbidden where NOT NULL is wanted, let in by every unique index else."""

from __future__ import annotations

from collections.abc import Iterator

from dedupaudit.display import visible
from dedupaudit.migrate.facts import Facts
from dedupaudit.migrate.plan import Concern
from dedupaudit.migrate.preflight.base import (
    Asked,
    columns_sql,
    counted,
    have,
    key_of,
    note,
    quote,
    refusal,
    rows_where,
    setting,
)


def look(facts: Facts, asked: Asked) -> Iterator[Concern]:
    """Refuse NOT NULL where a NULL is stored; else say that NULL keys stay possible."""
    if facts.nulls_forbidden:
        return
    nullable = [column.name for column in facts.key if column.nullable]
    if facts.null_keys and asked.not_null:
        condition = " OR ".join(f"{quote(facts.product, name)} IS NULL" for name in nullable or asked.key)
        yield refusal(
            f"{counted(facts.null_keys, 'row')} of {visible(asked.table)} {have(facts.null_keys)} NULL in the key"
            f" {key_of(asked)}, and NOT NULL is asked for",
            f"see them: {rows_where(asked, f'WHERE {condition}')}; give them keys or delete them, or set"
            f" {setting(asked, 'not_null = false')}",
        )
    elif facts.null_keys:
        yield note(
            f"{counted(facts.null_keys, 'row')} of {visible(asked.table)} {have(facts.null_keys)} NULL in the key"
            f" {key_of(asked)}: a unique constraint lets any number of them in, the clean step leaves them",
            f"to forbid NULL too, give these rows keys, and then set {setting(asked, 'not_null = true')}",
        )
    elif nullable and not asked.not_null:
        yield note(
            f"{columns_sql(facts, nullable)} of {visible(asked.table)} may be NULL, and a unique constraint lets any"
            " number of NULL keys in",
            f"to forbid NULL too: --not-null, or set {setting(asked, 'not_null = true')}",
        )
