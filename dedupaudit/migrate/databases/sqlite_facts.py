"""What is known of an SQLite table before a migration, over a connection that only reads."""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote as percent

from dedupaudit.config import DatabaseSettings
from dedupaudit.display import visible
from dedupaudit.errors import Refused
from dedupaudit.interrupt import Interrupt
from dedupaudit.migrate.facts import Facts, ForeignKey, KeyColumn, TableTrigger
from dedupaudit.sources.tables.catalog import Catalog, Column, Index, guard, shortfall
from dedupaudit.sources.tables.sqlite_catalog import table_names
from dedupaudit.sources.tables.sqlite_guard import BUSY_SECONDS, decode, explain, is_sleeping_wal
from dedupaudit.sources.tables.sqlite_sql import quote
from dedupaudit.sources.tables.table import Table

_STEPS = 50_000
_BUILT_IN = ("BINARY", "NOCASE", "RTRIM")
_TOKEN = re.compile(
    r"""(?P<gap>\s+|--[^\n]*|/\*.*?(?:\*/|\Z))|"(?:[^"]|"")*"|`(?:[^`]|``)*`|\[[^\]]*\]|'(?:[^']|'')*'|[\w$]+|.""",
    re.DOTALL,
)


def read_facts(settings: DatabaseSettings, table: Table, constraint: str, interrupt: Interrupt) -> Facts:
    """Return what `Dialect.read_facts` does; raises SourceError, Refused for what is no table, Cancelled."""
    if table.catalog.kind != "table":
        raise Refused(
            f"{visible(table.name)} is a {table.catalog.kind}: it cannot have a unique index",
            "migrate the table below it",
        )
    path = Path(settings.url.database or "")
    immutable = settings.url.query.get("immutable") == "1"
    try:
        asleep = _is_asleep(path)
        with closing(_connect(path, immutable=immutable or asleep)) as connection:
            connection.set_progress_handler(lambda: interrupt.signum is not None, _STEPS)
            connection.execute("BEGIN")
            facts = _facts(connection, path, table, constraint, immutable=immutable)
            # Read without locks, it does not say that it is a WAL.
            return replace(facts, settings={"journal_mode": "wal"}) if asleep else facts
    except sqlite3.Error as error:
        interrupt.check()
        raise explain(error, path) from error


def read_defaults(settings: DatabaseSettings, tables: Sequence[str]) -> list[dict[str, str]]:
    """Return the default of each column that has one, as SQL, for each of some tables; raises SourceError.

    Nobody else of this process may have the file open: what is asked of it by hand drops its locks.
    """
    path = Path(settings.url.database or "")
    immutable = settings.url.query.get("immutable") == "1"
    try:
        with closing(_connect(path, immutable=immutable or _is_asleep(path))) as connection:
            asked = [connection.execute(f"PRAGMA main.table_xinfo({quote(table)})").fetchall() for table in tables]
    except sqlite3.Error as error:
        raise explain(error, path) from error
    # Name, default, and whether a column is hidden or generated.
    return [{str(row[1]): str(row[4]) for row in rows if row[4] is not None and row[6] == 0} for rows in asked]


def _is_asleep(path: Path) -> bool:
    """Say whether it is a WAL that nobody has open. While somebody has, it is not opened by hand, which costs locks."""
    return not Path(f"{path}-wal").exists() and path.is_file() and is_sleeping_wal(path)


def _connect(path: Path, *, immutable: bool) -> sqlite3.Connection:
    mode = "?mode=ro&immutable=1" if immutable else "?mode=ro"
    connection = sqlite3.connect(
        f"file:{percent(str(path.absolute()))}{mode}", uri=True, timeout=BUSY_SECONDS, isolation_level=None
    )
    connection.text_factory = decode
    # No statement here is anybody else's; but what a schema's expressions call is.
    connection.execute("PRAGMA query_only = ON")
    connection.execute("PRAGMA trusted_schema = OFF")
    return connection


def _facts(connection: sqlite3.Connection, path: Path, table: Table, constraint: str, *, immutable: bool) -> Facts:
    catalog = table.catalog
    protecting = guard(catalog, table.key)
    mine = wanted_index(catalog, table.key, constraint)
    names = table.key_names
    led = [index for index in catalog.indexes if set(index.columns[: len(names)]) == set(names) and not index.partial]
    return Facts(
        product="sqlite",
        version=sqlite3.sqlite_version_info,
        version_text=f"SQLite {sqlite3.sqlite_version}",
        key=tuple(_key_column(connection, catalog, column) for column in table.key),
        table_bytes=_bytes(connection, path, catalog),
        protecting=protecting.name if protecting else None,
        protecting_primary=protecting is not None and protecting.primary,
        nulls_forbidden=not any(column.nullable for column in table.key),
        lookup=led[0].name if led else None,
        redundant_indexes=tuple(_redundant(catalog, table.key, mine)),
        name_taken_by=None if mine else taken_by(connection, constraint),
        foreign_keys=tuple(_foreign_keys(connection, catalog)),
        triggers=tuple(_triggers(connection, catalog)),
        disk_free=shutil.disk_usage(path.absolute().parent).free,
        replicas=0,
        hides_rows=False,
        read_only=_read_only(path, immutable=immutable),
        settings={"journal_mode": str(connection.execute("PRAGMA journal_mode").fetchone()[0]).lower()},
    )


