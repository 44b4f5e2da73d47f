"""Clusters in which several servers take writes."""

from __future__ import annotations

from collections.abc import Iterator

from dedupaudit.display import visible
from dedupaudit.migrate.facts import Facts
from dedupaudit.migrate.plan import Concern
from dedupaudit.migrate.preflight.base import Asked, command, note, refusal, warning

_ON = ("ON", "1", "TRUE")


def look(facts: Facts, asked: Asked) -> Iterator[Concern]:
    """Refuse Galera; warn of several primaries."""
    if facts.cluster == "galera":
        yield refusal(
            f"{visible(asked.table)} is in a Galera cluster: an ALTER there is run in total order (TOI) and stops every"
            " writer of every node for as long as the build takes; run node by node (RSU), a unique index lets one node"
            " take what another refuses, and the cluster breaks apart; and the guard of one node does not see what"
            " another is about to commit",
            f"take a window without writers: {command('repair plan', asked)} -o plan.jsonl, dedupaudit repair apply"
            " plan.jsonl, and then ALTER TABLE … ADD UNIQUE by hand",
        )
    elif facts.cluster == "group replication":
        single = facts.settings.get("group_replication_single_primary_mode", "").upper()
        if single in _ON:
            yield note(
                f"{visible(asked.table)} is in a replication group with one primary: the migration must reach that one",
            )
        else:
            yield warning(
                f"{visible(asked.table)} is in a replication group"
                f"{' with several primaries' if single else ', perhaps with several primaries'}: DDL on one and writes"
                " on another are not checked against each other, and the guard does not see rows that another member"
                " is about to commit",
                "let one member take all writes until the migration is over: SELECT"
                " group_replication_switch_to_single_primary_mode()",
            )
