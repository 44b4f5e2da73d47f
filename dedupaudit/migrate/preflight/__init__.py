"""The preflight checks, in the order in which they are told."""

from __future__ import annotations

from dedupaudit.migrate.facts import Facts
from dedupaudit.migrate.plan import Concern
from dedupaudit.migrate.preflight import (
    binary_log,
    blank_keys,
    cluster,
    collation_pairs,
    disk,
    duplicates_left,
    engine,
    foreign_keys,
    hides_rows,
    inherited,
    invalid_leftovers,
    key_length,
    name_taken,
    null_keys,
    online_log,
    open_transactions,
    partition_itself,
    partition_key,
    permissions,
    pooler,
    prepared_transactions,
    publication,
    read_only,
    redundant_index,
    replica_lag,
    server_version,
    triggers,
    unindexable,
)
from dedupaudit.migrate.preflight.base import Asked, Look

CHECKS: tuple[tuple[str, Look], ...] = (
    # Whether this server, this role and this table can be migrated at all.
    ("server_version", server_version.look),
    ("read_only", read_only.look),
    ("permissions", permissions.look),
    ("hides_rows", hides_rows.look),
    ("pooler", pooler.look),
    ("cluster", cluster.look),
    ("engine", engine.look),
    ("binary_log", binary_log.look),
    ("partition", partition_itself.look),
    ("inherited", inherited.look),
    ("partition_key", partition_key.look),
    ("name_taken", name_taken.look),
    # Whether the key can be unique.
    ("unindexable", unindexable.look),
    ("key_length", key_length.look),
    ("duplicates_left", duplicates_left.look),
    ("null_keys", null_keys.look),
    ("blank_keys", blank_keys.look),
    ("collation_pairs", collation_pairs.look),
    # What goes on around it.
    ("foreign_keys", foreign_keys.look),
    ("triggers", triggers.look),
    ("disk", disk.look),
    ("online_log", online_log.look),
    ("open_transactions", open_transactions.look),
    ("prepared_transactions", prepared_transactions.look),
    ("replica_lag", replica_lag.look),
    ("publication", publication.look),
    ("invalid_leftovers", invalid_leftovers.look),
    ("redundant_index", redundant_index.look),
)
"""Every check by its name: the names are stable, they stand in plans."""

_WHERE_ALL_IS_DONE = ("invalid_leftovers", "redundant_index")


def is_done(facts: Facts, asked: Asked) -> bool:
    """Say whether the key is protected as asked already: nothing is to be changed then."""
    return facts.protecting is not None and (facts.nulls_forbidden or not asked.not_null)


def concerns(facts: Facts, asked: Asked) -> tuple[Concern, ...]:
    """Return what all checks have to say, in their order; a refusal among it forbids the migration.

    Where the key is protected already only what is left behind is told: a missing right stops nobody who needs none.
    """
    done = is_done(facts, asked)
    return tuple(
        concern.model_copy(update={"check": name})
        for name, look in CHECKS
        if not done or name in _WHERE_ALL_IS_DONE
        for concern in look(facts, asked)
    )
