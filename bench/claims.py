"""Measures how fast screenshots are claimed under each protection, side by side: 32 writers, and one alone.

Run it as `.venv/bin/python -m bench.claims [--rounds N]`. It starts private durable servers and a Redis. In a round
each protection takes its turn, in another order each time: 32 processes claim the same rows, four requests a row, of
which one must win. Figures are medians of rounds. Then RedisLock by itself: one renewal thread, against one a lock.
"""

from __future__ import annotations

import multiprocessing
import random
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass, field
from itertools import count
from multiprocessing.connection import Connection
from statistics import median, quantiles
from threading import Event, Thread
from typing import Any

from sqlalchemy import Engine, create_engine

from bench.repair import mariadb, postgresql
from dedupaudit.drill.scratch.shapes import TABLES, statements_of
from dedupaudit.ingest.protections.optimistic import OptimisticVersion
from dedupaudit.ingest.protections.pessimistic import PessimisticLock
from dedupaudit.ingest.protections.protocol import Protection
from dedupaudit.ingest.protections.redis_lock import RedisLock, connect
from dedupaudit.ingest.protections.unique import UniqueConstraint
from dedupaudit.ingest.tables import Described, Table, describe
from dedupaudit.ingest.transactions import in_transaction
from tests.servers.redis import RedisServer

WRITERS, REQUESTS = 32, 4
ROWS, ALONE = 1000, 300
"""Rows that 32 writers claim, and that one claims alone, in a round."""
LOCKS = 10_000
SCREENSHOTS = Table(("screenshots",), version="version")
PROTECTIONS: dict[str, Callable[[Any], Protection]] = {
    "unique": lambda _redis: UniqueConstraint(),
    "redis-lock": RedisLock,
    "for-update": lambda _redis: PessimisticLock(),
    "version": lambda _redis: OptimisticVersion(),
}
_FORK = multiprocessing.get_context("fork")
_rounds = count()


@dataclass
class Figures:
    """Of one protection, a figure a round: claims won a second, and milliseconds of a claim made alone."""

    rates: list[float] = field(default_factory=list)
    alone: list[float] = field(default_factory=list)


def key_of(turn: int, number: int) -> str:
    """Return the ID of a row; those of different turns differ."""
    return f"screenshot_{1766557428498 + number * 137}_{turn}"


def writer(url: str, redis_url: str, orders: Connection, tickets: Any) -> None:
    """Claim as told, until told to end: a ticket is a request, and every four of them are for one row."""
    engine = create_engine(url)
    with engine.connect() as connection:
        table = describe(connection, SCREENSHOTS)
    client = connect(redis_url)
    protections = {name: make(client) for name, make in PROTECTIONS.items()}
    while (order := orders.recv()) is not None:
        name, turn = order
        won = 0
        while True:
            with tickets.get_lock():
                number = tickets.value // REQUESTS
                tickets.value += 1
            if number >= ROWS:
                break
            won += claimed(engine, protections[name], table, key_of(turn, number))
        orders.send(won)
    client.close()
    engine.dispose()


def claimed(engine: Engine, protection: Protection, table: Described, event_id: str) -> bool:
    """Claim one row as ScreenshotWriter does, and say whether it was won."""
    key = (event_id,)
    with protection.held(key):
        return in_transaction(engine, lambda connection: protection.claim(connection, table, key, 60)) is not None


