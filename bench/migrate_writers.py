"""Eight writers in processes of their own: what they got done in each tenth of a second, and the longest wait."""

from __future__ import annotations

import multiprocessing
import random
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from multiprocessing.synchronize import Event
from typing import Any, Self

import psycopg2
import pymysql.err

WRITERS = 8
DUPLICATES = 0.05
"""Of the inserts, so many have an ID that is stored already."""
COLUMNS = "id, device_id, type, timestamp, data, created_at"
_REFUSED = (psycopg2.Error, pymysql.err.MySQLError)
_FORK = multiprocessing.get_context("fork")


def row(n: int) -> str:
    """Return the values of the row number n, equal to those that bench/scan_postgresql.py and scan_mysql.py store."""
    stamp = 1766557428498 + n * 137
    kind = ("click", "key", "focus", "scroll")[n % 4]
    data = f'{{"x": {n % 1920}, "y": {n % 1080}, "window": "Main"}}'
    return f"('activity_{stamp}', 'device-{n % 50}', '{kind}', {stamp}, '{data}', '2025-12-02 00:00:00')"


@dataclass
class Written:
    """What a writer did: statements in each tenth of a second, the longest that ended in it, and how they ended."""

    done: Counter[int] = field(default_factory=Counter)
    longest: dict[int, float] = field(default_factory=lambda: defaultdict(float))
    stored: int = 0
    refused: Counter[str] = field(default_factory=Counter)


def _tenth(moment: float) -> int:
    return int(moment * 10)


def write(server: Any, number: int, rate: float | None, stored: int, rows: int, stop: Event, out: Any) -> None:
    """Insert so many rows a transaction until told to stop, at most `rate` transactions a second."""
    connection = server.connect("app")
    cursor = connection.cursor()
    dice, written = random.Random(number), Written()  # noqa: S311 (no secret)
    began, count = time.monotonic(), 0
    # Numbers that no other process has: the clock goes on faster than rows are stored.
    fresh = (time.time_ns() // 1_000_000 % 1_000_000_000 * WRITERS + number) * 1_000_000
    while not stop.is_set():
        if rate is not None and (wait := began + count / rate - time.monotonic()) > 0:
            time.sleep(wait)
        numbers = []
        for _ in range(rows):
            fresh += 1
            numbers.append(dice.randrange(stored) if stored and dice.random() < DUPLICATES else fresh)
        statement = f"INSERT INTO activities ({COLUMNS}) VALUES {', '.join(map(row, numbers))}"
        start = time.monotonic()
        try:
            cursor.execute(statement)
            written.stored += rows
        except _REFUSED as error:
            code = getattr(error, "pgcode", None) or error.args[0]
            written.refused[str(code)] += 1
        end = time.monotonic()
        count += 1
        written.done[_tenth(end)] += 1
        written.longest[_tenth(end)] = max(written.longest[_tenth(end)], end - start)
    connection.close()
    written.longest = dict(written.longest)
    out.put(written)


class Writing:
    """Writers at work within the block; `rate` is that of all together, None for as fast as they can.

    With `stored`, some rows have the ID of one of so many that are there. `written` is what they did, at the end.
    """

    def __init__(
        self, server: Any, rate: float | None, *, stored: int = 0, rows: int = 1, writers: int = WRITERS
    ) -> None:
        self._stop, self._out = _FORK.Event(), _FORK.Queue()
        each = None if rate is None else rate / writers
        self._processes = [
            _FORK.Process(target=write, args=(server, number, each, stored, rows, self._stop, self._out))
            for number in range(writers)
        ]
        self.written: list[Written] = []

    def __enter__(self) -> Self:
        for process in self._processes:
            process.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._stop.set()
        self.written = [self._out.get() for _ in self._processes]
        for process in self._processes:
            process.join()

    def rate(self, began: float, ended: float) -> float:
        """Return transactions a second between two moments of the monotonic clock."""
        first, last = _tenth(began) + 1, _tenth(ended)
        done = sum(number for one in self.written for tenth, number in one.done.items() if first <= tenth < last)
        return done / max((last - first) / 10, 0.1)

    def longest(self, began: float, ended: float) -> float:
        """Return the longest time, in seconds, that a statement took which ended between two moments."""
        first, last = _tenth(began), _tenth(ended)
        return max(
            (took for one in self.written for tenth, took in one.longest.items() if first <= tenth <= last), default=0.0
        )

    @property
    def stored(self) -> int:
        """How many rows were accepted."""
        return sum(one.stored for one in self.written)

    @property
    def refused(self) -> Counter[str]:
        """How many transactions were refused, by code."""
        return sum((one.refused for one in self.written), Counter())


def saturated(server: Any, seconds: float, **how: Any) -> float:
    """Return the transactions a second of writers that do nothing else."""
    with Writing(server, None, **how) as writing:
        time.sleep(1)
        began = time.monotonic()
        time.sleep(seconds)
        ended = time.monotonic()
    return writing.rate(began, ended)
