"""What is known of one duplicated ID, made ready for the rules: its rows in order, and what the logs say of it.

Times are microseconds since the epoch, of the backend's clock: what a client wrote is set right by how far its clock
was seen to be ahead.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from dedupaudit.sources.logs.protocol import ClientClock, LogEvent
from dedupaudit.sources.tables.catalog import guard
from dedupaudit.sources.tables.protocol import DuplicateRow, Key, Value
from dedupaudit.sources.tables.table import Table

if TYPE_CHECKING:
    from dedupaudit.checks.duplicates import DuplicateGroup
    from dedupaudit.checks.rowclass import Same

SECOND = 1_000_000
CLIENT_EVENTS = frozenset({"send", "resend", "timeout", "requeue"})
IN_DOUBT = SECOND // 5
"""Two clocks that were set by each other may still differ by so much: which of two moments came first is not known."""
AT_ONCE = 5 * SECOND
LONGEST = 120 * SECOND
"""A row that was written later than this after a request is not known to be that request's."""
GAVE_UP = ("timeout", "requeue")


@dataclass(frozen=True)
class Story:
    """One ID. `count` is how many rows it has, `moments` are the times of the earliest, in their order.

    `differs` are the columns in which rows say different things, once the device, the place of the object and the
    state of an upload are left aside. `events` are all that the logs tell of the ID; `logs` says whether any were read,
    `checking` whether they know of a backend that looks for an ID before it writes; `clocks` says whether the client's
    times can be held against the rows'.
    """

    count: int
    moments: tuple[int | None, ...]
    differs: tuple[str, ...] = ()
    devices: int = 1
    upload: bool = False
    unguarded: bool = True
    etags: bool = False
    events: tuple[LogEvent, ...] = ()
    logs: bool = False
    checking: bool = False
    clocks: bool = True
    _by_event: dict[str, list[LogEvent]] = field(init=False, default_factory=dict, repr=False, compare=False)

    def __post_init__(self) -> None:
        for event in self.events:
            self._by_event.setdefault(event.event, []).append(event)

    def of(self, *names: str) -> list[LogEvent]:
        """Return the events of these names that have a time, in the order of their times."""
        found = [event for name in names for event in self._by_event.get(name, ()) if event.at is not None]
        return sorted(found, key=_time) if len(names) > 1 else found

    @cached_property
    def sends(self) -> list[LogEvent]:
        """What the client sent, first and again."""
        return self.of("send", "resend")

    @cached_property
    def times(self) -> tuple[int, ...] | None:
        """The times of all rows; None where a row has none, or is not among `moments`."""
        times = tuple(moment for moment in self.moments if moment is not None)
        return times if len(times) == self.count else None

    @cached_property
    def gaps(self) -> tuple[int, ...] | None:
        """The microseconds between one row and the next."""
        return None if self.times is None else tuple(later - earlier for earlier, later in self.pairs)

    @cached_property
    def received_once(self) -> bool:
        """Whether the logs know of one way to the backend alone, with no sign that the client gave up."""
        if not self.events or any(event in self._by_event for event in (*GAVE_UP, "resend", "response_lost")):
            return False
        return all(len(self._by_event.get(event, ())) <= 1 for event in ("send", "receive", "db_write"))

    def before(self, moment: int, *names: str) -> list[LogEvent]:
        """Return the events of these names before a moment."""
        return [event for event in self.of(*names) if event.at is not None and event.at < moment]

    def between(self, earlier: int, later: int, *names: str) -> list[LogEvent]:
        """Return the events of these names between two moments."""
        return [event for event in self.of(*names) if event.at is not None and earlier <= event.at <= later]

    @cached_property
    def pairs(self) -> list[tuple[int, int]]:
        """The times of each row and the next; none where a row has no time."""
        times = self.times or ()
        return list(zip(times, times[1:], strict=False))

    @cached_property
    def signs(self) -> list[tuple[LogEvent, tuple[int, int]]]:
        """The signs that the client gave up or its answer was lost, each with the two rows between which it lies."""
        found = ((self.gave_up_between(*pair), pair) for pair in self.pairs)
        return [(event, pair) for event, pair in found if event is not None]

    @cached_property
    def each_request_made_a_row(self) -> bool:
        """Whether the backend received the ID as often as it has rows, before the last of them was written."""
        return self.times is not None and len(self.before(self.times[-1], "receive")) == self.count

    @cached_property
    def sent_early(self) -> list[LogEvent]:
        """The sends that certainly went before the first row was written; none where clocks are not known."""
        if self.times is None or not self.clocks:
            return []
        return self.before(self.times[0] - IN_DOUBT, "send", "resend")

    @cached_property
    def each_sent_later(self) -> bool:
        """Whether each row but the first is known to be of a request that was sent after the row before it.

        A send lies between the rows, no send but one went before the first row, and, where the backend's log tells of
        receives, each of them made a row.
        """
        if self.times is None or not (self.clocks or self.in_step):
            return False
        if self.of("receive") and not self.each_request_made_a_row:
            return False
        if self.upload and not (len(self.of("db_write")) == self.count <= len(self.of("upload_done", "upload_failed"))):
            return False  # a line that is missing may be that of a request beside the first
        early = self.before(self.times[0] + IN_DOUBT, "send", "resend")
        sent = self.before(self.times[-1], "send", "resend")
        if len(early) != 1 or (not self.of("receive") and len(sent) != self.count):
            return False
        return all(self._sent_between(earlier, later) for earlier, later in self.pairs)

    @cached_property
    def in_step(self) -> bool:
        """Whether each send is followed by a row of its own at once: then client and database have one clock."""
        if self.times is None or len(self.sends) != self.count:
            return False
        after = [row - (event.at or 0) for event, row in zip(self.sends, self.times, strict=True)]
        return all(-IN_DOUBT <= one <= AT_ONCE for one in after)

    @cached_property
    def each_received_later(self) -> bool:
        """Whether the backend received the ID between each row and the next, and as often as it has rows."""
        return self.each_request_made_a_row and all(self.between(*pair, "receive") for pair in self.pairs)

    def _sent_between(self, earlier: int, later: int) -> bool:
        sent = self.between(earlier + IN_DOUBT, later, "send", "resend")
        return bool(sent) and later - (sent[-1].at or 0) <= LONGEST

    def gave_up_between(self, earlier: int, later: int) -> LogEvent | None:
        """Return the sign that the client gave up, or its answer was lost, between two moments."""
        for name in ("requeue", "timeout", "resend", "response_lost"):
            for event in self.between(earlier, later + IN_DOUBT, name):
                return event
        return None


