"""An ingest that does not duplicate: writers that a backend imports. docs/ingest.md shows them in use."""

from __future__ import annotations

from dedupaudit.ingest.errors import (
    IdCollision,
    IngestError,
    Rejected,
    StillUploading,
    Unavailable,
    Unprotected,
    UploadFailed,
)
from dedupaudit.ingest.events import Activity, Process, Screenshot, Stored, Uploaded
from dedupaudit.ingest.protections.optimistic import OptimisticVersion
from dedupaudit.ingest.protections.pessimistic import PessimisticLock
from dedupaudit.ingest.protections.redis_lock import RedisLock
from dedupaudit.ingest.protections.unique import UniqueConstraint
from dedupaudit.ingest.rows import RowWriter
from dedupaudit.ingest.screenshots import ScreenshotWriter
from dedupaudit.ingest.tables import ACTIVITIES, PROCESSES, SCREENSHOTS, Table
from dedupaudit.ingest.telling import LogFormatter
from dedupaudit.ingest.writers import ActivityWriter, ProcessWriter

__all__ = [
    "ACTIVITIES",
    "PROCESSES",
    "SCREENSHOTS",
    "Activity",
    "ActivityWriter",
    "IdCollision",
    "IngestError",
    "LogFormatter",
    "OptimisticVersion",
    "PessimisticLock",
    "Process",
    "ProcessWriter",
    "RedisLock",
    "Rejected",
    "RowWriter",
    "Screenshot",
    "ScreenshotWriter",
    "StillUploading",
    "Stored",
    "Table",
    "Unavailable",
    "UniqueConstraint",
    "Unprotected",
    "UploadFailed",
    "Uploaded",
]
