"""`migrate target`: holds a live database against the target schema, and makes that in an empty one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from dedupaudit.config import DatabaseSettings, Settings, TableSettings
from dedupaudit.display import visible
from dedupaudit.interrupt import Interrupt
from dedupaudit.migrate.target_live import Live, read_live
from dedupaudit.migrate.target_schema import (
    PRIMARY_KEY,
    TARGET,
    Dialect,
    WantedColumn,
    WantedTable,
    is_of_type,
    plain_default,
    type_of,
)
from dedupaudit.progress import Progress
from dedupaudit.repair.opening import database_of
from dedupaudit.sources.tables import open_source
from dedupaudit.sources.tables.catalog import Catalog, Column, Index, guard
from dedupaudit.sources.tables.protocol import TableSource

DIALECTS: Final[dict[str, Dialect]] = {
    "postgresql": "postgresql",
    "mysql": "mysql",
    "mariadb": "mysql",
    "sqlite": "sqlite",
}
"""Whose schema a URL's scheme means."""

What = Literal["table", "column", "type", "null", "default", "on update", "primary key", "index", "redundant index"]


@dataclass(frozen=True)
class Difference:
    """Where a table is not as the target has it. `name` is a column or an index; values are as the server has them.

    `has` None: it is missing; `wanted` None: it should not be there.
    """

    what: What
    name: str
    has: str | None
    wanted: str | None


@dataclass(frozen=True)
class TableComparison:
    """One table of the target. `real` is how it is called here."""

    table: str
    real: str
    exists: bool
    differences: tuple[Difference, ...] = ()
    more: tuple[str, ...] = ()
    """Columns that the target does not have: no difference, for nobody is hindered by them."""
    key: tuple[str, ...] | None = None
    """The configured key, where it is another than the target's."""

    @property
    def same(self) -> bool:
        """Whether it is as the target has it."""
        return self.exists and not self.differences


@dataclass(frozen=True)
class Comparison:
    """A database and the target schema."""

    database: str
    """What it is called: what `--confirm` takes."""
    place: str
    dialect: Dialect
    tables: tuple[TableComparison, ...]

    @property
    def same(self) -> bool:
        """Whether every table is as the target has it."""
        return all(table.same for table in self.tables)


def compare(settings: Settings, *, interrupt: Interrupt, progress: Progress) -> Comparison:
    """Look at the one configured database; changes nothing. Raises UsageError, SourceError."""
    database = database_of(settings)
    dialect = DIALECTS[database.url.scheme]
    source = open_source(database, interrupt, progress)
    try:
        lives = [_look(source, parts_of(settings, wanted), dialect) for wanted in TARGET]
    finally:
        source.close()
    if dialect == "sqlite":
        lives = _with_defaults(database, lives)
    tables = []
    for wanted, live in zip(TARGET, lives, strict=True):
        key = (settings.tables.get(wanted.name) or TableSettings()).key
        tables.append(compare_table(wanted, ".".join(parts_of(settings, wanted)), live, dialect, key or None))
    return Comparison(name_of(database), place_of(database), dialect, tuple(tables))


def _look(source: TableSource, parts: tuple[str, ...], dialect: Dialect) -> Live | None:
    catalog = source.catalog(parts)
    if catalog is None:
        return None
    # SQLite's audit lets no query ask for defaults.
    return Live(catalog) if dialect == "sqlite" else read_live(source, catalog, dialect)


def _with_defaults(database: DatabaseSettings, lives: Sequence[Live | None]) -> list[Live | None]:
    from dedupaudit.migrate.databases.sqlite_facts import read_defaults

    there = [live.catalog.name for live in lives if live]
    found = dict(zip(there, read_defaults(database, there), strict=True))
    return [Live(live.catalog, found[live.catalog.name]) if live else None for live in lives]


def parts_of(settings: Settings, wanted: WantedTable) -> tuple[str, ...]:
    """Return what a table of the target is called here: its name, or schema and name."""
    configured = settings.tables.get(wanted.name)
    return tuple((configured and configured.name) or (wanted.name,))


