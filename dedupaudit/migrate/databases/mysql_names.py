"""Names and fragments of a migration on MySQL and MariaDB.

Each follows from the table and the key alone, so that the leftovers of a killed run are found without a journal.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from dedupaudit.migrate.databases.protocol import Target
from dedupaudit.migrate.databases.shared import mark
from dedupaudit.repair.databases.mysql_tables import PREFIX, Place, place_of
from dedupaudit.sources.tables.mysql_sql import literal, quote
from dedupaudit.sources.tables.table import Table

LONGEST = 64
"""Characters that a name may have."""
DEFINITION = "definition."
"""Facts.settings has what SHOW CREATE TABLE says of a nullable key column, as `definition.<column>`."""
GUARD, LOOKUP = f"{PREFIX}guard_", f"{PREFIX}lookup_"
PARTS = ("lock_update", "check_update", "lock_insert", "check_insert")
"""What the guard's triggers are called after, in the order in which they are made: who checks comes after who locks."""
_OURS = re.compile(rf"{GUARD}[0-9a-f]{{12}}(_({'|'.join(PARTS)}))?|{LOOKUP}[0-9a-f]{{12}}")


def is_ours(name: str) -> bool:
    """Say whether a trigger, side table or index has a name that only the tool gives."""
    return bool(_OURS.fullmatch(name))


@dataclass(frozen=True)
class Names:
    """The names around one table; unquoted, where nothing else is said."""

    place: Place
    key: tuple[str, ...]

    @property
    def mark(self) -> str:
        """What the names have in common: 12 hexadecimal digits that stand for the table and the key."""
        return mark(self.place.quoted, self.key)

    @property
    def table(self) -> str:
        """The table, quoted with its database."""
        return self.place.quoted

    @property
    def lookup(self) -> str:
        """The tool's own lookup index."""
        return LOOKUP + self.mark

    @property
    def side(self) -> Place:
        """The guard's side table: in the table's own database."""
        return Place(self.place.schema, GUARD + self.mark)

    @property
    def triggers(self) -> tuple[str, ...]:
        """The guard's triggers, in the order of PARTS."""
        return tuple(f"{GUARD}{self.mark}_{part}" for part in PARTS)

    def in_schema(self, name: str) -> str:
        """Return the quoted name of a trigger or a side table."""
        return Place(self.place.schema, name).quoted

    @property
    def comment(self) -> str:
        """What a side table's comment says, by which it is found whatever the key was."""
        return f"dedupaudit: guard of {self.table}"


def names_of(table: Table) -> Names:
    """Return the names around a table."""
    return Names(place_of(table.catalog), table.key_names)


def default_name(table: Table) -> str:
    """Return what the unique index is called where nobody says: `activities_activity_id_key`."""
    name = "_".join((place_of(table.catalog).name, *table.key_names))
    if len(name) + len("_key") > LONGEST:
        name = f"{name[: LONGEST - 17]}_{names_of(table).mark}"
    return f"{name}_key"


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
        return tuple(f"key_{number}" for number in range(1, len(self.key) + 1))

    @property
    def seen(self) -> tuple[str, ...]:
        """The session's variables that hold the key whose row was locked last."""
        mark = names_of(self.target.table).mark
        return tuple(f"@{PREFIX}{mark}_{number}" for number in range(1, len(self.key) + 1))

    @property
    def doubtful(self) -> str:
        """The session's variable that says whether a row may have that key already."""
        return f"@{PREFIX}{names_of(self.target.table).mark}_doubtful"

    @property
    def lookup(self) -> str:
        """The index that the guard looks through, quoted."""
        return quote(self.target.facts.lookup or names_of(self.target.table).lookup)

    def whole(self, row: str) -> str:
        """Return the condition that no part of a row's key is NULL: others are no concern of a UNIQUE index."""
        return " AND ".join(f"{row}.{name} IS NOT NULL" for name in self.key)

    def same(self, left: Sequence[str], right: Sequence[str], sign: str = "<=>") -> str:
        """Return the condition that two lists of SQL are equal, one by one."""
        return " AND ".join(f"{one} {sign} {other}" for one, other in zip(left, right, strict=True))

    def of(self, row: str) -> list[str]:
        """Return the key's columns of a row."""
        return [f"{row}.{name}" for name in self.key]

    def guard(self) -> dict[str, str]:
        """Return what the guard's triggers are filled with."""
        names = names_of(self.target.table)
        new = self.of("NEW")
        return {
            "table": names.table,
            "side": names.side.quoted,
            "names": ", ".join(self.entry),
            "new": ", ".join(new),
            "lookup": self.lookup,
            "doubtful": self.doubtful,
            "seen": ", ".join(self.seen),
            "noted": ", ".join(f"{seen} = {one}" for seen, one in zip(self.seen, new, strict=True)),
            "new_is_whole": self.whole("NEW"),
            "new_is_seen": self.same(self.seen, new),
            "key_is_changed": f"NOT ({self.same(new, self.of('OLD'))})",
            "entry_is_new": self.same([f"g.{name}" for name in self.entry], new, "="),
            "row_is_new": self.same(self.of("t"), new, "="),
            "row_now_is_new": self.same(self.of("stored_now"), new, "="),
            "message": literal(f"Duplicate entry for key '{self.target.constraint}'"),
        }
