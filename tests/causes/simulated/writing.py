"""Writes what was played into a folder: the database, the objects, the logs with some lines missing, the settings."""

from __future__ import annotations

import gzip
import json
import os
import random
import sqlite3
from collections import defaultdict
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from tests.causes.simulated.state import Kind, Line, Played, Row, object_key

Side = Literal["client", "backend"]

_SCHEMA = """
CREATE TABLE activities (pk INTEGER PRIMARY KEY AUTOINCREMENT, id VARCHAR(255), device_id VARCHAR(255) NOT NULL,
    type VARCHAR(50) NOT NULL, timestamp BIGINT NOT NULL, data JSON, created_at TEXT NOT NULL);
CREATE TABLE screenshots (pk INTEGER PRIMARY KEY AUTOINCREMENT, id VARCHAR(255), device_id VARCHAR(255) NOT NULL,
    oss_key VARCHAR(512), oss_url VARCHAR(512), status VARCHAR(20), timestamp BIGINT NOT NULL, file_size INT,
    retry_count INT DEFAULT 0, created_at TEXT NOT NULL, updated_at TEXT);
CREATE TABLE processes (pk INTEGER PRIMARY KEY AUTOINCREMENT, id VARCHAR(255), device_id VARCHAR(255) NOT NULL,
    timestamp BIGINT NOT NULL, data JSON, created_at TEXT NOT NULL);
"""
_TABLE: dict[Kind, str] = {"activity": "activities", "screenshot": "screenshots", "process": "processes"}
_TABLE_SETTINGS = '[tables.{}]\nkey = ["id"]\ndevice = "device_id"\ntime = "created_at"\n'
_UPLOAD_SETTINGS = 'status = "status"\nobject_key = "oss_key"\nobject_url = "oss_url"\nsize = "file_size"\n'
_OBJECT_SETTINGS = '[objects]\nurl = "file:objects"\ntemplate = "screenshots/{device_id}/{id}.jpg"\n'
_PARTS = (".2.gz", ".1", "")
"""What a rotation leaves behind, oldest first."""


@dataclass(frozen=True)
class Kept:
    """Which log lines survive: of whose logs, and which share of them."""

    sides: frozenset[Side] = frozenset({"client", "backend"})
    share: float = 1.0


EVERYTHING = Kept()
HALF = Kept(share=0.5)
NO_LOGS = Kept(sides=frozenset())
BACKEND_ONLY = Kept(sides=frozenset({"backend"}))
CLIENT_ONLY = Kept(sides=frozenset({"client"}))


def write_world(played: Played, folder: Path, kept: Kept = EVERYTHING) -> Path:
    """Write everything into a folder, and return the path of its `dedupaudit.toml`."""
    folder.mkdir(parents=True, exist_ok=True)
    _write_database(played, folder / "app.db")
    _write_objects(played, folder / "objects")
    logs = write_logs(played, folder / "logs", kept)
    settings = '[database]\nurl = "sqlite:///app.db"\n'
    for table in _TABLE.values():
        settings += _TABLE_SETTINGS.format(table) + (_UPLOAD_SETTINGS if table == "screenshots" else "")
    settings += _OBJECT_SETTINGS
    if logs:
        settings += '[logs]\nfiles = ["logs/*.log*"]\ntimezone = "UTC"\n'
    path = folder / "dedupaudit.toml"
    path.write_text(settings, encoding="utf-8")
    return path


def survivors(played: Played, kept: Kept) -> list[Line]:
    """Return the lines that are kept, in the order in which they were written."""
    lot = random.Random(played.seed)  # noqa: S311 - which lines are lost, not a secret
    return [line for line in played.lines if side_of(line) in kept.sides and lot.random() < kept.share]


def side_of(line: Line) -> Side:
    """Return whose log a line is in."""
    return "backend" if line.stream.startswith("backend") else "client"


def write_logs(played: Played, folder: Path, kept: Kept) -> list[Path]:
    """Write each stream as a file and two rotated ones, of which the older is packed; return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    streams: dict[str, list[Line]] = defaultdict(list)
    for line in survivors(played, kept):
        streams[line.stream].append(line)
    paths = []
    for stream, lines in streams.items():
        for number, part in enumerate(_PARTS):
            share = lines[len(lines) * number // len(_PARTS) : len(lines) * (number + 1) // len(_PARTS)]
            content = "".join(f"{stamp(line.stated, 'T')}Z {line.text}\n" for line in share).encode("utf-8")
            path = folder / f"{stream}.log{part}"
            path.write_bytes(gzip.compress(content, 1, mtime=0) if part.endswith(".gz") else content)
            paths.append(path)
    return paths


def stamp(moment: int, between: str = " ") -> str:
    """Return epoch milliseconds as UTC text, `YYYY-MM-DD HH:MM:SS.mmm`."""
    text = datetime.fromtimestamp(moment // 1_000, UTC).strftime(f"%Y-%m-%d{between}%H:%M:%S")
    return f"{text}.{moment % 1_000:03}"


def _write_database(played: Played, path: Path) -> None:
    rows = sorted((row for rows in played.rows.values() for row in rows), key=lambda row: row.at)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.executescript("PRAGMA synchronous = OFF;" + _SCHEMA)
        for row in rows:
            columns = _columns(row)
            marks = ", ".join("?" * len(columns))
            connection.execute(
                f"INSERT INTO {_TABLE[row.item.kind]} ({', '.join(columns)}) VALUES ({marks})", tuple(columns.values())
            )


def _columns(row: Row) -> dict[str, str | int]:
    item, created = row.item, stamp(row.at)
    columns: dict[str, str | int] = {"id": item.id, "device_id": item.device, "timestamp": item.moment}
    columns["created_at"] = created
    if item.kind == "screenshot":
        key = object_key(item)
        columns |= {"oss_key": key, "oss_url": f"https://cdn.example.com/{key}", "status": "completed"}
        columns |= {"file_size": item.content[1], "updated_at": created}
        columns["retry_count"] = row.attempt.number - 1 if row.attempt else 0
        return columns
    if item.kind == "activity":
        columns["type"] = item.content[0]
    columns["data"] = _json(row)
    return columns


def _json(row: Row) -> str:
    """Return the item's content; equal values are not always spelled in one way."""
    words, number = row.item.content
    if row.spelling == 0:
        return json.dumps({"number": number, "words": words}, separators=(",", ":"))
    return json.dumps({"words": words, "number": number})


def _write_objects(played: Played, folder: Path) -> None:
    for key, (size, written) in _sorted(played.objects.items()):
        path = folder / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"\xff\xd8" + b"\x00" * (size - 2))
        os.utime(path, ns=(written * 1_000_000, written * 1_000_000))
    folder.mkdir(parents=True, exist_ok=True)


def _sorted(objects: Iterable[tuple[str, tuple[int, int]]]) -> list[tuple[str, tuple[int, int]]]:
    return sorted(objects)
