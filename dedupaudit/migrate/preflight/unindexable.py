"""Types that a unique index cannot compare."""

from __future__ import annotations

from collections.abc import Iterator

from dedupaudit.display import visible
from dedupaudit.migrate.facts import Facts
from dedupaudit.migrate.plan import Concern
from dedupaudit.migrate.preflight.base import Asked, columns_sql, quote, refusal


def look(facts: Facts, asked: Asked) -> Iterator[Concern]:
    """Refuse each column of the key that cannot be in a unique index."""
    for column in facts.key:
        if not column.indexable and facts.product == "sqlite":
            yield refusal(
                f"column {visible(column.name)} of {visible(asked.table)} is compared by"
                f" {visible(column.collation)}, a collation that only the application knows",
                "make the index from within the application, which knows it: CREATE UNIQUE INDEX"
                f" {quote(facts.product, asked.constraint)} ON {asked.quoted} ({columns_sql(facts, asked.key)})",
            )
        elif not column.indexable:
            yield refusal(
                f"column {visible(column.name)} of {visible(asked.table)} is {visible(column.declared)}, which a unique"
                " index cannot compare",
                "keep the ID in a column of its own, of a type that can be compared"
                f" ({'text, bigint, uuid' if facts.product == 'postgresql' else 'VARCHAR(n), BIGINT'}), and name that"
                " as the key",
            )
