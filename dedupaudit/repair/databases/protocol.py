"""What a database must be able to do to be repaired: one connection that writes, and how its dialect says things.

Everything else (what a chunk does, in which order, and how it is proved) is the same for all: repair/chunk.py.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple, Protocol

from dedupaudit.sources.tables.catalog import Catalog, Column
from dedupaudit.sources.tables.protocol import Key, Value
from dedupaudit.sources.tables.table import Table

Own = Literal["runs", "journal"]
"""The tool's own tables beside the quarantine."""

RUN_COLUMNS = ("dedupaudit_run", "dedupaudit_chunk", "dedupaudit_step", "dedupaudit_role")
"""What a quarantine table has before the audited table's columns: text, integer, integer, text."""


def digest_of(hashes: Sequence[str]) -> str:
    """Return what `RepairDatabase.digest` gives for these hashes, sorted."""
    return hashlib.sha256("".join(hashes).encode("ascii")).hexdigest()


@dataclass(frozen=True)
class Link:
    """A foreign key that refers to the repaired table: `columns` of `child` hold `referenced` of the table.

    `unique` says that the referenced columns are unique in the table, as the SQL standard wants.
    """

    name: str
    child: Catalog
    columns: tuple[str, ...]
    referenced: tuple[str, ...]
    on_delete: str = "NO ACTION"
    unique: bool = True


class Trigger(NamedTuple):
    """A trigger or rule of the table or a child: name, table, and the event (`DELETE`, `UPDATE`, `INSERT`)."""

    name: str
    table: str
    event: str


@dataclass(frozen=True)
class Inspection:
    """What stands around a table: who refers to it, what a repair would fire, and why it cannot be repaired.

    `refusals` are sentences for people, foreign values in them made visible, each with what to do instead.
    """

    links: tuple[Link, ...] = ()
    triggers: tuple[Trigger, ...] = ()
    refusals: tuple[str, ...] = ()

    def says_the_same(self, other: Inspection) -> bool:
        """Say whether two looks saw the same surroundings; how many rows a child has is none of them."""
        return self._told() == other._told()

    def _told(self) -> tuple[object, ...]:
        links = [replace(link, child=replace(link.child, row_estimate=None)) for link in self.links]
        return links, self.triggers, self.refusals


