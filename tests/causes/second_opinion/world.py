"""Plays the incident: what the devices record, and then everything that becomes of it."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import replace
from random import Random

from tests.causes.second_opinion.backend import Backend
from tests.causes.second_opinion.client import Device
from tests.causes.second_opinion.network import Network
from tests.causes.second_opinion.records import PREFIXES, Clock, Item, Row, Table, World

START = 1_766_563_200_000  # 2025-12-24T08:00:00Z
_DEVICES = 24
_SPACING = 25_000  # milliseconds between two things of one device, on average
_HOUR = 3_600_000
_TABLES: tuple[Table, ...] = (*("activities",) * 11, *("processes",) * 4, *("screenshots",) * 5)


def simulate(seed: int, things: int) -> World:
    """Return a world in which about `things` things were recorded: the same seed, the same world."""
    random = Random(f"world {seed}")  # noqa: S311 - a simulation
    world, clock, network = World(seed), Clock(START - _HOUR), Network(seed)
    names = [f"{'desk' if number % 3 else 'mac'}-{number:02}{random.randrange(256):02x}" for number in range(_DEVICES)]
    backend = Backend(world, clock, network, frozenset(names[::2]))
    devices = [
        Device(name, _skew(random), "en" if random.random() < 0.25 else "zh", world, clock, network, backend)
        for name in names
    ]
    _Recording(world, clock, random, devices).record(things)
    clock.run()
    _restore(world, random)
    _forget_pictures(world, random)
    return world


def _skew(random: Random) -> int:
    """Most clocks are right to a fraction of a second, some are off by seconds, a few by minutes."""
    furthest = random.choice((200, 200, 200, 200, 30_000, 30_000, 400_000))
    return random.randint(-furthest, furthest)


class _Recording:
    """What happens on the devices' machines, and in which device's queue it comes when."""

    def __init__(self, world: World, clock: Clock, random: Random, devices: list[Device]) -> None:
        self._world, self._clock, self._random, self._devices = world, clock, random, devices
        self._taken: dict[tuple[Table, int], list[Item]] = defaultdict(list)

    def record(self, things: int) -> None:
        """Make everything happen: things with their own ID, some that share one, and copies."""
        span = things * _SPACING // len(self._devices)
        for _ in range(things):
            table, moment = self._random.choice(_TABLES), START + self._random.randrange(span)
            device, chance = self._random.choice(self._devices), self._random.random()
            item = self._happen(table, moment, device)
            if chance < 0.012:
                self._happen(table, moment, self._another(device))
            elif chance < 0.020:
                self._happen(table, moment, device)
            elif chance < 0.032:
                self._copy(item, device)

    def _happen(self, table: Table, moment: int, device: Device) -> Item:
        """Let something happen in the millisecond that the device's clock calls `moment`."""
        same = self._taken[table, moment]
        while True:
            kind, data, size = self._payload(table)
            item = Item(table, f"{PREFIXES[table]}_{moment}", device.name, moment, kind, data, size)
            if all(item.payload != other.payload for other in same):
                break
        same.append(item)
        self._put(item, device, moment - device.skew)
        return item

    def _copy(self, item: Item, device: Device) -> None:
        """Bring an item into other devices' queues too, as a copied profile does."""
        others = [other for other in self._devices if other is not device]
        for other in self._random.sample(others, self._random.choice((1, 1, 1, 2))):
            wait = self._random.choice((self._random.randint(1, 900), self._random.randint(1_000, 90_000)))
            self._put(replace(item, device=other.name), other, item.moment - device.skew + wait)

    def _put(self, item: Item, device: Device, moment: int) -> None:
        self._world.items.append(item)
        self._clock.at(moment, lambda: device.record(item))

    def _another(self, device: Device) -> Device:
        return self._random.choice([other for other in self._devices if other is not device])

    def _payload(self, table: Table) -> tuple[str, str, int]:
        below = self._random.randrange
        if table == "screenshots":
            return "", "", 400 + below(1_600)
        if table == "processes":
            programs = [{"name": name, "pid": below(30_000)} for name in ("excel", "mail", "chat")[: 1 + below(3)]]
            return "", json.dumps(programs), 0
        kind = ("click", "click", "key", "focus", "scroll")[below(5)]
        if kind == "key":
            return kind, json.dumps({"keys": below(60), "window": f"报表 {below(9_000)}"}, ensure_ascii=False), 0
        return kind, json.dumps({"x": below(1_920), "y": below(1_080)}), 0


def _once(world: World) -> list[Row]:
    """Return the rows of IDs that one device sent once, and that lie in one row."""
    sent: dict[tuple[str, str], int] = defaultdict(int)
    written: dict[tuple[str, str], int] = defaultdict(int)
    for attempt in world.attempts:
        sent[attempt.item.table, attempt.item.id] += 1
    for row in world.rows:
        written[row.item.table, row.item.id] += 1
    return [row for row in world.rows if sent[key := (row.item.table, row.item.id)] == written[key] == 1]


def _restore(world: World, random: Random) -> None:
    """Put some rows in again by hand, hours later: no mechanism of the incident explains them."""
    for row in random.sample(_once(world), len(world.items) // 200):
        later = row.created + random.randint(3 * _HOUR, 40 * _HOUR)
        world.rows.append(Row(row.item, later, None, later))


def _forget_pictures(world: World, random: Random) -> None:
    """Delete some pictures by hand: their rows were written properly."""
    done = [row for row in _once(world) if row.item.object_key in world.objects]
    for row in random.sample(done, len(done) // 100):
        del world.objects[row.item.object_key]