def wanted_index(catalog: Catalog, key: tuple[Column, ...], constraint: str) -> Index | None:
    """Return the index of that name, where it keeps this very key unique."""
    for index in catalog.indexes:
        same = set(index.columns) == {column.name for column in key}
        if same and index.name.lower() == constraint.lower() and shortfall(index, key) is None:
            return index
    return None


def taken_by(connection: sqlite3.Connection, name: str) -> str | None:
    """Say, for people, what has a name: tables, views and indexes share theirs, without regard to case."""
    found = connection.execute(
        "SELECT type, name, tbl_name FROM main.sqlite_master"
        " WHERE name = ? COLLATE NOCASE AND type IN ('table', 'view', 'index')",
        (name,),
    ).fetchone()
    if found is None:
        return None
    kind, real, table = (str(part) for part in found)
    return f"{kind} {visible(real)}" + (f" on {visible(table)}" if kind == "index" else "")


def _key_column(connection: sqlite3.Connection, catalog: Catalog, column: Column) -> KeyColumn:
    name = quote(column.name)
    found = connection.execute(
        f"SELECT max(length(CAST({name} AS BLOB))) FROM {catalog.quoted}"  # noqa: S608 (quoted names)
    ).fetchone()
    return KeyColumn(
        name=column.name,
        declared=column.declared,
        nullable=column.nullable,
        collation=column.collation,
        bytewise=column.bytewise,
        longest=found[0] or 0,
        # An index by a collation that only the application knows can be made by that application alone.
        indexable=column.collation.upper() in _BUILT_IN,
    )


def _bytes(connection: sqlite3.Connection, path: Path, catalog: Catalog) -> int:
    """Return the table's size; the whole file's where this SQLite was built without dbstat."""
    try:
        found = connection.execute(
            "SELECT sum(pgsize) FROM dbstat WHERE schema = 'main' AND name = ? AND aggregate = TRUE", (catalog.name,)
        ).fetchone()
        return int(found[0])
    except (sqlite3.OperationalError, TypeError):
        return path.stat().st_size


def _redundant(catalog: Catalog, key: tuple[Column, ...], mine: Index | None) -> Iterator[str]:
    names = tuple(column.name for column in key)
    primary = set(catalog.primary_key)
    for index in catalog.indexes:
        if index.primary or index.partial or index == mine:
            continue
        repeats_primary = index.unique and bool(primary) and set(index.columns) == primary
        repeats_key = not index.unique and index.columns == names[: len(index.columns)]
        collations = tuple(column.collation for column in key)[: len(index.columns)]
        if repeats_primary or (repeats_key and index.collations == collations):
            yield index.name


def _foreign_keys(connection: sqlite3.Connection, catalog: Catalog) -> Iterator[ForeignKey]:
    for name in table_names(connection):
        parts: dict[int, list[tuple[object, ...]]] = {}
        for row in connection.execute(f"PRAGMA main.foreign_key_list({quote(name)})"):
            parts.setdefault(int(row[0]), []).append(row)
        for rows in parts.values():
            outgoing = name == catalog.name
            if outgoing or str(rows[0][2]).lower() == catalog.name.lower():
                columns = tuple(str(row[3]) for row in sorted(rows, key=lambda row: int(str(row[1]))))
                yield ForeignKey(
                    name=f"{name}({', '.join(columns)})",
                    table=name,
                    columns=columns,
                    outgoing=outgoing,
                    on_delete=str(rows[0][6]),
                    on_update=str(rows[0][5]),
                )


def _triggers(connection: sqlite3.Connection, catalog: Catalog) -> Iterator[TableTrigger]:
    rows = connection.execute(
        "SELECT name, sql FROM main.sqlite_master WHERE type = 'trigger' AND tbl_name = ? COLLATE NOCASE ORDER BY name",
        (catalog.name,),
    )
    for name, sql in rows:
        timing, event = timing_of(str(sql))
        yield TableTrigger(str(name), timing, (event,))


def timing_of(sql: str) -> tuple[str, str]:
    """Return when a trigger fires and on what, from its CREATE statement: no pragma tells it.

    Its names may hold any words, so the statement is read token by token.
    """
    words = [match[0].upper() for match in _TOKEN.finditer(sql) if not match["gap"]]
    place = words.index("TRIGGER") + 1
    if words[place : place + 3] == ["IF", "NOT", "EXISTS"]:
        place += 3
    place += 3 if words[place + 1] == "." else 1
    timing = words[place]
    if timing == "INSTEAD":
        return "INSTEAD OF", words[place + 2]
    if timing in ("BEFORE", "AFTER"):
        return timing, words[place + 1]
    return "BEFORE", timing


def _read_only(path: Path, *, immutable: bool) -> str:
    if immutable:
        return "?immutable=1 in its URL says that it never changes"
    if not os.access(path, os.W_OK):
        return "the file may not be written"
    if not os.access(path.absolute().parent, os.W_OK):
        return "its folder may not be written, where the journal must be"
    return ""
