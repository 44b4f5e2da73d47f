"""The tables that events go to: what a backend says of them, and what the database's catalog adds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

Dialect = Literal["postgresql", "mysql", "mariadb", "sqlite"]


@dataclass(frozen=True)
class Table:
    """One table. `columns` maps an event's attribute to the real column, where that is called otherwise.

    `name` is a table, or schema and table. `key` names the attributes that are unique together. `version`: the column
    that OptimisticVersion counts in; other protections leave it out.
    """

    name: tuple[str, ...]
    key: tuple[str, ...] = ("id",)
    columns: Mapping[str, str] = field(default_factory=dict)
    version: str | None = None

    def column(self, attribute: str) -> str:
        """Return the real name of an attribute's column."""
        return self.columns.get(attribute, attribute)

    @property
    def key_columns(self) -> tuple[str, ...]:
        """The real names of the key's columns."""
        return tuple(self.column(name) for name in self.key)


ACTIVITIES: Final = Table(("activities",))
PROCESSES: Final = Table(("processes",))
SCREENSHOTS: Final = Table(("screenshots",))


@dataclass(frozen=True)
class Column:
    """What the catalog says of a column. `length` is characters of a text, None where there is no limit."""

    name: str
    type: str
    nullable: bool
    length: int | None
    json: bool
    has_default: bool


@dataclass(frozen=True)
class Described:
    """A table as it is in the database. `quoted` is its whole name, fit for SQL.

    `constraints`: the names of the valid, complete, immediate unique indexes over exactly the key; none: nothing keeps
    a key single. `others`: unique ones over anything else, whose violation is never "already there".
    """

    table: Table
    dialect: Dialect
    quoted: str
    columns: Mapping[str, Column]
    constraints: tuple[str, ...]
    others: tuple[str, ...] = ()
