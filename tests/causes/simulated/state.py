"""What the played incident is made of: items, attempts, rows, objects, and the lines that were written meanwhile."""

from __future__ import annotations

import heapq
import random
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

Kind = Literal["activity", "screenshot", "process"]
Mechanism = Literal[
    "timeout_retry",
    "overlapping_batches",
    "check_then_act",
    "several_devices",
    "id_collision",
    "row_before_object",
    "unexplained",
]
START = 1_766_361_600_000
"""2025-12-22T00:00:00Z in epoch milliseconds, in which all times are given."""


@dataclass(frozen=True)
class Item:
    """One thing that a device recorded; `content` is what tells it from another with the same ID."""

    kind: Kind
    id: str
    device: str
    moment: int
    content: tuple[str, int]


@dataclass
class Attempt:
    """One send of an item, and how far it came: moments of the true clock, None for what never happened."""

    item: Item
    number: int
    sent: int
    received: int | None = None
    looked: int | None = None
    stored: int | None = None
    written: int | None = None
    told_done: int | None = None
    answered: int | None = None
    timed_out: bool = False
    upload_failed: bool = False


@dataclass(frozen=True)
class Row:
    """A row as the database wrote it; `attempt` is None where it came out of a backup."""

    item: Item
    at: int
    attempt: Attempt | None
    spelling: int


class Line(NamedTuple):
    """A log line: when it was written, the time that it states (its device's clock), its stream and its words."""

    at: int
    stated: int
    stream: str
    text: str
    id: str
    event: str


@dataclass
class Played:
    """Everything that happened."""

    seed: int
    attempts: dict[str, list[Attempt]] = field(default_factory=lambda: defaultdict(list))
    rows: dict[str, list[Row]] = field(default_factory=lambda: defaultdict(list))
    objects: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Key to (size, moment of the last write)."""
    writes: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    deleted: set[str] = field(default_factory=set)
    """Keys of objects that somebody deleted afterwards."""
    lines: list[Line] = field(default_factory=list)


class Kernel:
    """The clock: runs what is due, in the order of time; things due at once in the order in which they were asked."""

    def __init__(self, seed: int) -> None:
        self.now = START
        self.random = random.Random(seed)  # noqa: S311 - a played incident, not a secret
        self._due: list[tuple[int, int, Callable[[], None]]] = []
        self._count = 0

    def after(self, wait: int, action: Callable[[], None]) -> None:
        """Do something `wait` milliseconds from now."""
        self._count += 1
        heapq.heappush(self._due, (self.now + wait, self._count, action))

    def run(self) -> None:
        """Run until nothing is due any more."""
        while self._due:
            self.now, _, action = heapq.heappop(self._due)
            action()

    def chance(self, share: float) -> bool:
        """Say yes in this share of all cases."""
        return self.random.random() < share

    def between(self, low: int, high: int) -> int:
        """Return a number from `low` up to, but not including, `high`."""
        return low + int(self.random.random() * (high - low))


def object_key(item: Item) -> str:
    """Return where a screenshot's picture is stored."""
    return f"screenshots/{item.device}/{item.id}.jpg"
