"""The backend of --against: the handler of today, which inserts what arrives into the user's own table, and no more."""

from __future__ import annotations

from typing import Any

import sqlalchemy
from sqlalchemy.exc import DBAPIError

from dedupaudit.display import visible
from dedupaudit.drill.against.rows import bound
from dedupaudit.drill.protocol import Answer, Backend, Place, Strategy
from dedupaudit.ingest.events import Activity, Screenshot
from dedupaudit.ingest.violations import is_unique
from dedupaudit.redact import scrub

TODAY = Strategy(
    "today",
    recommended=True,
    backend="dedupaudit.drill.today:make",
    shape="target",
    says="an INSERT of what arrives; a violated unique key is taken for `already there`",
)


class Today:
    """Inserts rows. Whichever unique key refuses one, an equal row is there: no two events share a unique value."""

    def __init__(self, place: Place) -> None:
        assert place.against is not None  # noqa: S101 (this backend is for --against alone)
        self._engine = place.engine
        self._against = place.against
        name = place.against.table.name
        columns: list[Any] = [sqlalchemy.column(text) for text in place.against.row(0, "")]
        self._table = sqlalchemy.table(name[-1], *columns, schema=name[0] if len(name) > 1 else None)

    def activity(self, event: Activity) -> Answer:
        """Insert the row whose number is the event's time."""
        values = self._against.rows.event(event.timestamp, event.device_id)
        try:
            with self._engine.begin() as connection:
                connection.execute(self._table.insert(), bound(values, plain=self._engine.dialect.name == "sqlite"))
        except DBAPIError as error:
            if is_unique(error):
                return Answer("duplicate")
            return Answer("failed", error=visible(scrub(f"{type(error.orig).__name__}: {error.orig}"), 300))
        return Answer("stored")

    def screenshot(self, event: Screenshot) -> Answer:
        """Refuse: a table of any shape has no pictures."""
        return Answer("failed", error="there are no pictures here")


def make(place: Place) -> Backend:
    """Return the backend."""
    return Today(place)
