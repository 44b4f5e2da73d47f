"""The history that logs tell: their events as columns, asked for by ID, or counted by the SQL of `sql/checks/`.

Memory does not grow with the logs: what the engine's memory does not hold lies in its temporary folder.
"""

from __future__ import annotations

import os
import secrets
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from itertools import islice
from types import TracebackType
from typing import Any

from dedupaudit.progress import Progress
from dedupaudit.snapshot.engine import Engine, explained
from dedupaudit.snapshot.escaping import escape, unescape
from dedupaudit.snapshot.intake import Intake, read_lines
from dedupaudit.sources.logs.columns import COLUMNS, coded, decoded
from dedupaudit.sources.logs.protocol import ClientClock, LogEvent, LogSource
from dedupaudit.sources.logs.rotation import age
from dedupaudit.sources.logs.words import EVENTS
from dedupaudit.sqlfiles import fill, sql_text

_MOST = 80_000_000
"""Bytes for the engine: what nine times as many events take is then hardly more (bench/RESULTS.md)."""
_FETCH = 1_000
_IN_STEP = 500_000
"""Microseconds: a smaller difference of clocks is the time that a message takes."""
_NUMBER = "-1 - (md5_number_lower('{salt}' || name) >> 1)::BIGINT"
"""An ID without a number of its own gets one below zero: a hash that nobody can make collide, because it is salted."""
_STEADY = 1_000_000
"""Microseconds: what one client sends arrives within so much of the usual time."""
_MOSTLY = 0.95
_ENOUGH = 1
_PAIRS = 200_000
"""Of so many IDs at the most is the clocks' difference taken: a median of more is no better."""


