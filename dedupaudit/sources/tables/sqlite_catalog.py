"""Reads SQLite's catalog: columns with the collation they compare by, indexes, and the name of the rowid."""

from __future__ import annotations

import re
import sqlite3

from dedupaudit.sources.tables.catalog import Catalog, Column, Index, TableKind
from dedupaudit.sources.tables.sqlite_sql import quote

_COLLATION = re.compile(r"^([^-]+)-(?:8|16LE|16BE)$")
_UNKNOWN = re.compile(r"no such collation sequence: (.+)", re.DOTALL)
_PROBE = "dedupaudit asks"
_OWN = re.compile(r"^(sqlite|dedupaudit)_", re.IGNORECASE)


def table_names(connection: sqlite3.Connection) -> list[str]:
    """Return all tables and views but SQLite's own and this tool's."""
    rows = connection.execute("SELECT name FROM sqlite_master WHERE type IN ('table', 'view') ORDER BY name")
    return [name for (name,) in rows if isinstance(name, str) and not _OWN.match(name)]


def read_catalog(connection: sqlite3.Connection, name: str) -> Catalog | None:
    """Return the catalog of a table or view, found as SQLite finds it: without regard to ASCII case."""
    found = connection.execute(
        "SELECT name, type, coalesce(sql, '') FROM sqlite_master"
        " WHERE type IN ('table', 'view') AND name = ? COLLATE NOCASE",
        (name,),
    ).fetchone()
    if found is None:
        return None
    real, kind, sql = found
    quoted = f"main.{quote(real)}"
    rows = connection.execute(f"PRAGMA main.table_xinfo({quote(real)})").fetchall()
    without_rowid = kind == "table" and _rowid_alias(connection, quoted, [row[1] for row in rows]) is None
    key_parts = sorted((row for row in rows if row[5]), key=lambda row: row[5])
    primary_key = tuple(row[1] for row in key_parts)
    alias = not without_rowid and len(key_parts) == 1 and str(key_parts[0][2]).upper() == "INTEGER"
    indexes = _indexes(connection, real, primary_key)
    # `INTEGER PRIMARY KEY DESC` is, by an old bug that was kept, no alias of the rowid: it has an index of its own.
    alias = alias and not any(index.primary for index in indexes)
    columns = tuple(_column(connection, quoted, row, alias, without_rowid) for row in rows if row[6] != 1)
    if primary_key and not any(index.primary for index in indexes):
        collations = tuple(column.collation for part in primary_key for column in columns if column.name == part)
        indexes = (Index("primary key", primary_key, collations, unique=True, primary=True), *indexes)
    return Catalog(
        name=real,
        quoted=quoted,
        kind=_kind(kind, str(sql)),
        columns=columns,
        primary_key=primary_key,
        indexes=indexes,
        row_estimate=_estimate(connection, quoted, rows) if kind == "table" else None,
    )


def rowid_name(connection: sqlite3.Connection, catalog: Catalog) -> str | None:
    """Return the name by which rowids can be asked for: None for views and tables WITHOUT ROWID."""
    if catalog.kind == "view":
        return None
    return _rowid_alias(connection, catalog.quoted, [column.name for column in catalog.columns])


def _kind(kind: str, sql: str) -> TableKind:
    if kind == "view":
        return "view"
    return "virtual" if sql.lstrip().upper().startswith("CREATE VIRTUAL") else "table"


def _rowid_alias(connection: sqlite3.Connection, quoted: str, columns: list[str]) -> str | None:
    taken = {column.lower() for column in columns}
    for alias in ("rowid", "_rowid_", "oid"):
        if alias in taken:
            continue
        try:
            connection.execute(f"SELECT {alias} FROM {quoted} LIMIT 0")  # noqa: S608 (quoted names)
        except sqlite3.OperationalError as error:
            if "no such column" in str(error):
                return None
            raise
        return alias
    return None


def _estimate(connection: sqlite3.Connection, quoted: str, rows: list[tuple[object, ...]]) -> int | None:
    alias = _rowid_alias(connection, quoted, [str(row[1]) for row in rows])
    if alias is None:
        return None
    highest = connection.execute(f"SELECT max({alias}) FROM {quoted}").fetchone()[0]  # noqa: S608 (quoted names)
    return highest if isinstance(highest, int) and highest > 0 else None


def _column(
    connection: sqlite3.Connection, quoted: str, row: tuple[object, ...], alias: bool, without_rowid: bool
) -> Column:
    name, declared = str(row[1]), str(row[2])
    in_key = bool(row[5])
    collation = _collation(connection, quoted, name)
    return Column(
        name=name,
        declared=declared,
        # Only these two keep NULL out of a primary key; a plain TEXT PRIMARY KEY lets it in.
        nullable=not (row[3] or (in_key and (alias or without_rowid))),
        generated=row[6] in (2, 3),
        json="JSON" in declared.upper(),
        auto_increment=in_key and alias,
        collation=collation,
        bytewise=collation == "BINARY",
    )


def _collation(connection: sqlite3.Connection, quoted: str, column: str) -> str:
    """Ask SQLite itself: no pragma tells a column's collation, but the program for a comparison names it.

    A view's program holds its own comparisons too, so the one asked for is known by what it compares with.
    """
    question = f"EXPLAIN SELECT {quote(column)} = '{_PROBE}' FROM {quoted}"  # noqa: S608 (quoted names)
    try:
        program = connection.execute(question).fetchall()
    except sqlite3.OperationalError as error:
        if unknown := _UNKNOWN.match(str(error)):
            # Only queries that compare by it need it, and those say that they cannot.
            return unknown[1]
        raise
    probes = {p2 for _address, opcode, _p1, p2, _p3, p4, *_rest in program if opcode == "String8" and p4 == _PROBE}
    for _address, opcode, p1, _p2, p3, p4, *_rest in program:
        if opcode in ("Eq", "Ne") and {p1, p3} & probes and isinstance(p4, str) and (found := _COLLATION.match(p4)):
            return found[1]
    return "BINARY"


def _indexes(connection: sqlite3.Connection, table: str, primary_key: tuple[str, ...]) -> tuple[Index, ...]:
    found = []
    for _number, name, unique, origin, partial in connection.execute(f"PRAGMA main.index_list({quote(table)})"):
        parts = [row for row in connection.execute(f"PRAGMA main.index_xinfo({quote(name)})") if row[5]]
        found.append(
            Index(
                name=name,
                columns=tuple(part[2] for part in parts),
                collations=tuple(str(part[4]) for part in parts),
                unique=bool(unique),
                primary=origin == "pk" and bool(primary_key),
                partial=bool(partial),
            )
        )
    return tuple(sorted(found, key=lambda index: index.name))
