"""Writes a world down: the database, the objects, the logs with what rotation left, and the configuration."""

from __future__ import annotations

import gzip
import os
import sqlite3
from collections import defaultdict
from collections.abc import Iterable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from random import Random

from tests.causes.second_opinion.records import BACKEND, Line, Row, World
from tests.causes.second_opinion.truth import Truth, truth_of

_CREATE = """
CREATE TABLE activities (pk INTEGER PRIMARY KEY AUTOINCREMENT, id VARCHAR(255), device_id VARCHAR(255) NOT NULL,
    type VARCHAR(50) NOT NULL, timestamp BIGINT NOT NULL, data JSON, created_at TEXT NOT NULL);
CREATE TABLE processes (pk INTEGER PRIMARY KEY AUTOINCREMENT, id VARCHAR(255), device_id VARCHAR(255) NOT NULL,
    timestamp BIGINT NOT NULL, data JSON, created_at TEXT NOT NULL);
CREATE TABLE screenshots (pk INTEGER PRIMARY KEY AUTOINCREMENT, id VARCHAR(255), device_id VARCHAR(255) NOT NULL,
    oss_key VARCHAR(512), oss_url VARCHAR(512), status VARCHAR(20) NOT NULL, timestamp BIGINT NOT NULL, file_size INT,
    retry_count INT DEFAULT 0, created_at TEXT NOT NULL, updated_at TEXT);
"""

_CONFIGURATION = """
[database]
url = "sqlite:///app.db"
[objects]
url = "file:objects"
template = "screenshots/{device_id}/{id}.jpg"
"""

_LOGS = """
[logs]
files = ["logs/*.log*"]
timezone = "UTC"
"""


def write_world(
    world: World, folder: Path, *, keep: float = 1.0, client_logs: bool = True, backend_log: bool = True
) -> Truth:
    """Write a world into an empty folder, and return its truth; `keep` is the share of log lines that are kept."""
    with closing(sqlite3.connect(folder / "app.db")) as connection, connection:
        connection.executescript(_CREATE)
        for row in sorted(world.rows, key=lambda row: row.created):
            _insert(connection, row)
    for key, (item, moment) in world.objects.items():
        path = folder / "objects" / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"\xff\xd8".ljust(item.size, b"\x00"))
        os.utime(path, (moment / 1_000, moment / 1_000))
    (folder / "objects").mkdir(exist_ok=True)
    chance = Random(f"lines {world.seed}")  # noqa: S311 - a simulation
    lines = [line for line in world.lines if chance.random() < keep]
    chosen = [line for line in lines if (backend_log if line.stream == BACKEND else client_logs)]
    _write_logs(folder / "logs", chosen)
    text = _CONFIGURATION + (_LOGS if client_logs or backend_log else "")
    (folder / "dedupaudit.toml").write_text(text, encoding="utf-8")
    return truth_of(world)


def _insert(connection: sqlite3.Connection, row: Row) -> None:
    item, created = row.item, _stamp(row.created)
    values: tuple[object, ...]
    if item.table == "activities":
        values = (item.id, item.device, item.kind, item.moment, item.data, created)
    elif item.table == "processes":
        values = (item.id, item.device, item.moment, item.data, created)
    else:
        key, updated = item.object_key, _stamp(row.updated)
        url = f"https://cdn.example.com/{key}"
        values = (item.id, item.device, key, url, "completed", item.moment, item.size, 0, created, updated)
    connection.execute(f"INSERT INTO {item.table} VALUES (NULL{', ?' * len(values)})", values)


def _write_logs(folder: Path, lines: Iterable[Line]) -> None:
    """Write a file for each stream; every other one was rotated twice, and its oldest part is packed."""
    folder.mkdir()
    streams: dict[str, list[str]] = defaultdict(list)
    for line in lines:
        streams[line.stream].append(f"{_stamp(line.at, 'T')}Z {line.text}\n")
    for number, (stream, texts) in enumerate(sorted(streams.items())):
        name = f"{stream}.log" if stream == BACKEND else f"app-console-{stream}.log"
        if number % 2:
            (folder / name).write_text("".join(texts), encoding="utf-8")
            continue
        third = len(texts) // 3
        oldest = "".join(texts[:third]).encode()
        (folder / f"{name}.2.gz").write_bytes(gzip.compress(oldest, mtime=0))
        (folder / f"{name}.1").write_text("".join(texts[third : 2 * third]), encoding="utf-8")
        (folder / name).write_text("".join(texts[2 * third :]), encoding="utf-8")


def _stamp(moment: int, between: str = " ") -> str:
    return datetime.fromtimestamp(moment / 1_000, UTC).replace(tzinfo=None).isoformat(between, "milliseconds")
