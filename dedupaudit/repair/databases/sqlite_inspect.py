"""What stands around a table of SQLite: foreign keys of all tables, triggers, and why it cannot be repaired."""

from __future__ import annotations

import re
import sqlite3

from dedupaudit.display import visible
from dedupaudit.repair.databases.protocol import Inspection, Link, Trigger
from dedupaudit.sources.tables.catalog import Catalog, guard
from dedupaudit.sources.tables.sqlite_catalog import read_catalog, table_names
from dedupaudit.sources.tables.sqlite_sql import quote
from dedupaudit.sources.tables.table import Table

_EVENT = re.compile(r"\b(DELETE|UPDATE|INSERT)\b(?:(?!\bON\b).)*\bON\b", re.IGNORECASE | re.DOTALL)


def inspect(connection: sqlite3.Connection, table: Table) -> Inspection:
    """Return what `RepairDatabase.inspect` does."""
    catalog = table.catalog
    if catalog.kind != "table":
        return Inspection(refusals=(f"{visible(catalog.name)} is a {catalog.kind}: repair the table below it",))
    links = tuple(_links(connection, catalog))
    children = {link.child.name: link.child for link in links if link.child.name != catalog.name}
    triggers = [*_triggers(connection, catalog.name, ("DELETE", "UPDATE", "INSERT"))]
    for child in children:
        triggers += _triggers(connection, child, ("UPDATE",))
    taken = [column.name for column in catalog.columns if column.name.lower().startswith("dedupaudit_")]
    refusals = [f"its column {visible(name)} has a name that the quarantine needs: rename it" for name in taken]
    return Inspection(links, tuple(triggers), tuple(refusals))


def _links(connection: sqlite3.Connection, catalog: Catalog) -> list[Link]:
    found = []
    for name in table_names(connection):
        parts: dict[int, list[tuple[object, ...]]] = {}
        for row in connection.execute(f"PRAGMA main.foreign_key_list({quote(name)})"):
            if str(row[2]).lower() == catalog.name.lower():
                parts.setdefault(int(row[0]), []).append(row)
        child = read_catalog(connection, name) if parts else None
        if child is not None:
            found += [_link(catalog, child, sorted(rows, key=_place)) for rows in parts.values()]
    return found


def _link(catalog: Catalog, child: Catalog, rows: list[tuple[object, ...]]) -> Link:
    columns = tuple(_real(child, str(row[3])) for row in rows)
    # A foreign key that names no columns means the primary key.
    referenced = tuple(
        _real(catalog, str(row[4])) if row[4] is not None else catalog.primary_key[number]
        for number, row in enumerate(rows)
    )
    held = tuple(column for name in referenced if (column := catalog.column(name)))
    return Link(
        name=f"{child.name}({', '.join(columns)})",
        child=child,
        columns=columns,
        referenced=referenced,
        on_delete=str(rows[0][6]),
        unique=guard(catalog, held) is not None,
    )


def _place(row: tuple[object, ...]) -> int:
    return int(str(row[1]))


def _real(catalog: Catalog, name: str) -> str:
    column = catalog.column(name)
    return column.name if column else name


def _triggers(connection: sqlite3.Connection, table: str, events: tuple[str, ...]) -> list[Trigger]:
    rows = connection.execute(
        "SELECT name, sql FROM main.sqlite_master WHERE type = 'trigger' AND tbl_name = ? COLLATE NOCASE", (table,)
    )
    found = []
    for name, sql in rows:
        event = _EVENT.search(str(sql))
        if event and event[1].upper() in events:
            found.append(Trigger(str(name), table, event[1].upper()))
    return found
