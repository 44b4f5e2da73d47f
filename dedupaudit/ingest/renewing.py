"""The leases of one writer's uploads: renewed while their PUT runs, by one thread for all of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import TYPE_CHECKING

from sqlalchemy.exc import SQLAlchemyError

from dedupaudit.display import visible
from dedupaudit.ingest import claims, telling
from dedupaudit.ingest.errors import Unavailable
from dedupaudit.ingest.protections.renewal import Renewal
from dedupaudit.ingest.transactions import in_transaction

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from dedupaudit.ingest.protections.protocol import Key
    from dedupaudit.ingest.tables import Described


class Leases:
    """Renews each claim every third of the lease (seconds), on a connection of its own from the engine's pool.

    A claim that was lost is told in the log, and no more: its upload goes on, for nothing, and the token decides.
    """

    def __init__(self, engine: Engine, table: Described, lease: float) -> None:
        self._engine, self._table = engine, table
        self._renewal = Renewal(lease / 3, self._renew, _lost)
        self._mutex = Lock()
        self._claims: dict[str, tuple[Key, int, str]] = {}
        self._count = 0

    @contextmanager
    def renewed(self, key: Key, token: int) -> Iterator[None]:
        """Renew a claim within the block."""
        shown = visible(key[0] if len(key) == 1 else key)
        with self._mutex:
            self._count += 1
            handle = str(self._count)
            self._claims[handle] = key, token, shown
        try:
            self._renewal.add(handle, handle, shown)
            yield
        finally:
            self._renewal.remove(handle)
            with self._mutex:
                del self._claims[handle]

    def _renew(self, handle: str, _token: str) -> bool | None:
        with self._mutex:
            claim = self._claims.get(handle)
        if claim is None:
            return True  # it ended a moment ago
        key, token, shown = claim
        try:
            # Once: the next turn comes soon, and other claims wait for this one.
            return in_transaction(
                self._engine, lambda connection: claims.renew(connection, self._table, key, token), attempts=1
            )
        except (Unavailable, SQLAlchemyError) as error:
            telling.unrenewed(shown, error)
            return None


def _lost(shown: str) -> None:
    telling.LOGGER.warning("the lease of %s ended before its upload did; whoever claimed it since decides", shown)
