"""The textbook's Redis lock: SET NX with an expiry, the work, DEL; no constraint.

Holes: an upload that is slower than the expiry works without its lock, and its plain DEL then releases somebody else's.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from sqlalchemy import TableClause

from dedupaudit.drill.broken.textbook import Textbook
from dedupaudit.drill.protocol import Answer, Backend, Place
from dedupaudit.ingest.events import Activity, Screenshot

_POLL = 0.05


class RedisTextbook(Textbook):
    """The value of the lock is a constant: nobody can tell whose it is."""

    def store_activity(self, event: Activity) -> Answer:
        """Look and insert under the lock."""

        def work() -> Answer:
            self.hesitate()
            with self.place.engine.begin() as connection:
                return self.stored_activity(connection, event)

        return self._locked(self.activities, event.id, work)

    def store_screenshot(self, event: Screenshot) -> Answer:
        """Look, put the object and insert under the lock."""

        def work() -> Answer:
            key, url = self.put(event)
            with self.place.engine.begin() as connection:
                return self.stored_screenshot(connection, event, key, url)

        return self._locked(self.screenshots, event.id, work)

    def _locked(self, rows: TableClause, event_id: str, work: Callable[[], Answer]) -> Answer:
        name = f"{self.place.redis_prefix}lock:{event_id}"
        expiry = round(self.place.times.lock * 1000)
        if not self.place.redis.set(name, "locked", nx=True, px=expiry):
            return self._of_another(rows, event_id)
        try:
            return self._look(rows, event_id) or work()
        finally:
            self.place.redis.delete(name)

    def _of_another(self, rows: TableClause, event_id: str) -> Answer:
        """Look again and again for what the lock's holder stores, for as long as a lock may last."""
        deadline = time.monotonic() + self.place.times.lock
        while time.monotonic() < deadline:
            time.sleep(_POLL)
            there = self._look(rows, event_id)
            if there:
                return there
        return Answer("busy")

    def _look(self, rows: TableClause, event_id: str) -> Answer | None:
        with self.place.engine.begin() as connection:
            return self.found(connection, rows, event_id)


def make(place: Place) -> Backend:
    """Return the backend."""
    return RedisTextbook(place)
