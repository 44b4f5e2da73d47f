"""The tables that events go to: what a backend says of them, and what the database's catalog adds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

from dedupaudit.display import visible
from dedupaudit.ingest.errors import Unprotected

if TYPE_CHECKING:
    from sqlalchemy import Connection

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
    """What the catalog says of a column. `length` is characters of a text, None where there is no limit.

    `numbered`: AUTO_INCREMENT, which stores another number where 0 is sent.
    """

    name: str
    type: str
    nullable: bool
    length: int | None
    json: bool
    has_default: bool
    numbered: bool = False


@dataclass(frozen=True)
class Described:
    """A table as it is in the database. `quoted` is its whole name, fit for SQL.

    `constraints`: the names of the valid, complete, immediate unique indexes over exactly the key; none: nothing keeps
    a key single. `others`: unique ones over anything else, whose violation is never "already there". `mark` is what
    stands for a parameter in the driver's SQL (`exec_driver_sql`, for which names are quoted too), `real_name` the
    table's name without its schema, as the catalog spells it.
    """

    table: Table
    dialect: Dialect
    quoted: str
    columns: Mapping[str, Column]
    constraints: tuple[str, ...]
    others: tuple[str, ...] = ()
    mark: str = "%s"
    real_name: str = ""
    packet: int | None = None
    """Bytes that a statement may have, on MySQL and MariaDB: of a larger one only a cut connection is heard."""
    transactions: bool = True
    """MyISAM has none: of a statement that fails some rows stay, and only its first row is looked at strictly."""
    resolves: bool = False
    """Its own definition says what becomes of a conflict (SQLite's ON CONFLICT REPLACE), and is to be overruled."""
    statements: dict[tuple[str, ...], str] = field(default_factory=dict, compare=False, repr=False)
    """The INSERT of one row, by its columns: it is written once."""

    def name(self, column: str) -> str:
        """Return a column's name, fit for SQL."""
        quote = "`" if self.dialect in ("mysql", "mariadb") else '"'
        doubled = column.replace(quote, quote * 2)
        return quote + (doubled.replace("%", "%%") if self.mark == "%s" else doubled) + quote

    @property
    def where_key(self) -> str:
        """The condition that finds a row by its key, with a mark for each column of it."""
        return " AND ".join(f"{self.name(column)} = {self.mark}" for column in self.table.key_columns)

    @property
    def shown(self) -> str:
        """How messages name it."""
        return visible(".".join(self.table.name))


def describe(connection: Connection, table: Table) -> Described:
    """Read what the catalog says of a table; the connection may be in a transaction.

    Raises Unprotected where there is no such table, or where it has not the columns of the key. That no constraint
    keeps the key single is no error here: `constraints` is empty, and a protection says so.
    """
    from dedupaudit.ingest.constraints import CATALOGS

    dialect = dialect_of(connection)
    marks = {"format": "%s", "pyformat": "%s", "qmark": "?"}
    style = connection.dialect.paramstyle
    if style not in marks:
        raise Unprotected(f"the driver {connection.dialect.driver} is not supported", "use psycopg2 or PyMySQL")
    found = CATALOGS[dialect](connection, table)
    shown = visible(".".join(table.name))
    if missing := [name for name in table.key_columns if name not in found.columns]:
        raise Unprotected(f"{shown} has no column {visible(missing[0])}", "name the key's columns as they are")
    quote = connection.dialect.identifier_preparer.quote_identifier
    key = frozenset(table.key_columns)
    return Described(
        table=table,
        dialect=dialect,
        quoted=".".join(quote(part) for part in table.name),
        columns=found.columns,
        constraints=tuple(one.name for one in found.uniques if one.sound and one.columns == key),
        others=tuple(one.name for one in found.uniques if not (one.sound and one.columns == key)),
        mark=marks[style],
        real_name=found.name,
        packet=found.packet,
        transactions=found.transactions,
        resolves=found.resolves,
    )


def dialect_of(connection: Connection) -> Dialect:
    """Say what the server is, whatever the URL calls it. Raises Unprotected for one that is not supported."""
    name = connection.dialect.name
    if name in ("mysql", "mariadb"):
        return "mariadb" if getattr(connection.dialect, "is_mariadb", False) else "mysql"
    if name == "postgresql":
        return "postgresql"
    if name == "sqlite":
        return "sqlite"
    raise Unprotected(f"{visible(name)} is not supported", "use PostgreSQL, MySQL, MariaDB or SQLite")
