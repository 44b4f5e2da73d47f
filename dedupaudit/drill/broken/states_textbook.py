"""The textbook's state machine: a unique constraint and a state, and no compare-and-swap, no lease, no token.

Holes: a second request that finds `pending` falls through and uploads as well; a crash leaves `uploading` for ever; a
violation is taken for a duplicate whatever the payload.
"""

from __future__ import annotations

import time
from typing import Any

from sqlalchemy import insert, select, update
from sqlalchemy.exc import IntegrityError

from dedupaudit.drill.broken.textbook import Textbook
from dedupaudit.drill.protocol import Answer, Backend, Place
from dedupaudit.ingest.events import Activity, Screenshot

_POLL = 0.05


class StatesTextbook(Textbook):
    """Insert as pending, then uploading, then completed or failed; each state is set without a look at the last."""

    def store_activity(self, event: Activity) -> Answer:
        """Insert; a violation is a duplicate."""
        try:
            with self.place.engine.begin() as connection:
                return self.stored_activity(connection, event)
        except IntegrityError:
            return Answer("duplicate")

    def store_screenshot(self, event: Screenshot) -> Answer:
        """Insert as pending; where a row is there its state decides."""
        values: dict[str, Any] = {"id": event.id, "device_id": event.device_id, "timestamp": event.timestamp}
        try:
            with self.place.engine.begin() as connection:
                connection.execute(insert(self.screenshots).values(**values, status="pending", retry_count=0))
        except IntegrityError:
            status, url = self._waited_for(event.id)
            if status == "completed":
                return Answer("duplicate", url)
            if status == "uploading":
                return Answer("busy")
        return self._upload(event)

    def _waited_for(self, event_id: str) -> tuple[str, str | None]:
        """Return status and URL once it is not `uploading` any more, or the wait is over."""
        deadline = time.monotonic() + self.place.times.wait
        columns = self.screenshots.c
        while True:
            with self.place.engine.begin() as connection:
                look = select(columns.status, columns.oss_url).where(columns.id == event_id)
                status, url = connection.execute(look).one()
            if status != "uploading" or time.monotonic() >= deadline:
                return status, url
            time.sleep(_POLL)

    def _upload(self, event: Screenshot) -> Answer:
        self.hesitate()
        self._set(event.id, status="uploading")
        try:
            key, url = self.put(event)
        except Exception:
            self._set(event.id, status="failed", retry_count=self.screenshots.c.retry_count + 1)
            raise
        self._set(event.id, status="completed", oss_key=key, oss_url=url, file_size=len(event.picture))
        return Answer("stored", url)

    def _set(self, event_id: str, **values: object) -> None:
        with self.place.engine.begin() as connection:
            connection.execute(update(self.screenshots).where(self.screenshots.c.id == event_id).values(**values))


def make(place: Place) -> Backend:
    """Return the backend."""
    return StatesTextbook(place)