def name_of(database: DatabaseSettings) -> str:
    """Return what a database is called: a file's name, the name on a server; where the URL has none, its host's."""
    url = database.url
    if url.scheme == "sqlite":
        return Path(url.database or "").name
    return url.query.get("dbname") or url.database or url.host or url.scheme


def place_of(database: DatabaseSettings) -> str:
    """Return where a database is, for people: `host:port/name`, or the file."""
    url = database.url
    if url.scheme == "sqlite":
        return visible(url.database or "")
    host = url.query.get("host") or url.host or "localhost"
    port = url.query.get("port") or url.port
    return visible((f"{host}:{port}" if port else str(host)) + f"/{name_of(database)}")


def compare_table(
    wanted: WantedTable, real: str, live: Live | None, dialect: Dialect, key: tuple[str, ...] | None = None
) -> TableComparison:
    """Return where a table (None: it is not there) differs from the target. Pure."""
    key = None if key is None or tuple(name.lower() for name in key) == PRIMARY_KEY else tuple(key)
    if live is None:
        return TableComparison(wanted.name, real, exists=False, key=key)
    catalog = live.catalog
    if catalog.kind != "table":
        other = Difference("table", catalog.name, catalog.kind, "table")
        return TableComparison(wanted.name, catalog.name, exists=True, differences=(other,), key=key)
    differences = [one for column in wanted.columns for one in _column(column, live, dialect)]
    differences += [*_primary_key(catalog), *_indexes(wanted, catalog)]
    names = {column.name for column in wanted.columns}
    more = tuple(column.name for column in catalog.columns if column.name.lower() not in names)
    return TableComparison(wanted.name, catalog.name, True, tuple(differences), more, key)


def _column(wanted: WantedColumn, live: Live, dialect: Dialect) -> Iterator[Difference]:
    name = wanted.name
    column = live.catalog.column(name)
    if column is None:
        yield Difference("column", name, None, type_of(wanted, dialect))
        return
    if not is_of_type(column, wanted, dialect):
        yield Difference("type", name, column.declared or "no type", type_of(wanted, dialect))
    if wanted.not_null is not None and column.nullable == wanted.not_null:
        yield Difference("null", name, _null(column.nullable), _null(not wanted.not_null))
    yield from _default(wanted, column, live)
    if wanted.updated and dialect != "sqlite" and column.name.lower() not in {one.lower() for one in live.updated}:
        yield Difference("on update", name, None, "a trigger" if dialect == "postgresql" else "ON UPDATE")


def _null(nullable: bool) -> str:
    return "NULL" if nullable else "NOT NULL"


def _default(wanted: WantedColumn, column: Column, live: Live) -> Iterator[Difference]:
    has = live.defaults.get(column.name)
    if column.generated:
        yield Difference("default", wanted.name, "generated", wanted.default)
    elif column.auto_increment and has is None:
        yield Difference("default", wanted.name, "auto-increment", wanted.default)
    elif plain_default(has) != wanted.default:
        yield Difference("default", wanted.name, has if plain_default(has) else None, wanted.default)


def _primary_key(catalog: Catalog) -> Iterator[Difference]:
    if tuple(name.lower() for name in catalog.primary_key) != PRIMARY_KEY:
        yield Difference("primary key", "", ", ".join(catalog.primary_key) or None, ", ".join(PRIMARY_KEY))


def _indexes(wanted: WantedTable, catalog: Catalog) -> Iterator[Difference]:
    led = {str(index.columns[0]).lower() for index in catalog.indexes if _serves(index)}
    for name in wanted.indexed:
        if catalog.column(name) and name not in led:
            yield Difference("index", "", None, name)
    primary = tuple(column for name in catalog.primary_key if (column := catalog.column(name)))
    keeper = guard(catalog, primary) if primary else None
    for index in catalog.indexes:
        # Of a composite key, an index on a part of it says more.
        repeats = set(index.columns) == set(catalog.primary_key) and _serves(index)
        if index.unique and repeats and keeper and keeper.primary and not index.primary:
            yield Difference("redundant index", index.name, ", ".join(catalog.primary_key), None)


def _serves(index: Index) -> bool:
    """Say whether a search by the index's first column can use it."""
    return index.valid and index.ready and not index.partial and not index.prefix and index.columns[:1] != (None,)
