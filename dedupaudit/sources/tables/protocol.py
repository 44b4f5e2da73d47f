"""What a database must be able to say. A next database implements this, and the conformance suite proves it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol

from dedupaudit.model import Strategy
from dedupaudit.sources.tables.catalog import Catalog, Column
from dedupaudit.sources.tables.table import Table


@dataclass(frozen=True, slots=True)
class Undecodable:
    """Text that is not valid in the database's encoding, kept as the bytes it is."""

    raw: bytes


Value = str | int | float | bytes | Undecodable | None
Key = tuple[Value, ...]


class DuplicateRow(NamedTuple):
    """One row of a key that occurs `n` times. The rows of a key come one after the other.

    `at` is microseconds since the epoch or None; `values` are the compared columns, long ones as a hash:
    equal where `TableSource.same` says so.
    """

    n: int
    key: Key
    locator: Key
    at: int | None
    group: Value
    values: tuple[Value, ...]


class SuspectRow(NamedTuple):
    """One row that a suspect condition holds for. Times are microseconds since the epoch, or None."""

    locator: Key
    key: Key
    at: int | None
    updated: int | None
    status: Value
    object_key: Value
    object_url: Value


class ObjectRow(NamedTuple):
    """What one row says of its object.

    `judged` says whether the table's `where` holds for it: a row that is not audited refers to its object all the same.
    `token` is equal for keys that the server's unique index would call equal, None where only the bytes tell.
    `at` and `updated` are as `times.parse_time` takes them; `fields` are the columns asked for, as they were named.
    """

    judged: bool
    token: int | None
    key: Key
    locator: Key
    status: Value
    object_key: Value
    object_url: Value
    size: Value
    etag: Value
    at: Value
    updated: Value
    fields: tuple[Value, ...] = ()


class KeyVariant(NamedTuple):
    """One of `variants` keys that are nearly equal. Keys with one `joined` number are equal to the database."""

    variants: int
    joined: int
    key: Key
    rows: int


@dataclass(frozen=True)
class Survey:
    """One pass over a table: its rows, those for which each suspect condition holds, and those of each kind asked."""

    rows: int
    suspects: Mapping[str, int]
    kinds: Mapping[Value, int]


@dataclass(frozen=True)
class Sample:
    """The first rows of a table: how many were read, and the different values that each column asked for has in them.

    NULL is no value, so `distinct` equals `rows` only where every row has a value of its own.
    """

    rows: int
    distinct: Mapping[str, int]


Engine = Literal["auto", "pushdown", "snapshot"]


@dataclass(frozen=True)
class Reading:
    """How a source may read: which engine finds duplicates, and how many bytes the embedded one may hold.

    A source that does not have the engine for a table takes the other, and `TableSource.strategy` says so.
    """

    engine: Engine = "auto"
    memory_limit: int = 256_000_000


class TableSource(Protocol):
    """A database that can be read and cannot be written. All looks of one source see one snapshot.

    Every method raises SourceError when the database fails, and Cancelled when a signal came.
    """

    name: str
    dialect: str
    """The folder of its SQL: `sqlite`, `postgresql`, `mysql`."""

    def names(self) -> list[str]:
        """Return the names of all tables and views, for the nearest match."""

    def catalog(self, parts: Sequence[str]) -> Catalog | None:
        """Return what the catalog says of a table named by one part or by schema and name; None: no such table."""

    def check_condition(self, catalog: Catalog, condition: str, where: str) -> None:
        """Raise UsageError, naming `where` it is configured, unless SQL is one condition that the table understands."""

    def locator(self, table: Table) -> tuple[str, ...]:
        """Return the column names of `DuplicateRow.locator`; empty where rows cannot be named."""

    def strategy(self, table: Table) -> tuple[Strategy, str]:
        """Return how duplicates would be found, and why so."""

    def survey(self, table: Table, suspects: Sequence[str], kinds: Sequence[Value] = ()) -> Survey:
        """Count the rows, those that each named condition (`suspects/NAME.sql`) holds for, and those of each kind."""

    def survey_soon(self, table: Table, suspects: Sequence[str]) -> None:
        """Say that `survey` will be asked for, when the duplicates are known: a source may begin it beside them."""

    def suspect_rows(self, table: Table, suspect: str) -> Iterator[SuspectRow]:
        """Yield the rows for which one condition holds."""

    def duplicate_rows(self, table: Table) -> Iterator[DuplicateRow]:
        """Yield every row of every key that occurs more than once, by the database's own equality."""

    def rows_of(self, table: Table, ident: str) -> Iterator[DuplicateRow]:
        """Yield the rows whose key, or a part of it, is this text to the database; those of one key together."""

    def object_rows(
        self, table: Table, fields: Sequence[Column] = (), keys: Sequence[str] | None = None
    ) -> Iterator[list[ObjectRow]]:
        """Yield what the rows say of their objects, some rows at a time, in no order; `table.objects` is there.

        All rows, whatever `where` says. With `keys`, which needs an object key column: at least the rows whose object
        key is one of these byte for byte, and those that have none (NULL, blank, or no text).
        """

    def check_select(self, select: str, where: str) -> None:
        """Raise UsageError, naming `where` it is configured, unless SQL is one SELECT of one column that is allowed."""

    def selected(self, select: str, where: str) -> Iterator[list[Value]]:
        """Yield the values of a configured SELECT's only column, some at a time."""

    def renew(self) -> None:
        """End the snapshot and take a new one: later looks see what was committed meanwhile."""

    def lag(self) -> float | None:
        """Return how many seconds this server may be behind its primary: 0.0 for a primary, None where nobody knows."""

    def near_equal_keys(self, table: Table) -> Iterator[KeyVariant]:
        """Yield the keys that trimming, case folding or NFKC would join, set by set."""

    def null_keys_by_kind(self, table: Table) -> Mapping[Value, int]:
        """Return how many rows of each kind have a key with a NULL part."""

    def extent(self, table: Table) -> tuple[int, int] | None:
        """Return the earliest and the latest time of the audited rows, in microseconds; None where none has a time."""

    def is_empty(self, table: Table) -> bool:
        """Say whether the table has no row at all."""

    def sample_distinct(self, catalog: Catalog, columns: Sequence[str], limit: int) -> Sample:
        """Return how many different values the named columns of a real table have in its first `limit` rows."""

    def row_hashes(self, table: Table, locators: Sequence[Key]) -> list[str | None]:
        """Return a hash of each whole row named by its locator, all columns byte for byte; None where it is gone.

        The hash is hexadecimal text, the same in every session, for whoever repairs to know the row again by.
        """

    def identity(self) -> dict[str, str]:
        """Return what tells this database from every other: no URL, no secret, the same in every session."""

    def clock(self) -> int:
        """Return the database's time in microseconds since the epoch."""

    def same(self, column: Column, first: Value, second: Value) -> bool:
        """Say whether two values of a compared column are equal: JSON as values, all else byte by byte."""

    def remarks(self) -> tuple[str, ...]:
        """Return sentences about the session for people: the role could write, the server is a standby."""

    def close(self) -> None:
        """End the snapshot and the connection."""
