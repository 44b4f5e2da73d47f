"""Names and fragments of a PostgreSQL migration.

Each follows from the table and the key alone, so that the leftovers of a killed run are found without a journal.
"""

from __future__ import annotations

from dataclasses import dataclass

from dedupaudit.migrate.databases.protocol import Target
from dedupaudit.migrate.databases.shared import mark
from dedupaudit.repair.databases.postgresql_names import own, split
from dedupaudit.sources.tables.postgresql_sql import quote
from dedupaudit.sources.tables.table import Table

LONGEST = 63
"""Bytes that a name may have; PostgreSQL cuts longer ones."""
EVENTS = ("insert", "applied", "update", "delete", "truncate")
"""What the guard's triggers are called after; a partitioned table has none for rows that replication applies."""
ENABLED = ("O", "R", "A", "A", "A")
"""In which sessions they fire, as pg_trigger.tgenabled has it: origin, replica, always."""
EQUAL = "equal."
"""Facts.settings has the operator that a key column is compared by, for each as `equal.<column>`."""
LEVEL = "level."
"""Facts.settings has, for each partitioned table below the table, `level.<quoted>`: the quoted table above it."""
_EQUAL = "OPERATOR(pg_catalog.=)"


@dataclass(frozen=True)
class Names:
    """The names around one table; those of indexes have no schema where PostgreSQL takes none."""

    table: str
    """Quoted."""
    key: tuple[str, ...]

    @property
    def mark(self) -> str:
        """What the names have in common."""
        return mark(self.table, self.key)

    @property
    def guard(self) -> str:
        """The side table, and the function of row triggers, quoted with the tool's schema."""
        return own(f"guard_{self.mark}")

    @property
    def guard_insert(self) -> str:
        """The function of the trigger of whole INSERT statements."""
        return own(f"guard_{self.mark}_insert")

    @property
    def guard_truncate(self) -> str:
        """The function of the TRUNCATE trigger."""
        return own(f"guard_{self.mark}_truncate")

    @property
    def functions(self) -> tuple[str, ...]:
        """All functions of the guard."""
        return self.guard, self.guard_insert, self.guard_truncate

    @property
    def triggers(self) -> tuple[str, ...]:
        """The guard's triggers, unquoted, in the order of EVENTS."""
        return tuple(f"dedupaudit_guard_{self.mark}_{event}" for event in EVENTS)

    @property
    def check(self) -> str:
        """The CHECK that forbids NULL until NOT NULL does, unquoted."""
        return f"dedupaudit_not_null_{self.mark}"

    def lookup(self, table: str) -> str:
        """Return the name of the lookup index of the table, or of a partition, unquoted."""
        return f"dedupaudit_lookup_{mark(table, self.key)}"

    def part(self, table: str, constraint: str) -> str:
        """Return the name of the constraint of a partition, or of a level between, unquoted."""
        return object_name(split(table)[1], mark(table, (*self.key, constraint)), "key")


def names_of(table: Table) -> Names:
    """Return the names around a table."""
    return Names(table.catalog.quoted, table.key_names)


def beside(table: str, name: str) -> str:
    """Return the quoted name of an index with its schema, which is its table's."""
    return f"{quote(split(table)[0])}.{quote(name)}"


def object_name(first: str, second: str, label: str) -> str:
    """Return the name that PostgreSQL itself makes of a table, columns and a label: its makeObjectName, to the byte."""
    parts = [first.encode("utf-8", "surrogateescape"), second.encode("utf-8", "surrogateescape")]
    lengths = [len(part) for part in parts]
    room = LONGEST - len(label) - 2
    while sum(lengths) > room:
        lengths[0 if lengths[0] > lengths[1] else 1] -= 1
    cut = [part[:length].decode("utf-8", "ignore") for part, length in zip(parts, lengths, strict=True)]
    return "_".join((*cut, label))


def default_name(table: Table) -> str:
    """Return what PostgreSQL would call the constraint: `activities_activity_id_key`."""
    return object_name(split(table.catalog.quoted)[1], "_".join(table.key_names), "key")


@dataclass(frozen=True)
class Fragments:
    """What the guard's SQL is made of, for one key."""

    target: Target

    @property
    def key(self) -> tuple[str, ...]:
        """The key's columns, quoted."""
        return tuple(quote(name) for name in self.target.table.key_names)

    @property
    def entry(self) -> tuple[str, ...]:
        """The side table's columns: names of its own, so that none of the table's can be in their way."""
        return tuple(f"k{number}" for number in range(1, len(self.key) + 1))

    def whole(self, row: str) -> str:
        """Return the condition that no part of a row's key is NULL: others are no concern of a UNIQUE constraint."""
        return " AND ".join(f"{row}.{name} IS NOT NULL" for name in self.key)

    def changed(self) -> str:
        """Return the condition that an UPDATE changes the bytes of the key."""
        old, new = (f"(ROW({', '.join(f'{row}.{name}' for name in self.key)})::pg_catalog.record)" for row in _ROWS)
        return f"{old} OPERATOR(pg_catalog.*<>) {new}"

    def matches(self, alias: str, row: str) -> str:
        """Return the condition that an entry (`g`) or a stored row (`t`) has a row's key, by the key's own equality.

        The record `one` has the names of an entry.
        """
        left = self.entry if alias == "g" else self.key
        right = self.entry if row == "one" else self.key
        equal = [self.target.facts.settings.get(f"{EQUAL}{name}", _EQUAL) for name in self.target.table.key_names]
        return " AND ".join(
            f"{alias}.{one} {sign} {row}.{name}" for one, sign, name in zip(left, equal, right, strict=True)
        )


_ROWS = ("OLD", "NEW")
