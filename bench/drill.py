"""Runs whole drills on PostgreSQL, MariaDB and SQLite with a Redis: `.venv/bin/python -m bench.drill [--seed N]`.

It starts private, durable servers on the machine of the writers, so that the figures are of both together.
"""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.repair import mariadb, postgresql
from tests.servers.redis import RedisServer


def drill(place: str, db: str, redis: str, seed: str) -> None:
    """Drill with the defaults, and print what came of it."""
    words = ["drill", "-q", "-f", "json", "--db", db, "--redis", redis, "--seed", seed]
    done = subprocess.run([sys.executable, "-m", "dedupaudit", *words], capture_output=True, check=False)
    if not done.stdout:
        sys.exit(done.stderr.decode(errors="replace"))
    found = json.loads(done.stdout)
    print(f"{place}: exit {done.returncode}, {found['seconds']:.1f} s", flush=True)
    for one in found["strategies"]:
        print(
            f"  {one['name']:16} {one['verdict']:14} {one['per_second']:7,.0f} requests/s,"
            f" p50 {one['p50_ms']:.1f} ms, p99 {one['p99_ms']:.0f} ms, {one['deadlocks']} deadlocks"
        )


def main() -> None:
    """Drill on each of the three."""
    words = sys.argv[1:]
    seed = words[words.index("--seed") + 1] if "--seed" in words else "2"
    with RedisServer() as redis, TemporaryDirectory() as folder:
        with postgresql() as server:
            drill("PostgreSQL", server.create_database("app"), redis.url, seed)
        with mariadb() as server:
            drill("MariaDB", server.create_database("app"), redis.url, seed)
        file = Path(folder, "app.db")
        with closing(sqlite3.connect(file)) as connection:
            connection.execute("CREATE TABLE other (id)")
        drill("SQLite", f"sqlite:///{file}", redis.url, seed)


if __name__ == "__main__":
    main()
