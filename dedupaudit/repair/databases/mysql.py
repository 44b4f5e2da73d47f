"""MySQL and MariaDB as a database that can be repaired: InnoDB's tables, by primary key, at READ COMMITTED."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from contextlib import AbstractContextManager

from dedupaudit.config import DatabaseSettings
from dedupaudit.errors import Locked, SourceError
from dedupaudit.repair.databases.mysql_connection import Connection
from dedupaudit.repair.databases.mysql_inspect import Inspector
from dedupaudit.repair.databases.mysql_tables import OwnTables, described, own_place, place_of, quarantine_place
from dedupaudit.repair.databases.protocol import Inspection, Own
from dedupaudit.sources.tables import mysql_rowhash
from dedupaudit.sources.tables.catalog import Catalog, Column
from dedupaudit.sources.tables.mysql_sql import literal, quote
from dedupaudit.sources.tables.mysql_values import decoder, read
from dedupaudit.sources.tables.protocol import Key, Value
from dedupaudit.sources.tables.table import Table

_INSERTED = 1_000
_NULL, _BETWEEN = "\x01", "', '"


class MysqlRepair:
    """A `RepairDatabase` over one database of a MySQL or MariaDB server."""

    locking = " FOR UPDATE"
    overriding = ""
    moves = False
    checks_each_row = True

    def __init__(self, settings: DatabaseSettings) -> None:
        self.name = settings.name
        self.connection = Connection(settings)
        self._own = OwnTables(self.connection)
        self.place = self.connection.place
        self._schema = self.connection.facts.database
        self._hashes: set[str] = set()
        self._auto_updated: dict[str, tuple[str, ...]] = {}

    # ---- how the dialect writes things

    def quote(self, name: str) -> str:
        """Return a name as an SQL identifier."""
        return quote(name)

    def literal(self, value: Value) -> str:
        """Return a value as an SQL literal."""
        return mysql_rowhash.value_literal(value)

    def is_in(self, names: Sequence[str], keys: Sequence[Key]) -> str:
        """Return the condition that columns have one of these values."""
        return mysql_rowhash.is_in(names, keys)

    def row_hash(self, catalog: Catalog, alias: str) -> str:
        """Return SQL for a hash of a whole row."""
        written = mysql_rowhash.row_hash(catalog, alias)
        self._hashes.add(written)
        return written

    def own(self, table: Own) -> str:
        """Return the quoted name of one of the tool's own tables: in the URL's database."""
        return own_place(self._schema, table).quoted

    def quarantine(self, catalog: Catalog) -> str:
        """Return the quoted name of a table's quarantine: in the URL's database, whichever the table is in."""
        return quarantine_place(self._schema, catalog).quoted

    # ---- statements

    def execute(self, statement: str) -> int:
        """Run a statement without rows; return how many rows it changed or found."""
        return self.connection.run(statement)

    def fetch(self, columns: Sequence[tuple[Column, str]], texts: Sequence[str], tail: str) -> list[tuple[Value, ...]]:
        """Return the rows of a SELECT."""
        listed = [*(read(column, name) for column, name in columns), *texts]
        decode = [*(decoder(column) for column, _name in columns), *(_text for _one in texts)]
        rows = self.connection.rows(f"SELECT {', '.join(listed) or 'NULL'} {tail}")  # noqa: S608 (quoted, literals)
        for place, text in enumerate(texts, start=len(columns)):
            if text in self._hashes and any(len(row[place] or b"") != mysql_rowhash.HASH_LENGTH for row in rows):
                raise SourceError(
                    f"{self.place}: a row is larger than max_allowed_packet, so it cannot be hashed",
                    "raise max_allowed_packet on the server",
                )
        return [tuple(None if raw is None else one(raw) for one, raw in zip(decode, row, strict=False)) for row in rows]

    def digest(self, row_hash: str, tail: str, *, lock: bool = False) -> tuple[int, str]:
        """Return how many rows there are, and the digest of their hashes."""
        digest = f"SHA2(COALESCE(GROUP_CONCAT({row_hash} ORDER BY 1 SEPARATOR ''), ''), 256)"
        rows = self.connection.texts(f"SELECT COUNT(*), {digest} {tail}{self.locking if lock else ''}")
        return int(str(rows[0][0])), str(rows[0][1])

    def move(self, catalog: Catalog, own: Sequence[str], condition: str) -> tuple[int, str]:
        """Never asked for: see `moves`."""
        raise NotImplementedError

    def insert(self, table: str, columns: Sequence[str], rows: Sequence[Sequence[str | int | None]]) -> None:
        """Write rows, some at a time: a statement is shorter than max_allowed_packet."""
        for first in range(0, len(rows), _INSERTED):
            values = ", ".join(map(self._values, rows[first : first + _INSERTED]))
            self.execute(f"INSERT INTO {table} ({', '.join(columns)}) VALUES {values}")

    def _values(self, row: Sequence[str | int | None]) -> str:
        """Return a row of the tool's own in parentheses. Nearly all are plain, and one look at the whole says so."""
        texts = [_NULL if value is None else str(value) for value in row]
        line = f"('{_BETWEEN.join(texts)}')".replace(f"'{_NULL}'", "NULL")
        quotes = 2 * (len(texts) - texts.count(_NULL))
        if line.isascii() and line.isprintable() and "\\" not in line and line.count("'") == quotes:
            return line
        return f"({', '.join(map(self.literal, row))})"

    def transaction(self) -> AbstractContextManager[None]:
        """Begin a transaction; commit at the end, roll back on any exception."""
        # What was known of columns may have been altered since; within, the tables that it uses cannot be.
        self._auto_updated.clear()
        return self.connection.transaction()

    # ---- the table and its surroundings

    def identity(self) -> dict[str, str]:
        """Return what tells this database from every other."""
        product = self.connection.facts.product
        return mysql_rowhash.identity(product, self.connection.texts(mysql_rowhash.identity_query(product))[0])

    def clock(self) -> int:
        """Return the database's time in microseconds since the epoch."""
        return int(self.connection.rows(mysql_rowhash.CLOCK)[0][0] or 0)

    def handle(self, catalog: Catalog) -> tuple[Column, ...]:
        """Return the primary key: nothing else names a row here."""
        return mysql_rowhash.primary_key(catalog)

    def hidden(self, catalog: Catalog) -> str | None:
        """Return None: no row has a hidden column that can be given back."""
        return None

    def auto_updated(self, catalog: Catalog) -> tuple[str, ...]:
        """Return the columns that the server sets by itself on UPDATE: those with ON UPDATE CURRENT_TIMESTAMP."""
        if catalog.quoted not in self._auto_updated:
            # Asked once a transaction: it is wanted for each UPDATE, and the answer takes longer than that.
            self._auto_updated[catalog.quoted] = tuple(
                column.name for column in described(self.connection, place_of(catalog)) if "on update" in column.extra
            )
        return self._auto_updated[catalog.quoted]

    def inspect(self, table: Table) -> Inspection:
        """Return what refers to the table and what it fires, and each reason why it cannot be repaired."""
        return Inspector(self.connection).inspect(table)

    def shape(self, catalog: Catalog) -> str:
        """Return the table's columns and their types as they are now."""
        return json.dumps(described(self.connection, place_of(catalog)), ensure_ascii=True)

    def prepare(self, tables: Sequence[Catalog]) -> None:
        """Create what is missing of `runs`, `journal` and the quarantine tables of these tables."""
        self._own.prepare(tables)

    def quarantines(self) -> list[str]:
        """Return the quoted names of all quarantine tables."""
        return self._own.quarantines()

    def has_own_tables(self) -> bool:
        """Say whether `runs` exists."""
        return self._own.exist()

    # ---- one run a table

    def acquire(self, lock: str) -> bool:
        """Take the lock of that name. It is the session's that works: no statement of it goes on without the lock."""
        return self.connection.rows(f"SELECT GET_LOCK({_lock_name(lock)}, 0)") == [(b"1",)]

    def is_held(self, lock: str) -> bool:
        """Say whether any session has the lock."""
        return self.connection.rows(f"SELECT IS_USED_LOCK({_lock_name(lock)})") != [(None,)]

    def renew_lock(self, lock: str) -> None:
        """Make sure that the lock is still this session's."""
        if self.connection.rows(f"SELECT IS_USED_LOCK({_lock_name(lock)}) = CONNECTION_ID()") != [(b"1",)]:
            raise Locked(
                f"{self.place}: the run's lock is not this session's any more",
                "another run may have taken over; `dedupaudit repair runs` shows it",
            )

    # ---- being kind to production

    def lag(self) -> float | None:
        """Return None: a primary does not know how far its replicas are."""
        return None

    def load(self) -> int | None:
        """Return how many sessions work at this moment, without this one."""
        rows = self.connection.rows("SHOW GLOBAL STATUS LIKE 'Threads_running'")
        return max(0, int(rows[0][1] or 0) - 1) if rows else None

    def close(self) -> None:
        """End the connection, and with it its lock."""
        self.connection.close()


def _lock_name(lock: str) -> str:
    """Return a name of at most 64 characters; it is the whole server's, so it is that of the table's full name."""
    return literal(f"dedupaudit:{hashlib.sha256(lock.encode('utf-8', 'surrogatepass')).hexdigest()[:48]}")


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")
