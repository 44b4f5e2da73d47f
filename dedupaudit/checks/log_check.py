"""What a check of log events is: a query over the history that names IDs, and what is said of each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import count, islice
from typing import Literal

from dedupaudit.causes.explainer import LINES_LIMIT, log_line
from dedupaudit.checks.base import Sighting
from dedupaudit.display import visible
from dedupaudit.model import Finding, fingerprint
from dedupaudit.snapshot.history import History
from dedupaudit.sources.logs.protocol import LogEvent
from dedupaudit.times import iso_or_none

SOURCE = TARGET = "logs"
_BATCH = 500


class _Batch:
    """The events of some IDs, looked up at once when the first of their findings is written."""

    def __init__(self, history: History, ids: Sequence[str]) -> None:
        self._history, self._ids = history, ids
        self._events: Mapping[str, Sequence[LogEvent]] | None = None

    def events(self, ident: str) -> Sequence[LogEvent]:
        if self._events is None:
            self._events = self._history.of(self._ids)
        return self._events[ident]


@dataclass(frozen=True)
class LogCheck:
    """One check: `sql/checks/NAME.sql` answers IDs and how often, worst first; `needs` are the events that it reads.

    `message` says {id} and {times}.
    """

    name: str
    needs: frozenset[str]
    message: str
    suggestion: str
    severity: Literal["low"] = "low"

    def findings(self, history: History, most: int | None = None) -> Iterator[Sighting]:
        """Yield what the query names, at most so many; each can be written as long as the history is open."""
        answers = history.ids(self.name, most)
        places = count()
        while rows := list(islice(answers, _BATCH)):
            batch = _Batch(history, [ident for ident, _ in rows])
            for ident, times in rows:
                yield Sighting(times, (next(places),), partial(self._finding, ident, times, batch))

    def _finding(self, ident: str, times: int, batch: _Batch) -> Finding:
        events = batch.events(ident)
        moments = [event.at for event in events if event.at is not None]
        first, last = min(moments, default=None), max(moments, default=None)
        return Finding(
            fingerprint=fingerprint(self.name, SOURCE, TARGET, {"id": ident}),
            check=self.name,
            severity=self.severity,
            source=SOURCE,
            target=TARGET,
            key={"id": ident},
            count=times,
            first_at=iso_or_none(first),
            last_at=iso_or_none(last),
            gap_seconds=None if first is None or last is None else (last - first) / 1_000_000,
            message=self.message.format(id=visible(ident), times="once" if times == 1 else f"{times:,} times"),
            suggestion=self.suggestion,
            evidence=tuple(log_line(event, first) for event in events[:LINES_LIMIT]),
        )
