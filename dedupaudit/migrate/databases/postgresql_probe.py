"""Tries to store a duplicate in a PostgreSQL table, to see that it is the constraint that refuses it.

Everything here happens in a transaction that the caller rolls back. A sequence's number is used up: no database takes
that back.
"""

from __future__ import annotations

from collections.abc import Iterator

from dedupaudit.display import visible
from dedupaudit.migrate.databases.postgresql_names import Fragments, names_of
from dedupaudit.migrate.databases.postgresql_standing import look, oid_of, read_indexes
from dedupaudit.migrate.databases.protocol import NOTHING, REFUSED, Target
from dedupaudit.repair.databases.postgresql_connection import Connection, Refusal
from dedupaudit.repair.databases.postgresql_names import SCHEMA, split
from dedupaudit.repair.errors import Surprise
from dedupaudit.sources.tables.postgresql_session import name_of
from dedupaudit.sources.tables.postgresql_sql import literal, quote

_UNIQUE = "23505"


def probe(connection: Connection, target: Target) -> str:
    """Return how a duplicate was refused, or why none could be tried; see `Migration.probe`."""
    names = names_of(target.table)
    oid = oid_of(connection.rows, names.table)
    if oid is None:
        raise Surprise(f"table {visible(target.table.name)} is gone", "see `dedupaudit migrate status`")
    found = _stored(connection, target)
    if len(found) == 0:
        return f"{NOTHING}no row has a key"
    said = ""
    for verb, statement in _attempts(connection, target, oid, found):
        with_savepoint = _tried(connection, statement)
        if isinstance(with_savepoint, Refusal):
            if _is_ours(connection, target, oid, with_savepoint):
                return f"{verb} {REFUSED} {visible(with_savepoint.constraint)} (SQLSTATE {_UNIQUE})"
            if f"{SCHEMA}.{split(names.guard)[1]}" in with_savepoint.context.replace('"', ""):
                raise Surprise(
                    f"table {visible(target.table.name)}: a duplicate was refused by the guard, and not by the"
                    f" constraint {visible(target.constraint)}",
                    "see `dedupaudit migrate status`",
                )
            said = f"{NOTHING}{with_savepoint.message}"
        elif with_savepoint and with_savepoint[0][0]:
            raise Surprise(
                f"table {visible(target.table.name)}: the constraint {visible(target.constraint)} let a duplicate in",
                "nothing of it stays; see `dedupaudit migrate status`",
            )
        else:
            said = f"{NOTHING}a trigger or a rule turns what is stored into something else"
    return said or f"{NOTHING}no statement would store a duplicate"


def _stored(connection: Connection, target: Target) -> list[tuple[str, str]]:
    """Lock two rows with a whole key, and return where they lie: table and place, as literals."""
    parts, table = Fragments(target), names_of(target.table).table
    rows = connection.rows(
        f"SELECT t.tableoid::pg_catalog.int8, t.ctid::pg_catalog.text FROM {table} AS t"  # noqa: S608 (quoted names)
        f" WHERE {parts.whole('t')} LIMIT 2 FOR UPDATE SKIP LOCKED"
    )
    return [(str(row[0]), literal(name_of(row[1]))) for row in rows]


def _attempts(
    connection: Connection, target: Target, oid: int, found: list[tuple[str, str]]
) -> Iterator[tuple[str, str]]:
    """Yield statements that would store a duplicate, and return whether what they stored has the key of another row."""
    parts, table = Fragments(target), names_of(target.table).table
    # A duplicate in one partition: the key has the columns that it is partitioned by.
    columns = connection.rows(look("probe_columns", oid=oid))
    key = set(target.table.key_names)
    given = [quote(name_of(name)) for name, primary, default in columns if not (primary and default) or name in key]
    place = _place("t", found[0])
    if given:
        same = parts.matches("t", "s")
        listed = ", ".join(given)
        taken = ", ".join(f"t.{name}" for name in given)
        yield (
            "INSERT",
            f"INSERT INTO {table} AS s ({listed}) OVERRIDING SYSTEM VALUE SELECT {taken} FROM {table} AS t"  # noqa: S608
            f" WHERE {place} RETURNING (SELECT {same} FROM {table} AS t WHERE {place})",
        )
    settable = {name_of(row[0]) for row in columns}
    if len(found) == 2 and key <= settable:
        changed = ", ".join(f"{name} = t.{name}" for name in parts.key)
        same = parts.matches("t", "s")
        yield (
            "UPDATE",
            f"UPDATE {table} AS s SET {changed} FROM {table} AS t"  # noqa: S608
            f" WHERE {place} AND {_place('s', found[1])} RETURNING {same}",
        )


def _place(alias: str, row: tuple[str, str]) -> str:
    return f"{alias}.tableoid = {row[0]} AND {alias}.ctid = {row[1]}::pg_catalog.tid"


def _tried(connection: Connection, statement: str) -> Refusal | list[tuple[object, ...]]:
    connection.rows("SAVEPOINT dedupaudit_probe")
    try:
        answer = connection.tried(statement)
        return answer if isinstance(answer, Refusal) else list(answer)
    finally:
        connection.rows("ROLLBACK TO SAVEPOINT dedupaudit_probe")


def _is_ours(connection: Connection, target: Target, oid: int, refusal: Refusal) -> bool:
    """Say whether the constraint itself refused: of a partitioned table a partition's index does, attached to it."""
    if refusal.state != _UNIQUE or "function" in refusal.context:
        return False
    if refusal.constraint == target.constraint:
        return True
    attached = {one.name: one.parent for one in read_indexes(connection.rows, oid).values()}
    top = f"{quote(split(names_of(target.table).table)[0])}.{quote(target.constraint)}"
    for name in [one for one in attached if split(one)[1] == refusal.constraint]:
        above = name
        while attached.get(above):
            above = attached[above]
        if above == top:
            return True
    return False
