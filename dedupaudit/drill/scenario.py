"""Which events a drill's clients send, in which order, and what goes wrong: a function of its three numbers alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from random import Random
from typing import Literal

from dedupaudit.drill.protocol import Event
from dedupaudit.ingest.events import Activity, Json, Screenshot

Kind = Literal[
    "plain", "overlap", "conflict", "devices", "lost", "dropped", "slow", "killed", "abandoned", "paused", "failing"
]
After = Literal["start", "upload", "answer"]

_FIRST_MOMENT = 1_766_557_428_498
"""The millisecond of the incident's first event."""
_DEVICES = 8
_PICTURES = 4
"""One event in so many is a picture."""
_OVERLAPPING = 0.2
_CONFLICTING = 0.04
_TEXTS = ("O'Brien", "开始", '"quoted"', "back\\slash", "line\nbreak", "100 %s", "")


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong with a client's first request; what it sends again goes as it should.

    `answer_lost`: the answer does not come. `slow`: the upload takes as long as Times says. `then`: what happens to the
    backend's process in mid-upload; one that was paused is woken when the others were answered. `upload_fails`: and its
    connection to the store is broken then. `dropped_after`: the connection to the database breaks right after so many
    COMMITs of this request (0: never).
    """

    answer_lost: bool = False
    slow: bool = False
    then: Literal["", "kill", "pause"] = ""
    upload_fails: bool = False
    dropped_after: int = 0


NO_FAULT = Fault()


@dataclass(frozen=True, slots=True)
class Client:
    """One who has an event, and sends it until told what became of it.

    `after`: when it first sends. `upload`: once the plan's first client is in mid-upload (where that one is slow, once
    the textbook's lock has expired as well). `answer`: once that one was told. `leaves`: it sends once and is gone.
    """

    event: Event
    fault: Fault = NO_FAULT
    after: After = "start"
    leaves: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """All that happens with one ID. Clients who send at the start are let go together.

    `alone`: nobody else's request is under way then, so that it overlaps on the slowest machine too.
    """

    kind: Kind
    clients: tuple[Client, ...]
    alone: bool = False

    @property
    def id(self) -> str:
        """The ID."""
        return self.clients[0].event.id

    @property
    def is_faultless(self) -> bool:
        """Say whether nothing goes wrong beside that several send."""
        return all(client.fault == NO_FAULT for client in self.clients)


# What every drill has, whatever its seed: the kind, how many of activities and how many of pictures.
_ALWAYS: tuple[tuple[Kind, int, int], ...] = (
    ("overlap", 4, 4),
    ("slow", 0, 3),
    ("killed", 0, 2),
    ("abandoned", 0, 1),
    ("paused", 0, 4),
    ("failing", 0, 1),
    ("lost", 4, 2),
    ("dropped", 2, 3),
    ("conflict", 6, 4),
    ("devices", 2, 1),
)
_WAITING: tuple[Kind, ...] = ("lost", "killed", "abandoned")
ENOUGH_IDS = 50
"""With fewer IDs not every fault happens as often, and with fewer than ten kinds of them not each at all."""


def scenario(ids: int, writers: int, seed: int) -> tuple[Plan, ...]:
    """Return the plans of so many IDs, in the order in which they begin.

    Those that end in a timeout go first, and wait while others work. Then a few harmless ones, because a process is
    slow at its first request; then those that overlap alone, then what else goes wrong; the rest follows, shuffled.
    `writers` are two at least.
    """
    making = _Making(Random(seed), writers)  # noqa: S311 (the same requests again, not a secret)
    always = _of_each(list(making.always()), ids)
    waiting = [plan for plan in always if plan.kind in _WAITING]
    more = max(0, ids - len(always))
    others: list[Plan] = []
    others += [making.plan("overlap", is_picture=making.draw_picture()) for _ in range(round(more * _OVERLAPPING))]
    others += [making.plan("conflict", is_picture=making.draw_picture()) for _ in range(round(more * _CONFLICTING))]
    # So that each worker meets one of either before it matters.
    warm = 2 * writers
    plain = [
        making.plan("plain", is_picture=number % 2 == 1 if number < warm else making.draw_picture())
        for number in range(more - len(others))
    ]
    first, rest = plain[:warm], plain[warm:] + others
    making.random.shuffle(rest)
    return (*waiting, *first, *(plan for plan in always if plan.kind not in _WAITING), *rest)


def _of_each(plans: list[Plan], most: int) -> list[Plan]:
    """Return so many of the plans, in their order: of each kind one before any kind has two."""
    seen: dict[Kind, int] = {}
    ranked = []
    for number, plan in enumerate(plans):
        seen[plan.kind] = seen.get(plan.kind, 0) + 1
        ranked.append((seen[plan.kind], number))
    return [plans[number] for number in sorted(number for _rank, number in sorted(ranked)[:most])]


def retries(ids: int, writers: int, seed: int) -> tuple[Plan, ...]:
    """Return plans for a table of any shape: the same events again, and no others.

    An event is the number of a row, which is its `timestamp`, and a device; what the row is like the backend knows.
    """
    random = Random(seed)  # noqa: S311 (as above)
    # So few that they end before the first retry would prove nothing: then there are no others.
    always = _RETRIES if ids >= len(_RETRIES) else _FEW_RETRIES * ids
    plans = []
    for number in range(ids):
        event = Activity(str(number), f"drill-device-{random.randint(1, _DEVICES)}", "row", number)
        kind = always[number] if number < len(always) else random.choice(("plain", "plain", "overlap"))
        clients = [Client(event, _FAULTS.get(kind, NO_FAULT))]
        if kind == "overlap":
            clients *= random.randint(2, min(4, writers))
        plans.append(Plan(kind, tuple(clients), alone=kind == "overlap" and number < len(_RETRIES)))
    return tuple(plans)


_RETRIES: tuple[Kind, ...] = ("plain",) * 20 + ("overlap",) * 8 + ("lost",) * 8 + ("dropped",) * 4
_FEW_RETRIES: tuple[Kind, ...] = ("lost", "overlap")
_FAULTS: dict[Kind, Fault] = {"lost": Fault(answer_lost=True), "dropped": Fault(dropped_after=1)}


class _Making:
    """Makes plans; each has a number, which its ID and its variant come from."""

    def __init__(self, random: Random, writers: int) -> None:
        self.random = random
        self.writers = writers
        self._moment = _FIRST_MOMENT
        self._made: dict[Kind, int] = {}

    def always(self) -> Iterator[Plan]:
        """Yield what every drill has."""
        for kind, activities, pictures in _ALWAYS:
            for number in range(activities + pictures):
                plan = self.plan(kind, is_picture=number >= activities)
                yield replace(plan, alone=True) if kind == "overlap" else plan

    def draw_picture(self) -> bool:
        """Say whether the next event is a picture."""
        return self.random.randrange(_PICTURES) == 0

    def plan(self, kind: Kind, *, is_picture: bool) -> Plan:
        """Return the next plan of a kind."""
        event = self._picture() if is_picture else self._activity()
        number = self._made[kind] = self._made.get(kind, 0) + 1
        return Plan(kind, tuple(self._clients(kind, event, number)))

    def _clients(self, kind: Kind, event: Event, number: int) -> Iterator[Client]:
        if kind == "plain":
            yield Client(event)
        elif kind == "overlap":
            yield from [Client(event)] * self.random.randint(2, min(4, self.writers))
        elif kind in ("conflict", "devices"):
            other = _of_other_device(event) if kind == "devices" else _other(event, number)
            # At once, or one after the other.
            yield Client(event)
            yield Client(other, after="start" if number % 2 else "answer")
        elif kind == "lost":
            yield Client(event, Fault(answer_lost=True))
        elif kind == "dropped":
            yield Client(event, Fault(dropped_after=(number - 1) % 3 + 1 if isinstance(event, Screenshot) else 1))
        elif kind in ("killed", "abandoned"):
            yield Client(event, Fault(then="kill"), leaves=kind == "abandoned")
        elif kind == "slow":
            yield Client(event, Fault(slow=True))
            yield from [Client(event, after="upload")] * 2
        elif kind == "paused":
            yield Client(event, Fault(then="pause"))
            # Half of the zombies come back with another picture than the one that was stored while they slept.
            yield from [Client(event if number % 2 else _other_picture(event), after="upload")] * (number % 2 + 1)
        else:
            # Nobody sends it again for the zombie, and mends what it broke.
            yield Client(event, Fault(then="pause", upload_fails=True), leaves=True)
            yield Client(event, after="upload")

    def _activity(self) -> Activity:
        moment, device = self._next()
        kind = self.random.choice(("click", "key", "focus", "scroll"))
        data: dict[str, Json] = {
            "x": self.random.randrange(2560),
            "y": self.random.randrange(1440),
            "text": self.random.choice(_TEXTS),
        }
        return Activity(f"activity_{moment}", device, kind, moment, data)

    def _picture(self) -> Screenshot:
        moment, device = self._next()
        return Screenshot(f"screenshot_{moment}", device, moment, _jpeg(self.random.randbytes(1000)))

    def _next(self) -> tuple[int, str]:
        self._moment += self.random.randint(1, 2000)
        return self._moment, f"device-{self.random.randint(1, _DEVICES)}"


def _other(event: Event, number: int) -> Event:
    """Return another event of the same ID."""
    if isinstance(event, Screenshot):
        return _other_picture(event)
    variants = (
        replace(event, data={"x": -1, "y": -1, "text": "another"}),
        replace(event, timestamp=event.timestamp + 1),
        replace(event, data=None),
    )
    return variants[number // 2 % len(variants)]


def _other_picture(event: Event) -> Event:
    """Return the same shot with another picture, which only its content tells."""
    assert isinstance(event, Screenshot)  # noqa: S101 (only pictures are paused)
    return replace(event, picture=_jpeg(event.picture[-3:1:-1]))


def _of_other_device(event: Event) -> Event:
    return replace(event, device_id=f"{event.device_id}-again")


def _jpeg(content: bytes) -> bytes:
    return b"\xff\xd8" + content + b"\xff\xd9"
