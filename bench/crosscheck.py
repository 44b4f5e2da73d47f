"""Measures `dedupaudit crosscheck`: rows against a fake OSS, against an inventory, and against a local folder.

Run it as `.venv/bin/python -m bench.crosscheck [oss] [inventory] [local] [--quick]`; without a name, all of them.
`oss`: a million rows against a million objects on SQLite and PostgreSQL, with the requests sent and the share of time
spent waiting. `inventory`: 1 M and 10 M lines against as many rows, with memory. `local`: 100,000 files beside
`rclone check --size-only` of the folder with a copy of it.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import resource
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from bench.measure import PROGRAM, run
from tests.oss.process import OssProcess, numbered
from tests.oss.server import DEFAULT
from tests.servers.postgresql import PostgresqlServer

MB = 1_000_000
KEYS = "screenshots/device_{0:04}/screenshot_17665574{0:010}.jpg"
_COLUMNS = "id, device_id, oss_key, oss_url, status, timestamp, created_at"
_TABLE = """
CREATE TABLE screenshots (
    id varchar(255) PRIMARY KEY, device_id varchar(255) NOT NULL, oss_key varchar(512), oss_url varchar(512),
    status varchar(20) NOT NULL, timestamp bigint NOT NULL, created_at varchar(40)
)
"""
# Of a thousand objects one has no row, and of a thousand rows one has no object.
_APART = 1000


def rows(count: int) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of `count` objects, less each thousandth, and as many whose objects are not there."""
    for number in range(count):
        missing = number % _APART == 0
        key = KEYS.format(number + count if missing else number)
        device, _, name = key.removeprefix("screenshots/").partition("/")
        url = f"https://pictures.oss-cn-hangzhou.aliyuncs.com/{key}"
        yield name[:-4], device, key, url, "completed", 1_766_557_428_498 + number, "2025-12-24 08:01:14.487"


def sqlite_database(folder: Path, count: int) -> str:
    """Make a SQLite database of the rows; return its URL."""
    path = folder / f"screenshots-{count}.db"
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA journal_mode = OFF")
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute(_TABLE)
    connection.executemany(f"INSERT INTO screenshots ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)", rows(count))  # noqa: S608
    connection.commit()
    connection.close()
    return f"sqlite:///{path}"


def postgresql_database(server: PostgresqlServer, count: int) -> str:
    """Make a PostgreSQL database of the rows; return its URL."""
    import psycopg2

    url = server.create_database(f"screenshots_{count}")
    connection = psycopg2.connect(url)
    with connection, connection.cursor() as cursor:
        cursor.execute(_TABLE)
        lines = io.StringIO("".join("\t".join(map(str, row)) + "\n" for row in rows(count)))
        cursor.copy_expert(f"COPY screenshots ({_COLUMNS}) FROM STDIN", lines)
    connection.close()
    server.execute("VACUUM ANALYZE screenshots", database=f"screenshots_{count}")
    return url


