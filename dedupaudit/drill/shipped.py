"""The backends that dedupaudit recommends: its own writers, each with one of its protections."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dedupaudit.display import visible
from dedupaudit.drill.protocol import Answer, Backend, Place
from dedupaudit.ingest.errors import IdCollision, IngestError, StillUploading
from dedupaudit.ingest.events import Activity, Screenshot
from dedupaudit.ingest.protections.optimistic import OptimisticVersion
from dedupaudit.ingest.protections.pessimistic import PessimisticLock
from dedupaudit.ingest.protections.redis_lock import RedisLock
from dedupaudit.ingest.protections.unique import UniqueConstraint
from dedupaudit.ingest.screenshots import ScreenshotWriter, object_key
from dedupaudit.ingest.tables import Table
from dedupaudit.ingest.writers import ActivityWriter

if TYPE_CHECKING:
    from dedupaudit.ingest.protections.protocol import Protection


class Shipped:
    """A handler over the writers, as docs/ingest.md has it."""

    def __init__(self, place: Place, protection: Protection, version: str | None = None) -> None:
        self._activities = ActivityWriter(place.engine, table=Table(place.tables["activities"]), protection=protection)
        self._screenshots = ScreenshotWriter(
            place.engine,
            place.store,
            key=lambda shot: place.prefix + object_key(shot),
            lease=place.times.lease,
            wait=place.times.wait,
            table=Table(place.tables["screenshots"], version=version),
            protection=protection,
        )

    def activity(self, event: Activity) -> Answer:
        """Store an activity."""
        try:
            stored = self._activities.write(event)
        except IngestError as error:
            return _refused(error)
        return Answer("duplicate" if stored.duplicate else "stored")

    def screenshot(self, event: Screenshot) -> Answer:
        """Store a picture: row and object."""
        try:
            uploaded = self._screenshots.write(event)
        except IngestError as error:
            return _refused(error)
        return Answer("duplicate" if uploaded.duplicate else "stored", uploaded.url)

    def sweep(self) -> int:
        """Take expired leases back."""
        return self._screenshots.sweep()


def _refused(error: IngestError) -> Answer:
    if isinstance(error, IdCollision):
        return Answer("collision")
    if isinstance(error, StillUploading):
        return Answer("busy")
    return Answer("failed", error=visible(f"{type(error).__name__}: {error.message}", 300))


def unique(place: Place) -> Backend:
    """Return the writers over the unique constraint alone."""
    return Shipped(place, UniqueConstraint())


def redis_lock(place: Place) -> Backend:
    """Return the writers with a Redis lock, which lives as long as the textbook's but is renewed."""
    lock = RedisLock(place.redis, prefix=place.redis_prefix, ttl=place.times.lock, wait=place.times.wait)
    return Shipped(place, lock)


def for_update(place: Place) -> Backend:
    """Return the writers with SELECT … FOR UPDATE."""
    return Shipped(place, PessimisticLock())


def version(place: Place) -> Backend:
    """Return the writers with a version column."""
    return Shipped(place, OptimisticVersion(), "version")
