"""What the clients' process and its workers say to each other."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple

from dedupaudit.config import ObjectsSettings
from dedupaudit.drill.protocol import Answer, Event, Times
from dedupaudit.drill.scenario import Fault

if TYPE_CHECKING:
    from dedupaudit.drill.against import AgainstTable
    from dedupaudit.drill.protocol import Scratch

COMMAND = struct.Struct("!2i")
"""To the nursery: a process (0: fork one, whose end of a pipe comes along) and the signal that it gets. From it: the
process (0: it is gone), and 0."""


class Job(NamedTuple):
    """The first message to a worker: which backend it is, and where. `redis` is a URL."""

    backend: str
    scratch: Scratch
    objects: ObjectsSettings
    prefix: str
    times: Times
    redis: str | None = None
    redis_prefix: str = ""
    against: AgainstTable | None = None


class Order(NamedTuple):
    """A request, and what is to go wrong with it."""

    number: int
    event: Event
    fault: Fault


class GoOn(NamedTuple):
    """To a worker in mid-upload that waits: finish it."""


class Sweep(NamedTuple):
    """Take expired leases back, where the backend can."""


class Ready(NamedTuple):
    """From a worker: it has its connections."""


class CannotStart(NamedTuple):
    """From a worker, its last: why."""

    reason: str


class Uploading(NamedTuple):
    """From a worker in mid-upload, where the order asked for that."""

    number: int


class Put(NamedTuple):
    """One PUT. Moments are seconds of a clock that all processes of a host share.

    `asked`: when its request came. `written`: False where an object of the key was there and not to be overwritten.
    `failed`: it raised, or the object that was there is another one.
    """

    key: str
    asked: float
    began: float
    written: bool
    failed: bool


class Answered(NamedTuple):
    """From a worker: what the backend said, when it began, how long it took, and what it did.

    `began` is of the same clock as a Put's moments. `missed`: what was to go wrong did not.
    """

    number: int
    answer: Answer
    began: float
    seconds: float
    puts: tuple[Put, ...]
    deadlocks: int
    missed: bool


class Swept(NamedTuple):
    """From a worker: `error` is empty where the sweep went well, or there is none."""

    error: str


ToWorker = Order | GoOn | Sweep
FromWorker = Ready | CannotStart | Uploading | Answered | Swept
