"""`SELECT … FOR UPDATE` before each write: who comes second waits for the row and then sees what became of it.

What is not there yet cannot be locked, so the unique constraint beneath decides who inserts.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, ClassVar

from dedupaudit.ingest.protections.unique import UniqueConstraint

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection

    from dedupaudit.ingest.protections.protocol import Key
    from dedupaudit.ingest.tables import Described


class PessimisticLock:
    """Lock the row, look at it, write. A lock lasts for one short transaction, and never for an upload."""

    name: ClassVar[str] = "for-update"
    limits: ClassVar[str] = (
        "Needs the unique constraint all the same: where no row is there, PostgreSQL locks nothing, and InnoDB at"
        " REPEATABLE READ locks the gap for everybody and deadlocks (so it runs at READ COMMITTED, and deadlocks are"
        " tried again); costs one statement more each time. SQLite has no such lock: its BEGIN IMMEDIATE locks all."
    )

    def __init__(self) -> None:
        self._beneath = UniqueConstraint()

    def prepare(self, table: Described) -> None:
        """Raise Unprotected where nothing keeps the key single."""
        self._beneath.prepare(table)

    def held(self, key: Key) -> AbstractContextManager[None]:
        """Hold nothing between transactions."""
        return nullcontext()

    def insert(self, connection: Connection, table: Described, values: Mapping[str, object]) -> bool:
        """Look for the row and lock it; where none is there, insert (see Protection.insert)."""
        if self._locked(connection, table, tuple(values[column] for column in table.table.key_columns)):
            return False
        return self._beneath.insert(connection, table, values)

    def claim(self, connection: Connection, table: Described, key: Key, lease: float) -> int | None:
        """Lock the row, and claim it (see Protection.claim)."""
        if not self._locked(connection, table, key):
            return None
        return self._beneath.claim(connection, table, key, lease)

    @staticmethod
    def _locked(connection: Connection, table: Described, key: Key) -> bool:
        """Wait until nobody else has the row, and keep it until the transaction's end. False: there is none."""
        lock = "" if table.dialect == "sqlite" else " FOR UPDATE"
        statement = f"SELECT 1 FROM {table.quoted} WHERE {table.where_key}{lock}"
        return connection.exec_driver_sql(statement, tuple(key)).first() is not None
