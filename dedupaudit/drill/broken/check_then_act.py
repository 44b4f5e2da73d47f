"""Check-then-act: look, and where nothing is there, act. Two requests look before either acts.

Holes: two rows, and the object written twice; a row of another event's ID is taken for a duplicate.
"""

from __future__ import annotations

from dedupaudit.drill.broken.textbook import Textbook
from dedupaudit.drill.protocol import Answer, Backend, Place
from dedupaudit.ingest.events import Activity, Screenshot


class CheckThenAct(Textbook):
    """The look is in one transaction, the insert in another; with both in one it would be no better."""

    def store_activity(self, event: Activity) -> Answer:
        """Look, then insert."""
        with self.place.engine.begin() as connection:
            there = self.found(connection, self.activities, event.id)
        if there:
            return there
        self.hesitate()
        with self.place.engine.begin() as connection:
            return self.stored_activity(connection, event)

    def store_screenshot(self, event: Screenshot) -> Answer:
        """Look, then put the object, then insert: the object first, so that no row lacks its object."""
        with self.place.engine.begin() as connection:
            there = self.found(connection, self.screenshots, event.id)
        if there:
            return there
        self.hesitate()
        key, url = self.put(event)
        with self.place.engine.begin() as connection:
            return self.stored_screenshot(connection, event, key, url)


def make(place: Place) -> Backend:
    """Return the backend."""
    return CheckThenAct(place)
