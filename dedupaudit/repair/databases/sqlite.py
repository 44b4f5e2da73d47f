"""SQLite as a database that can be repaired. No lock outlives a connection there, so a run's lock is a lease row."""

from __future__ import annotations

import os
import secrets
import socket
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote as percent

from dedupaudit.config import DatabaseSettings
from dedupaudit.display import visible
from dedupaudit.errors import AuditError, Locked, Refused, SourceError
from dedupaudit.interrupt import passed_on
from dedupaudit.processes import begun
from dedupaudit.repair.databases.protocol import RUN_COLUMNS, Inspection, Own, digest_of
from dedupaudit.repair.databases.sqlite_inspect import inspect
from dedupaudit.repair.errors import KEPT, Busy, Violation
from dedupaudit.sources.tables import sqlite_rowhash
from dedupaudit.sources.tables.catalog import Catalog, Column
from dedupaudit.sources.tables.protocol import Key, Value
from dedupaudit.sources.tables.sqlite_catalog import rowid_name
from dedupaudit.sources.tables.sqlite_guard import OLDEST, decode, explain, look
from dedupaudit.sources.tables.sqlite_sql import quote
from dedupaudit.sources.tables.table import Table
from dedupaudit.sqlfiles import sql_text

_BUSY_SECONDS = 2.0
_LEASE_SECONDS = 60.0


