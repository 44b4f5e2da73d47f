"""Measures `dedupaudit scan` on PostgreSQL beside what a DBA would type: wall time, the server's CPU, and memory.

Run it as `.venv/bin/python -m bench.scan_postgresql [--quick]`; it starts a private server and fills it anew.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from pathlib import Path
from threading import Event, Thread

from bench.measure import PROGRAM, best, run
from tests.servers.postgresql import PostgresqlServer

RAW = "SELECT id, COUNT(*) FROM activities GROUP BY id HAVING COUNT(*) > 1"
MB = 1_000_000
_SETTINGS = {"shared_buffers": "1GB", "max_wal_size": "8GB", "autovacuum": "off"}
_TABLE = """
CREATE UNLOGGED TABLE activities (
    pk bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, id varchar(255), device_id varchar(255), type varchar(50),
    timestamp bigint, data jsonb, created_at timestamptz
)
"""
# Every number below `groups` comes a second time, in an order that has nothing to do with the first.
_FILL = """
INSERT INTO activities (id, device_id, type, timestamp, data, created_at)
SELECT 'activity_' || (1766557428498 + n * 137), 'device-' || n % 50,
       (ARRAY['click', 'key', 'focus', 'scroll'])[1 + n % 4],
       1766557428498 + n * 137, jsonb_build_object('x', n % 1920, 'y', n % 1080, 'window', 'Main'),
       '2025-12-01'::timestamptz + place * interval '0.4 seconds'
FROM (
    SELECT place, CASE WHEN place < DISTINCT_IDS THEN place ELSE (place - DISTINCT_IDS) * 7919 % DISTINCT_IDS END AS n
    FROM generate_series(0::bigint, ALL_ROWS - 1) AS place
) AS numbered
ORDER BY hashint8(place)
"""


def fill(server: PostgresqlServer, database: str, rows: int, groups: int) -> str:
    """Make a database of `rows` rows in which `groups` IDs occur twice; return its URL."""
    url = server.create_database(database)
    server.execute(_TABLE, database=database)
    fill_it = _FILL.replace("ALL_ROWS", str(rows)).replace("DISTINCT_IDS", str(rows - groups))
    server.execute(fill_it, database=database)
    server.execute("VACUUM ANALYZE activities", database=database)
    return url


class ServerTime:
    """CPU seconds of the backends that begin and end within: sampled from /proc, so a little too low."""

    def __init__(self, server: PostgresqlServer) -> None:
        self._postmaster = int((server.data / "postmaster.pid").read_text().split()[0])
        self._known = set(self._backends())
        self._last: dict[int, float] = {}
        self._workers: set[int] = set()
        self._stop = Event()
        self._thread = Thread(target=self._sample, daemon=True)

    def __enter__(self) -> ServerTime:
        self._thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._stop.set()
        self._thread.join()

    @property
    def seconds(self) -> float:
        """What all of them have used."""
        return sum(self._last.values())

    @property
    def alone(self) -> float:
        """What the sessions' own processes have used, without parallel workers."""
        return sum(used for pid, used in self._last.items() if pid not in self._workers)

    def _backends(self) -> list[int]:
        children = Path(f"/proc/{self._postmaster}/task/{self._postmaster}/children").read_text().split()
        return [int(child) for child in children]

    def _sample(self) -> None:
        tick = os.sysconf("SC_CLK_TCK")
        while not self._stop.is_set():
            for pid in set(self._backends()) - self._known:
                try:
                    if b"parallel worker" in Path(f"/proc/{pid}/cmdline").read_bytes():
                        self._workers.add(pid)
                    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
                except OSError:
                    continue
                self._last[pid] = (int(fields[11]) + int(fields[12])) / tick
            time.sleep(0.01)


def commands(server: PostgresqlServer, database: str, url: str) -> dict[str, list[str]]:
    """Return what is measured, by its name."""
    psql = [
        shutil.which("psql") or "psql",
        "-X",
        "-h",
        str(server.folder),
        "-p",
        str(server.port),
        "-U",
        "postgres",
        "-d",
        database,
    ]
    copy = " ".join(psql) + " -c 'COPY (SELECT id FROM activities) TO STDOUT' | LC_ALL=C sort | uniq -d"
    scan = [PROGRAM, "scan", "activities", "--db", url, "-f", "json", "-o", "/dev/null"]
    return {
        "GROUP BY … HAVING in psql": [*psql, "-c", RAW],
        "COPY | LC_ALL=C sort | uniq -d": ["sh", "-c", copy],
        "scan --check duplicate_ids": [*scan, "--check", "duplicate_ids"],
        "the same, --engine pushdown": [*scan, "--check", "duplicate_ids", "--engine", "pushdown"],
        "scan, all checks": scan,
    }


def times(title: str, measured: dict[str, list[str]], rounds: int) -> None:
    """Print the best wall time of each, and its ratio to the first two."""
    found = best(measured, rounds)
    raw, sort, *_rest = found.values()
    print(f"\n{title}; best of {rounds} alternating rounds")
    for name, seconds in found.items():
        print(f"  {name:34}{seconds:7.2f} s   of GROUP BY {seconds / raw:5.2f}   of sort {seconds / sort:5.2f}")


def server_time(server: PostgresqlServer, measured: dict[str, list[str]]) -> None:
    """Print the CPU time of the server for each, workers included."""
    print("\nCPU time of the sessions' own processes, and with their parallel workers")
    raw = raw_alone = 0.0
    for name, command in measured.items():
        with ServerTime(server) as used:
            run(command)
        raw, raw_alone = raw or used.seconds, raw_alone or used.alone
        print(
            f"  {name:34}{used.alone:7.2f} s   of GROUP BY {used.alone / raw_alone:5.2f}"
            f"   with workers {used.seconds:7.2f} s   of GROUP BY {used.seconds / raw:5.2f}"
        )


def memory(url: str, what: str) -> int:
    """Print and return the peak anonymous memory of a scan, in bytes."""
    ran = run([PROGRAM, "scan", "activities", "--db", url, "-f", "json", "-o", "/dev/null"], memory=True)
    print(f"  {what:34}{ran.peak_bytes / MB:7.0f} MB{ran.seconds:8.1f} s")
    return ran.peak_bytes


def main() -> int:
    """Print all figures."""
    quick = "--quick" in sys.argv
    rows, rounds = (1_000_000, 3) if quick else (5_000_000, 5)
    with PostgresqlServer(settings=_SETTINGS) as server:
        url = fill(server, "bench", rows, rows // 1000)
        measured = commands(server, "bench", url)
        times(f"PostgreSQL, {rows:,} rows, {rows // 1000:,} duplicated IDs, no index", measured, rounds)
        server_time(server, measured)
        print("\nPeak anonymous memory of the process tree (limit 400 MB; four times the rows: at most 1.25 times)")
        small = memory(url, f"{rows:,} rows")
        server.execute("CREATE INDEX activities_id_idx ON activities (id)", database="bench")
        server.execute("VACUUM ANALYZE activities", database="bench")
        times(f"PostgreSQL, {rows:,} rows, a plain index on id (limit: GROUP BY + 0.7 s)", measured, rounds)
        server.drop_database("bench")
        large = memory(fill(server, "large", 4 * rows, 4 * rows // 1000), f"{4 * rows:,} rows")
        print(f"  ratio {large / small:.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
