"""Measures what four paced writers notice of `repair apply`: throughput and longest stall, with it and without.

Run it as `.venv/bin/python -m bench.repair_writers [postgresql] [mariadb] [--quick]`; it starts private servers.
"""

from __future__ import annotations

import multiprocessing
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import scan_mysql
from bench.repair import apply_of, fill_postgresql, mariadb, plan_of, postgresql

WRITERS = 4
SHARE = 0.3
"""Of the transactions that the server can take when nothing else is asked of it."""
_INSERT = (
    "INSERT INTO activities (id, device_id, type, timestamp, data, created_at)"
    " VALUES ('activity_{0}', 'device-1', 'click', {0}, '{{\"x\": 1}}', '2025-12-02 00:00:00')"
)


@dataclass(frozen=True)
class Written:
    """What a writer did: transactions a second, and the longest time that one took, in seconds."""

    rate: float
    longest: float


def write(name: str, server: Any, number: int, rate: float | None, seconds: float, out: Any) -> None:
    """Insert rows, one a transaction, at most `rate` a second, for so many seconds; in a process of its own."""
    connection = server.connect("app")
    connection.autocommit = True if name == "PostgreSQL" else connection.autocommit(True)
    cursor = connection.cursor()
    began, done, longest = time.perf_counter(), 0, 0.0
    while (now := time.perf_counter()) < began + seconds:
        if rate is not None and (wait := began + done / rate - now) > 0:
            time.sleep(wait)
        start = time.perf_counter()
        cursor.execute(_INSERT.format(2_000_000_000_000 + number * 100_000_000 + time.perf_counter_ns() % 100_000_000))
        longest = max(longest, time.perf_counter() - start)
        done += 1
    out.put(Written(done / (time.perf_counter() - began), longest))


def writing(name: str, server: Any, rate: float | None, seconds: float, command: list[str] | None = None) -> Written:
    """Run the writers, and a command beside them that begins a second later; return their sum and their worst."""
    context = multiprocessing.get_context("fork")
    out = context.Queue()
    each = None if rate is None else rate / WRITERS
    writers = [
        context.Process(target=write, args=(name, server, number, each, seconds, out)) for number in range(WRITERS)
    ]
    for writer in writers:
        writer.start()
    if command:
        time.sleep(1)
        began = time.perf_counter()
        code = subprocess.run(command, capture_output=True, check=False).returncode
        print(f"  repair apply beside them: exit {code}, {time.perf_counter() - began:.1f} s")
    found = [out.get() for _ in writers]
    for writer in writers:
        writer.join()
    return Written(sum(one.rate for one in found), max(one.longest for one in found))


def measure(name: str, server: Any, fill: Any, rows: int, groups: int, seconds: float) -> None:
    """Print throughput and stalls without and with a repair."""
    url = fill(server, "app", rows, groups)
    with tempfile.TemporaryDirectory() as folder:
        plan = Path(folder) / "plan.jsonl"
        subprocess.run(plan_of(url, plan), capture_output=True, check=True)
        most = writing(name, server, None, 5).rate
        print(f"\n{name}: {rows:,} rows, {groups:,} groups; {WRITERS} writers can do {most:,.0f} inserts/s")
        alone = writing(name, server, most * SHARE, seconds)
        beside = writing(name, server, most * SHARE, seconds, apply_of(url, plan))
    print(f"  paced at {SHARE:.0%}, alone:  {alone.rate:8,.0f}/s, longest {alone.longest * 1000:6.0f} ms")
    print(f"  beside a repair:    {beside.rate:8,.0f}/s, longest {beside.longest * 1000:6.0f} ms")
    print(
        f"  throughput {beside.rate / alone.rate:.3f} (limit 0.9);"
        f" stall beyond the baseline {max(beside.longest - alone.longest, 0):.2f} s (limit 1 s)",
        flush=True,
    )


def main() -> None:
    """Measure what the arguments name; without any, both."""
    asked = [name for name in sys.argv[1:] if not name.startswith("-")] or ["postgresql", "mariadb"]
    rows, groups, seconds = (100_000, 10_000, 10.0) if "--quick" in sys.argv else (1_000_000, 100_000, 40.0)
    if "postgresql" in asked:
        with postgresql() as server:
            measure("PostgreSQL", server, fill_postgresql, rows, groups, seconds)
    if "mariadb" in asked:
        with mariadb() as server:
            measure("MariaDB", server, scan_mysql.fill, rows, groups, seconds)


if __name__ == "__main__":
    main()
