"""Measures `dedupaudit scan` on MariaDB beside what a DBA would type: wall time and memory.

Run it as `.venv/bin/python -m bench.scan_mysql [--quick]`; it starts a private server and fills it anew.
"""

from __future__ import annotations

import sys

from bench.measure import PROGRAM, best, run
from tests.servers.mariadb import MariadbServer, program

RAW = "SELECT id, COUNT(*) FROM activities GROUP BY id HAVING COUNT(*) > 1"
MB = 1_000_000
_SETTINGS = {"innodb-buffer-pool-size": "1G", "innodb-log-file-size": "256M", "max-allowed-packet": "16M"}
_TABLE = """
CREATE TABLE activities (
    pk bigint AUTO_INCREMENT PRIMARY KEY, id varchar(255), device_id varchar(255), type varchar(50),
    timestamp bigint, data json, created_at datetime(3)
)
"""
# Every number below `groups` comes a second time, in an order that has nothing to do with the first.
_FILL = """
INSERT INTO activities (id, device_id, type, timestamp, data, created_at)
SELECT CONCAT('activity_', 1766557428498 + n * 137), CONCAT('device-', n % 50),
       ELT(1 + n % 4, 'click', 'key', 'focus', 'scroll'), 1766557428498 + n * 137,
       JSON_OBJECT('x', n % 1920, 'y', n % 1080, 'window', 'Main'),
       '2025-12-01' + INTERVAL place * 0.4 SECOND
FROM (
    SELECT seq AS place, IF(seq < DISTINCT_IDS, seq, (seq - DISTINCT_IDS) * 7919 % DISTINCT_IDS) AS n
    FROM seq_0_to_LAST
) AS numbered
ORDER BY CRC32(place)
"""


def fill(server: MariadbServer, database: str, rows: int, groups: int) -> str:
    """Make a database of `rows` rows in which `groups` IDs occur twice; return its URL."""
    url = server.create_database(database)
    server.execute(_TABLE, database=database)
    server.execute(_FILL.replace("DISTINCT_IDS", str(rows - groups)).replace("LAST", str(rows - 1)), database=database)
    server.execute("ANALYZE TABLE activities", database=database)
    return url


def scan_of(url: str, *options: str) -> list[str]:
    """Return the command that scans the table."""
    return [PROGRAM, "scan", "activities", "--db", url, "-f", "json", "-o", "/dev/null", *options]


def times(server: MariadbServer, rows: int, rounds: int) -> None:
    """Print wall times without and with an index on the key, and the ratios that have a target."""
    url = fill(server, "app", rows, rows // 1000)
    client = [str(program("mariadb", "mysql")), "--no-defaults", "-S", str(server.socket), "-u", "root", "app"]
    only = ("--check", "duplicate_ids")
    found = best(
        {
            "raw": [*client, "-e", RAW],
            "big": [*client, "-e", RAW.replace("SELECT", "SELECT SQL_BIG_RESULT", 1)],
            "only": scan_of(url, *only),
            "pushdown": scan_of(url, *only, "--engine", "pushdown"),
            "all": scan_of(url),
        },
        rounds,
    )
    raw = found["raw"]
    print(f"\nMariaDB, {rows:,} rows, {rows // 1000:,} duplicated IDs, no index; best of {rounds} alternating rounds")
    print(f"  {'mariadb GROUP BY … HAVING':40}{raw:7.2f} s")
    print(f"  {'the same with SQL_BIG_RESULT':40}{found['big']:7.2f} s   ratio {found['big'] / raw:.3f}")
    print(f"  {'scan --check duplicate_ids':40}{found['only']:7.2f} s   ratio {found['only'] / raw:.3f}   limit 0.2")
    print(f"  {'… --engine pushdown':40}{found['pushdown']:7.2f} s   ratio {found['pushdown'] / raw:.3f}")
    print(f"  {'scan, all checks':40}{found['all']:7.2f} s   ratio {found['all'] / raw:.3f}")
    server.execute("CREATE INDEX by_id ON activities (id)", database="app")
    found = best({"raw": [*client, "-e", RAW], "only": scan_of(url, *only), "all": scan_of(url)}, rounds + 1)
    limit = found["raw"] + 0.7
    print("With a plain index on the key")
    print(f"  {'mariadb GROUP BY … HAVING':40}{found['raw']:7.2f} s")
    print(f"  {'scan --check duplicate_ids':40}{found['only']:7.2f} s   limit {limit:.2f} s")
    print(f"  {'scan, all checks':40}{found['all']:7.2f} s")


def memory(server: MariadbServer, database: str, rows: int, groups: int) -> int:
    """Print and return the peak anonymous memory of one scan without an index, in bytes."""
    ran = run(scan_of(fill(server, database, rows, groups)), memory=True)
    print(f"  {f'{rows:,} rows, {groups:,} duplicated IDs':64}{ran.peak_bytes / MB:7.0f} MB{ran.seconds:8.1f} s")
    return ran.peak_bytes


def main() -> int:
    """Print all figures."""
    quick = "--quick" in sys.argv
    with MariadbServer(settings=_SETTINGS) as server:
        times(server, 200_000 if quick else 2_000_000, 2 if quick else 3)
        print("\nPeak anonymous memory of the process tree (limit 400 MB)")
        memory(server, "small", 200_000 if quick else 2_000_000, 20_000)
        if not quick:
            memory(server, "many", 2_000_000, 900_000)
    return 0


if __name__ == "__main__":
    sys.exit(main())
