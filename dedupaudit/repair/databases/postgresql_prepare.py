"""Makes the tool's own tables in PostgreSQL, and refuses those that are not (any more) what it made."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from dedupaudit.display import visible
from dedupaudit.errors import Refused
from dedupaudit.repair.databases.postgresql_connection import Connection
from dedupaudit.repair.databases.postgresql_names import SCHEMA, named, own, quarantine, split
from dedupaudit.repair.databases.protocol import RUN_COLUMNS
from dedupaudit.sources.tables.catalog import Catalog
from dedupaudit.sources.tables.postgresql_session import name_of
from dedupaudit.sources.tables.postgresql_sql import quote
from dedupaudit.sqlfiles import fill, sql_text

_RUN_TYPES = ("text", "bigint", "integer", "text")
_OWN = {
    "runs": (
        "id", "plan", "table_name", "table_real", "columns", "state", "token", "who", "host", "process", "version",
        "started_at", "updated_at", "finished_at", "position", "chunks", "groups_done", "groups_skipped", "rows_kept",
        "rows_deleted", "rows_merged", "children_repointed", "proof", "message", "kind",
        "parent",
    ),
    "journal": ("run", "chunk", "seq", "line", "action", "target", "pk", "hash_before", "hash_after", "note"),
}  # fmt: skip
# One session at a time, or both would make the schema.
_ONE_AT_A_TIME = "SELECT pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended('dedupaudit prepare', 0))"
_SHOWN = 400


class Kept(NamedTuple):
    """A column of a quarantine; `bound` says that it takes not every value, or gives one of its own."""

    name: str
    kind: str
    collation: str
    bound: bool

    @property
    def sql(self) -> str:
        """The column's definition."""
        collation = f" COLLATE {self.collation}" if self.collation else ""
        return f"{quote(self.name)} {self.kind}{collation}"


def prepare(connection: Connection, tables: Sequence[Catalog]) -> None:
    """Create what is missing, all in one transaction: a refusal leaves nothing behind."""
    with connection.transaction():
        connection.rows(_ONE_AT_A_TIME)
        role = _schema(connection)
        for name, columns in _OWN.items():
            _own_table(connection, name, columns, role)
        for catalog in tables:
            _quarantine(connection, catalog, role)


def _schema(connection: Connection) -> str:
    """Make the schema where it is missing; return the role's name, quoted."""
    exists, usable, _creating, may_create, role, database = connection.rows(_text("schema_state"))[0]
    named_role = name_of(role)
    if not exists:
        if not may_create:
            raise Refused(
                f"the role {_shown(named_role)} may not make the schema {SCHEMA}, where a repair keeps what it deletes",
                f"CREATE SCHEMA {SCHEMA} AUTHORIZATION {_shown(named_role)};"
                f" or GRANT CREATE ON DATABASE {_shown(name_of(database))} TO {_shown(named_role)}",
            )
        connection.define(f"CREATE SCHEMA {quote(SCHEMA)}")
    elif not usable:
        raise Refused(
            f"the role {_shown(named_role)} may not use the schema {SCHEMA}",
            f"GRANT USAGE, CREATE ON SCHEMA {SCHEMA} TO {_shown(named_role)}",
        )
    return named_role


def _own_table(connection: Connection, name: str, columns: Sequence[str], role: str) -> None:
    found = named(connection, own(name))
    if found is None:
        _create(connection, _text(name), role)
        return
    _check_state(connection, own(name), found[0], role)
    if [column.name for column in _columns(connection, found[0])] != list(columns):
        raise _altered(own(name), "its columns are others")


