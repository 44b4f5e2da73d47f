"""What the catalogs say of a table's columns and unique indexes, by database. One look a writer: tables.describe."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from dedupaudit.display import visible
from dedupaudit.ingest.errors import Unprotected
from dedupaudit.ingest.tables import Column, Dialect, Table

if TYPE_CHECKING:
    from sqlalchemy import Connection


@dataclass(frozen=True)
class Unique:
    """A unique index. `sound`: it keeps every row out at once: valid, no condition, no expression, no prefix."""

    name: str
    columns: frozenset[str]
    sound: bool


@dataclass(frozen=True)
class Found:
    """A table in the catalog: its own name, its columns and its unique indexes, those of its partitions too."""

    name: str
    columns: Mapping[str, Column]
    uniques: tuple[Unique, ...]
    packet: int | None = None
    transactions: bool = True
    resolves: bool = False


_PG_RELATION = """
SELECT c.oid, c.relname, c.relkind, EXISTS (SELECT FROM pg_catalog.pg_inherits AS i WHERE i.inhparent = c.oid)
FROM pg_catalog.pg_class AS c WHERE c.oid = pg_catalog.to_regclass(%s)
"""

# The type beneath a domain; the length of a text is the domain's too.
_PG_COLUMNS = """
SELECT a.attname,
       pg_catalog.format_type(information_schema._pg_truetypid(a.*, t.*), information_schema._pg_truetypmod(a.*, t.*)),
       NOT (a.attnotnull OR t.typnotnull),
       information_schema._pg_char_max_length(
           information_schema._pg_truetypid(a.*, t.*), information_schema._pg_truetypmod(a.*, t.*)),
       a.atthasdef OR a.attidentity <> ''
FROM pg_catalog.pg_attribute AS a JOIN pg_catalog.pg_type AS t ON t.oid = a.atttypid
WHERE a.attrelid = %s AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum
"""

# Of a partitioned table the indexes of the partitions as well: their names are those in a violation. pg_partition_tree
# has no row for a table that has no partitions and is none.
_PG_UNIQUES = """
SELECT i.relname,
       x.indrelid = %(oid)s,
       x.indisvalid AND x.indisready AND x.indislive AND x.indimmediate AND x.indpred IS NULL AND x.indexprs IS NULL,
       ARRAY(SELECT a.attname::pg_catalog.text FROM pg_catalog.generate_series(0, x.indnkeyatts - 1) AS n
             JOIN pg_catalog.pg_attribute AS a ON a.attrelid = x.indrelid AND a.attnum = x.indkey[n])
FROM pg_catalog.pg_index AS x JOIN pg_catalog.pg_class AS i ON i.oid = x.indexrelid
WHERE x.indisunique AND NOT x.indisexclusion
  AND (x.indrelid = %(oid)s
       OR x.indrelid IN (SELECT p.relid FROM pg_catalog.pg_partition_tree(%(oid)s::pg_catalog.regclass) AS p))
ORDER BY 2 DESC, 1
"""


def _postgresql(connection: Connection, table: Table) -> Found:
    name = ".".join('"' + part.replace('"', '""') + '"' for part in table.name)
    relation = connection.exec_driver_sql(_PG_RELATION, (name,)).fetchone()
    if relation is None:
        raise _absent(table)
    oid, real, kind, has_children = relation
    if kind not in ("r", "p"):
        raise _no_table(table)
    if kind == "r" and has_children:
        raise Unprotected(
            f"other tables inherit from {_shown(table)}: no constraint keeps a key single in all of them",
            "make it a partitioned table, whose unique constraint is of all partitions",
        )
    columns = [
        Column(row[0], row[1], row[2], row[3], row[1] in ("json", "jsonb"), row[4])
        for row in connection.exec_driver_sql(_PG_COLUMNS, (oid,))
    ]
    rows = connection.exec_driver_sql(_PG_UNIQUES, {"oid": oid}).fetchall()
    uniques = [(own, Unique(name, frozenset(parts), sound)) for name, own, sound, parts in rows]
    kept = {unique.columns for own, unique in uniques if own and unique.sound}
    # A partition's own index keeps a key single in that partition alone.
    return Found(
        real,
        {column.name: column for column in columns},
        tuple(Unique(one.name, one.columns, one.sound and (own or one.columns in kept)) for own, one in uniques),
    )


_MY_TABLE = """
SELECT table_name, table_type, engine FROM information_schema.tables
WHERE table_schema = coalesce(%s, DATABASE()) AND table_name = %s
"""
_MY_TRANSACTIONS = "SELECT transactions FROM information_schema.engines WHERE engine = %s"
_MY_COLUMNS = """
SELECT column_name, column_type, is_nullable = 'YES', data_type IN ('char', 'varchar'), character_maximum_length,
       column_default IS NOT NULL OR extra LIKE '%%auto_increment%%' OR extra LIKE '%%GENERATED%%',
       extra LIKE '%%auto_increment%%'
