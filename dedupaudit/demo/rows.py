"""The demo's three tables, as they are in production today: the real ID is a plain column that nothing guards."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from typing import Literal, NamedTuple

TableName = Literal["activities", "screenshots", "processes"]

_DAY_MS = 86_400_000


class Activity(NamedTuple):
    """A click, key press, focus change or scroll. The row's number (`seq`) comes from the database."""

    id: str | None
    device_id: str
    type: str
    timestamp: int
    data: str
    created_at: str


class Screenshot(NamedTuple):
    """A picture's row: its object lies in the store under `oss_key`."""

    id: str | None
    device_id: str
    oss_key: str | None
    oss_url: str | None
    status: str | None
    timestamp: int
    file_size: int | None
    retry_count: int
    created_at: str
    updated_at: str | None


class Process(NamedTuple):
    """A list of running programs."""

    id: str | None
    device_id: str
    timestamp: int
    data: str
    created_at: str


Row = Activity | Screenshot | Process

ROW_TYPES: dict[TableName, type[Activity] | type[Screenshot] | type[Process]] = {
    "activities": Activity,
    "screenshots": Screenshot,
    "processes": Process,
}

CREATE = """
CREATE TABLE activities (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id VARCHAR(255),
    device_id VARCHAR(255) NOT NULL,
    type VARCHAR(50) NOT NULL,
    timestamp BIGINT NOT NULL,
    data JSON,
    created_at TEXT NOT NULL
);
CREATE TABLE screenshots (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id VARCHAR(255),
    device_id VARCHAR(255) NOT NULL,
    oss_key VARCHAR(512),
    oss_url VARCHAR(512),
    status VARCHAR(20),
    timestamp BIGINT NOT NULL,
    file_size INT,
    retry_count INT DEFAULT 0,
    created_at TEXT NOT NULL,
    updated_at TEXT
);
CREATE TABLE processes (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id VARCHAR(255),
    device_id VARCHAR(255) NOT NULL,
    timestamp BIGINT NOT NULL,
    data JSON,
    created_at TEXT NOT NULL
);
"""

CREATE_INDEXES = "CREATE INDEX processes_id_idx ON processes (id);"
"""Made after the rows are in: one table with an index on the ID that is plain, and so protects nothing."""


def table_of(row: Row) -> TableName:
    """Return the name of the table that a row belongs to."""
    return next(name for name, row_type in ROW_TYPES.items() if isinstance(row, row_type))


@lru_cache(maxsize=16)
def _date(day: int) -> str:
    return datetime.fromtimestamp(day * 86_400, UTC).date().isoformat()


def stamp(moment: int, between: str = " ") -> str:
    """Return epoch milliseconds as UTC text, `YYYY-MM-DD HH:MM:SS.mmm`. Called once a row, so without strftime."""
    day, rest = divmod(moment, _DAY_MS)
    hours, rest = divmod(rest, 3_600_000)
    minutes, rest = divmod(rest, 60_000)
    seconds, millis = divmod(rest, 1_000)
    return f"{_date(day)}{between}{hours:02}:{minutes:02}:{seconds:02}.{millis:03}"


def object_key(device: str, item: str | None) -> str:
    """Return the key under which the client stores a screenshot's picture, whole, from the bucket's root."""
    return f"screenshots/{device}/{item}.jpg"


def object_url(key: str) -> str:
    """Return the address that a user's browser asks for."""
    return f"https://cdn.example.com/{key}"
