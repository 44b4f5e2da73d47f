"""Measures `dedupaudit scan` on SQLite beside what a DBA would type, and its memory.

Run it as `.venv/bin/python -m bench.scan_sqlite [--quick]`; databases are made in bench/data (about 3 GB) and kept.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

from bench.incident_db import database
from bench.measure import PROGRAM, best, run

RAW = "SELECT id, COUNT(*) FROM activities GROUP BY id HAVING COUNT(*) > 1"
MB = 1_000_000


def times(rows: int, groups: int, rounds: int) -> None:
    """Print wall times, and the two ratios that have a target."""
    path = database(rows, groups)
    scan = [PROGRAM, "scan", "activities", "--db", f"sqlite:///{path}", "-f", "json", "-o", "/dev/null"]
    found = best(
        {
            "raw": [shutil.which("sqlite3") or "sqlite3", str(path), RAW],
            "duplicate_ids": [*scan, "--check", "duplicate_ids"],
            "all checks": scan,
        },
        rounds,
    )
    raw = found["raw"]
    print(f"\nSQLite, {rows:,} rows, {groups:,} duplicated IDs, no index; best of {rounds} alternating rounds")
    print(f"  {'sqlite3 GROUP BY … HAVING':34}{raw:7.2f} s")
    only, everything = found["duplicate_ids"], found["all checks"]
    limit = 1.3 * raw + 0.5
    print(f"  {'scan --check duplicate_ids':34}{only:7.2f} s   ratio {only / raw:.2f}   limit {limit:.2f} s")
    print(f"  {'scan, all checks':34}{everything:7.2f} s   ratio {everything / raw:.2f}   limit {3 * raw:.2f} s (3 x)")


def memory(rows: int, groups: int, *options: str) -> int:
    """Print and return the peak anonymous memory of one scan, in bytes."""
    path = database(rows, groups)
    command = [PROGRAM, "scan", "activities", "--db", f"sqlite:///{path}", "-f", "json", "-o", "/dev/null", *options]
    ran = run(command, memory=True)
    what = f"{rows:,} rows, {groups:,} duplicated IDs {' '.join(option for option in options if option[:2] == '--')}"
    print(f"  {what:64}{ran.peak_bytes / MB:7.0f} MB{ran.seconds:8.1f} s")
    return ran.peak_bytes


def main() -> int:
    """Print all figures."""
    quick = "--quick" in sys.argv
    times(2_000_000, 2_000, 3 if quick else 5)
    times(2_000_000, 20_000, 3 if quick else 5)
    print("\nPeak anonymous memory of the process tree (limit 400 MB at 2 M rows; at 10 M at most 1.25 times that)")
    small = memory(2_000_000, 20_000)
    if quick:
        return 0
    print(f"  ratio 10 M : 2 M  {memory(10_000_000, 100_000) / small:.2f}")
    with tempfile.TemporaryDirectory() as folder:
        for ending in ("jsonl", "csv", "parquet"):
            target = Path(folder) / f"findings.{ending}"
            memory(3_000_000, 1_000_000, "--findings", str(target))
            print(f"    {ending}: {target.stat().st_size / MB:,.0f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