FROM information_schema.columns WHERE table_schema = coalesce(%s, DATABASE()) AND table_name = %s
"""
_MY_UNIQUES = """
SELECT index_name, column_name, sub_part FROM information_schema.statistics
WHERE table_schema = coalesce(%s, DATABASE()) AND table_name = %s AND non_unique = 0 ORDER BY index_name, seq_in_index
"""
_MY_CHECKS = """
SELECT check_clause FROM information_schema.check_constraints
WHERE constraint_schema = coalesce(%s, DATABASE()) AND table_name = %s
"""


def _mysql(connection: Connection, table: Table) -> Found:
    place = (table.name[-2] if len(table.name) > 1 else None, table.name[-1])
    found = connection.exec_driver_sql(_MY_TABLE, place).fetchone()
    if found is None:
        raise _absent(table)
    if found[1] not in ("BASE TABLE", "SYSTEM VERSIONED"):
        raise _no_table(table)
    json = _json_columns(connection, place)
    columns = [
        Column(
            name=row[0],
            type=row[1],
            nullable=bool(row[2]),
            length=row[4] if row[3] else None,
            json=row[0] in json or row[1] == "json",
            has_default=bool(row[5]),
            numbered=bool(row[6]),
        )
        for row in connection.exec_driver_sql(_MY_COLUMNS, place)
    ]
    return Found(
        found[0],
        {column.name: column for column in columns},
        _gathered((row[0], row[1], row[2] is None) for row in connection.exec_driver_sql(_MY_UNIQUES, place)),
        connection.exec_driver_sql("SELECT @@max_allowed_packet").scalar(),
        connection.exec_driver_sql(_MY_TRANSACTIONS, (found[2],)).scalar() != "NO",
    )


def _json_columns(connection: Connection, place: tuple[str | None, str]) -> frozenset[str]:
    """MariaDB's JSON is a text with a check."""
    if not getattr(connection.dialect, "is_mariadb", False):
        return frozenset()
    from dedupaudit.sources.tables.mysql_catalog import json_checked

    return json_checked(str(row[0]) for row in connection.exec_driver_sql(_MY_CHECKS, place))


_RESOLVES = re.compile(r"\bON\s+CONFLICT\b", re.IGNORECASE)
_LENGTH = re.compile(r"CHAR(?:ACTER)?\s*\(\s*(\d+)\s*\)", re.IGNORECASE)


def _sqlite(connection: Connection, table: Table) -> Found:
    schema = _quoted(table.name[-2]) if len(table.name) > 1 else "main"
    found = connection.exec_driver_sql(
        f"SELECT name, type, sql FROM {schema}.sqlite_master"
        " WHERE type IN ('table', 'view') AND name = ? COLLATE NOCASE",
        (table.name[-1],),
    ).fetchone()
    if found is None:
        raise _absent(table)
    if found[1] != "table":
        raise _no_table(table)
    rows = connection.exec_driver_sql(f"PRAGMA {schema}.table_xinfo({_quoted(found[0])})").fetchall()
    columns = [
        _sqlite_column(str(row[1]), str(row[2]), bool(row[3]), row[4] is not None or bool(row[6])) for row in rows
    ]
    parts: list[tuple[str, str | None, bool]] = []
    primary = [str(row[1]) for row in rows if row[5]]
    indexed = False
    for _number, name, unique, origin, partial in connection.exec_driver_sql(
        f"PRAGMA {schema}.index_list({_quoted(found[0])})"
    ).fetchall():
        indexed |= origin == "pk"
        if unique:
            keys = connection.exec_driver_sql(f"PRAGMA {schema}.index_xinfo({_quoted(name)})").fetchall()
            parts += [(name, row[2], not partial) for row in keys if row[5]]
    if primary and not indexed:
        # INTEGER PRIMARY KEY is the row's own number, and has no index.
        parts += [("PRIMARY KEY", column, True) for column in primary]
    return Found(
        name=str(found[0]),
        columns={column.name: column for column in columns},
        uniques=_gathered(parts),
        resolves=_RESOLVES.search(str(found[2])) is not None,
    )


def _sqlite_column(name: str, declared: str, not_null: bool, has_default: bool) -> Column:
    length = _LENGTH.search(declared)
    return Column(
        name=name,
        type=declared.lower(),
        nullable=not not_null,
        length=int(length[1]) if length else None,
        json="JSON" in declared.upper(),
        has_default=has_default,
    )


def _gathered(parts: Iterable[tuple[str, str | None, bool]]) -> tuple[Unique, ...]:
    """Join the parts of indexes: name, column (None: an expression), and whether that part is sound."""
    indexes: dict[str, list[tuple[str | None, bool]]] = {}
    for name, column, sound in parts:
        indexes.setdefault(name, []).append((column, sound))
    return tuple(
        Unique(
            name,
            frozenset(column for column, _sound in found if column is not None),
            all(sound and column is not None for column, sound in found),
        )
        for name, found in indexes.items()
    )


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _shown(table: Table) -> str:
    return visible(".".join(table.name))


def _absent(table: Table) -> Unprotected:
    return Unprotected(
        f"there is no table {_shown(table)}, or this user may not see it",
        "name it as it is, with its schema; `dedupaudit migrate target --create` makes the usual ones",
    )


def _no_table(table: Table) -> Unprotected:
    return Unprotected(f"{_shown(table)} is no table", "a writer needs the table itself, not a view of it")


CATALOGS: Final[Mapping[Dialect, Callable[[Any, Table], Found]]] = {
    "postgresql": _postgresql,
    "mysql": _mysql,
    "mariadb": _mysql,
    "sqlite": _sqlite,
}
