"""What stands around a PostgreSQL table: who refers to it, what a repair fires, and why it cannot be repaired."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, cast

from dedupaudit.display import visible
from dedupaudit.repair.databases.postgresql_connection import Connection
from dedupaudit.repair.databases.postgresql_names import named
from dedupaudit.repair.databases.protocol import Inspection, Link, Trigger
from dedupaudit.sources.tables.catalog import Catalog
from dedupaudit.sources.tables.postgresql_catalog import Relation, describe
from dedupaudit.sources.tables.postgresql_session import Row, name_of
from dedupaudit.sqlfiles import fill, sql_text

if TYPE_CHECKING:
    from dedupaudit.sources.tables.postgresql_session import Session

_KINDS = {"v": "a view", "m": "a materialized view", "f": "a foreign table"}
_ON_DELETE = {"a": "NO ACTION", "r": "RESTRICT", "c": "CASCADE", "n": "SET NULL", "d": "SET DEFAULT"}
_STATEMENT = 400


@dataclass(frozen=True)
class Facts:
    """What facts.sql says of one table."""

    kind: str
    persistence: str
    branches: bool
    partition: bool
    secured: bool
    privileges: frozenset[str]
    usable: bool
    unidentified: bool
    role: str
    quoted: str
    schema: str


def facts_of(connection: Connection, oid: int) -> Facts | None:
    """Ask what decides whether a table can be repaired; None where it is gone."""
    rows = connection.rows(_filled("facts", oid))
    if not rows:
        return None
    kind, persistence, branches, partition, secured, *rest = rows[0]
    may = frozenset(
        name for name, given in zip(("SELECT", "INSERT", "UPDATE", "DELETE"), rest[:4], strict=True) if given
    )
    usable, unidentified, role, quoted, schema = rest[4:]
    return Facts(
        kind=str(kind),
        persistence=str(persistence),
        branches=bool(branches),
        partition=bool(partition),
        secured=bool(secured),
        privileges=may,
        usable=bool(usable),
        unidentified=bool(unidentified),
        role=name_of(role),
        quoted=name_of(quoted),
        schema=name_of(schema),
    )


def inspect(connection: Connection, catalog: Catalog) -> Inspection:
    """Look at a table and at all that refers to it, as `RepairDatabase.inspect` does."""
    found = named(connection, catalog.quoted)
    facts = facts_of(connection, found[0]) if found else None
    if found is None or facts is None:
        return Inspection(refusals=(f"table {visible(catalog.name)} is gone: plan again",))
    oid = found[0]
    refusals = _refusals(catalog, facts)
    if facts.kind not in ("r", "p"):
        return Inspection(refusals=tuple(refusals))
    links, more = _links(connection, catalog, oid)
    if not catalog.primary_key and any(child == oid for child, _link in links):
        # What names such a row is its place, and a row that is re-pointed gets another one.
        refusals.append(
            f"table {visible(catalog.name)} refers to itself and has no primary key: its rows could not be followed:"
            f" ALTER TABLE {_shown(facts.quoted)} ADD PRIMARY KEY (…)"
        )
    fired = _triggers(connection, oid, sorted({child for child, _link in links} - {oid}))
    return Inspection(tuple(link for _child, link in links), fired, tuple(refusals + more))


def _refusals(catalog: Catalog, facts: Facts) -> list[str]:
    table = f"table {visible(catalog.name)}"
    if facts.kind in _KINDS:
        return [f"{visible(catalog.name)} is {_KINDS[facts.kind]}: repair the table below it"]
    said = []
    if facts.persistence == "t":
        said.append(f"{table} is a temporary table, of one session alone: repair where its rows come from")
    if facts.kind == "r" and facts.branches:
        said.append(f"tables inherit from {table}, and its statements change their rows too: repair each one alone")
    if facts.partition:
        said.append(f"{table} is a partition: repair the partitioned table that it belongs to")
    if facts.kind == "p" and not catalog.primary_key:
        said.append(
            f"{table} is partitioned and has no primary key, so that its rows cannot be named:"
            f" ALTER TABLE {_shown(facts.quoted)} ADD PRIMARY KEY (…)"
        )
    return said + _common(table, facts, ("SELECT", "INSERT", "UPDATE", "DELETE"))


def _common(table: str, facts: Facts, needed: Sequence[str]) -> list[str]:
    """Return what the table itself and those that refer to it are refused for."""
    said = []
    if facts.secured:
        said.append(
            f"row-level security on {table} hides rows from the role {_shown(facts.role)}:"
            f" repair as the table's owner, or ALTER ROLE {_shown(facts.role)} BYPASSRLS"
        )
    if facts.unidentified:
        said.append(
            f"{table} is published for replication and has no replica identity, so that PostgreSQL refuses to change"
            f" its rows: ALTER TABLE {_shown(facts.quoted)} REPLICA IDENTITY FULL"
        )
    grants = []
    if not facts.usable:
        grants.append(f"GRANT USAGE ON SCHEMA {_shown(facts.schema)} TO {_shown(facts.role)}")
    lacking = [name for name in needed if name not in facts.privileges]
    if lacking:
        grants.append(f"GRANT {', '.join(lacking)} ON {_shown(facts.quoted)} TO {_shown(facts.role)}")
    if grants:
        said.append(f"the role {_shown(facts.role)} may not do in {table} what a repair does: {'; '.join(grants)}")
    return said


def _links(connection: Connection, catalog: Catalog, oid: int) -> tuple[list[tuple[int, Link]], list[str]]:
    links: list[tuple[int, Link]] = []
    refusals: list[str] = []
    children: dict[int, Catalog | None] = {oid: catalog}
    rows = connection.rows(_filled("links", oid))
    for (child_oid, name), parts in groupby(rows, key=lambda row: (int(str(row[3])), name_of(row[0]))):
        held = list(parts)
        if held[0][2]:
            refusals.append(
                f"foreign key {visible(name)} of table {visible(name_of(held[0][5]))} is one over periods of time,"
                " which cannot be pointed to another row: drop it for the repair"
            )
            continue
        if child_oid not in children:
            children[child_oid], said = _child(connection, held[0])
            refusals += said
        child = children[child_oid]
        if child is not None:
            columns, referenced = (tuple(name_of(row[place]) for row in held) for place in (9, 10))
            links.append((child_oid, Link(name, child, columns, referenced, _ON_DELETE[str(held[0][1])])))
    return links, refusals


def _child(connection: Connection, row: Row) -> tuple[Catalog | None, list[str]]:
    """Return what a table that refers to the repaired one is, and why its rows could not be pointed elsewhere."""
    oid, schema, name, kind, seen, branches = row[3:9]
    relation = Relation(int(str(oid)), name_of(schema), name_of(name), str(kind), bool(seen), bool(branches))
    facts = facts_of(connection, relation.oid)
    shown = relation.name if relation.visible else f"{relation.schema}.{relation.name}"
    table = f"table {visible(shown)}, which refers to it,"
    if facts is None:
        return None, [f"{table} is gone: try again"]
    said = _common(table, facts, ("SELECT", "UPDATE"))
    if not facts.usable or facts.secured or "SELECT" not in facts.privileges:
        return None, said
    # `describe` asks for rows alone, which this connection gives as well.
    catalog = describe(cast("Session", connection), relation).catalog
    if facts.kind == "r" and facts.branches:
        said.append(f"tables inherit from {table} and its statements change their rows too: it cannot be re-pointed")
    elif not catalog.primary_key:
        said.append(
            f"{table} has no primary key, so that an undo could not find its rows again:"
            f" ALTER TABLE {_shown(facts.quoted)} ADD PRIMARY KEY (…)"
        )
    return catalog, said


def _triggers(connection: Connection, oid: int, children: Sequence[int]) -> tuple[Trigger, ...]:
    parts = {"oids": ", ".join(map(str, (oid, *children)))}
    found = []
    for root, name, table, *fired in connection.rows(fill(sql_text("repair/postgresql/triggers.sql"), parts)):
        for event, is_fired in zip(("DELETE", "UPDATE", "INSERT"), fired, strict=True):
            # Rows of children are pointed elsewhere, and never deleted or inserted.
            if is_fired and (event == "UPDATE" or int(str(root)) == oid):
                found.append(Trigger(name_of(name), name_of(table), event))
    return tuple(found)


def _filled(name: str, oid: int) -> str:
    return fill(sql_text(f"repair/postgresql/{name}.sql"), {"oid": str(oid)})


def _shown(text: str) -> str:
    return visible(text, _STATEMENT)
