"""A world that changes while it is checked: rows in two databases, objects in a bucket, and clients at work on both.

Between every two calls of the product some clients do their next step. The world writes down which damage truly held at
which moment, by rules of its own, so that a verdict can be called true or false afterwards.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from dedupaudit.sources.objects.protocol import ObjectFact
from dedupaudit.sources.tables.catalog import Catalog, Column
from dedupaudit.sources.tables.protocol import ObjectRow, Value
from dedupaudit.sources.tables.table import Table
from tests.crosscheck.stub import StubObjects

SECOND = 1_000_000
HOUR = 3600 * SECOND
NONE_EXPECTED = ("pending", "uploading", "failed")
CALLS = 90  # about as many as a run makes: what would come later comes never
Damage = tuple[str, str]


class Entry(NamedTuple):
    """One row; times are microseconds since the epoch."""

    key: str
    status: str
    size: int
    created: int
    updated: int


@dataclass
class Item:
    """One picture: its row in one of two databases, its object, and what clients do to them, step by step."""

    id: str
    key: str
    steps: list[tuple[float, Callable[[], None]]] = field(default_factory=list)
    scripts: int = 0
    shard: int = 0


class World:
    """Rows, objects and clients, all drawn from one seed."""

    def __init__(self, seed: int, now: int, items: int = 40) -> None:
        self.random = random.Random(seed)  # noqa: S311 (nothing secret)
        self.shards: tuple[dict[str, Entry], dict[str, Entry]] = ({}, {})
        self.objects: dict[str, ObjectFact] = {}
        self.listed: dict[str, ObjectFact] = {}
        """What the first listing told."""
        self.clock = now
        self.start = now
        self.calls = 0
        self.ever: set[Damage] = set()
        """Damage that held at a moment of the run."""
        self.late: set[Damage] = set()
        """Damage that held at a moment since objects were looked at again."""
        self.looking_again = False
        self.items = [Item(f"r{number:03}", f"shots/{number:03}.jpg") for number in range(items)]
        for item in self.items:
            self._furnish(item)
        self.put("shots/there.jpg", 7, old=True)
        self.initial = self.damage()
        self._note()

    # ---- what clients do

    def put(self, key: str, size: int, *, old: bool = False) -> None:
        at = self.start - 3 * HOUR if old else self.clock
        self.objects[key] = ObjectFact(key, size, at // SECOND * SECOND, None, False)

    def remove(self, key: str) -> None:
        self.objects.pop(key, None)

    def insert(self, item: Item, status: str, size: int, *, at: int | None = None, suffix: str = "") -> None:
        moment = self.clock if at is None else at
        self.shards[item.shard][item.id + suffix] = Entry(item.key, status, size, moment, moment)

    def update(self, item: Item, status: str, size: int | None = None) -> None:
        known = self.shards[item.shard].get(item.id)
        if known is not None:
            told = known.size if size is None else size
            self.shards[item.shard][item.id] = known._replace(status=status, size=told, updated=self.clock)

    def delete(self, item: Item) -> None:
        self.shards[item.shard].pop(item.id, None)

    def copy_over(self, item: Item) -> None:
        known = self.shards[item.shard].get(item.id)
        if known is not None:
            self.shards[1 - item.shard][item.id] = known

    def leave(self, item: Item) -> None:
        if item.id in self.shards[1 - item.shard]:
            self.delete(item)
            item.shard = 1 - item.shard

    def _furnish(self, item: Item) -> None:
        """Give the item a state to begin with, and clients that will change it: none, one or two of them."""
        draw = self.random
        item.shard = draw.randrange(2)
        at = self.start - draw.choice((2 * HOUR, 2 * HOUR, 30 * 24 * HOUR, HOUR // 2))
        state = draw.choice(("whole", "whole", "whole", "missing", "orphan", "size", "pending", "unexpected", "none"))
        if state in ("whole", "orphan", "size", "unexpected"):
            self.put(item.key, 7, old=True)
        if state in ("whole", "missing", "size"):
            self.insert(item, "completed", 8 if state == "size" else 7, at=at)
        if state in ("pending", "unexpected"):
            self.insert(item, draw.choice(NONE_EXPECTED), 7, at=at)
        if draw.random() < 0.05:
            self.insert(item, "completed", 7, at=at, suffix="-copy")
        item.scripts = draw.choice((0, 1, 1, 1, 1, 2))
        for _ in range(item.scripts):
            self._plan(item, draw.choice(self._scripts(item)))

    def _plan(self, item: Item, script: Sequence[Callable[[], None]]) -> None:
        """Choose when each step comes: close together, or anywhere in the run; a second script follows the first."""
        first = item.steps[-1][0] if item.steps else 0.0
        if self.random.random() < 0.5:
            begin = self.random.uniform(first, CALLS)
            moments = [begin := begin + self.random.expovariate(0.5) for _ in script]
        else:
            moments = sorted(self.random.uniform(first, CALLS) for _ in script)
        item.steps += zip(moments, script, strict=True)

    def _scripts(self, item: Item) -> tuple[tuple[Callable[[], None], ...], ...]:
        draw, key = self.random, item.key
        size = draw.choice((7, 9))
        uploading = (lambda: self.insert(item, "pending", size), lambda: self.update(item, "uploading"))
        stored, removed = (lambda: self.put(key, size)), (lambda: self.remove(key))
        completed, deleted = (lambda: self.update(item, "completed", size)), (lambda: self.delete(item))
        failed = lambda: self.update(item, "failed")  # noqa: E731 (one of many)
        return (
            (stored, lambda: self.insert(item, "completed", size)),
            (*uploading, stored, completed),
            (*uploading, failed),
            (*uploading, stored, failed),
            (deleted, removed),
            (removed, deleted),
            (deleted, removed, stored, lambda: self.insert(item, "completed", size)),
            (lambda: self.update(item, "uploading"), stored, completed),
            (stored, completed),
            (lambda: self.insert(item, "completed", 7),),
            (completed,),
            (removed, stored),
            (lambda: self.copy_over(item), lambda: self.leave(item)),
        )

    def step(self, _kind: str = "") -> None:
        """One call of the product is due: clients whose time has come act first, in the order of their times."""
        self.calls += 1
        due = [(moment, item) for item in self.items for moment, _ in item.steps if moment <= self.calls]
        for _, item in sorted(due, key=lambda one: one[0]):
            self.clock += SECOND
            item.steps.pop(0)[1]()
            self._note()

    def begin_second_look(self) -> None:
        if not self.looking_again:
            self.looking_again = True
            self._note()

    # ---- what is true

    def _note(self) -> None:
        now = self.damage()
        self.ever |= now
        if self.looking_again:
            self.late |= now

    def damage(self) -> set[Damage]:
        """Return what is damaged at this moment, in things that nobody touched within the grace."""
        until = self.start - HOUR
        found: set[Damage] = set()
        names: dict[str, list[bool]] = {}
        for entries in self.shards:
            for row_id, entry in entries.items():
                names.setdefault(entry.key, []).append(max(entry.created, entry.updated) <= until)
                there = self.objects.get(entry.key)
                if max(entry.created, entry.updated) > until or (there and there.modified > until):
                    continue
                if there is None and entry.status == "completed":
                    found.add(("missing_object", row_id))
                if there and entry.status == "completed" and entry.size != there.size:
                    found.add(("size_mismatch", row_id))
                if there and entry.status in NONE_EXPECTED:
                    found.add(("unexpected_object", row_id))
        found |= {("shared_object", key) for key, rows in names.items() if len(rows) > 1 and any(rows)}
        found |= {
            ("orphan_object", key)
            for key, there in self.objects.items()
            if key not in names and there.modified <= until
        }
        return found

    def lasting(self) -> set[Damage]:
        """Return the damage of the beginning that no client ever touched: a check that is worth its name finds it."""
        touched = {name for item in self.items if item.scripts for name in (item.id, item.id + "-copy", item.key)}
        # That two rows name one object is told where the object is there.
        alone = {key for check, key in self.initial if check == "shared_object" and key not in self.objects}
        return {damage for damage in self.initial if damage[1] not in touched | alone}


class WatchedObjects(StubObjects):
    """The world's bucket."""

    def __init__(self, world: World) -> None:
        super().__init__(world.objects, world.random.choice((1, 2, 3, 7)), world.step)
        self._world = world

    def pages(self, splits: Sequence[str] = ()) -> Iterator[list[ObjectFact]]:
        for page in super().pages(splits):
            self._world.listed.update((fact.key, fact) for fact in page)
            yield page

    def look(self, key: str) -> ObjectFact | None:
        self._world.begin_second_look()
        return super().look(key)

    def again(self, first: str, last: str) -> Iterator[list[ObjectFact]]:
        self._world.begin_second_look()
        return super().again(first, last)


