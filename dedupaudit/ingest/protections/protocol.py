"""What serialises the writers of one key. Each protection is one small file; a writer takes any of them."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, ClassVar, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection

    from dedupaudit.ingest.tables import Described

Key = tuple[object, ...]


class Protection(Protocol):
    """One way to have one winner. Used by several threads at once; what it holds is in the database or in Redis.

    Every one of them needs the unique constraint beneath: where the table has none, `prepare` raises Unprotected.
    """

    name: ClassVar[str]
    limits: ClassVar[str]
    """What it costs and what it cannot do, in one sentence for people."""

    def prepare(self, table: Described) -> None:
        """Look once, before the first write, whether what it needs is there. Raises Unprotected."""

    def held(self, key: Key) -> AbstractContextManager[None]:
        """Hold what is held from before the first look to the answer. Redis: the lock; the others: nothing."""

    def insert(self, connection: Connection, table: Described, values: Mapping[str, object]) -> bool:
        """Insert one row (real column names) in the caller's transaction. False: a row of its key is there.

        A violation of anything but the key's unique constraint is raised as the driver's error. After False the
        transaction may be over (PostgreSQL): the caller ends it, and looks in a new one.
        """

    def claim(self, connection: Connection, table: Described, key: Key, lease: float) -> int | None:
        """Take the right to upload a picture, in the caller's transaction: the fencing token, or None for the losers.

        Claimed is a row that is `pending`, `failed`, or `uploading` for longer than `lease` seconds (by the server's
        clock: `updated_at`). One compare-and-swap, however it is said.
        """
