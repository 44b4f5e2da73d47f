"""A backend that holds, and what becomes of it when one of its guards is taken away: what a drill has to see."""

from __future__ import annotations

import json
import time
from functools import partial
from typing import Any

from sqlalchemy import Connection, Row, and_, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from dedupaudit.drill.broken.textbook import Textbook
from dedupaudit.drill.protocol import Answer, Backend, Place, Strategy
from dedupaudit.ingest.events import Activity, Screenshot

_POLL = 0.02


class Careful(Textbook):
    """Constraint, claim by compare-and-swap, lease, token, and a PUT that overwrites nothing; less one `flaw`.

    A lease ends at the time that stands in `oss_url` until there is a URL, by the clock of this host, which all share.
    """

    def __init__(self, place: Place, flaw: str) -> None:
        super().__init__(place)
        self.flaw = flaw

    # ---- activities

    def store_activity(self, event: Activity) -> Answer:
        """Insert, and compare with what is there."""
        try:
            with self.place.engine.connect() as connection:
                answer = self.stored_activity(connection, event)
                if self.flaw != "uncommitted" or event.timestamp % 3:
                    connection.commit()
                return answer
        except IntegrityError:
            if self.flaw == "every_violation":
                return Answer("stored")
        with self.place.engine.begin() as connection:
            row = self._row(connection, event)
        told = (row.device_id, row.type, row.timestamp, _value(row.data))
        is_same = told == (event.device_id, event.type, event.timestamp, event.data)
        return Answer("duplicate" if is_same or self.flaw == "payload" else "collision")

    # ---- pictures

    def store_screenshot(self, event: Screenshot) -> Answer:
        """Insert as pending; then look, claim, upload, or wait."""
        values: dict[str, Any] = {"id": event.id, "device_id": event.device_id, "timestamp": event.timestamp}
        try:
            with self.place.engine.begin() as connection:
                connection.execute(insert(self.screenshots).values(**values, status="pending", retry_count=0))
        except IntegrityError:
            pass
        deadline = time.monotonic() + self.place.times.wait
        while time.monotonic() < deadline:
            with self.place.engine.begin() as connection:
                row = self._row(connection, event)
            if (row.device_id, row.timestamp) != (event.device_id, event.timestamp):
                return Answer("duplicate" if self.flaw == "payload" else "collision")
            if row.status == "completed":
                return self._already(row, event)
            self.hesitate()
            token = self._claim(row, event)
            if token is not None:
                return self._upload(event, token)
            time.sleep(_POLL)
        return Answer("busy")

    def sweep(self) -> int:
        """Take expired leases back."""
        columns = self.screenshots.c
        status = "pending" if self.flaw == "sweep" else "failed"
        change = update(self.screenshots).where(columns.status == "uploading", columns.oss_url < _moment())
        with self.place.engine.begin() as connection:
            return connection.execute(
                change.values(status=status, oss_url=None, retry_count=columns.retry_count + 1)
            ).rowcount

    def _already(self, row: Row[Any], event: Screenshot) -> Answer:
        is_same = self.flaw in ("payload", "row_first") or self.place.store.holds(row.oss_key, event.picture)
        return Answer("duplicate", row.oss_url) if is_same else Answer("collision")

    def _claim(self, row: Row[Any], event: Screenshot) -> int | None:
        columns = self.screenshots.c
        is_free = columns.status.in_(("pending", "failed"))
        is_expired = and_(columns.status == "uploading", columns.oss_url < _moment())
        if self.flaw == "lease":
            is_expired = columns.status == "uploading"
        token = row.retry_count + (row.status == "uploading")
        change = update(self.screenshots).where(columns.id == event.id)
        if self.flaw != "claim":
            change = change.where(or_(is_free, is_expired), columns.retry_count == row.retry_count)
            change = change.where(columns.status == row.status)
        until = _moment(self.place.times.lease)
        with self.place.engine.begin() as connection:
            done = connection.execute(change.values(status="uploading", oss_url=until, retry_count=token))
        return token if done.rowcount else None

    def _upload(self, event: Screenshot, token: int) -> Answer:
        key = f"{self.place.prefix}screenshots/{event.device_id}/{event.id}.jpg"
        url = self.place.store.url(key)
        end = partial(self._end, event, token)
        completed = {"status": "completed", "oss_key": key, "oss_url": url, "file_size": len(event.picture)}
        if self.flaw == "row_first":
            end(**completed)
        try:
            written = self.place.store.put(key, event.picture, overwrite=self.flaw == "overwrite")
        except Exception:
            end(status="failed", oss_url=None, retry_count=token + 1)
            raise
        if not written and not self.place.store.holds(key, event.picture):
            end(status="failed", oss_url=None, retry_count=token + 1)
            return Answer("collision")
        # Who lost the claim meanwhile does not know what became of it.
        return Answer("stored", url) if end(**completed) else Answer("busy")

    def _end(self, event: Screenshot, token: int, **values: object) -> bool:
        columns = self.screenshots.c
        change = update(self.screenshots).where(columns.id == event.id)
        if self.flaw not in ("token", "row_first"):
            change = change.where(columns.status == "uploading", columns.retry_count == token)
        with self.place.engine.begin() as connection:
            return connection.execute(change.values(**values)).rowcount == 1

    def _row(self, connection: Connection, event: Activity | Screenshot) -> Row[Any]:
        table = self.activities if isinstance(event, Activity) else self.screenshots
        names = ("type", "data") if isinstance(event, Activity) else ("status", "oss_key", "oss_url", "retry_count")
        columns = [table.c[name] for name in ("device_id", "timestamp", *names)]
        return connection.execute(select(*columns).where(table.c.id == event.id)).one()


def _moment(later: float = 0.0) -> str:
    return f"{time.time() + later:.6f}"


def _value(data: object) -> object:
    return json.loads(data) if isinstance(data, str) else data


FLAWS = ("claim", "lease", "token", "overwrite", "payload", "every_violation", "sweep", "row_first", "uncommitted")

# What a strategy's backend names in this module.
globals().update({f"flaw_{flaw}": partial(Careful, flaw=flaw) for flaw in FLAWS})
flaw_none = partial(Careful, flaw="")


def broken_start(_place: Place) -> Backend:
    """Fail to make a backend."""
    raise ValueError("no backend \x1b[31m here")


def strategy(flaw: str = "none") -> Strategy:
    """Return the strategy of a flaw, as if it were recommended."""
    return Strategy(f"without-{flaw}", True, f"tests.drill.seeded:flaw_{flaw}", "target", "a test")
