"""What the simulation knows of itself: the things recorded, each request, each row, each object, each line of log."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Literal

Table = Literal["activities", "screenshots", "processes"]
PREFIXES: dict[Table, str] = {"activities": "activity", "screenshots": "screenshot", "processes": "process"}
BACKEND = "backend"
"""The stream of the backend's lines; a client's stream has its device's name."""


class Clock:
    """The true time in epoch milliseconds, and what will happen when."""

    def __init__(self, now: int) -> None:
        self.now = now
        self._coming: list[tuple[int, int, Callable[[], None]]] = []
        self._order = count()

    def at(self, moment: int, action: Callable[[], None]) -> None:
        """Let `action` happen at a moment that has not passed; what has the same moment happens in order."""
        heapq.heappush(self._coming, (max(moment, self.now), next(self._order), action))

    def after(self, wait: int, action: Callable[[], None]) -> None:
        """Let `action` happen in `wait` milliseconds."""
        self.at(self.now + wait, action)

    def run(self) -> None:
        """Let everything happen."""
        while self._coming:
            self.now, _order, action = heapq.heappop(self._coming)
            action()


@dataclass(frozen=True, eq=False)
class Item:
    """One thing in one device's queue. Two items may have one ID; a copied item has its original's payload."""

    table: Table
    id: str
    device: str
    moment: int
    kind: str
    data: str
    size: int

    @property
    def payload(self) -> tuple[str, str, int]:
        """What was recorded, whoever recorded it."""
        return self.kind, self.data, self.size

    @property
    def object_key(self) -> str:
        """Where a screenshot's picture belongs."""
        return f"screenshots/{self.device}/{self.id}.jpg"


@dataclass(eq=False)
class Attempt:
    """One send of an item and what came of it; moments are true ones, None where it never came so far."""

    item: Item
    number: int
    sent: int
    settled: bool = False
    received: int | None = None
    looked: int | None = None
    stored: int | None = None
    wrote: int | None = None
    object_first: bool = False
    row_first: bool = False
    upload_failed: bool = False
    told_done: bool = False


@dataclass(eq=False)
class Row:
    """A row of the database; `attempt` is None where no request wrote it."""

    item: Item
    created: int
    attempt: Attempt | None
    updated: int = 0


@dataclass(frozen=True)
class Line:
    """A line of a log, with the time that its writer's clock showed."""

    stream: str
    at: int
    text: str


@dataclass
class World:
    """All that happened."""

    seed: int
    items: list[Item] = field(default_factory=list)
    attempts: list[Attempt] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    objects: dict[str, tuple[Item, int]] = field(default_factory=dict)
    """By key: whose picture was written last, and when."""
    lines: list[Line] = field(default_factory=list)