class History:
    """The events of all logs, in a private folder that is gone at the end. A context manager.

    Clients are told apart by their log files: rotated files are one stream, and so one clock.
    """

    def __init__(self, memory_limit: int) -> None:
        self._engine = Engine(memory_limit, _MOST)
        self._files: list[str] = []
        self._shown: list[str] = []
        self._clocks: dict[tuple[str, str | None], ClientClock] = {}
        with explained(self._engine.folder):
            names = ", ".join(f"'{name}'" for name in EVENTS)
            self._run(f"CREATE TYPE named AS ENUM ({names})")
            self._run(
                "CREATE TABLE events (id BIGINT, event named, moment BIGINT, device VARCHAR, file USMALLINT,"
                " line BIGINT, name VARCHAR)"
            )
            self._run(f"CREATE MACRO number_of(name) AS {_NUMBER.format(salt=secrets.token_hex(16))}")
            self._run("CREATE TABLE files (file USMALLINT, stream USMALLINT)")
            self._run("CREATE TABLE clocks (stream USMALLINT, device VARCHAR, ahead BIGINT)")

    def __enter__(self) -> History:
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _value: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        self._engine.close()

    # ---- what comes in

    def load(
        self,
        logs: LogSource,
        progress: Progress,
        wanted: frozenset[str] | None = None,
        since: int | None = None,
        until: int | None = None,
    ) -> None:
        """Read the logs' events, of the `wanted` names and between two moments (microseconds) where those are given.

        A line without a time lies between no two moments.
        """
        ident = "CASE WHEN name IS NULL THEN id ELSE number_of(name) END"
        insert = f"INSERT INTO events SELECT {ident}, * EXCLUDE (id) FROM {read_lines(COLUMNS)}"  # noqa: S608
        seen = 0
        progress.start("logs: events", None, "events")
        try:
            with Intake(self._engine, insert) as intake:
                for lines in logs.columns(wanted, (since, until)):
                    intake.write(lines)
                    seen += lines.count(b"\n")
                    progress.advance_to(seen)
        finally:
            progress.finish()
        self._files = [file.name for file in logs.files]
        self._shown = _short(self._files)
        streams: dict[str, int] = {}
        for number, file in enumerate(self._shown):
            stream = streams.setdefault(age(file)[0], len(streams))
            self._run("INSERT INTO files VALUES (?, ?)", [number, stream])
        self._set_clocks(streams)

    def _set_clocks(self, streams: Mapping[str, int]) -> None:
        """Find by how much each client's clock is ahead, and write it down for the queries."""
        total = sum(self.counts.values())
        every = max(1, total // _PAIRS)
        names = list(streams)
        parts = {"every": str(every), "steady": str(_STEADY)}
        for stream, device, ahead, near, pairs in list(self.rows("clock_skew", parts)):
            # Of lines that name no device several clients may have written some: then nobody knows whose clock it is.
            steady = pairs >= _ENOUGH and near >= _MOSTLY
            name = None if device is None else unescape(device)
            self._clocks[names[stream], name] = ClientClock(ahead / 1_000_000, steady)
            if abs(ahead) >= _IN_STEP and steady:
                self._run("INSERT INTO clocks VALUES (?, ?, ?)", [stream, device, ahead])

    # ---- what can be asked

    @cached_property
    def counts(self) -> Counter[str]:
        """How many events of each name there are."""
        return Counter(dict(self._run("SELECT event::VARCHAR, count(*) FROM events GROUP BY event")))

    def clocks(self) -> Mapping[tuple[str, str | None], ClientClock]:
        """Return the clients' clocks, by the stream of their log files and the device that the lines name (or None).

        By how much one is ahead is told by IDs that were sent and received once, and whose message took no time.
        """
        return self._clocks

    def skew(self) -> Mapping[str, float]:
        """Return by how many seconds the clocks are ahead that differ from the backend's, by stream and device."""
        return {
            stream if device is None else f"{stream} ({device})": clock.ahead
            for (stream, device), clock in self._clocks.items()
            if abs(clock.ahead) * 1_000_000 >= _IN_STEP and clock.steady
        }

    def of(self, ids: Sequence[str]) -> dict[str, list[LogEvent]]:
        """Return the events of these IDs, by time, then file and line; their fields and offsets are not kept.

        Files have their names without their folders, where that keeps the streams apart.
        """
        found: dict[str, list[LogEvent]] = {one: [] for one in ids}
        numbers = [int(code) for one in found if (code := coded(one)) is not None]
        names = [escape(one) for one in found if coded(one) is None]
        rows = self._run(
            "SELECT event::VARCHAR, id, moment, device, file, line, name FROM events"
            " WHERE id IN (SELECT unnest(?::BIGINT[]) UNION ALL SELECT number_of(unnest(?::VARCHAR[])))"
            " ORDER BY moment NULLS LAST, file, line",
            [numbers, names],
        )
        for event, number, at, device, file, line, name in rows:
            text = decoded(number) if name is None else unescape(name)
            told = None if device is None else unescape(device)
            found[text].append(LogEvent(event, text, at, told, self._shown[file], line, 0))
        return found

    def rows(self, name: str, parts: Mapping[str, str] | None = None) -> Iterator[tuple[Any, ...]]:
        """Yield the rows that a query of `sql/checks/` answers; text in them is escaped."""
        yield from self._run(fill(sql_text(f"checks/{name}.sql"), dict(parts or {})))

    def ids(self, name: str, most: int | None = None) -> Iterator[tuple[str, int]]:
        """Yield the IDs, and how often, that a query of `sql/checks/` answers; at most so many."""
        limit = "" if most is None else f" LIMIT {most}"
        answers = self._run(sql_text(f"checks/{name}.sql") + limit)
        while some := list(islice(answers, _FETCH)):
            others = [number for number, _ in some if number < 0]
            names: dict[int, str] = {}
            if others:
                asked = "SELECT id, any_value(name) FROM events WHERE id IN (SELECT unnest(?::BIGINT[])) GROUP BY id"
                names.update(self._run(asked, [others]))
            for number, times in some:
                yield decoded(number) if number > 0 else unescape(names[number]), times

    def count(self, name: str) -> int:
        """Return how many rows a query of `sql/checks/` answers."""
        ((number,),) = self._run(f"SELECT count(*) FROM ({sql_text(f'checks/{name}.sql')})")  # noqa: S608
        return int(number)

    def file(self, number: int) -> str:
        """Return the whole name of a file by its number in the columns."""
        return self._files[number]

    def _run(self, statement: str, arguments: Sequence[object] = ()) -> Iterator[tuple[Any, ...]]:
        """Run a statement on a cursor of its own: answers may be read side by side."""
        with explained(self._engine.folder):
            cursor = self._engine.connection.cursor()
            cursor.execute(statement, arguments or None)
        return self._fetched(cursor) if cursor.description else iter(())

    def _fetched(self, cursor: Any) -> Iterator[tuple[Any, ...]]:
        while True:
            with explained(self._engine.folder):
                rows = cursor.fetchmany(_FETCH)
            if not rows:
                return
            yield from rows


def _short(files: Sequence[str]) -> list[str]:
    """Return the files' names without their folders, unless two streams would have one name then."""
    streams = {age(file)[0] for file in files}
    if len({os.path.basename(stream) for stream in streams}) < len(streams):
        return list(files)
    return [os.path.basename(file) for file in files]
