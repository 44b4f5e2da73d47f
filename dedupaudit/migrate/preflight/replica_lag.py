"""Replicas: how far behind they are already, and what the build does to them."""

from __future__ import annotations

from collections.abc import Iterator

from dedupaudit.migrate.facts import Facts
from dedupaudit.migrate.plan import Concern
from dedupaudit.migrate.preflight.base import Asked, counted, lasting, note, warning

LONG = 30.0
"""Seconds."""


def look(facts: Facts, asked: Asked) -> Iterator[Concern]:  # noqa: ARG001 (every check is called alike)
    """Warn of a replica that is behind already; say what the build does to those that are not."""
    if facts.lag is not None and facts.lag > LONG:
        yield warning(
            f"the slowest replica is {lasting(facts.lag)} behind already, and the migration writes more",
            "wait until it has caught up, or let the clean step wait for it: migrate apply --max-lag 10s",
        )
    elif facts.replicas and facts.product in ("mysql", "mariadb"):
        yield note(
            f"{counted(facts.replicas, 'replica')} {'repeats' if facts.replicas == 1 else 'repeat'} the ALTER after the"
            " primary has finished, and lag meanwhile by as long as the build takes",
            "keep reads that must be fresh on the primary until then",
        )
    elif facts.replicas and facts.lag is None:
        yield note(
            f"there {'is' if facts.replicas == 1 else 'are'} {counted(facts.replicas, 'replica')}, and this role cannot"
            " see how far behind",
            "watch their lag while the migration runs",
        )