_COLUMNS = ("id", "status", "oss_key", "file_size", "created_at", "updated_at")
CATALOG = Catalog(
    "screenshots",
    "screenshots",
    "table",
    tuple(Column(name, "text", nullable=False) for name in _COLUMNS),
    primary_key=("id",),
)


class WatchedTables:
    """One of the world's databases: each look is at a snapshot. It has what crosscheck asks of a TableSource."""

    def __init__(self, world: World, shard: int) -> None:
        self.name = f"shard{shard}"
        self._world = world
        self._shard = shard
        self._batch = world.random.choice((1, 3, 8, 100))
        self._renewals = 0
        world.step()
        self._snapshot = dict(world.shards[shard])

    def identity(self) -> dict[str, str]:
        """Return what tells this shard from every other."""
        return {"shard": self.name}

    def names(self) -> list[str]:
        return ["screenshots"]

    def catalog(self, parts: Sequence[str]) -> Catalog | None:
        return CATALOG if tuple(parts) == ("screenshots",) else None

    def locator(self, table: Table) -> tuple[str, ...]:
        return ("id",)

    def object_rows(
        self, table: Table, fields: Sequence[Column] = (), keys: Sequence[str] | None = None
    ) -> Iterator[list[ObjectRow]]:
        chosen = [one for one in self._snapshot.items() if keys is None or one[1].key in keys]
        self._world.random.shuffle(chosen)
        for first in range(0, len(chosen), self._batch):
            self._world.step()
            yield [self._row(row_id, entry) for row_id, entry in chosen[first : first + self._batch]]

    def _row(self, row_id: str, entry: Entry) -> ObjectRow:
        key: tuple[Value, ...] = (row_id,)
        told = (entry.status, entry.key, None, entry.size, None, entry.created, entry.updated)
        return ObjectRow(True, None, key, key, *told)

    def selected(self, select: str, where: str) -> Iterator[list[Value]]:
        return iter(())

    def renew(self) -> None:
        """Take a new snapshot: first when the rows were read, and then for the second look at them."""
        self._renewals += 1
        if self._renewals > 1:
            self._world.begin_second_look()
        self._world.step()
        self._snapshot = dict(self._world.shards[self._shard])

    def lag(self) -> float | None:
        self._world.step()
        return 0.0

    def remarks(self) -> tuple[str, ...]:
        return ()

    def close(self) -> None:
        """Nothing is open."""
