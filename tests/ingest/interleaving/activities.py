"""Two requests that write activities under one ID, each with a writer and a connection of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Protocol, Self

from dedupaudit.ingest.errors import IdCollision, Rejected
from dedupaudit.ingest.events import Activity, Stored
from dedupaudit.ingest.writers import ActivityWriter
from tests.ingest.interleaving.exploring import Client, Place, pauses_are_steps
from tests.ingest.interleaving.scheduler import Actor, Explored, Scene, explore, shown

Sent = Sequence[tuple[str, int]]
"""What a request sends: the ending of each ID, and what is clicked. One alone is no batch."""


class Writes(Protocol):
    """What is explored of ActivityWriter, and of writers with a seeded bug."""

    def write(self, event: Activity) -> Stored: ...

    def write_batch(self, events: Sequence[Activity]) -> list[Stored | IdCollision | Rejected]: ...


MakeWriter = Callable[[Client], Writes]


class Activities:
    """Writers A and B. What they answer is told as `stored`, `duplicate` or `collision` of each event."""

    def __init__(self, place: Place, make: MakeWriter | None = None, table: str = "activities") -> None:
        self._place, self._table = place, table
        self._clients = {name: place.client(name) for name in "AB"}
        make = make or (lambda client: ActivityWriter(client.engine))
        self._writers = {name: make(client) for name, client in self._clients.items()}
        for writer in self._writers.values():
            # What is asked once a writer is no step.
            writer.write(Activity(place.new_id(), "d", "click", 1))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        for client in self._clients.values():
            client.engine.dispose()

    def explore(self, sent: Mapping[str, Sent], **options: Any) -> Explored:
        """Play the requests in every order; see scheduler.explore."""
        with pauses_are_steps(*self._clients.values()):
            return explore(partial(self._stage, sent), **options)

    def _stage(self, sent: Mapping[str, Sent]) -> Scene:
        id = self._place.new_id()
        for client in self._clients.values():
            client.begin()
        parts: dict[Actor, Callable[[], object]] = {
            self._clients[name].actor: partial(self._write, name, id, events) for name, events in sent.items()
        }
        return Scene(parts, partial(self._check, id, sent))

    def _write(self, name: str, id: str, sent: Sent) -> str:
        events = [Activity(f"{id}{ending}", "d", "click", 1, {"x": x}) for ending, x in sent]
        if len(events) > 1:
            return " ".join(map(_said, self._writers[name].write_batch(events)))
        try:
            return _said(self._writers[name].write(events[0]))
        except IdCollision as error:
            return _said(error)

    def _check(self, id: str, sent: Mapping[str, Sent], answers: Mapping[str, object]) -> Iterator[str]:
        """Say what no order may lead to: of each ID one row, one who stored it, and true answers to the others."""
        said = {name: shown(answer).split() for name, answer in answers.items()}
        told = [
            (ending, x, answer) for name in sent for (ending, x), answer in zip(sent[name], said[name], strict=False)
        ]
        if len(told) < sum(map(len, sent.values())):
            yield "somebody was told nothing"
        for ending in sorted({ending for ending, _x, _answer in told}):
            rows = self._place.rows(f"SELECT data FROM {self._table} WHERE id = :id", id=f"{id}{ending}")
            if len(rows) != 1:
                yield f"{len(rows)} rows of one ID"
            answered = [(x, answer) for other, x, answer in told if other == ending]
            stored = [x for x, answer in answered if answer == "stored"]
            if len(stored) != 1:
                yield f"{len(stored)} were told that they stored it"
            for x, answer in answered:
                same = all(str(x) in str(data) for (data,) in rows)
                if answer != ("collision" if not same else answer if answer == "stored" else "duplicate"):
                    yield f"told {answer} of what is {'' if same else 'not '}stored"


def _said(answer: object) -> str:
    if isinstance(answer, Stored):
        return "duplicate" if answer.duplicate else "stored"
    return "collision" if isinstance(answer, IdCollision) else type(answer).__name__
