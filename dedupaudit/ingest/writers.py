"""The writers of activities and processes: an event is stored once, however often it is sent."""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter
from typing import TYPE_CHECKING, ClassVar, Final, Generic, TypeVar

from dedupaudit.ingest import telling
from dedupaudit.ingest.errors import IdCollision, Rejected
from dedupaudit.ingest.events import Activity, Process, Stored
from dedupaudit.ingest.rows import RowWriter
from dedupaudit.ingest.tables import ACTIVITIES, PROCESSES, Table

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from dedupaudit.ingest.protections.protocol import Protection

Event = TypeVar("Event", Activity, Process)

_JSON: Final = "data"


class _EventWriter(Generic[Event]):
    attributes: ClassVar[tuple[str, ...]]

    def __init__(self, engine: Engine, table: Table, protection: Protection | None = None) -> None:
        columns = tuple(table.column(name) for name in self.attributes)
        self._columns = columns
        self._read = attrgetter(*self.attributes)
        self._rows = RowWriter(
            engine,
            table,
            protection,
            columns=columns,
            required=(table.column("id"), table.column("device_id")),
            as_json=(table.column(_JSON),),
        )

    def write(self, event: Event) -> Stored:
        """Store one event. `duplicate`: it was stored before, with the same payload: answer success.

        Raises IdCollision (another event has this ID), Rejected (it can never be stored), Unprotected (no constraint
        keeps the key single), Unavailable (nobody knows: it is safe to send it again); the driver's error for anything
        else, such as a missing permission.
        """
        telling.received(event.id)
        try:
            duplicate = self._rows.write(dict(zip(self._columns, self._read(event), strict=True)))
        except (IdCollision, Rejected) as error:
            telling.refused(event.id, error)
            raise
        return _stored(event, duplicate)

    def write_batch(self, events: Sequence[Event]) -> list[Stored | IdCollision | Rejected]:
        """Store many events in few statements: what `write` would return or raise of each, in their order.

        Each statement of up to 1,000 rows is a transaction of its own. After Unavailable some events may be stored:
        send the whole batch again, those are found as duplicates. Of equal keys the first is stored, and the others
        are compared with it.
        """
        events = list(events)  # a generator would be empty at the second look, and its events lost
        tells = telling.is_on()
        if tells:
            for event in events:
                telling.received(event.id)
        answers = self._rows.write_batch(self._columns, [self._read(event) for event in events])
        # Most answers are False, and nobody listens: then there is nothing to say of each.
        return [
            Stored(event.id) if answer is False and not tells else self._outcome(event, answer)
            for event, answer in zip(events, answers, strict=True)
        ]

    def _outcome(self, event: Event, answer: bool | IdCollision | Rejected) -> Stored | IdCollision | Rejected:
        if isinstance(answer, bool):
            return _stored(event, answer)
        telling.refused(event.id, answer)
        return answer


def _stored(event: Activity | Process, duplicate: bool) -> Stored:
    (telling.already if duplicate else telling.written)(event.id)
    return Stored(event.id, duplicate)


class ActivityWriter(_EventWriter[Activity]):
    """Stores activities. One for the whole backend: several threads may use it."""

    attributes = ("id", "device_id", "type", "timestamp", _JSON)

    def __init__(self, engine: Engine, table: Table = ACTIVITIES, protection: Protection | None = None) -> None:
        super().__init__(engine, table, protection)


class ProcessWriter(_EventWriter[Process]):
    """Stores processes. One for the whole backend: several threads may use it."""

    attributes = ("id", "device_id", "timestamp", _JSON)

    def __init__(self, engine: Engine, table: Table = PROCESSES, protection: Protection | None = None) -> None:
        super().__init__(engine, table, protection)