def _quarantine(connection: Connection, catalog: Catalog, role: str) -> None:
    table = quarantine(catalog)
    audited = named(connection, catalog.quoted)
    wanted = _columns(connection, audited[0]) if audited else []
    if audited is None:
        raise Refused(f"table {visible(catalog.name)} is gone", "plan again")
    clash = sorted({column.name for column in wanted} & set(RUN_COLUMNS))
    if clash:
        raise Refused(
            f"table {visible(catalog.name)} has a column that a quarantine has: {', '.join(map(visible, clash))}",
            "rename that column: a quarantine keeps its own under the name",
        )
    found = named(connection, table)
    if found is None:
        run = [f"{quote(name)} {kind} NOT NULL" for name, kind in zip(RUN_COLUMNS, _RUN_TYPES, strict=True)]
        _create(connection, f"CREATE TABLE {table} ({', '.join([*run, *(one.sql for one in wanted)])})", role)
        connection.define(f"CREATE INDEX ON {table} ({', '.join(map(quote, RUN_COLUMNS[:2]))})")
        return
    _check_state(connection, table, found[0], role)
    lacking = _lacking(table, wanted, _columns(connection, found[0]))
    if not lacking:
        return
    added = f"ALTER TABLE {table} {', '.join(f'ADD COLUMN {one.sql}' for one in lacking)}"
    if not _state(connection, found[0])[3]:
        raise Refused(f"the role {_shown(role)} does not own {_shown(table)}, which lacks columns", f"{_shown(added)}")
    connection.define(added)


def _lacking(table: str, wanted: Sequence[Kept], held: Sequence[Kept]) -> list[Kept]:
    """Return the columns that a quarantine lacks; raises Refused where it has others than the tool made."""
    known = {column.name: column for column in held}
    for name, kind in zip(RUN_COLUMNS, _RUN_TYPES, strict=True):
        column = known.pop(name, None)
        if column is None or column.kind != kind:
            raise _altered(table, f"its column {name} is gone or another")
    for column in known.values():
        if column.bound:
            raise _altered(table, f"its column {visible(column.name)} has NOT NULL, a default or an expression")
    for column in wanted:
        there = known.get(column.name)
        if there is not None and there[:3] != column[:3]:
            now, was = (f"{one.kind} {one.collation}".strip() for one in (column, there))
            raise _altered(table, f"its column {visible(column.name)} is {visible(was)}, the table's {visible(now)}")
    return [column for column in wanted if column.name not in known]


def _check_state(connection: Connection, table: str, oid: int, role: str) -> None:
    kind, burdened, may_work, _owned = _state(connection, oid)
    if kind != "r":
        raise _altered(table, "it is no ordinary table")
    if burdened:
        raise _altered(table, "it has a trigger, a rule, a policy, a constraint or a unique index")
    if not may_work:
        raise Refused(
            f"the role {_shown(role)} may not work in {_shown(table)}",
            f"GRANT SELECT, INSERT, UPDATE, DELETE ON {_shown(table)} TO {_shown(role)}",
        )


def _state(connection: Connection, oid: int) -> tuple[str, bool, bool, bool]:
    statement = fill(_text("own_state"), {"oid": str(oid)})
    kind, burdened, may_work, owned = connection.rows(statement)[0]
    return str(kind), bool(burdened), bool(may_work), bool(owned)


def _columns(connection: Connection, oid: int) -> list[Kept]:
    rows = connection.rows(fill(_text("columns_kept"), {"oid": str(oid)}))
    return [
        Kept(name_of(name), name_of(kind), name_of(collation), bool(bound)) for name, kind, collation, bound in rows
    ]


def _create(connection: Connection, statement: str, role: str) -> None:
    if not connection.rows(_text("schema_state"))[0][2]:
        raise Refused(
            f"the role {_shown(role)} may not make tables in the schema {SCHEMA}",
            f"GRANT USAGE, CREATE ON SCHEMA {SCHEMA} TO {_shown(role)}",
        )
    connection.define(statement)


def _altered(table: str, how: str) -> Refused:
    schema, name = split(table)
    return Refused(
        f"the table {_shown(f'{schema}.{name}')} was altered, or is not the tool's: {how}",
        f"rename it away (ALTER TABLE {_shown(table)} RENAME TO …), or purge it where no run is to be undone",
    )


def _text(name: str) -> str:
    return sql_text(f"repair/postgresql/{name}.sql")


def _shown(text: str) -> str:
    return visible(text, _SHOWN)
