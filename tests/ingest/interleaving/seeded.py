"""Writers with a mistake that was put there on purpose: each breaks in some order, which has to be found."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import Any, Final

import pytest
from sqlalchemy import Connection

from dedupaudit.ingest import claims
from dedupaudit.ingest.protections.protocol import Key
from dedupaudit.ingest.protections.unique import UniqueConstraint
from dedupaudit.ingest.states import SWEEP, TAKE_OVER
from dedupaudit.ingest.tables import Described
from tests.ingest.interleaving.uploads import MakeWriter, writer_of


class LookThenInsert(UniqueConstraint):
    """Check, then act, on whatever table."""

    def prepare(self, table: Described) -> None:
        """Ask for nothing."""

    def insert(self, connection: Connection, table: Described, values: Mapping[str, object]) -> bool:
        """Insert where none was seen."""
        key = tuple(values[column] for column in table.table.key_columns)
        if connection.exec_driver_sql(f"SELECT 1 FROM {table.quoted} WHERE {table.where_key}", key).first():
            return False
        marks = ", ".join([table.mark] * len(values))
        names = ", ".join(map(table.name, values))
        connection.exec_driver_sql(f"INSERT INTO {table.quoted} ({names}) VALUES ({marks})", tuple(values.values()))
        return True


class ClaimWithoutCompare(UniqueConstraint):
    """Mark the row as claimed, whoever has it."""

    def claim(self, connection: Connection, table: Described, key: Key, lease: float) -> int | None:
        """Claim what is not completed."""
        condition = f"{table.where_key} AND status <> 'completed'"
        changed = connection.exec_driver_sql(f"UPDATE {table.quoted} SET status = 'uploading' WHERE {condition}", key)
        if not changed.rowcount:
            return None
        query = f"SELECT retry_count FROM {table.quoted} WHERE {table.where_key}"
        return int(connection.exec_driver_sql(query, key).scalar_one())


class Store:
    """A store of objects with a mistake; all else is as it is."""

    def __init__(self, store: Any) -> None:
        self._store = store

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


class Overwrites(Store):
    """PUT over whatever is there."""

    def put(self, key: str, content: bytes, *, content_type: str, overwrite: bool) -> bool:
        """Write it, whatever was asked."""
        return bool(self._store.put(key, content, content_type=content_type, overwrite=True))


class NeverLooks(Store):
    """Take for granted that the object is the one that was put."""

    def holds(self, key: str, content: bytes) -> bool:
        """Say yes."""
        return True


def _with_store(store: type[Store]) -> MakeWriter:
    make = writer_of()
    return lambda client, real: make(client, store(real))


@contextmanager
def _patched(name: str, value: object) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(claims, name, value)
        yield


def _complete(connection: Connection, table: Described, key: Key, token: int, written: Mapping[str, object]) -> bool:
    values = "".join(f", {table.name(column)} = {table.mark}" for column in written)
    sql = f"UPDATE {table.quoted} SET status = 'completed'{values} WHERE {table.where_key}"
    return bool(connection.exec_driver_sql(sql, (*written.values(), *key)).rowcount)


@dataclass(frozen=True)
class Seeded:
    """A mistake of ScreenshotWriter, the case of cases.py that shows it, and what it then says."""

    case: str
    problem: str
    make: MakeWriter = writer_of()
    patch: Callable[[], AbstractContextManager[None]] = nullcontext


SEEDED: Final = {
    "the claim does not compare": Seeded(
        "one picture twice", "two have stored one picture", writer_of(lambda client: ClaimWithoutCompare())
    ),
    "complete does not compare the token": Seeded(
        "a lease that ends", "two have stored one picture", patch=lambda: _patched("complete", _complete)
    ),
    "a take over has no token of its own": Seeded(
        "a lease that ends",
        "two have stored one picture",
        patch=lambda: _patched("TAKE_OVER", replace(TAKE_OVER, counts=False)),
    ),
    "PUT overwrites": Seeded(
        "a lease that ends, two pictures", "2 PUTs have written one object", _with_store(Overwrites)
    ),
    "the object is not verified": Seeded(
        "two pictures under one ID", "was told success without row and object", _with_store(NeverLooks)
    ),
    "a sweep takes what is alive": Seeded(
        "a sweep of the living",
        "retry_count is 1",
        patch=lambda: _patched("SWEEP", replace(SWEEP, lease_over=False)),
    ),
}
