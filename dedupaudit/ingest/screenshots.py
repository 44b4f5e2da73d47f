"""Pictures: a row and an object, written by one request however many send it, and by another where that one died.

What a row can become is in states.py, as SQL in claims.py; what one request does, step by step, in uploading.py.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from typing import TYPE_CHECKING, Final

from sqlalchemy.exc import DBAPIError

from dedupaudit.display import visible
from dedupaudit.ingest import claims, telling
from dedupaudit.ingest.clock import clock_of
from dedupaudit.ingest.errors import IdCollision, Rejected, Unprotected, UploadFailed
from dedupaudit.ingest.events import Screenshot, Uploaded
from dedupaudit.ingest.renewing import Leases
from dedupaudit.ingest.rows import RowWriter
from dedupaudit.ingest.tables import SCREENSHOTS
from dedupaudit.ingest.transactions import in_transaction
from dedupaudit.ingest.uploading import Tools, Upload

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from dedupaudit.ingest.protections.protocol import Key, Protection
    from dedupaudit.ingest.tables import Described, Table
    from dedupaudit.stores.protocol import ObjectStore

_NEEDED: Final = ("device_id", "timestamp", "status", "oss_key", "oss_url", "retry_count", "updated_at")
_LONGEST_LEASE: Final = 86_400.0


def object_key(shot: Screenshot) -> str:
    """Return where a picture lies: `screenshots/<device_id>/<id>.jpg`. Raises Rejected where two could share a key."""
    for name, value in (("device_id", shot.device_id), ("id", shot.id)):
        if "/" in value:
            raise Rejected(
                f"{name} {visible(value)} has a slash: its object's key could be another's",
                "take IDs without one, or give the writer a `key` of your own",
            )
    return f"screenshots/{shot.device_id}/{shot.id}.jpg"


class ScreenshotWriter:
    """Stores pictures: exactly one request uploads, the others get its URL. Used by several threads at once.

    `key` gives the object's key of a picture, a different one for each. `lease`: seconds after which a claim that
    nobody renews is free, the same for all that write or sweep the table; a living writer renews it every third of
    them, whatever the upload takes. `wait`: seconds that a request waits for another's upload. Beside the connection of
    each request, uploads need one for renewals.
    """

    def __init__(
        self,
        engine: Engine,
        store: ObjectStore,
        *,
        key: Callable[[Screenshot], str] = object_key,
        lease: float = 60.0,
        wait: float = 30.0,
        table: Table = SCREENSHOTS,
        protection: Protection | None = None,
    ) -> None:
        if not 0 < lease <= _LONGEST_LEASE or not wait >= 0:
            raise ValueError("a lease is more than 0 s and a day at most, a wait is not negative")
        if "id" not in table.key:
            raise ValueError("the ID of a picture belongs to the key of its table")
        self._store, self._key, self._lease, self._wait = store, key, lease, wait
        self._rows = RowWriter(
            engine,
            table,
            protection,
            columns=[table.column(name) for name in (*table.key, *_NEEDED)],
            required=[table.column("device_id")],
        )
        self._mutex = Lock()
        self._tools: Tools | None = None

    def write(self, shot: Screenshot) -> Uploaded:
        """Store a picture, or find that it is stored, and return where.

        Raises IdCollision (another event or picture has this ID), Rejected (it can never be stored), StillUploading,
        UploadFailed, Unavailable: after all but the first two the client sends it again. Unprotected: the table lacks
        what is needed. The driver's error for anything else, such as a missing permission.
        """
        telling.received(shot.id)
        try:
            upload = Upload(self._ready(), shot)
            with self._rows.protection.held(upload.key):
                return upload.answer(self._wait)
        except (IdCollision, Rejected) as error:
            telling.refused(shot.id, error)
            raise
        except UploadFailed as error:
            telling.why(shot.id, error)
            raise

    def sweep(self, limit: int = 1000) -> int:
        """Take back claims whose lease is over, `limit` at most: their rows say `failed`. Return how many.

        Safe beside live uploads: a row is changed only if its lease is over in that very moment. A row that the
        database will not change is told in the log, and keeps none of the others from being swept. Raises Unavailable,
        Unprotected, and the driver's error where the table cannot be read.
        """
        if limit < 1:
            raise ValueError("a sweep takes back one claim at least")
        table, lease = self._ready().rows.described(), self._lease
        found = in_transaction(self._rows.engine, lambda connection: claims.expired(connection, table, lease, limit))
        return sum(self._swept(table, key, token) for key, token in found)

    def _swept(self, table: Described, key: Key, token: int) -> bool:
        shown = str(key[table.table.key.index("id")])
        try:
            swept = in_transaction(
                self._rows.engine, lambda connection: claims.sweep(connection, table, key, token, self._lease)
            )
        except DBAPIError as error:
            telling.unswept(shown, error)
            return False
        if swept:
            telling.upload_failed(shown)
        return swept

    def _ready(self) -> Tools:
        """Look once whether the table can hold a lease. Raises Unprotected, Unavailable."""
        if self._tools is None:
            # Outside of the lock: where the database is down, no thread has to wait for the others' patience.
            table = self._rows.described()
            clock_of(table, self._lease)
            _need_default(table)
            _need_counter(table)
            leases = Leases(self._rows.engine, table, self._lease)
            with self._mutex:
                self._tools = self._tools or Tools(self._rows, self._store, self._key, leases, self._lease)
        return self._tools


def _need_counter(table: Described) -> None:
    found = table.columns[table.table.column("retry_count")]
    if found.type.lower().startswith("tinyint") and table.dialect != "sqlite":
        raise Unprotected(
            f"{visible(found.name)} of {table.shown} is {visible(found.type)}: it counts attempts, and an hour or two"
            " without the object store would use its numbers up",
            "make it INT: each claim needs a number that no other had",
        )


def _need_default(table: Described) -> None:
    found = table.columns[table.table.column("updated_at")]
    if not (found.nullable or found.has_default):
        raise Unprotected(
            f"{visible(found.name)} of {table.shown} has no default, and a new row has no time of its own yet",
            "give it one, such as CURRENT_TIMESTAMP",
        )
