"""Events as clients send them, and what a database holds of them."""

from __future__ import annotations

from typing import Any

from dedupaudit.ingest import Activity
from tests.ingest.databases import Database

DATA = {"x": 12, "window": "Main"}


def activity(
    event_id: Any = "activity_1766557428498",
    device_id: Any = "device-1",
    kind: Any = "click",
    timestamp: Any = 1766557428498,
    data: Any = DATA,
) -> Activity:
    """Return an activity; a test names what matters to it."""
    return Activity(event_id, device_id, kind, timestamp, data)


def stored_ids(database: Database, table: str = "activities", column: str = "id") -> list[str]:
    """Return the IDs of all rows, in order."""
    return sorted(str(row[0]) for row in database.ask(f"SELECT {column} FROM {table}"))
