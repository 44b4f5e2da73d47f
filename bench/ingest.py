"""Measures the writers of events beside the bare statement: one row a transaction, and batches of 500.

Run it as `.venv/bin/python -m bench.ingest [--rounds N]`. It starts private servers, durable and not, and takes turns:
each round runs all ways for the same number of rows, so that they meet the same load. Ratios are medians of rounds.
Beside them: a writer whose pool does not roll back each connection that comes back, and the bare statement through
SQLAlchemy, which the writers stand on.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing
from functools import partial
from itertools import count
from pathlib import Path
from statistics import median
from typing import Any

from sqlalchemy import Engine, create_engine

from bench.repair import mariadb, postgresql
from dedupaudit.ingest import Activity, ActivityWriter
from tests.servers.mariadb import MariadbServer
from tests.servers.postgresql import PostgresqlServer

SCHEMA = Path(__file__).parents[1] / "sql/schema"
COLUMNS = "id, device_id, type, timestamp, data"
BATCH = 500
SINGLES, BATCHES = 100, 6
"""Events, and batches, of each way in a round."""

Way = Callable[[list[Activity]], None]
_numbers = count()


def events(wanted: int) -> list[Activity]:
    """Return events that were never stored, as a client sends them."""
    made = []
    for number in (next(_numbers) for _ in range(wanted)):
        data = {"x": number % 1920, "y": number % 1080, "window": "Main"}
        stamp = 1766557428498 + number * 137
        made.append(Activity(f"activity_{stamp}", f"device-{number % 50}", "click", stamp, data))  # type: ignore[arg-type]
    return made


def parameters(event: Activity) -> tuple[object, ...]:
    """Return what a backend without this package hands to its driver."""
    return (event.id, event.device_id, event.type, event.timestamp, json.dumps(event.data))


def bare(connection: Any, rows: int) -> Way:
    """Return what inserts as many rows with one statement of the driver's and commits."""
    marks = ", ".join(["(%s, %s, %s, %s, %s)"] * rows)
    statement = f"INSERT INTO activities ({COLUMNS}) VALUES {marks}"

    def insert(some: list[Activity]) -> None:
        with connection.cursor() as cursor:
            cursor.execute(statement, [value for event in some for value in parameters(event)])
        connection.commit()

    return insert


def core(engine: Engine, rows: int) -> Way:
    """Return what does the same through SQLAlchemy's pool and transactions, with the driver's own SQL."""
    marks = ", ".join(["(%s, %s, %s, %s, %s)"] * rows)
    statement = f"INSERT INTO activities ({COLUMNS}) VALUES {marks}"

    def insert(some: list[Activity]) -> None:
        with engine.begin() as connection:
            connection.exec_driver_sql(statement, tuple(value for event in some for value in parameters(event)))

    return insert


def taken(way: Way, size: int, times: int) -> float:
    """Return the seconds that a way takes for so many statements of this size."""
    work = [events(size) for _ in range(times)]
    started = time.perf_counter()
    for some in work:
        way(some)
    return time.perf_counter() - started


Measured = tuple[str, float, float, dict[str, float]]
"""What was stored, rows a second bare and by the writer, and the time of each other way as a ratio to bare."""


def measured(url: str, connection: Any, rounds: int) -> Iterator[Measured]:
    """Measure single rows and batches; rates and ratios are medians."""
    # A session for each way: what one leaves in a server's memory would make the next one faster.
    engines = {
        "writer": create_engine(url),
        "without the pool's reset": create_engine(url, pool_reset_on_return=None),
        "SQLAlchemy alone": create_engine(url),
    }
    writers = {name: ActivityWriter(engine) for name, engine in engines.items() if name != "SQLAlchemy alone"}

    def single(writer: ActivityWriter, some: list[Activity]) -> None:
        for event in some:
            writer.write(event)

    def batch(writer: ActivityWriter, some: list[Activity]) -> None:
        assert not any(getattr(one, "duplicate", True) for one in writer.write_batch(some))  # noqa: S101

    for what, size, times, write in (("one row", 1, SINGLES, single), (f"{BATCH} rows", BATCH, BATCHES, batch)):
        ways: dict[str, Way] = {"bare": bare(connection, size)}
        ways |= {name: partial(write, writer) for name, writer in writers.items()}
        ways["SQLAlchemy alone"] = core(engines["SQLAlchemy alone"], size)
        names = list(ways)
        found: list[dict[str, float]] = []
        for number in range(rounds + 1):
            turn = names[number % len(names) :] + names[: number % len(names)]
            found.append({name: taken(ways[name], size, times) for name in turn})
        found = found[1:]  # the first round warms up
        rate = {name: size * times / median(round_[name] for round_ in found) for name in names}
        ratios = {name: median(round_[name] / round_["bare"] for round_ in found) for name in names[1:]}
        yield what, rate["bare"], rate["writer"], ratios
    for engine in engines.values():
        engine.dispose()


def on_postgresql(server: PostgresqlServer, rounds: int) -> Iterator[Measured]:
    """Measure on PostgreSQL, both ways over TCP."""
    import psycopg2

    url = server.create_database("app")
    server.execute((SCHEMA / "postgresql.sql").read_text(), database="app")
    with closing(psycopg2.connect(url)) as connection:
        yield from measured(url.replace("postgresql:", "postgresql+psycopg2:"), connection, rounds)


def on_mariadb(server: MariadbServer, rounds: int) -> Iterator[Measured]:
    """Measure on MariaDB, both ways over TCP."""
    import pymysql

    url = server.create_database("app")
    for statement in (SCHEMA / "mysql.sql").read_text().split(";\n"):
        if statement.strip():
            server.execute(statement, database="app")
    with closing(
        pymysql.connect(host="127.0.0.1", port=server.port, user="root", database="app", charset="utf8mb4")
    ) as connection:
        yield from measured(url.replace("mariadb:", "mysql+pymysql:"), connection, rounds)


def main() -> None:
    """Measure on both servers, durable and not."""
    words = sys.argv[1:]
    rounds = int(words[words.index("--rounds") + 1]) if "--rounds" in words else 15
    places: tuple[tuple[str, Callable[[], AbstractContextManager[Any]], Callable[..., Any]], ...] = (
        ("PostgreSQL, durable", postgresql, on_postgresql),
        ("PostgreSQL, not durable", PostgresqlServer, on_postgresql),
        ("MariaDB, durable", mariadb, on_mariadb),
        ("MariaDB, not durable", MariadbServer, on_mariadb),
    )
    for place, start, measure in places:
        with start() as server:
            for what, theirs, ours, ratios in measure(server, rounds):
                times = ", ".join(f"{name} {ratio:.2f}" for name, ratio in ratios.items())
                print(
                    f"{place:23} {what:8} bare {theirs:8,.0f} rows/s, writer {ours:8,.0f} rows/s; time: {times}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
