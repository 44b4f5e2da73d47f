"""Reads PostgreSQL's catalog: tables by name, columns with their types, every index with its flags."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from dedupaudit.display import visible
from dedupaudit.errors import UsageError
from dedupaudit.sources.tables.catalog import Catalog, Column, Index, TableKind
from dedupaudit.sources.tables.postgresql_session import Row, Session, name_of
from dedupaudit.sources.tables.postgresql_sql import literal, quote
from dedupaudit.sources.tables.postgresql_types import ColumnType, family_of, is_bytewise
from dedupaudit.sqlfiles import fill, sql_text

_KINDS: dict[str, TableKind] = {
    "r": "table",
    "p": "table",
    "v": "view",
    "m": "materialized view",
    "f": "foreign table",
}
# PostgreSQL cuts longer names, in its catalog and in every statement.
_LONGEST_NAME = 63


@dataclass(frozen=True)
class Relation:
    """One table, view or the like. `branches` says that rows lie in other tables below it."""

    oid: int
    schema: str
    name: str
    kind: str
    visible: bool
    branches: bool

    @property
    def quoted(self) -> str:
        """The table in SQL, with its schema."""
        return f"{quote(self.schema)}.{quote(self.name)}"


@dataclass(frozen=True)
class Description:
    """What is known of a table beyond its `Catalog`: where rows are, how columns are read, which indexes sort them."""

    relation: Relation
    catalog: Catalog
    types: dict[str, ColumnType]
    sorted_indexes: frozenset[str]


def relation_names(session: Session) -> list[str]:
    """Return the names of all tables and views: plain where the search path finds them, else with their schema."""
    found = _relations(session, "TRUE")
    return [one.name if one.visible else f"{one.schema}.{one.name}" for one in found]


def find_relation(session: Session, parts: Sequence[str]) -> Relation | None:
    """Return the table of that name: the exact one first, then the only one that differs in case."""
    if len(parts) > 2:
        return None
    schema, name = (_cut(parts[0]) if len(parts) == 2 else None), _cut(parts[-1])
    named = f"pg_catalog.lower(relation.relname::pg_catalog.text) = pg_catalog.lower({literal(name)})"
    found = _relations(session, named)
    if schema is not None:
        found = [one for one in found if one.schema.lower() == schema.lower()]
        found = [one for one in found if one.schema == schema] or found
    return choose(found, name, schema is not None)


def choose(found: Sequence[Relation], name: str, in_schema: bool) -> Relation | None:
    """Return the one that a name means; raises UsageError where several schemas have it and none is searched."""
    for alike in ([one for one in found if one.name == name], list(found)):
        seen = alike if in_schema else [one for one in alike if one.visible]
        if len(seen) == 1:
            return seen[0]
        if len(alike) == 1:
            return alike[0]
        if alike and not seen and len({one.name for one in alike}) == 1:
            shown = ", ".join(visible(f"{one.schema}.{one.name}") for one in alike[:5])
            raise UsageError(
                f"table {visible(name)} is in several schemas, and none is on the search path: {shown}",
                f'say which: name = "{visible(alike[0].schema)}.{visible(name)}" under [tables.{visible(name)}]',
            )
    return None


def describe(session: Session, relation: Relation) -> Description:
    """Read all that the catalog says of one table."""
    columns, types = read_columns(session.rows(_statement("columns", relation)))
    rows = session.rows(_statement("indexes", relation))
    indexes = read_indexes(rows, columns, covers_all=relation.kind == "p" or not relation.branches)
    primary = next((index for index in indexes if index.primary), None)
    # A primary key of a parent says nothing of the rows in tables that inherit from it.
    key = tuple(str(name) for name in primary.columns) if primary and not primary.partial else ()
    catalog = Catalog(
        name=relation.name if relation.visible else f"{relation.schema}.{relation.name}",
        quoted=relation.quoted,
        kind=_KINDS[relation.kind],
        columns=columns,
        primary_key=key,
        indexes=indexes,
        row_estimate=_estimate(session, relation),
    )
    sorts = frozenset(name_of(row[0]) for row in rows if row[1] == "btree" and row[4])
    return Description(relation, catalog, types, sorts)


def read_columns(rows: Sequence[Row]) -> tuple[tuple[Column, ...], dict[str, ColumnType]]:
    """Return columns and their types, of the rows of columns.sql."""
    columns = []
    types = {}
    for row in rows:
        name, declared, not_null, generated, auto, oid, _type, category, kind, collation, exact, *methods = row
        number, named = int(str(oid)), name_of(name)
        family = family_of(number, str(category))
        hash_schema, hash_name, equal_schema, equal_name = methods
        types[named] = ColumnType(
            number,
            family,
            f"{quote(name_of(hash_schema))}.{quote(name_of(hash_name))}" if hash_name else None,
            f"OPERATOR({quote(name_of(equal_schema))}.{name_of(equal_name)})" if equal_name else "=",
        )
        columns.append(
            Column(
                name=named,
                declared=name_of(declared),
                nullable=not not_null,
                generated=bool(generated),
                json=family == "json",
                auto_increment=bool(auto),
                collation=name_of(collation),
                bytewise=is_bytewise(number, str(kind), deterministic=bool(exact)),
            )
        )
    return tuple(columns), types


def read_indexes(rows: Sequence[Row], columns: Sequence[Column], *, covers_all: bool = True) -> tuple[Index, ...]:
    """Return indexes, of the rows of indexes.sql. Without `covers_all` none holds the rows of inheriting tables."""
    loose = {column.name for column in columns if not column.bytewise}
    found = []
    for name, parts in groupby(rows, key=lambda row: name_of(row[0])):
        held = list(parts)
        _name, _method, unique, primary, valid, ready, partial = held[0][:7]
        names = tuple(None if row[7] is None else name_of(row[7]) for row in held)
        # Another operator class may tell apart what the column's own calls equal: it counts as another collation.
        collations = tuple(
            name_of(row[8]) + (f" {name_of(row[9])}" if row[9] and column in loose else "")
            for row, column in zip(held, names, strict=True)
        )
        found.append(
            Index(
                name=name,
                columns=names,
                collations=collations,
                unique=bool(unique),
                primary=bool(primary),
                valid=bool(valid),
                ready=bool(ready),
                partial=bool(partial) or not covers_all,
            )
        )
    return tuple(found)


def _relations(session: Session, named: str) -> list[Relation]:
    rows = session.rows(fill(sql_text("scan/postgresql/relations.sql"), {"named": named}))
    return [
        Relation(int(str(row[0])), name_of(row[1]), name_of(row[2]), str(row[3]), bool(row[4]), bool(row[5]))
        for row in rows
    ]


def _statement(name: str, relation: Relation) -> str:
    return fill(sql_text(f"scan/postgresql/{name}.sql"), {"oid": str(relation.oid)})


def _estimate(session: Session, relation: Relation) -> int | None:
    """Ask the planner: it knows how many pages there are now, and adds up partitions. The role must be able to read."""
    plan = session.rows(f"EXPLAIN (FORMAT TEXT) SELECT FROM {relation.quoted}")  # noqa: S608 (quoted names)
    first = str(plan[0][0])
    rows = first.partition(" rows=")[2].partition(" ")[0]
    return int(rows) if rows.isdigit() else None


def _cut(name: str) -> str:
    return name.encode("utf-8", "surrogateescape")[:_LONGEST_NAME].decode("utf-8", "ignore")
