"""Writes a plan as SQL that a DBA can read: what `apply` would do, without its locks, quarantine and checks."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterable, Iterator
from math import copysign, isfinite

from dedupaudit.display import escape, visible
from dedupaudit.repair.plan import Group, Header, PlannedRow, PlanValue, database_value
from dedupaudit.repair.telling import chosen_by, left_for
from dedupaudit.reports.words import plural
from dedupaudit.sources.tables.protocol import Undecodable, Value

_NAMES = {"mysql": "`", "mariadb": "`"}
_TEXT = {"sqlite": "CAST(x'{}' AS TEXT)", "postgresql": "convert_from('\\x{}', 'UTF8')"}
_MERGES = {"max": "the greatest", "known": "it has none itself", "object": "its object exists"}
_LONGEST = 2_000
"""Characters of a condition; a longer one is not read by anybody."""


def plan_as_sql(header: Header, groups: Iterable[Group]) -> Iterator[str]:
    """Yield the lines: what is said of a group in a comment, then its UPDATE where it takes values, and its DELETEs."""
    dialect = header.database.get("dialect", "")
    yield f"-- {visible(header.table)}: what `dedupaudit repair apply` would do. To be read, not to be run: this keeps"
    yield "-- no quarantine, re-points no child row, takes no lock, and does not see whether a row changed since."
    for number, group in enumerate(groups, start=1):
        key = ", ".join(f"{visible(name)} = {visible(_shown(value))}" for name, value in group.key.items())
        cause = f"; cause {visible(group.cause.name)} ({group.cause.confidence})" if group.cause else ""
        yield ""
        yield f"-- {number}. {key}: {plural(group.rows, 'row')}, {group.row_class}{cause}"
        if group.survivor is None:
            yield f"-- left as it is: {left_for(group.left or '')}"
            continue
        yield f"-- stays: {_place(group.survivor)}; {chosen_by(group.rule)}"
        yield from _takes(header, group, group.survivor, dialect)
        yield from _goes(header, group, dialect)


def _takes(header: Header, group: Group, survivor: PlannedRow, dialect: str) -> Iterator[str]:
    for merge in group.merge:
        victim = group.victims[merge.victim]
        yield f"-- takes {visible(merge.column)} of {_place(victim)} ({_MERGES[merge.rule]})"
        here, there = _condition(survivor, dialect), _condition(victim, dialect)
        if here and there and _is_plain(header.real) and _is_plain(merge.column):
            column = _name(merge.column, dialect)
            value = f"(SELECT {column} FROM {header.real} WHERE {there})"  # noqa: S608 (for people to read)
            yield f"UPDATE {header.real} SET {column} = {value} WHERE {here};"  # noqa: S608


def _goes(header: Header, group: Group, dialect: str) -> Iterator[str]:
    for row in group.victims:
        condition = _condition(row, dialect) if _is_plain(header.real) else None
        if condition is None:
            yield f"-- goes: {_place(row)}"
        else:
            yield f"DELETE FROM {header.real} WHERE {condition};"  # noqa: S608


def _place(row: PlannedRow) -> str:
    if row.pk is None:
        return f"a row with the hash {row.hash[:16]}…"
    return ", ".join(f"{visible(name)} = {visible(_shown(value))}" for name, value in row.pk.items())


def _shown(value: PlanValue) -> object:
    if isinstance(value, dict) and "float" not in value:
        return b64decode(next(iter(value.values())))
    return value["float"] if isinstance(value, dict) else value


def _condition(row: PlannedRow, dialect: str) -> str | None:
    """Return what finds a row; None where SQL that can be read, and harms no terminal, cannot say it."""
    if not row.pk or not all(map(_is_plain, row.pk)):
        return None
    condition = " AND ".join(
        f"{_name(name, dialect)} = {_literal(database_value(value), dialect)}" for name, value in row.pk.items()
    )
    return condition if len(condition) <= _LONGEST else None


def _is_plain(text: str) -> bool:
    return escape(text) == text


def _name(name: str, dialect: str) -> str:
    mark = _NAMES.get(dialect, '"')
    return mark + name.replace(mark, mark * 2) + mark


def _literal(value: Value, dialect: str) -> str:
    match value:
        case None:
            return "NULL"
        case int():
            return str(value)
        case float():
            # No literal is infinite; one that is too large becomes it.
            return repr(value) if isfinite(value) else f"{copysign(1, value):.0f}e999"
        case bytes():
            return f"'\\x{value.hex()}'" if dialect == "postgresql" else f"x'{value.hex()}'"
        case Undecodable():
            return _TEXT.get(dialect, "x'{}'").format(value.raw.hex())
    # What cannot be seen must not reach a terminal as it is.
    if _is_plain(value) and not ("\\" in value and dialect in _NAMES):
        return "'" + value.replace("'", "''") + "'"
    return _TEXT.get(dialect, "_utf8mb4 x'{}'").format(value.encode("utf-8", "surrogatepass").hex())
