"""What a planted case is made of, and the scene that hands out its moments and devices."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from dedupaudit.demo.loglines import LogLine
from dedupaudit.demo.rows import (
    Activity,
    Process,
    Row,
    Screenshot,
    TableName,
    object_key,
    object_url,
    stamp,
    table_of,
)
from dedupaudit.demo.truth import STORE, Expected
from dedupaudit.model import RowClass

FIRST_DAY = 1_766_361_600_000
"""2025-12-22T00:00:00Z, in epoch milliseconds. The incident lasts three days."""
THREE_DAYS = 3 * 86_400_000

DEVICES = ("desk-3f1a", "desk-7c20", "desk-b94e", "mac-05d8", "mac-e6a1")

WRITE_DELAY = 23
"""Milliseconds from the client's send to the row."""


@dataclass(frozen=True)
class StoredObject:
    """A file under `objects/`: its bytes, and when it was last written (epoch milliseconds)."""

    key: str
    content: bytes
    written_at: int


@dataclass(frozen=True)
class Case:
    """One piece of planted damage: its rows, objects and log lines, and what an audit must say about it.

    What is expected is declared here, never computed from the rows: the tests count the rows.
    """

    name: str
    planted: str
    table: TableName
    mechanism: int | None = None
    cause: str | None = None
    enabled_by: tuple[str, ...] = ()
    rows: tuple[Row, ...] = ()
    expected: tuple[Expected, ...] = ()
    objects: tuple[StoredObject, ...] = ()
    log: tuple[LogLine, ...] = ()
    orphans: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    shared: tuple[str, ...] = ()
    resized: tuple[str, ...] = ()
    unexpected: tuple[str, ...] = ()
    misplaced: tuple[str, ...] = ()
    written_twice: tuple[str, ...] = ()
    overlapping: bool = False

    @property
    def ids(self) -> tuple[str | None, ...]:
        """The IDs of its rows, or of the objects that have no row; each once, in the order of planting."""
        without_row = [key.rpartition("/")[2].removesuffix(".jpg") for key in self.orphans]
        return tuple(dict.fromkeys([*(row.id for row in self.rows), *without_row]))

    @property
    def devices(self) -> tuple[str, ...]:
        """The devices that sent it."""
        without_row = [key.split("/")[1] for key in self.orphans]
        return tuple(dict.fromkeys([*(row.device_id for row in self.rows), *without_row]))


class Scene:
    """Deals out moments, devices and small numbers: the same ones for the same seed, on every Python."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)  # noqa: S311 - a demo's coordinates, not a secret
        self._moment = FIRST_DAY + 8 * 60_000

    def below(self, limit: int) -> int:
        """Return 0 .. limit - 1; of `random()`, since `randrange` may change between versions of Python."""
        return int(self._random.random() * limit)

    def moment(self) -> int:
        """Return the next moment, half an hour to an hour after the last: a multiple of four milliseconds."""
        self._moment += 4 * (450_000 + self.below(450_000))
        return self._moment

    def devices(self, count: int = 1) -> tuple[str, ...]:
        """Return that many different devices."""
        start = self.below(len(DEVICES))
        return tuple(DEVICES[(start + number) % len(DEVICES)] for number in range(count))

    def device(self) -> str:
        """Return one device."""
        return self.devices()[0]


def activity(
    item: str | None, device: str, moment: int, *, kind: str = "click", data: str = "{}", wait: int = 0
) -> Activity:
    """Return the row of an event, written `wait` milliseconds later than the first attempt's would be."""
    return Activity(item, device, kind, moment, data, stamp(moment + WRITE_DELAY + wait))


def process(item: str | None, device: str, moment: int, *, data: str = "[]", wait: int = 0) -> Process:
    """Return the row of a list of programs."""
    return Process(item, device, moment, data, stamp(moment + WRITE_DELAY + wait))


def screenshot(
    item: str | None,
    device: str,
    moment: int,
    *,
    status: str | None = "completed",
    picture: bytes | None = None,
    retries: int = 0,
    wait: int = 0,
) -> Screenshot:
    """Return a picture's row: with key, URL and size where there is a picture, without them where there is none."""
    key = object_key(device, item) if picture is not None else None
    created = moment + WRITE_DELAY + wait
    return Screenshot(
        id=item,
        device_id=device,
        oss_key=key,
        oss_url=object_url(key) if key else None,
        status=status,
        timestamp=moment,
        file_size=len(picture) if picture is not None else None,
        retry_count=retries,
        created_at=stamp(created),
        updated_at=stamp(created + 1_870),
    )


def duplicate(rows: Sequence[Row], row_class: RowClass, *differs: str) -> Expected:
    """Return the finding that rows of one ID must lead to."""
    return Expected(
        check="duplicate_ids",
        target=table_of(rows[0]),
        key={"id": str(rows[0].id)},
        count=len(rows),
        row_class=row_class,
        differs=tuple(sorted(differs)),
    )


def state(check: str, row: Row) -> Expected:
    """Return the finding that the state of one row must lead to."""
    return Expected(check=check, target=table_of(row), key={"id": str(row.id)}, count=1)


def stored_object(check: str, key: str, count: int = 1) -> Expected:
    """Return the finding about an object that no one row owns."""
    return Expected(check=check, target=STORE, key={"object_key": key}, count=count)
