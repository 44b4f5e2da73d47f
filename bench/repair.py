"""Measures `repair apply` beside a bare chunked DELETE of the same rows, on PostgreSQL and MariaDB.

Run it as `.venv/bin/python -m bench.repair [--quick] [postgresql] [mariadb] [memory]`; it starts private
servers and fills them anew.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench import scan_mysql, scan_postgresql
from bench.measure import PROGRAM, run
from tests.servers.mariadb import MariadbServer
from tests.servers.postgresql import PostgresqlServer

MB = 1_000_000
CHUNK = 1_000


def plan_of(url: str, plan: Path) -> list[str]:
    """Return the command that plans."""
    return [PROGRAM, "repair", "plan", "activities", "--db", url, "-o", str(plan), "--max-delete", "20%"]


def apply_of(url: str, plan: Path) -> list[str]:
    """Return the command that applies."""
    return [PROGRAM, "repair", "apply", str(plan), "--db", url, "--confirm", "activities"]


def bare_delete(connection: Any, victims: list[int]) -> float:
    """Delete rows by primary key, a thousand a statement, each committed; return the seconds."""
    cursor = connection.cursor()
    began = time.perf_counter()
    for first in range(0, len(victims), CHUNK):
        listed = ", ".join(map(str, victims[first : first + CHUNK]))
        cursor.execute(f"DELETE FROM activities WHERE pk IN ({listed})")
        connection.commit()
    return time.perf_counter() - began


def victims_of(plan: Path) -> list[int]:
    """Return the primary keys of a plan's victims, in its order."""
    with plan.open() as lines:
        groups = [json.loads(line) for line in lines if line.startswith('{"type":"group"')]
    return [victim["pk"]["pk"] for group in groups for victim in group["victims"]]


def compare(name: str, server: Any, fill: Any, rows: int, groups: int, rounds: int) -> None:
    """Print the times of both, in alternating rounds on tables filled alike, and what the proof took of it."""
    bare, applied, planned, proofs = [], [], [], []
    with tempfile.TemporaryDirectory() as folder:
        for number in range(rounds):
            plan = Path(folder) / "plan.jsonl"
            url = fill(server, f"apply{number}", rows, groups)
            planned.append(_run(plan_of(url, plan)))
            victims = victims_of(plan)
            fill(server, f"bare{number}", rows, groups)
            connection = server.connect(f"bare{number}")
            bare.append(bare_delete(connection, victims))
            connection.close()
            applied.append(_run(apply_of(url, plan)))
            proofs.append(_proof(url))
    best = min(applied)
    print(f"\n{name}: {rows:,} rows, {len(victims):,} rows to remove; best of {rounds} alternating rounds")
    print(f"  {'bare chunked DELETE':28}{min(bare):7.2f} s   {len(victims) / min(bare):10,.0f} rows/s")
    print(f"  {'repair apply':28}{best:7.2f} s   {len(victims) / best:10,.0f} rows/s"
          f"   ratio {best / min(bare):.2f}   limit 8, stretch 5")  # fmt: skip
    print(f"  {'of it the proof':28}{min(proofs):7.2f} s")
    print(f"  {'repair plan':28}{min(planned):7.2f} s", flush=True)


def _run(command: list[str]) -> float:
    ran = run(command)
    if ran.code != 0:
        sys.exit(f"ended with {ran.code}: {' '.join(command)}")
    return ran.seconds


def _proof(url: str) -> float:
    shown = subprocess.run(
        [PROGRAM, "repair", "show", "last", "--db", url, "-f", "json"], capture_output=True, check=True
    )
    return float(json.loads(shown.stdout)["run"]["proof"]["seconds"])


@contextmanager
def postgresql() -> Iterator[PostgresqlServer]:
    """Start PostgreSQL with room for the table in memory; it is durable, and so are its tables, as in production."""
    durable = {"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on"}
    with PostgresqlServer(settings={"shared_buffers": "1GB", "max_wal_size": "8GB", **durable}) as server:
        yield server


def fill_postgresql(server: PostgresqlServer, database: str, rows: int, groups: int) -> str:
    """Make the table of bench/scan_postgresql.py, logged."""
    url = scan_postgresql.fill(server, database, rows, groups)
    server.execute("ALTER TABLE activities SET LOGGED", database=database)
    server.execute("CHECKPOINT", database=database)
    return url


@contextmanager
def mariadb() -> Iterator[MariadbServer]:
    """Start MariaDB with room for the table in memory; it is durable, as in production."""
    settings = {"innodb-buffer-pool-size": "1G", "innodb-log-file-size": "512M", "max-allowed-packet": "16M"}
    durable = {"innodb-flush-log-at-trx-commit": "1", "innodb-flush-method": "fsync", "innodb-doublewrite": "ON"}
    with MariadbServer(settings={**settings, **durable}) as server:
        yield server


def memory(rows: int, groups: int) -> None:
    """Print the peak anonymous memory of plan and apply at a million groups."""
    with postgresql() as server, tempfile.TemporaryDirectory() as folder:
        url = fill_postgresql(server, "memory", rows, groups)
        plan = Path(folder) / "plan.jsonl"
        for name, command in (
            ("repair plan", [*plan_of(url, plan)[:-1], "60%"]),
            ("repair apply", apply_of(url, plan)),
        ):
            ran = run(command, memory=True)
            print(f"  {name} of {groups:,} groups: {ran.peak_bytes / MB:.0f} MB anonymous, {ran.seconds:.1f} s,"
                  f" exit {ran.code}   limit 400 MB", flush=True)  # fmt: skip


def main() -> None:
    """Measure what the arguments name; without any, all."""
    quick = "--quick" in sys.argv
    asked = [name for name in sys.argv[1:] if not name.startswith("-")] or ["postgresql", "mariadb", "memory"]
    rows, groups, rounds = (100_000, 10_000, 1) if quick else (1_000_000, 100_000, 3)
    if "postgresql" in asked:
        with postgresql() as server:
            compare("PostgreSQL", server, fill_postgresql, rows, groups, rounds)
    if "mariadb" in asked:
        with mariadb() as server:
            compare("MariaDB", server, scan_mysql.fill, rows, groups, rounds)
    if "memory" in asked:
        memory(*((200_000, 100_000) if quick else (2_000_000, 1_000_000)))


if __name__ == "__main__":
    main()
