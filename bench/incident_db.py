"""Makes the SQLite databases that the scan is measured on: activities without an index on their ID."""

from __future__ import annotations

import json
import random
import sqlite3
from collections.abc import Iterator
from pathlib import Path

FOLDER = Path(__file__).parent / "data"

_TABLE = """
CREATE TABLE activities (
    pk INTEGER PRIMARY KEY AUTOINCREMENT, id VARCHAR(255), device_id VARCHAR(255), type VARCHAR(50),
    timestamp BIGINT, data JSON, created_at TEXT
)
"""
_KINDS = ("click", "key", "focus", "scroll")


def database(rows: int, groups: int) -> Path:
    """Return a database of `rows` rows in which `groups` IDs occur twice or three times; made once, then kept."""
    path = FOLDER / f"activities-{rows}-{groups}.db"
    if path.exists():
        return path
    FOLDER.mkdir(exist_ok=True)
    unfinished = path.with_suffix(".part")
    unfinished.unlink(missing_ok=True)
    connection = sqlite3.connect(unfinished)
    connection.execute("PRAGMA journal_mode = OFF")
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute(_TABLE)
    connection.executemany(
        "INSERT INTO activities(id, device_id, type, timestamp, data, created_at) VALUES (?, ?, ?, ?, ?, ?)",
        _activities(rows, groups),
    )
    connection.commit()
    connection.close()
    unfinished.rename(path)
    return path


def _activities(rows: int, groups: int) -> Iterator[tuple[str, str, str, int, str, str]]:
    chance = random.Random(rows)  # noqa: S311 (not for secrets)
    # Every fifth duplicated ID has a third row, as when the retry timed out as well.
    repeats = [number for number in range(groups) for _ in range(2 if number % 5 == 0 else 1)]
    distinct = rows - len(repeats)
    repeated = chance.sample(range(distinct), groups)
    numbers = list(range(distinct)) + [repeated[number] for number in repeats]
    chance.shuffle(numbers)
    for place, number in enumerate(numbers):
        milliseconds = 1_766_557_428_498 + number * 137
        payload = json.dumps({"x": number % 1920, "y": number % 1080, "window": "Main"})
        day = 1 + place * 28 // rows
        yield (
            f"activity_{milliseconds}",
            f"device-{number % 50}",
            _KINDS[number % 4],
            milliseconds,
            payload,
            f"2025-12-{day:02d} {place % 24:02d}:01:14.487",
        )