def crosscheck(arguments: list[str], report: Path) -> tuple[float, float, dict[str, Any]]:
    """Run a crosscheck; return wall seconds, processor seconds and its report."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.perf_counter()
    command = [PROGRAM, "crosscheck", *arguments, "-f", "json", "-o", str(report), "--max-findings", "10"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    wall = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode != 1:
        sys.exit(f"{' '.join(command)} ended with {done.returncode}: {done.stderr}")
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return wall, processor, json.loads(report.read_text())


def check_figures(report: dict[str, Any], count: int) -> dict[str, Any]:
    """Return the store's totals; end where they are not what was planted."""
    (totals,) = report["summary"]["objects"].values()
    planted = -(-count // _APART)
    if (totals["missing_object"], totals["orphan_object"]) != (planted, planted):
        sys.exit(f"planted {planted} of each, found {totals}")
    return dict(totals)


def against_oss(folder: Path, count: int) -> None:
    """Print the figures of a listing, in one range and in many."""
    os.environ |= {"OSS_ACCESS_KEY_ID": DEFAULT.key_id, "OSS_ACCESS_KEY_SECRET": DEFAULT.secret}
    with OssProcess(numbered(count, KEYS)) as oss, PostgresqlServer() as server:
        store = ["--objects", "oss://pictures/", "--oss-endpoint", oss.endpoint, "--oss-region", oss.region]
        for name, url in (
            ("SQLite", sqlite_database(folder, count)),
            ("PostgreSQL", postgresql_database(server, count)),
        ):
            for threads in ("1", "8"):
                told = ["--db", url, *store, "--threads", threads]
                wall, processor, report = crosscheck(told, folder / "report.json")
                totals = check_figures(report, count)
                requests = totals["requests"]
                print(
                    f"{name}, {count:,} rows, {count:,} objects, {threads} range(s) side by side: {wall:.1f} s,"
                    f" {count / wall:,.0f} objects/s, processor {processor:.1f} s (waiting {1 - processor / wall:.0%});"
                    f" LIST {requests['list']:,}, HEAD {requests['head']:,}, other {requests['other']:,}"
                )
                if name == "SQLite" and threads == "1" and requests["list"] != -(-count // 1000) + 1:
                    sys.exit(f"one range should take {-(-count // 1000) + 1} LIST")
            ran = run(
                [PROGRAM, "crosscheck", "--db", url, *store, "-o", str(folder / "r.json"), "-f", "json"], memory=True
            )
            print(f"{name}: peak anonymous memory {ran.peak_bytes / MB:.0f} MB")


def inventory(folder: Path, count: int) -> Path:
    """Make an inventory of so many objects in data files of a million lines; return its manifest."""
    data = folder / f"inventory-{count}"
    data.mkdir()
    files = []
    for first in range(0, count, 1_000_000):
        name = f"part-{first}.csv.gz"
        with gzip.open(data / name, "wt", encoding="utf-8", compresslevel=1) as lines:
            for number in range(first, min(count, first + 1_000_000)):
                key = KEYS.format(number).replace("/", "%2F")
                lines.write(f'"pictures","{key}","187","2025-12-24T08-01-14Z","{number:032X}","Normal"\n')
        raw = (data / name).read_bytes()
        files.append({"key": f"inv/data/{name}", "size": len(raw), "MD5checksum": hashlib.md5(raw).hexdigest().upper()})  # noqa: S324
    manifest = data / "manifest.json"
    told = {
        "creationTimestamp": str(int(time.time()) - 7200),
        "fileFormat": "CSV",
        "fileSchema": "Bucket, Key, Size, LastModifiedDate, ETag, ObjectType",
        "sourceBucket": "pictures",
        "files": files,
    }
    manifest.write_text(json.dumps(told))
    return manifest


def against_inventory(folder: Path, counts: tuple[int, ...]) -> None:
    """Print wall time and memory of an inventory against as many rows."""
    peaks = []
    for count in counts:
        url, manifest = sqlite_database(folder, count), inventory(folder, count)
        command = [
            PROGRAM,
            "crosscheck",
            "--db",
            url,
            "--inventory",
            str(manifest),
            "-f",
            "json",
            "-o",
            str(folder / "i.json"),
        ]
        ran = run(command, memory=True)
        check_figures(json.loads((folder / "i.json").read_text()), count)
        peaks.append(ran.peak_bytes)
        print(f"inventory, {count:,} lines, {count:,} rows: {ran.seconds:.1f} s, peak {ran.peak_bytes / MB:.0f} MB")
        shutil.rmtree(manifest.parent)
        Path(url.removeprefix("sqlite:///")).unlink()
    print(f"memory: {peaks[-1] / peaks[0]:.2f} of the smaller (limit 1.25, and 400 MB)")


def local_folder(folder: Path, count: int) -> tuple[str, Path, Path]:
    """Make a folder of so many files, a hundred a folder, a copy of it, and rows of all of them."""
    root, copy = folder / "objects", folder / "copy"
    path = folder / "local.db"
    connection = sqlite3.connect(path)
    connection.execute(_TABLE.replace("oss_url", "file_size integer, oss_url"))
    for number in range(count):
        key = f"screenshots/device_{number // 100:04}/screenshot_{number:010}.jpg"
        for place in (root, copy):
            file = place / key
            if number % 100 == 0:
                file.parent.mkdir(parents=True)
            file.write_bytes(b"x" * 187)
        connection.execute(
            "INSERT INTO screenshots (id, device_id, oss_key, status, timestamp, file_size, created_at)"
            " VALUES (?, ?, ?, 'completed', 0, 187, '2025-12-24 08:01:14')",
            (f"screenshot_{number:010}", f"device_{number // 100:04}", key),
        )
    connection.commit()
    connection.close()
    return f"sqlite:///{path}", root, copy


def against_local(folder: Path, count: int) -> None:
    """Print wall time beside rclone check."""
    url, root, copy = local_folder(folder, count)
    commands = {
        "rclone": ["rclone", "check", "--size-only", str(root), str(copy)],
        "dedupaudit": [PROGRAM, "crosscheck", "--db", url, "--objects", f"file://{root}"],
    }
    times: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(3):
        for name, command in commands.items():
            ran = run(command)
            if ran.code != 0:
                sys.exit(f"{name} ended with {ran.code}")
            times[name].append(ran.seconds)
    ours, theirs = min(times["dedupaudit"]), min(times["rclone"])
    print(
        f"{count:,} files: rclone check --size-only {theirs:.2f} s, dedupaudit {ours:.2f} s:"
        f" {ours / theirs:.2f} (limit 0.5)"
    )


def main() -> int:
    """Print the figures that were asked for."""
    quick = "--quick" in sys.argv
    asked = [name for name in sys.argv[1:] if not name.startswith("-")]
    count = 100_000 if quick else 1_000_000
    parts: dict[str, Callable[[Path], None]] = {
        "local": lambda folder: against_local(folder, count // 10),
        "oss": lambda folder: against_oss(folder, count),
        "inventory": lambda folder: against_inventory(folder, (count, count * 10)),
    }
    for name, measure in parts.items():
        if not asked or name in asked:
            with tempfile.TemporaryDirectory() as folder:
                measure(Path(folder))
    return 0


if __name__ == "__main__":
    sys.exit(main())