class SqliteRepair:
    """A `RepairDatabase` over one SQLite file."""

    locking = ""
    overriding = ""
    moves = False
    checks_each_row = False

    def __init__(self, settings: DatabaseSettings) -> None:
        self.name = settings.name
        self._path = Path(settings.url.database or "")
        self.place = visible(str(self._path))
        look(self._path)
        if sqlite3.sqlite_version_info < OLDEST:
            raise SourceError("this SQLite is too old: dedupaudit needs 3.35 or newer", "use a Python with a newer one")
        if settings.url.query.get("immutable") == "1":
            raise Refused(
                f"{self.place}: an immutable database cannot be repaired", "leave ?immutable=1 out of the URL"
            )
        self._holder = secrets.token_hex(8)
        self._lock: str | None = None
        uri = f"file:{percent(str(self._path.absolute()))}?mode=rw"
        with self._failures():
            self.connection = sqlite3.connect(uri, uri=True, timeout=_BUSY_SECONDS, isolation_level=None)
            self.connection.text_factory = decode
            # Children are re-pointed one by one and counted; nothing may be deleted by a cascade.
            self.connection.execute("PRAGMA foreign_keys = OFF")
            encoding = self.connection.execute("PRAGMA encoding").fetchone()[0]
            self._encoding = {"UTF-16le": "utf-16-le", "UTF-16be": "utf-16-be"}.get(encoding, "utf-8")
            sqlite_rowhash.create_row_hash(self.connection)

    # ---- how the dialect writes things

    def quote(self, name: str) -> str:
        return quote(name)

    def literal(self, value: Value) -> str:
        return sqlite_rowhash.literal(value, self._encoding)

    def is_in(self, names: Sequence[str], keys: Sequence[Key]) -> str:
        return sqlite_rowhash.is_in(names, keys, self._encoding)

    def row_hash(self, catalog: Catalog, alias: str) -> str:
        return sqlite_rowhash.row_hash(catalog, alias)

    def own(self, table: Own) -> str:
        return f"main.dedupaudit_{table}"

    def quarantine(self, catalog: Catalog) -> str:
        return f"main.{quote(_quarantine_name(catalog))}"

    # ---- statements

    def execute(self, statement: str) -> int:
        with self._failures():
            return self.connection.execute(statement).rowcount

    def fetch(self, columns: Sequence[tuple[Column, str]], texts: Sequence[str], tail: str) -> list[tuple[Value, ...]]:
        listed = [name for _column, name in columns] + [f"CAST({text} AS TEXT)" for text in texts]
        with self._failures():
            return self.connection.execute(f"SELECT {', '.join(listed)} {tail}").fetchall()

    def digest(self, row_hash: str, tail: str, *, lock: bool = False) -> tuple[int, str]:
        hashes = sorted(str(digest) for (digest,) in self.fetch((), [row_hash], tail))
        return len(hashes), digest_of(hashes)

    def move(self, catalog: Catalog, own: Sequence[str], condition: str) -> tuple[int, str]:
        """Never asked for: see `moves`."""
        raise NotImplementedError

    def insert(self, table: str, columns: Sequence[str], rows: Sequence[Sequence[str | int | None]]) -> None:
        marks = ", ".join("?" * len(columns))
        with self._failures():
            self.connection.executemany(f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})", rows)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        inside = self.connection.in_transaction
        self.execute("SAVEPOINT dedupaudit" if inside else "BEGIN IMMEDIATE")
        try:
            yield
            self.execute("RELEASE dedupaudit" if inside else "COMMIT")
        except BaseException:
            # An error may have ended the transaction already: then there is nothing to roll back.
            with suppress(sqlite3.Error):
                self.connection.execute("ROLLBACK TO dedupaudit" if inside else "ROLLBACK")
                if inside:
                    self.connection.execute("RELEASE dedupaudit")
            raise

    @contextmanager
    def _failures(self) -> Iterator[None]:
        try:
            with passed_on():
                yield
        except sqlite3.Error as error:
            raise self._explained(error) from error

    def _explained(self, error: sqlite3.Error) -> AuditError:
        text = str(error)
        if "locked" in text or "busy" in text:
            return Busy(f"{self.place}: another program keeps the database locked", "try again when its writer is done")
        if isinstance(error, sqlite3.IntegrityError):
            return Violation(f"{self.place}: SQLite refuses the change: {visible(text)}", KEPT)
        if "readonly" in text or "read-only" in text:
            return Refused(
                f"{self.place}: the database cannot be written: {visible(text)}",
                "check the permissions of the file and of its folder",
            )
        if "disk is full" in text:
            return SourceError(
                f"{self.place}: the disk is full: the quarantine needs as much room as the rows that go",
                "free space, then run the same command again",
            )
        return explain(error, self._path)

    # ---- the table and its surroundings

    def identity(self) -> dict[str, str]:
        return sqlite_rowhash.identity(self._path)

    def clock(self) -> int:
        return time.time_ns() // 1000

    def handle(self, catalog: Catalog) -> tuple[Column, ...]:
        key = [column for name in catalog.primary_key if (column := catalog.column(name))]
        if key:
            return tuple(key)
        rowid = rowid_name(self.connection, catalog)
        return (Column(rowid, "INTEGER", nullable=False),) if rowid else ()

    def hidden(self, catalog: Catalog) -> str | None:
        if any(column.auto_increment for column in catalog.columns):
            return None
        return rowid_name(self.connection, catalog)

    def auto_updated(self, catalog: Catalog) -> tuple[str, ...]:
        return ()

    def inspect(self, table: Table) -> Inspection:
        with self._failures():
            return inspect(self.connection, table)

    def shape(self, catalog: Catalog) -> str:
        found = self.fetch((), ["sql"], f"FROM main.sqlite_master WHERE name = {self.literal(catalog.name)}")
        return str(found)

    def prepare(self, tables: Sequence[Catalog]) -> None:
        try:
            with self.transaction():
                for name in ("runs", "journal", "locks"):
                    self.execute(sql_text(f"repair/sqlite/{name}.sql"))
                for catalog in tables:
                    self._prepare_quarantine(catalog)
        except Violation as error:
            raise Refused(error.message, error.hint) from error

    def _prepare_quarantine(self, catalog: Catalog) -> None:
        name, table = _quarantine_name(catalog), self.quarantine(catalog)
        known = self.connection.execute(f"PRAGMA main.table_xinfo({quote(name)})").fetchall()
        hidden = self.hidden(catalog)
        own = [*RUN_COLUMNS, *(["dedupaudit_rowid"] if hidden else [])]
        columns = [column.name for column in catalog.columns]
        if not known:
            # Columns without a type have no affinity: whatever was stored is stored again as it is.
            self.execute(f"CREATE TABLE {table} ({', '.join(quote(column) for column in (*own, *columns))})")
            index = quote(name + "_run")
            self.execute(f"CREATE INDEX main.{index} ON {quote(name)} (dedupaudit_run, dedupaudit_chunk)")
            return
        self._refuse_altered(name, known, [*RUN_COLUMNS])
        there = {str(row[1]).lower() for row in known}
        for column in (*own, *columns):
            if column.lower() not in there:
                self.execute(f"ALTER TABLE {table} ADD COLUMN {quote(column)}")

    def _refuse_altered(self, name: str, known: Sequence[tuple[object, ...]], own: Sequence[str]) -> None:
        kinds = self.connection.execute(
            "SELECT type FROM main.sqlite_master WHERE (name = ?1 AND type <> 'table') OR (tbl_name = ?1 AND type ="
            " 'trigger')",
            (name,),
        ).fetchall()
        there = {str(row[1]) for row in known}
        typed = [str(row[1]) for row in known if row[2] or row[3] or row[5] or row[6]]
        if kinds or typed or not set(own) <= there:
            raise Refused(
                f"the quarantine table {visible(name)} was altered by somebody: it is not what dedupaudit made",
                f"rename it away (ALTER TABLE {visible(quote(name))} RENAME TO …), then run again; nothing was changed",
            )

    def quarantines(self) -> list[str]:
        with self._failures():
            found = self.connection.execute(
                "SELECT name FROM main.sqlite_master WHERE type = 'table' AND name GLOB 'dedupaudit_quarantine_*'"
            )
            return [f"main.{quote(name)}" for (name,) in found]

    def has_own_tables(self) -> bool:
        with self._failures():
            found = self.connection.execute("SELECT 1 FROM main.sqlite_master WHERE name = 'dedupaudit_runs'")
            return found.fetchone() is not None

    # ---- one run a table

    def acquire(self, lock: str) -> bool:
        with self.transaction():
            if self._holder_of(lock) not in (None, self._holder):
                return False
            values = (lock, self._holder, socket.gethostname(), os.getpid(), begun(os.getpid()), _expiry())
            with self._failures():
                self.connection.execute(
                    "INSERT OR REPLACE INTO main.dedupaudit_locks VALUES (?, ?, ?, ?, ?, ?)", values
                )
        self._lock = lock
        return True

    def is_held(self, lock: str) -> bool:
        return self._holder_of(lock) is not None

    def renew_lock(self, lock: str) -> None:
        renewed = self.execute(
            f"UPDATE main.dedupaudit_locks SET expires = {_expiry()!r}"
            f" WHERE name = {self.literal(lock)} AND holder = {self.literal(self._holder)}"
        )
        if renewed != 1:
            raise Locked(
                f"{self.place}: another run took the lock over, because this one stood still for too long",
                "let it finish; `dedupaudit repair runs` shows it",
            )

    def _holder_of(self, lock: str) -> str | None:
        """Return who has the lock: nobody where the lease is over, or its process on this host is gone."""
        with self._failures():
            found = self.connection.execute(
                "SELECT holder, host, process, begun, expires FROM main.dedupaudit_locks WHERE name = ?", (lock,)
            ).fetchone()
        if found is None:
            return None
        holder, host, process, since, expires = found
        if expires < time.time() or (host == socket.gethostname() and begun(int(process)) != since):
            return None
        return str(holder)

    # ---- being kind to production

    def lag(self) -> float | None:
        return None

    def load(self) -> int | None:
        return None

    def close(self) -> None:
        if self._lock is not None:
            with suppress(AuditError):
                self.execute(f"DELETE FROM main.dedupaudit_locks WHERE holder = {self.literal(self._holder)}")
        self.connection.close()


def _quarantine_name(catalog: Catalog) -> str:
    return f"dedupaudit_quarantine_{catalog.name}"


def _expiry() -> float:
    return time.time() + _LEASE_SECONDS
