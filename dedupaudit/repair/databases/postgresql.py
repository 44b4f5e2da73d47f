"""PostgreSQL as a database that can be repaired: a `RepairDatabase` over one connection that writes."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import AbstractContextManager

from dedupaudit.config import DatabaseSettings
from dedupaudit.display import visible
from dedupaudit.errors import Locked
from dedupaudit.repair.databases import postgresql_inspect, postgresql_names, postgresql_prepare
from dedupaudit.repair.databases.postgresql_connection import Connection
from dedupaudit.repair.databases.protocol import RUN_COLUMNS, Inspection, Own
from dedupaudit.sources.tables import postgresql_rowhash
from dedupaudit.sources.tables.catalog import Catalog, Column
from dedupaudit.sources.tables.postgresql_session import names
from dedupaudit.sources.tables.postgresql_sql import literal, quote
from dedupaudit.sources.tables.postgresql_types import ColumnType, family_of, shown
from dedupaudit.sources.tables.protocol import Key, Value
from dedupaudit.sources.tables.table import Table
from dedupaudit.sqlfiles import fill, sql_text

_OTHER = ColumnType(0, "other", None, "=")
_CTID = Column("ctid", "tid", nullable=False)


class PostgresqlRepair:
    """A `RepairDatabase` over one PostgreSQL database."""

    locking = " FOR UPDATE"
    overriding = " OVERRIDING SYSTEM VALUE"
    moves = True
    checks_each_row = False

    def __init__(self, settings: DatabaseSettings) -> None:
        self.connection = Connection(settings)
        self.name, self.place = settings.name, self.connection.place
        self._types: dict[str, ColumnType] = {}

    # ---- how the dialect writes things

    def quote(self, name: str) -> str:
        """Return a name as an SQL identifier."""
        return quote(name)

    def literal(self, value: Value) -> str:
        """Return a value as a literal without a type: the column that it is compared with decides."""
        return postgresql_rowhash.key_literal(value)

    def is_in(self, names: Sequence[str], keys: Sequence[Key]) -> str:
        """Return the condition that columns have one of these values."""
        return postgresql_rowhash.is_in(names, keys)

    def row_hash(self, catalog: Catalog, alias: str) -> str:
        """Return SQL for the hash of a whole row."""
        return postgresql_rowhash.row_hash(catalog, alias)

    def own(self, table: Own) -> str:
        """Return the quoted name of one of the tool's own tables."""
        return postgresql_names.own(table)

    def quarantine(self, catalog: Catalog) -> str:
        """Return the quoted name of a table's quarantine."""
        return postgresql_names.quarantine(catalog)

    # ---- statements

    def execute(self, statement: str) -> int:
        """Run a statement; return how many rows it changed."""
        return self.connection.execute(statement)

    def fetch(self, columns: Sequence[tuple[Column, str]], texts: Sequence[str], tail: str) -> list[tuple[Value, ...]]:
        """Return the rows of a SELECT: columns as the scan's locators have them, and expressions as text."""
        asked = [shown(name, self._type(column)) for column, name in columns]
        asked += [f"({text})::pg_catalog.text" for text in texts]
        return self.connection.rows(f"SELECT {', '.join(asked)} {tail}")  # noqa: S608 (the caller's own SQL)

    def digest(self, row_hash: str, tail: str, *, lock: bool = False) -> tuple[int, str]:
        """Return how many rows there are, and the digest of their hashes."""
        hashed = f"SELECT {row_hash} AS h {tail}{self.locking if lock else ''}"  # noqa: S608 (the caller's own SQL)
        ((count, digest),) = self.connection.rows(self._filled("digest", hashed=hashed))
        return int(str(count)), str(digest)

    def move(self, catalog: Catalog, own: Sequence[str], condition: str) -> tuple[int, str]:
        """Delete rows and put what was deleted into quarantine, in one statement; return count and digest."""
        columns = [quote(column.name) for column in catalog.columns]
        hashed = self._filled(
            "move",
            table=catalog.quoted,
            condition=condition,
            taken=", ".join(f"t.{name}" for name in columns),
            quarantine=self.quarantine(catalog),
            into=", ".join([*RUN_COLUMNS, *columns]),
            own=", ".join(own),
            hash=self.row_hash(catalog, "q"),
        )
        ((count, digest),) = self.connection.rows(hashed)
        return int(str(count)), str(digest)

    def insert(self, table: str, columns: Sequence[str], rows: Sequence[Sequence[str | int | None]]) -> None:
        """Write rows by COPY: as VALUES they would cost three times as much."""
        self.connection.copy(f"COPY {table} ({', '.join(columns)}) FROM STDIN", rows)

    def _type(self, column: Column) -> ColumnType:
        """Return how a column's values are read: its declared type, domains resolved, is asked about once."""
        known = self._types.get(column.declared)
        if known is None:
            statement = self._filled("type_of", declared=literal(column.declared))
            found = self.connection.rows(statement)
            known = _OTHER
            if found:
                oid = int(str(found[0][0]))
                known = ColumnType(oid, family_of(oid, str(found[0][1])), None, "=")
            self._types[column.declared] = known
        return known

    def transaction(self) -> AbstractContextManager[None]:
        """Begin a transaction at READ COMMITTED; commit at the end, roll back on any exception."""
        return self.connection.transaction()

    # ---- the table and its surroundings

    def identity(self) -> dict[str, str]:
        """Return what tells this database from every other."""
        return postgresql_rowhash.identity(self.connection.rows)

    def clock(self) -> int:
        """Return the server's time in microseconds since the epoch."""
        return postgresql_rowhash.clock(self.connection.rows)

    def handle(self, catalog: Catalog) -> tuple[Column, ...]:
        """Return the primary key's columns, else ctid: it names a row while the row is locked and not changed."""
        if catalog.primary_key:
            return tuple(column for name in catalog.primary_key if (column := catalog.column(name)))
        oid = self._oid(catalog)
        facts = postgresql_inspect.facts_of(self.connection, oid) if oid else None
        # Rows in several tables may have one ctid.
        return (_CTID,) if facts is not None and facts.kind == "r" and not facts.branches else ()

    def hidden(self, catalog: Catalog) -> str | None:  # noqa: ARG002 (as promised)
        """Return None: a ctid cannot be given back."""
        return None

    def auto_updated(self, catalog: Catalog) -> tuple[str, ...]:  # noqa: ARG002 (as promised)
        """Return nothing: in PostgreSQL only a trigger sets a column on UPDATE, and `inspect` tells of those."""
        return ()

    def inspect(self, table: Table) -> Inspection:
        """Return what refers to the table and what it fires, and each reason why it cannot be repaired."""
        return postgresql_inspect.inspect(self.connection, table.catalog)

    def shape(self, catalog: Catalog) -> str:
        """Return the table's columns, and what refers to it and is fired, as text; empty where it is gone.

        In a transaction the table is locked first, as DELETE locks it: no DDL comes between the look and the change.
        """
        oid = self._oid(catalog)
        if oid is None:
            return ""
        if self.connection.in_transaction:
            self.connection.execute(f"LOCK TABLE {catalog.quoted} IN ROW EXCLUSIVE MODE")
        rows = self.connection.rows(self._filled("shape", oid=str(oid)))
        return str(rows[0][0]) if rows else ""

    def _oid(self, catalog: Catalog) -> int | None:
        found = postgresql_names.named(self.connection, catalog.quoted)
        return found[0] if found else None

    def prepare(self, tables: Sequence[Catalog]) -> None:
        """Create what is missing of the tool's own tables; raises Refused, saying what to grant or do."""
        postgresql_prepare.prepare(self.connection, tables)

    def quarantines(self) -> list[str]:
        """Return the quoted names of all quarantine tables."""
        return [postgresql_names.own(name) for name in names(self.connection.rows(self._filled("quarantines")))]

    def has_own_tables(self) -> bool:
        """Say whether a run was ever made."""
        return postgresql_names.named(self.connection, self.own("runs")) is not None

    # ---- one run a table

    def acquire(self, lock: str) -> bool:
        """Take the lock for as long as the connection lives."""
        number = _number(lock)
        # Held by this session already: taking it again would only count it twice.
        if self.connection.pid in self._holders(number):
            return True
        return bool(self.connection.rows(f"SELECT pg_catalog.pg_try_advisory_lock({number})")[0][0])

    def is_held(self, lock: str) -> bool:
        """Say whether any session has the lock."""
        return bool(self._holders(_number(lock)))

    def renew_lock(self, lock: str) -> None:
        """Make sure that the lock is still this session's.

        It is as long as the session is; yet behind a pooler the next transaction may be another session's.
        """
        found = self.connection.rows("SELECT pg_catalog.pg_backend_pid()")
        pid = int(str(found[0][0]))
        if pid != self.connection.pid or pid not in self._holders(_number(lock)):
            raise Locked(
                f"database {visible(self.name)}: the run's lock is not this session's any more",
                "connect to the server itself: a pooler that hands out transactions cannot keep a lock",
            )

    def _holders(self, number: int) -> list[int]:
        high, low = (number >> 32) & 0xFFFFFFFF, number & 0xFFFFFFFF
        return [int(str(row[0])) for row in self.connection.rows(self._filled("advisory", high=high, low=low))]

    # ---- being kind to production

    def lag(self) -> float | None:
        """Return the seconds that the slowest standby is behind; None where none is known."""
        seen, standbys, seconds = self.connection.rows(self._filled("lag"))[0]
        return float(str(seconds)) if seen and standbys else None

    def load(self) -> int | None:
        """Return how many other clients work at this moment; None where the role may not see that."""
        pids = [self.connection.pid, self.connection.blockers.pid]
        listed = ", ".join(str(pid) for pid in pids if pid is not None)
        seen, active = self.connection.rows(self._filled("load", pids=listed))[0]
        return int(str(active)) if seen else None

    def _filled(self, name: str, **parts: object) -> str:
        return fill(sql_text(f"repair/postgresql/{name}.sql"), {key: str(value) for key, value in parts.items()})

    def close(self) -> None:
        """End the session, and with it its lock."""
        self.connection.close()


def _number(lock: str) -> int:
    """Return the 64-bit number of a lock's name."""
    digest = hashlib.sha256(lock.encode("utf-8", "surrogateescape")).digest()
    return int.from_bytes(digest[:8], "big", signed=True)
