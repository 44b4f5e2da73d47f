"""The conductor of `drill`: scratch, workers, clients and audit for each strategy; then all of it is removed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from dedupaudit.config import DatabaseSettings, ObjectsSettings, TableSettings
from dedupaudit.drill.protocol import DrillResult, Strategy, Times
from dedupaudit.interrupt import Interrupt
from dedupaudit.progress import Progress

FEWEST_WRITERS = 4
"""Fewer cannot overlap while one of them is paused."""


@dataclass(frozen=True)
class DrillRequest:
    """What one drill is asked for.

    `strategies` are of the registry, in order (with `against` none is looked at); those that need Redis are skipped
    where `redis`, its URL, is None. Without `objects` a temporary folder takes the pictures.
    """

    database: DatabaseSettings
    strategies: tuple[Strategy, ...] = ()
    redis: str | None = field(default=None, repr=False)
    objects: ObjectsSettings | None = None
    writers: int = 32
    ids: int = 500
    seed: int = 0
    times: Times = Times()
    against: tuple[str, TableSettings | None] | None = None
    """A table's name, as configured or as it is in the database, and what is configured of it."""
    values: Mapping[str, str] = field(default_factory=dict)
    """What --value says: real column names of `against`, and the text that each row has there."""


def drill(request: DrillRequest, *, interrupt: Interrupt, progress: Progress) -> DrillResult:
    """Run every strategy, audit what it left, and take the scratch away again.

    Raises UsageError; SourceError where the database, Redis or the store cannot be reached or refuses before anything
    began; RunFailed where one of them goes away in the middle; Cancelled. The scratch is removed in each case, as far
    as that can be.
    """
    raise NotImplementedError
