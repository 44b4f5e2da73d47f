"""What is known of a table and its server before a migration: plain values, so that each check is a function over them.

None means that nobody could say. The tool's own objects (guard, lookup index) are in `leftovers` and nowhere else: what
is planned must not change because a part of it was done already.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Product = Literal["postgresql", "mysql", "mariadb", "sqlite"]


@dataclass(frozen=True)
class ForeignKey:
    """A foreign key of the table (`outgoing`), or one of another table that refers to it."""

    name: str
    table: str
    """The table that has it."""
    columns: tuple[str, ...]
    """Its columns in that table."""
    outgoing: bool
    on_delete: str = "NO ACTION"
    on_update: str = "NO ACTION"


@dataclass(frozen=True)
class TableTrigger:
    """A trigger of the table: BEFORE, AFTER or INSTEAD OF some of INSERT, UPDATE, DELETE, TRUNCATE.

    `replica` says that it fires in sessions with session_replication_role = replica too.
    """

    name: str
    timing: str
    events: tuple[str, ...]
    replica: bool = False


@dataclass(frozen=True)
class Partition:
    """A partition that holds rows: a leaf, as SQL names it. `parent` is the partitioned table right above it."""

    name: str
    quoted: str
    parent: str
    """Quoted."""
    rows: int | None = None


@dataclass(frozen=True)
class OpenTransaction:
    """A transaction that was open while the facts were read."""

    seconds: float
    who: str
    """For people: process, role, application, state; foreign values made visible."""


@dataclass(frozen=True)
class Leftover:
    """One of the tool's own objects around the table, of an earlier migration."""

    kind: Literal["lookup index", "invalid index", "guard table", "guard trigger", "guard function", "check"]
    name: str
    """In SQL, without its schema where the table's is meant."""


@dataclass(frozen=True)
class Pair:
    """Two keys that differ byte by byte, and are one to the unique index. Foreign values, as they are."""

    first: tuple[str, ...]
    second: tuple[str, ...]


@dataclass(frozen=True)
class KeyColumn:
    """One column of the key. Lengths are bytes; `longest` is the longest value that is stored."""

    name: str
    declared: str
    nullable: bool
    collation: str = ""
    bytewise: bool = True
    most: int | None = None
    """Bytes that its type allows, in an index; None where it has no limit."""
    longest: int | None = None
    indexable: bool = True
    """Whether the server can compare it in a unique index at all (a PostgreSQL json cannot)."""


@dataclass(frozen=True)
class Duplicates:
    """What stands in the constraint's way today, by how the clean step would treat it; see repair's Totals."""

    groups: int = 0
    removed: int = 0
    """Rows that would go into quarantine."""
    merged: int = 0
    """Groups whose row that stays takes values of the others: it is updated."""
    rules: dict[str, int] = field(default_factory=dict)
    left: dict[str, int] = field(default_factory=dict)
    """Groups that need a person, by why: conflicting, id_collision, blank key, unnamed."""
    first_left: tuple[tuple[str, str], ...] = ()
    """Up to five of these: the key for people (visible), and why."""
    pairs: tuple[Pair, ...] = ()
    """Up to five of those that only the collation makes equal."""


@dataclass(frozen=True)
class Facts:
    """Everything that the preflight checks and the choice of a strategy look at."""

    product: Product
    version: tuple[int, ...]
    version_text: str
    key: tuple[KeyColumn, ...]
    rows: int = 0
    table_bytes: int | None = None
    table_kind: Literal["table", "partitioned", "partition", "inherited"] = "table"
    parent: str = ""
    """Of a partition or an inherited table: the table above it, by its name, where known (PostgreSQL)."""
    partitions: tuple[Partition, ...] = ()
    partition_key: tuple[str, ...] = ()
    """The columns that any level is partitioned by; an expression is shown as its SQL."""
    engine: str = ""
    row_format: str = ""
    key_limit: int | None = None
    """Bytes that one index entry (PostgreSQL) or one key (MySQL: 3072, 767) may have."""
    device: str | None = None
    """The table's device column: the wider key that collisions ask for has it."""

    # ---- what is there already
    protecting: str | None = None
    """The index or constraint that keeps the key unique already; None where nothing does."""
    protecting_primary: bool = False
    nulls_forbidden: bool = False
    """Whether every column of the key is NOT NULL."""
    lookup: str | None = None
    """A valid index of others whose first columns are the key's: the guard can look through it."""
    invalid_indexes: tuple[str, ...] = ()
    """Invalid indexes on the table that are not the tool's."""
    redundant_indexes: tuple[str, ...] = ()
    """Indexes of others that the new one would make redundant, or unique ones that repeat the primary key."""
    name_taken_by: str | None = None
    """What has the wanted constraint's name already, for people: `index activities_id_key on other`."""
    leftovers: tuple[Leftover, ...] = ()

    # ---- the rows
    null_keys: int = 0
    blank_keys: int = 0
    duplicates: Duplicates = Duplicates()

    # ---- the surroundings
    foreign_keys: tuple[ForeignKey, ...] = ()
    triggers: tuple[TableTrigger, ...] = ()
    disk_free: int | None = None
    """Bytes, where the server's data lie."""
    oldest_transaction: OpenTransaction | None = None
    oldest_snapshot: OpenTransaction | None = None
    prepared_transactions: tuple[str, ...] = ()
    """For people: name, age, owner of each."""
    replicas: int | None = None
    lag: float | None = None
    """Seconds that the slowest known replica is behind."""
    published: bool | None = None
    """PostgreSQL: the table is in a publication, or subscribed to (`logical`)."""
    cluster: Literal["", "galera", "group replication"] = ""
    pooler: str | None = None
    """Why a pooler that hands out transactions seems to stand between: sentence for people."""
    binary_log: bool | None = None
    binlog_format: str = ""
    trusts_creators: bool | None = None
    """MySQL and MariaDB: log_bin_trust_function_creators."""
    has_super: bool | None = None
    missing: tuple[str, ...] = ()
    """What the role lacks, each as the GRANT (or ALTER … OWNER TO) that would give it."""
    hides_rows: bool = False
    """Row-level security hides rows from the role."""
    read_only: str = ""
    """Why the server takes no writes; empty where it does."""
    settings: dict[str, str] = field(default_factory=dict)
    """Further settings of the server that a check looks at, by their name (innodb_online_alter_log_max_size, …)."""
