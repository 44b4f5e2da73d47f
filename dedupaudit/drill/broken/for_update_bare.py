"""`SELECT … FOR UPDATE` on a table without a constraint, then insert, all in one transaction.

Holes: where no row is there PostgreSQL locks nothing, and two rows are stored; InnoDB at REPEATABLE READ locks the gap
for both, and their inserts deadlock, after both have put the object.
"""

from __future__ import annotations

from dedupaudit.drill.broken.textbook import Textbook
from dedupaudit.drill.protocol import Answer, Backend, Place
from dedupaudit.ingest.events import Activity, Screenshot


class ForUpdateBare(Textbook):
    """One transaction from the look to the insert, over the upload too."""

    def store_activity(self, event: Activity) -> Answer:
        """Look and lock what is there, then insert."""
        with self.place.engine.begin() as connection:
            there = self.found(connection, self.activities, event.id, lock=True)
            if there:
                return there
            self.hesitate()
            return self.stored_activity(connection, event)

    def store_screenshot(self, event: Screenshot) -> Answer:
        """Look and lock what is there, put the object, insert."""
        with self.place.engine.begin() as connection:
            there = self.found(connection, self.screenshots, event.id, lock=True)
            if there:
                return there
            self.hesitate()
            key, url = self.put(event)
            return self.stored_screenshot(connection, event, key, url)


def make(place: Place) -> Backend:
    """Return the backend."""
    return ForUpdateBare(place)
