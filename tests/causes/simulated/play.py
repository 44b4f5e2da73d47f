"""Plays the incident: devices that record and upload, nodes that insert whatever arrives, and what then is damaged."""

from __future__ import annotations

from dataclasses import replace

from tests.causes.simulated.backend import Backend, Order, Troubles
from tests.causes.simulated.device import Device
from tests.causes.simulated.state import START, Item, Kernel, Kind, Played

_KINDS: tuple[Kind, ...] = ("activity",) * 12 + ("screenshot",) * 5 + ("process",) * 3
_TYPES = ("click", "key", "focus", "scroll")
_EVERY = 12_000
"""Milliseconds between two items of a device."""
_HOUR = 3_600_000


def play(seed: int, *, devices: int = 20, items: int = 250, troubles: Troubles | None = None) -> Played:
    """Play one incident; the same numbers give the same one."""
    kernel, played = Kernel(seed), Played(seed)
    fleet = _fleet(kernel, played, devices, troubles or Troubles())
    recorder = _Recorder(kernel, fleet)
    for device in fleet:
        at = 0
        for _ in range(items):
            at += kernel.between(1, 2 * _EVERY)
            recorder.record(device, at)
        device.start()
    kernel.run()
    _restore_a_backup(kernel, played)
    _delete_objects(kernel, played)
    played.lines.sort(key=lambda line: line.at)
    return played


def _fleet(kernel: Kernel, played: Played, count: int, troubles: Troubles) -> list[Device]:
    """Return the devices; by the seed they write into a file each, or into one, with their name or without it."""
    looks = played.seed % 3
    versions: tuple[tuple[Order, int], ...] = (("object first", 0), ("row first", 0), ("object first", 1))
    nodes = [
        Backend(kernel, played, f"backend-{number}" if played.seed % 2 else "backend", order, language, troubles)
        for number, (order, language) in enumerate(versions)
    ]
    return [
        Device(
            kernel,
            played,
            nodes[number % len(nodes)],
            f"desk-{number:02}",
            # Lines of one file that name no device were stamped by the machine that wrote the file: it has one clock.
            skew=_skew(kernel) if looks != 2 else kernel.between(-40, 40),
            language=int(number % 4 == 3),
            stream="app-console" if looks else f"console-desk-{number:02}",
            named=looks == 1,
        )
        for number in range(count)
    ]


def _skew(kernel: Kernel) -> int:
    if kernel.chance(0.6):
        return kernel.between(-40, 40)
    return kernel.between(2_000, 180_000) * (1 if kernel.chance(0.5) else -1)


class _Recorder:
    """Deals out items; now and then one that two devices share, or two that share an ID."""

    def __init__(self, kernel: Kernel, fleet: list[Device]) -> None:
        self._kernel = kernel
        self._fleet = fleet
        self._count = 0

    def record(self, device: Device, at: int) -> None:
        kernel = self._kernel
        item = self._item(device, at, _KINDS[kernel.between(0, len(_KINDS))])
        device.record_at(at, item)
        lot = kernel.random.random()
        if lot < 0.012:
            other = self._other(device)
            other.record_at(at + kernel.between(0, 40_000), replace(item, device=other.name))
        elif lot < 0.020:
            other = self._other(device)
            other.record_at(at, replace(item, device=other.name, content=self._content()))
        elif lot < 0.026:
            device.record_at(at, replace(item, content=self._content()))

    def _item(self, device: Device, at: int, kind: Kind) -> Item:
        moment = START + at
        return Item(kind, f"{kind}_{moment}", device.name, moment, self._content())

    def _content(self) -> tuple[str, int]:
        self._count += 1
        return _TYPES[self._kernel.between(0, len(_TYPES))], 100 + self._count

    def _other(self, device: Device) -> Device:
        others = [other for other in self._fleet if other is not device]
        return others[self._kernel.between(0, len(others))]


def _restore_a_backup(kernel: Kernel, played: Played) -> None:
    """Insert some rows again, hours later: nothing explains these, and no log tells of them."""
    for rows in played.rows.values():
        if kernel.chance(0.006):
            row = rows[0]
            rows.append(replace(row, at=row.at + kernel.between(2 * _HOUR, 40 * _HOUR), attempt=None))


def _delete_objects(kernel: Kernel, played: Played) -> None:
    """Delete some objects behind everybody's back."""
    for key in sorted(played.objects):
        if kernel.chance(0.01):
            del played.objects[key]
            played.deleted.add(key)
