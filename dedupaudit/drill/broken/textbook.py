"""What the textbook backends share: their tables, the look that they trust, and a handler's last resort."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    ColumnClause,
    Connection,
    Integer,
    String,
    TableClause,
    column,
    insert,
    select,
    table,
)
from sqlalchemy.exc import DBAPIError

from dedupaudit.display import visible
from dedupaudit.drill.protocol import Answer, Place
from dedupaudit.ingest.events import Activity, Screenshot


class Textbook(ABC):
    """Answers each request by `store_activity` or `store_screenshot`; whatever these raise is an answer `failed`."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.activities = _table(place.tables["activities"])
        self.screenshots = _table(place.tables["screenshots"])

    def activity(self, event: Activity) -> Answer:
        """Store an activity."""
        try:
            return self.store_activity(event)
        except Exception as error:
            return Answer("failed", error=told(error))

    def screenshot(self, event: Screenshot) -> Answer:
        """Store a picture: row and object."""
        try:
            return self.store_screenshot(event)
        except Exception as error:
            return Answer("failed", error=told(error))

    @abstractmethod
    def store_activity(self, event: Activity) -> Answer:
        """Store an activity as the book says."""

    @abstractmethod
    def store_screenshot(self, event: Screenshot) -> Answer:
        """Store a picture as the book says."""

    def hesitate(self) -> None:
        """Let happen what happens between a look and the act that trusts it."""
        time.sleep(self.place.times.hesitation)

    def put(self, event: Screenshot) -> tuple[str, str]:
        """Put the picture where it belongs, over whatever is there; return its key and its URL."""
        key = f"{self.place.prefix}screenshots/{event.device_id}/{event.id}.jpg"
        self.place.store.put(key, event.picture, content_type=event.content_type, overwrite=True)
        return key, self.place.store.url(key)

    def stored_activity(self, connection: Connection, event: Activity) -> Answer:
        """Insert the activity's row."""
        values: dict[str, Any] = {"id": event.id, "device_id": event.device_id, "type": event.type}
        connection.execute(insert(self.activities).values(**values, timestamp=event.timestamp, data=event.data))
        return Answer("stored")

    def stored_screenshot(self, connection: Connection, event: Screenshot, key: str, url: str) -> Answer:
        """Insert the row of a picture that is in the store."""
        values: dict[str, Any] = {"id": event.id, "device_id": event.device_id, "oss_key": key, "oss_url": url}
        values |= {"timestamp": event.timestamp, "file_size": len(event.picture), "retry_count": 0}
        connection.execute(insert(self.screenshots).values(**values, status="completed"))
        return Answer("stored", url)

    def found(self, connection: Connection, rows: TableClause, event_id: str, *, lock: bool = False) -> Answer | None:
        """Look for a row of this ID: one is enough to answer that it is a duplicate. `lock`: FOR UPDATE."""
        url = rows.c.oss_url if rows is self.screenshots else rows.c.id
        look = select(url).where(rows.c.id == event_id)
        row = connection.execute(look.with_for_update() if lock else look).first()
        if row is None:
            return None
        return Answer("duplicate", row[0] if rows is self.screenshots else None)


def told(error: Exception) -> str:
    """Return an error as one line that begins with the database's code where it has one."""
    cause: object = error.orig if isinstance(error, DBAPIError) else error
    code = getattr(cause, "pgcode", None)
    return visible(f"{code} {cause}" if code else f"{type(cause).__name__}: {cause}")


def _table(name: tuple[str, ...]) -> TableClause:
    columns: list[ColumnClause[Any]] = [
        column(text, String) for text in ("id", "device_id", "type", "status", "oss_key", "oss_url")
    ]
    columns += [column("timestamp", BigInteger), column("file_size", Integer), column("retry_count", Integer)]
    columns += [column("data", JSON(none_as_null=True))]
    return table(name[-1], *columns, schema=name[0] if len(name) > 1 else None)
