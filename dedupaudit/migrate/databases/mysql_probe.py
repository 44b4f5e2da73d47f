"""Tries to store a duplicate in a table of MySQL or MariaDB, to see that it is the constraint that refuses it.

Everything here happens in a transaction that the caller rolls back. An AUTO_INCREMENT number is used up: no database
takes that back.
"""

from __future__ import annotations

from collections.abc import Iterator

from dedupaudit.display import visible
from dedupaudit.migrate.databases.mysql_names import Fragments, names_of
from dedupaudit.migrate.databases.mysql_standing import TriggerState, read_triggers
from dedupaudit.migrate.databases.protocol import NOTHING, REFUSED, Target
from dedupaudit.repair.databases.mysql_connection import Connection
from dedupaudit.repair.errors import Surprise, Violation
from dedupaudit.sources.tables import mysql_errors
from dedupaudit.sources.tables.mysql_sql import quote

_DUPLICATE = 1062


def probe(connection: Connection, target: Target) -> str:
    """Return how a duplicate was refused, or why none could be tried; see `Migration.probe`."""
    parts, table = Fragments(target), names_of(target.table).table
    key, variables = ", ".join(parts.key), ", ".join(parts.seen)
    stored = f"FROM {table} AS t WHERE {parts.whole('t')}"
    if not connection.rows(f"SELECT 1 {stored} LIMIT 1"):
        return f"{NOTHING}no row has a key"
    connection.run(f"SELECT {key} INTO {variables} {stored} LIMIT 1")
    same = parts.same(parts.of("t"), parts.seen, "=")
    said = ""
    triggers = read_triggers(connection.texts, names_of(target.table).place)
    for verb, statement in _attempts(connection, target, same):
        try:
            connection.run(statement)
        except Violation as error:
            by_ours = is_refused_by(error.__cause__, target.constraint)
            if by_ours and not _guarded(triggers, target):
                return f"{verb} {REFUSED} {visible(target.constraint)} (error {_DUPLICATE})"
            said = said or f"{NOTHING}{error.message}"
            continue
        [(count,)] = connection.texts(f"SELECT COUNT(*) FROM {table} AS t WHERE {same}")
        if int(count or 0) > 1:
            raise Surprise(
                f"table {visible(target.table.name)}: the constraint {visible(target.constraint)} let a duplicate in",
                "nothing of it stays; see `dedupaudit migrate status`",
            )
        said = f"{NOTHING}a trigger turns what is stored into something else"
    return said or f"{NOTHING}no statement would store a duplicate"


def _guarded(triggers: list[TriggerState], target: Target) -> bool:
    """Say whether it may be the guard that refused."""
    return any(trigger.name in names_of(target.table).triggers for trigger in triggers)


def is_refused_by(cause: BaseException | None, constraint: str) -> bool:
    """Say whether a statement failed on this index: MySQL names `table.index`, MariaDB `index`, last."""
    if cause is None or mysql_errors.code_of(cause) != _DUPLICATE:
        return False
    said = str(cause.args[1]).lower()
    named = said[: said.rfind("'")]
    return named.endswith((f"'{constraint.lower()}", f".{constraint.lower()}"))


def _attempts(connection: Connection, target: Target, same: str) -> Iterator[tuple[str, str]]:
    """Yield statements that would store a duplicate of the key that the session's variables hold."""
    table, catalog = names_of(target.table).table, target.table.catalog
    key = set(target.table.key_names)
    generated = {one.name for one in catalog.columns if one.generated}
    given = [one for one in catalog.columns if one.name in key or not one.auto_increment]
    listed = ", ".join(quote(one.name) for one in given if not one.generated)
    if listed:
        taken = f"SELECT {listed} FROM {table} AS t WHERE {same} LIMIT 1"
        yield "INSERT", f"INSERT INTO {table} ({listed}) {taken}"
    primary = [quote(name) for name in catalog.primary_key]
    if not primary or key & generated:
        return
    parts = Fragments(target)
    changed = ", ".join(f"s.{name} = {seen}" for name, seen in zip(parts.key, parts.seen, strict=True))
    listed = ", ".join(primary)
    # Another row: the derived table is filled before the first row is changed.
    other = f"SELECT {listed} FROM {table} AS t WHERE NOT ({same}) AND {parts.whole('t')} LIMIT 1"
    joined = " AND ".join(f"s.{name} = o.{name}" for name in primary)
    yield "UPDATE", f"UPDATE {table} AS s JOIN ({other}) AS o ON {joined} SET {changed}"