class Bench:
    """A database with its writers."""

    def __init__(self, dialect: str, url: str, redis_url: str) -> None:
        self._engine = create_engine(url)
        with self._engine.begin() as connection:
            for statement in statements_of(dialect, "versioned", {name: name for name in TABLES}):  # type: ignore[arg-type]
                connection.exec_driver_sql(statement)
        # Before any connection or thread is there.
        self._engine.dispose()
        self._tickets = _FORK.Value("q", 0)
        self._writers = []
        for _ in range(WRITERS):
            ours, theirs = _FORK.Pipe()
            _FORK.Process(target=writer, args=(url, redis_url, theirs, self._tickets), daemon=True).start()
            self._writers.append(ours)
        with self._engine.connect() as connection:
            self._table = describe(connection, SCREENSHOTS)
        self._client = connect(redis_url)
        self._protections = {name: make(self._client) for name, make in PROTECTIONS.items()}

    def measure(self, rounds: int) -> dict[str, Figures]:
        """Return the figures of each protection; the first round warms up."""
        figures = {name: Figures() for name in PROTECTIONS}
        for number in range(rounds + 1):
            names = list(PROTECTIONS)
            random.shuffle(names)
            for name in names:
                rate, alone = self._together(name), self._alone(name)
                if number:
                    figures[name].rates.append(rate)
                    figures[name].alone += alone
        for one in self._writers:
            one.send(None)
        self._client.close()
        self._engine.dispose()
        return figures

    def _together(self, name: str) -> float:
        turn = self._pending(ROWS)
        self._tickets.value = 0
        started = time.perf_counter()
        for one in self._writers:
            one.send((name, turn))
        won = sum(one.recv() for one in self._writers)
        seconds = time.perf_counter() - started
        if won != ROWS:
            sys.exit(f"{name}: {ROWS} rows were claimed {won} times")
        return ROWS / seconds

    def _alone(self, name: str) -> list[float]:
        turn, taken = self._pending(ALONE), []
        for number in range(ALONE):
            started = time.perf_counter()
            claimed(self._engine, self._protections[name], self._table, key_of(turn, number))
            taken.append((time.perf_counter() - started) * 1000)
        return taken

    def _pending(self, rows: int) -> int:
        turn = next(_rounds)
        row = ", ".join(f"('{key_of(turn, number)}', 'device', 'pending', 1)" for number in range(rows))
        stamp = '"timestamp"' if self._table.dialect == "postgresql" else "`timestamp`"
        with self._engine.begin() as connection:
            connection.exec_driver_sql("DELETE FROM screenshots")
            connection.exec_driver_sql(f"INSERT INTO screenshots (id, device_id, status, {stamp}) VALUES {row}")
        return turn


def locks(redis_url: str, rounds: int) -> None:
    """Print what a lock costs with the one renewal thread, and with a thread of its own."""
    with closing(connect(redis_url)) as client:
        lock = RedisLock(client)

        def shared(number: int) -> None:
            with lock.held((number,)):
                pass

        def own(number: int) -> None:
            over = Event()
            thread = Thread(target=over.wait, args=(lock._renewal._interval,))
            thread.start()
            with lock.held((number,)):
                over.set()
                thread.join()

        ways: dict[str, Callable[[int], None]] = {"one thread for all": shared, "and a thread a lock": own}
        taken: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(rounds):
            for name, way in ways.items():
                started = time.perf_counter()
                for number in range(LOCKS // 10):
                    way(number)
                taken[name].append((time.perf_counter() - started) / (LOCKS // 10) * 1e6)
        for name, seconds in taken.items():
            print(f"RedisLock, take and release, {name}: {median(seconds):.0f} µs")


def main() -> None:
    """Measure on both servers."""
    words = sys.argv[1:]
    rounds = int(words[words.index("--rounds") + 1]) if "--rounds" in words else 7
    places: tuple[tuple[str, Callable[[], AbstractContextManager[Any]]], ...] = (
        ("postgresql", postgresql),
        ("mysql", mariadb),
    )
    drivers = {"postgresql:": "postgresql+psycopg2:", "mariadb:": "mysql+pymysql:"}
    with RedisServer() as redis:
        for dialect, start in places:
            with start() as server:
                url = server.create_database("app")
                for scheme, driver in drivers.items():
                    url = url.replace(scheme, driver)
                for name, figures in Bench(dialect, url, redis.url).measure(rounds).items():
                    print(
                        f"{dialect:10} {name:10} {WRITERS} writers {median(figures.rates):7,.0f} claims/s;"
                        f" alone {median(figures.alone):.2f} ms, p99 {quantiles(figures.alone, n=100)[98]:.2f} ms"
                    )
        locks(redis.url, rounds)


if __name__ == "__main__":
    main()