def _time(event: LogEvent) -> int:
    return event.at or 0


Clocks = Mapping[tuple[str, str | None], ClientClock]
"""By a client's stream and the device that its lines name; None for lines without one."""


class Teller:
    """Makes the stories of one table's groups: what its columns mean is looked up once."""

    def __init__(self, table: Table, same: Same) -> None:
        self._same = same
        self._compared = table.compared
        self._upload = table.upload is not None
        self._unguarded = guard(table.catalog, table.key) is None
        numbers = {column.name: number for number, column in enumerate(table.compared)}
        self._device = numbers.get(table.device.name) if table.device else None
        upload = table.upload
        place = [upload.object_key, upload.object_url] if upload else []
        state = [upload.status, upload.retry_count] if upload else []
        measures = [upload.size, upload.etag] if upload else []
        self._place = frozenset(column.name for column in place if column)
        self._state = frozenset(column.name for column in state if column)
        self._filled = frozenset(column.name for column in (*measures, *place) if column)
        self._etag = numbers.get(upload.etag.name) if upload and upload.etag else None

    def story(
        self,
        group: DuplicateGroup,
        events: Sequence[LogEvent] = (),
        *,
        logs: bool = False,
        checking: bool = False,
        clocks: bool = True,
    ) -> Story:
        """Return the story of a group; `events` are in the backend's time."""
        sample = group.sample
        devices = self._devices(sample)
        differs = self._differing(group, len(devices)) if group.differs else ()
        etags = self._etag is not None and all(row.values[self._etag] is not None for row in sample)
        return Story(
            count=group.rows,
            moments=tuple(row.at for row in sample),
            differs=differs,
            devices=len(devices),
            upload=self._upload,
            unguarded=self._unguarded,
            etags=etags,
            events=tuple(events),
            logs=logs,
            checking=checking,
            clocks=clocks,
        )

    def _devices(self, sample: Sequence[DuplicateRow]) -> set[Value]:
        if self._device is None:
            return set()
        return {row.values[self._device] for row in sample if row.values[self._device] is not None}

    def _differing(self, group: DuplicateGroup, devices: int) -> tuple[str, ...]:
        """Return the columns in which the rows say different things."""
        if group.row_class == "mergeable":
            return ()
        device = self._compared[self._device].name if self._device is not None else None
        # Where the object is follows from the device, and is no other picture.
        aside = self._state | ({device} if device else set()) | (self._place if devices > 1 else set())
        found = [name for name in group.differs if name not in aside]
        whole = len(group.sample) == group.rows
        return tuple(name for name in found if not (name in self._filled and whole and not self._really(name, group)))

    def _really(self, name: str, group: DuplicateGroup) -> bool:
        """Say whether two rows fill a column with different values: one that has none yet says nothing else."""
        number = next(number for number, column in enumerate(self._compared) if column.name == name)
        values = [row.values[number] for row in group.sample if row.values[number] is not None]
        return any(not self._same(self._compared[number], values[0], value) for value in values[1:])


def names_in_logs(key: Key) -> tuple[str, ...]:
    """Return the names by which logs may know a key: its parts as text."""
    return tuple(str(part) for part in key if isinstance(part, str | int) and str(part))


def on_one_clock(events: Sequence[LogEvent], clocks: Clocks, stream: Callable[[str], str]) -> list[LogEvent]:
    """Return events in the order of the backend's clock."""
    moved = []
    for event in events:
        if event.event in CLIENT_EVENTS and event.at is not None:
            clock = clock_of(event, clocks, stream)
            event = event._replace(at=event.at - round((clock.ahead if clock else 0.0) * SECOND))
        moved.append(event)
    return sorted(moved, key=lambda event: (event.at is None, event.at or 0))


def clock_of(event: LogEvent, clocks: Clocks, stream: Callable[[str], str]) -> ClientClock | None:
    """Return the clock that a client's line was written by, None where nobody knows it."""
    name = stream(event.file)
    return clocks.get((name, event.device)) or clocks.get((name, None))


def are_known(events: Sequence[LogEvent], clocks: Clocks, stream: Callable[[str], str]) -> bool:
    """Say whether all that a client wrote can be held against the backend's times."""
    told = [clock_of(event, clocks, stream) for event in events if event.event in CLIENT_EVENTS]
    return all(clock is not None and clock.steady for clock in told)