class RepairDatabase(Protocol):
    """A connection that may write. Statements outside `transaction()` are committed one by one.

    Statements raise Busy, Violation (both: repair/errors.py) or SourceError. The connection is never made anew: the
    run's lock is on it, and when it is lost the run ends.
    """

    name: str
    """The database's name in reports."""
    place: str
    """Where it is, for people, without any secret: `host:port/name`, or the file."""
    locking: str
    """What a SELECT ends with that locks the rows it reads: ` FOR UPDATE`, or nothing."""
    moves: bool
    """Whether `move` is there: a statement that deletes rows and gives what it deleted to an INSERT."""
    overriding: str
    """What stands between INSERT's columns and its SELECT, so that identity columns take the values given."""
    checks_each_row: bool
    """Whether a foreign key is checked for each row of a statement, before the rows after it are there."""

    # ---- how the dialect writes things

    def quote(self, name: str) -> str:
        """Return a name as an SQL identifier."""

    def literal(self, value: Value) -> str:
        """Return a value as an SQL literal that equals the stored one it was read from, whatever the column's type."""

    def is_in(self, names: Sequence[str], keys: Sequence[Key]) -> str:
        """Return the condition that columns (SQL names) have one of these values; it finds them by an index."""

    def row_hash(self, catalog: Catalog, alias: str) -> str:
        """Return SQL for a hash of a whole row, as hexadecimal text: the one that `TableSource.row_hashes` gives.

        It is made of the columns of `catalog`, in that order, so it can be asked of the quarantine table too.
        """

    def own(self, table: Own) -> str:
        """Return the quoted name of one of the tool's own tables."""

    def quarantine(self, catalog: Catalog) -> str:
        """Return the quoted name of the quarantine table of an audited table (or of a child of one)."""

    # ---- statements

    def execute(self, statement: str) -> int:
        """Run a statement without rows; return how many rows it changed (matched, whether they differ or not)."""

    def fetch(self, columns: Sequence[tuple[Column, str]], texts: Sequence[str], tail: str) -> list[tuple[Value, ...]]:
        """Return the rows of `SELECT columns, texts tail`.

        Columns (each with its SQL name) come as the values that `DuplicateRow.locator` has; `texts` are expressions
        that come as text or None, whatever their type.
        """

    def digest(self, row_hash: str, tail: str, *, lock: bool = False) -> tuple[int, str]:
        """Return how many rows `SELECT row_hash tail` has, and SHA-256 of their hashes, sorted and joined, as hex.

        With `lock` the rows are locked, in the order that `tail` gives. A digest travels faster than the hashes.
        """

    def move(self, catalog: Catalog, own: Sequence[str], condition: str) -> tuple[int, str]:
        """Move the rows that a condition (over the alias t) holds for into quarantine, in one statement.

        `own` are the values of RUN_COLUMNS, as SQL. Return how many rows were put there, and the digest of their
        hashes. Only where `moves` says so.
        """

    def insert(self, table: str, columns: Sequence[str], rows: Sequence[Sequence[str | int | None]]) -> None:
        """Write rows into one of the tool's own tables."""

    def transaction(self) -> AbstractContextManager[None]:
        """Begin a transaction (READ COMMITTED; SQLite: IMMEDIATE); commit at the end, roll back on any exception.

        Within one it is a savepoint of that (MySQL and MariaDB have no use for this: there it is an error).
        """

    # ---- the table and its surroundings

    def identity(self) -> dict[str, str]:
        """Return what tells this database from every other, without its URL: the same as `TableSource.identity`."""

    def clock(self) -> int:
        """Return the database's time in microseconds since the epoch."""

    def handle(self, catalog: Catalog) -> tuple[Column, ...]:
        """Return the columns by which a row is named within a transaction: the primary key, else ctid or rowid.

        Empty where rows cannot be named: such a table has a refusal.
        """

    def hidden(self, catalog: Catalog) -> str | None:
        """Return the pseudo-column that can be given back with a row (SQLite's rowid, where no column is it).

        The quarantine keeps it as `dedupaudit_rowid`, behind RUN_COLUMNS.
        """

    def auto_updated(self, catalog: Catalog) -> tuple[str, ...]:
        """Return the columns that the server sets by itself on UPDATE, unless they are given a value."""

    def inspect(self, table: Table) -> Inspection:
        """Return what refers to the table and what it fires, and each reason why it cannot be repaired."""

    def shape(self, catalog: Catalog) -> str:
        """Return the table's columns and their types as they are now, as text to compare; cheap, in a transaction."""

    def prepare(self, tables: Sequence[Catalog]) -> None:
        """Create what is missing of `runs`, `journal` and the quarantine tables of these tables.

        A quarantine table that lacks columns is given them. Raises Refused, saying what to grant or do, where the role
        may not, where the disk is full, or where a table of that name is not (any more) what the tool made.
        """

    def quarantines(self) -> list[str]:
        """Return the quoted names of all quarantine tables."""

    def has_own_tables(self) -> bool:
        """Say whether `runs` exists: no run was ever made where it does not."""

    # ---- one run a table

    def acquire(self, lock: str) -> bool:
        """Take the lock of that name for as long as the connection lives; False where another session has it."""

    def is_held(self, lock: str) -> bool:
        """Say whether any session has the lock."""

    def renew_lock(self, lock: str) -> None:
        """Within a transaction: make sure that the lock is still this session's; raises Locked where it is not."""

    # ---- being kind to production

    def lag(self) -> float | None:
        """Return the seconds that the slowest known replica is behind; None where no replica is known."""

    def load(self) -> int | None:
        """Return how many sessions work at this moment; None where the database has none."""

    def close(self) -> None:
        """End the connection, and with it its lock."""
