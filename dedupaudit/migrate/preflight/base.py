"""What a preflight check is: a function over facts, which says what a person must know before a migration."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from dedupaudit.migrate.facts import Facts
from dedupaudit.migrate.plan import Concern, StrategyName


@dataclass(frozen=True)
class Asked:
    """What somebody wants: the table by its configured name and in SQL, the key, the constraint, NOT NULL or not."""

    table: str
    quoted: str
    key: tuple[str, ...]
    constraint: str
    not_null: bool
    strategy: StrategyName
    on_conflict: str | None = None
    resumed: bool = False
    """Whether this is the look before a run goes on: what the run itself left is no surprise then."""


Look = Callable[[Facts, Asked], Iterator[Concern]]
