"""Gives findings their causes: looks up what the logs tell of many IDs at once, and lets the rules judge."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeVar

from dedupaudit.causes import CAUSES, judge, row_before_object
from dedupaudit.causes.base import Judgement
from dedupaudit.causes.story import Clocks, Teller, are_known, names_in_logs, on_one_clock
from dedupaudit.model import Cause, CauseCount, Evidence
from dedupaudit.sources.logs.protocol import LogEvent
from dedupaudit.sources.logs.rotation import age
from dedupaudit.sources.tables.protocol import Key
from dedupaudit.times import iso_or_none

if TYPE_CHECKING:
    from dedupaudit.checks.base import TableScan
    from dedupaudit.checks.duplicates import DuplicateGroup

LINES_LIMIT = 10
"""Log lines shown as evidence of one finding."""
_BATCH = 500
_Thing = TypeVar("_Thing")

SAID = {
    "send": "the client sent it",
    "resend": "the client sent it again",
    "timeout": "the client waited in vain",
    "requeue": "the client gave up and re-queued it",
    "receive": "the backend received it",
    "db_write": "the backend wrote it to the database",
    "response": "the backend sent its answer",
    "response_lost": "the answer was lost",
    "upload_done": "the object was stored",
    "upload_failed": "the object could not be stored",
    "idempotent_skip": "the backend saw that it was there, and did nothing",
    "concurrent_wait": "the backend waited for another upload of it",
    "retry": "the backend tried again after a failure",
}
"""What an event means, in words for people."""


CHECKING = ("idempotent_skip", "concurrent_wait", "retry")
"""What only a backend says that looks for an ID before it writes."""


class EventHistory(Protocol):
    """What a history of log events must be able to say; see snapshot/history.py."""

    @property
    def counts(self) -> Counter[str]:
        """Return how many events of each name there are."""

    def of(self, ids: Sequence[str]) -> Mapping[str, Sequence[LogEvent]]:
        """Return the events of these IDs."""

    def clocks(self) -> Clocks:
        """Return the clients' clocks."""


class Explained(NamedTuple):
    """A cause, and the log lines that show it."""

    cause: Cause
    evidence: tuple[Evidence, ...]


Explaining = Callable[[], Explained]


class Explainer:
    """Finds causes with the logs' history, or by rows alone where there is none.

    `counts` are the causes of all groups of each table, by name and confidence; without logs they are not counted.
    """

    def __init__(self, history: EventHistory | None = None) -> None:
        self._history = history
        self._clocks: Clocks = history.clocks() if history else {}
        self._checking = history is not None and any(history.counts[name] for name in CHECKING)
        self.counts: dict[str, Counter[tuple[str, str]]] = {}

    @property
    def has_logs(self) -> bool:
        """Whether logs were read."""
        return self._history is not None

    def groups(self, scan: TableScan, groups: Iterable[DuplicateGroup]) -> Iterator[tuple[DuplicateGroup, Explaining]]:
        """Yield each group with what explains it when it is asked."""
        teller = Teller(scan.table, scan.source.same)
        if self._history is None:
            for group in groups:
                yield group, partial(_by_rows, teller, group)
            return
        counts = self.counts.setdefault(scan.table.label, Counter())
        for batch in _batches(groups):
            told = self._events([group.key for group in batch])
            for group, events in zip(batch, told, strict=True):
                known = are_known(events, self._clocks, stream_of)
                judgement = judge(teller.story(group, events, logs=True, checking=self._checking, clocks=known))
                counts[judgement.name, judgement.confidence] += 1
                yield group, partial(_explained, judgement, events)

    def missing(
        self, things: Iterable[_Thing], key: Callable[[_Thing], Key]
    ) -> Iterator[tuple[_Thing, Explained | None]]:
        """Yield things about rows whose object is missing, each with its cause; None where there are no logs."""
        if self._history is None:
            for thing in things:
                yield thing, None
            return
        for batch in _batches(things):
            for thing, events in zip(batch, self._events([key(thing) for thing in batch]), strict=True):
                yield thing, _explained(row_before_object.judge(events), events)

    def events(self, key: Key) -> list[LogEvent]:
        """Return all that the logs tell of a key, in the order of the backend's clock."""
        return self._events([key])[0]

    def _events(self, keys: Sequence[Key]) -> list[list[LogEvent]]:
        if self._history is None:
            return [[] for _ in keys]
        names = [names_in_logs(key) for key in keys]
        found = self._history.of(list(dict.fromkeys(name for several in names for name in several)))
        return [
            on_one_clock([event for name in several for event in found.get(name, ())], self._clocks, stream_of)
            for several in names
        ]


def cause_counts(counts: Counter[tuple[str, str]]) -> dict[str, CauseCount]:
    """Return counts by name and confidence as the report has them, in the contract's order of causes."""
    found: dict[str, dict[str, int]] = {}
    for (name, confidence), number in counts.items():
        found.setdefault(name, {})[confidence] = number
    return {name: CauseCount(**found[name]) for name in CAUSES if name in found}


def stream_of(file: str) -> str:
    """Return the stream that a log file belongs to, without the marks of its rotation."""
    return age(file)[0]


def log_line(event: LogEvent, first: int | None) -> Evidence:
    """Return a log line as evidence; `first` is the moment that offsets count from."""
    offset = f", +{(event.at - first) / 1_000_000:.1f} s" if first is not None and event.at is not None else ""
    return Evidence(
        kind="log",
        at=iso_or_none(event.at),
        where=f"{event.file}:{event.line}",
        text=f"{SAID.get(event.event, event.event)}{offset if offset != ', +0.0 s' else ''}",
    )


def cause_of(judgement: Judgement) -> Cause:
    """Return a judgement as the report has it."""
    return Cause(
        name=judgement.name,
        confidence=judgement.confidence,
        why=judgement.why,
        enabled_by=judgement.enabled_by,
    )


def _explained(judgement: Judgement, events: Sequence[LogEvent]) -> Explained:
    lines = _told(judgement.lines, events)
    first = next((event.at for event in events if event.at is not None), None)
    return Explained(cause_of(judgement), tuple(log_line(event, first) for event in lines))


def _told(lines: Sequence[LogEvent], events: Sequence[LogEvent]) -> list[LogEvent]:
    """Return the lines to show, in the order of their times: those that prove it, then others while there is room."""
    kept: dict[tuple[str, int, str], LogEvent] = {}
    for event in (*lines, *events):
        if len(kept) < LINES_LIMIT:
            kept.setdefault((event.file, event.line, event.event), event)
    return sorted(kept.values(), key=lambda event: (event.at is None, event.at or 0))


def _by_rows(teller: Teller, group: DuplicateGroup) -> Explained:
    return _explained(judge(teller.story(group)), ())


def _batches(things: Iterable[_Thing]) -> Iterator[list[_Thing]]:
    iterator = iter(things)
    while batch := list(islice(iterator, _BATCH)):
        yield batch
