"""Writes a plan as SQL that a DBA can read: what `apply` would do, without its locks, quarantine and checks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from dedupaudit.display import visible
from dedupaudit.repair.plan import Group, Header, PlannedRow, database_value
from dedupaudit.sources.tables.protocol import Undecodable, Value

_NAMES = {"mysql": "`", "mariadb": "`"}
_TEXT = {"sqlite": "CAST(x'{}' AS TEXT)", "postgresql": "convert_from('\\x{}', 'UTF8')"}


def plan_as_sql(header: Header, groups: Iterable[Group]) -> Iterator[str]:
    """Yield the lines: a comment for each group, and its DELETE."""
    dialect = header.database.get("dialect", "")
    yield f"-- {visible(header.table)}: what `dedupaudit repair apply` would remove. Read it; do not run it: it keeps no"
    yield "-- quarantine, takes no locks, and does not see whether a row changed since."
    for number, group in enumerate(groups, start=1):
        key = ", ".join(f"{visible(name)} = {visible(_shown(value))}" for name, value in group.key.items())
        cause = f"; cause {group.cause.name} ({group.cause.confidence})" if group.cause else ""
        yield ""
        yield f"-- {number}. {key}: {group.rows:,} rows, {group.row_class}{cause}"
        if group.survivor is None:
            yield f"-- left as it is: {visible(group.left or '')}"
            continue
        for merge in group.merge:
            yield f"-- {visible(merge.column)} is taken from {_place(group.victims[merge.victim])} ({merge.rule})"
        yield f"-- stays: {_place(group.survivor)} ({visible(group.rule)})"
        yield from _deletes(header, group, dialect)


def _deletes(header: Header, group: Group, dialect: str) -> Iterator[str]:
    for row in group.victims:
        if row.pk is None:
            yield f"-- goes: {_place(row)}"
            continue
        condition = " AND ".join(
            f"{_name(name, dialect)} = {_literal(database_value(value), dialect)}" for name, value in row.pk.items()
        )
        yield f"DELETE FROM {header.real} WHERE {condition};"  # noqa: S608 (for people to read)


def _place(row: PlannedRow) -> str:
    if row.pk is None:
        return f"the row with the hash {row.hash[:16]}…"
    return ", ".join(f"{visible(name)} = {visible(_shown(value))}" for name, value in row.pk.items())


def _shown(value: object) -> object:
    return next(iter(value.values())) if isinstance(value, dict) else value


def _name(name: str, dialect: str) -> str:
    mark = _NAMES.get(dialect, '"')
    return mark + name.replace(mark, mark * 2) + mark


def _literal(value: Value, dialect: str) -> str:
    match value:
        case None:
            return "NULL"
        case int() | float():
            return repr(value)
        case bytes():
            return f"'\\x{value.hex()}'" if dialect == "postgresql" else f"x'{value.hex()}'"
        case Undecodable():
            return _TEXT.get(dialect, "x'{}'").format(value.raw.hex())
    # What cannot be seen must not reach a terminal as it is.
    if value.isprintable() and not ("\\" in value and dialect in _NAMES):
        return "'" + value.replace("'", "''") + "'"
    return _TEXT.get(dialect, "_utf8mb4 x'{}'").format(value.encode("utf-8", "surrogatepass").hex())
