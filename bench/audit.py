"""Measures `dedupaudit audit` beside its parts run alone: scan, crosscheck and logs of one incident.

Run it as `.venv/bin/python -m bench.audit [--quick]`: 4 M activities and 1 M screenshots in SQLite, 1 M objects in a
fake OSS, 6 M lines of log (450 MB) that tell of every duplicate (--quick: a tenth). It must take at most 1.2 times the
sum of them.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import sys
import tempfile
from contextlib import closing
from pathlib import Path

from bench import crosscheck, incident_db, read_logs
from bench.measure import PROGRAM, best, run
from dedupaudit.demo.rows import stamp
from tests.oss.process import OssProcess, numbered
from tests.oss.server import DEFAULT

LIMIT = 1.2


def build(folder: Path, scale: int) -> None:
    """Make the database and the log; the duplicates' lines come behind the others."""
    database = folder / "app.db"
    shutil.copy(incident_db.database(4_000_000 // scale, 4_000 // scale), database)
    with closing(sqlite3.connect(database)) as db:
        db.execute(crosscheck._TABLE)  # noqa: SLF001 (of the bench beside this one)
        columns = crosscheck._COLUMNS  # noqa: SLF001
        db.executemany(
            f"INSERT INTO screenshots ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?)",  # noqa: S608
            crosscheck.rows(1_000_000 // scale),
        )
        db.commit()
        repeated = [row[0] for row in db.execute("SELECT id FROM activities GROUP BY id HAVING COUNT(*) > 1")]
    log = folder / "app.log"
    read_logs.generate(log, read_logs.LINES // scale)
    with log.open("a", encoding="utf-8", newline="\n") as out:
        for item in repeated:
            moment = int(item.partition("_")[2])
            for offset, words in ((0, "发送"), (30_000, "超时（30秒），重新入队"), (60_000, "再次发送")):
                out.write(f"{stamp(moment + offset, 'T')}Z {words} {item}\n")


def main() -> None:
    """Measure and print; exits 1 where the limit is missed."""
    scale = 10 if "--quick" in sys.argv else 1
    os.environ |= {"OSS_ACCESS_KEY_ID": DEFAULT.key_id, "OSS_ACCESS_KEY_SECRET": DEFAULT.secret}
    with (
        tempfile.TemporaryDirectory() as name,
        OssProcess(numbered(1_000_000 // scale, crosscheck.KEYS)) as oss,
    ):
        folder = Path(name)
        build(folder, scale)
        db = ["--db", f"sqlite:///{folder}/app.db"]
        store = ["--objects", "oss://pictures/", "--oss-endpoint", oss.endpoint, "--oss-region", oss.region]
        log = ["--logs", str(folder / "app.log")]
        out = ["-q", "-o", str(folder / "report.json"), "-f", "json"]
        commands = {
            "scan": [PROGRAM, "scan", *db, *out],
            "crosscheck": [PROGRAM, "crosscheck", *db, *store, *out],
            "logs": [PROGRAM, "logs", *log, *out],
            "audit": [PROGRAM, "audit", *db, *store, *log, *out],
        }
        times = best(commands, 2)
        for part, seconds in times.items():
            print(f"{part:12} {seconds:6.1f} s")
        total = sum(seconds for part, seconds in times.items() if part != "audit")
        ratio = times["audit"] / total
        print(f"audit is {ratio:.2f} of its parts, {total:.1f} s (limit {LIMIT})")
        print(f"audit: {run(commands['audit'], memory=True).peak_bytes / 1e6:.0f} MB")
        if ratio > LIMIT:
            sys.exit("missed")


if __name__ == "__main__":
    main()
