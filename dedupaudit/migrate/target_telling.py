"""What `migrate target` says: where a database differs from the target schema, for people and for programs."""

from __future__ import annotations

from collections.abc import Iterator

from dedupaudit.display import json_safe, visible
from dedupaudit.migrate.target import Comparison, Difference, TableComparison
from dedupaudit.reports.prose import labelled, prose
from dedupaudit.reports.words import plural

_LABEL = 11
_LABELS = {"primary key": "key", "redundant index": "redundant"}


def comparison_lines(comparison: Comparison, width: int = 80, where: str = "") -> list[str]:
    """Return the differences, table by table; `where` are the options that name the database, for the next command."""
    differing = [table for table in comparison.tables if not table.same]
    many = len(comparison.tables)
    if not differing:
        first = f"{comparison.place}: all {many} tables are as the target schema has them"
    elif not any(table.exists for table in comparison.tables):
        first = f"{comparison.place}: none of the {many} tables of the target schema is there"
    else:
        first = f"{comparison.place}: {len(differing)} of {many} tables differ from the target schema"
    lines = prose(first + ".", width)
    for table in comparison.tables:
        lines += ["", *_table(table, width)]
    return [*lines, *_next(comparison, width, where)]


def created_lines(comparison: Comparison, width: int = 80) -> list[str]:
    """Return what was made."""
    names = ", ".join(visible(table.real) for table in comparison.tables)
    return prose(f"{comparison.place}: created {names}; looked at again, all is as the target schema has it.", width)


def create_offer_lines(comparison: Comparison, width: int = 80) -> list[str]:
    """Return what is about to happen, for the question before it does."""
    names = ", ".join(visible(table.real) for table in comparison.tables)
    lines = prose(f"About to create {plural(len(comparison.tables), 'table')} in {comparison.place}:", width)
    lines += labelled("tables", names, width)
    lines += labelled("SQL", f"sql/schema/{comparison.dialect}.sql", width)
    one = (
        "each statement commits by itself" if comparison.dialect == "mysql" else "one transaction: all of it or nothing"
    )
    return [*lines, *labelled("safety", f"nothing that is there is changed; {one}", width)]


def _table(table: TableComparison, width: int) -> Iterator[str]:
    shown = visible(table.table)
    if table.real != table.table:
        shown += f" (here {visible(table.real)})"
    if not table.exists:
        yield from prose(f"{shown}: missing", width)
    elif table.same:
        yield from prose(f"{shown}: as the target has it", width)
    else:
        yield from prose(f"{shown}: {plural(len(table.differences), 'difference')}", width)
    for difference in table.differences:
        label = _LABELS.get(difference.what, difference.what)
        yield from labelled(label, told(difference), width, _LABEL)
    if table.more:
        names = ", ".join(map(visible, table.more))
        yield from labelled("besides", f"{names} (the target has no such column; that is no difference)", width, _LABEL)
    if table.key is not None:
        key = ", ".join(map(visible, table.key))
        note = f"the configured key is {key}; the target has the real ID in id, as the primary key"
        yield from labelled("note", note, width, _LABEL)


def told(difference: Difference) -> str:
    """Return one difference in words, without its label."""
    name = visible(difference.name)
    has = visible(difference.has) if difference.has is not None else None
    wanted = visible(difference.wanted) if difference.wanted is not None else None
    match difference.what:
        case "column":
            return f"{name} is missing; wanted {wanted}"
        case "null":
            return f"{name} {'may be NULL' if has == 'NULL' else 'is NOT NULL'}; wanted {wanted}"
        case "on update":
            return f"{name} is not set by an UPDATE; wanted {wanted}"
        case "index":
            return f"none begins with {wanted}; wanted one"
        case "redundant index":
            return f"{name} is unique on {has}, which the primary key is already"
        case "primary key":
            return f"the primary key is {has}; wanted {wanted}" if has else f"there is no primary key; wanted {wanted}"
        case _:
            return f"{name} has {has or 'none'}; wanted {wanted or 'none'}"


def _next(comparison: Comparison, width: int, where: str) -> Iterator[str]:
    if comparison.same:
        return
    yield ""
    if not any(table.exists for table in comparison.tables):
        yield "Make them:"
        yield f"  dedupaudit migrate target --create{where}"
        return
    yield from prose(f"The target in SQL is sql/schema/{comparison.dialect}.sql: change what differs by hand.", width)
    unkeyed = [
        table.table
        for table in comparison.tables
        if table.exists and (table.key or any(one.what == "primary key" for one in table.differences))
    ]
    if unkeyed:
        yield "A unique constraint on the ID, with writers running:"
        yield from (f"  dedupaudit migrate plan {name}{where}" for name in unkeyed)


def comparison_json(comparison: Comparison, *, created: bool = False) -> dict[str, object]:
    """Return the comparison for programs."""
    return {
        "database": json_safe(comparison.database),
        "place": json_safe(comparison.place),
        "dialect": comparison.dialect,
        "same": comparison.same,
        "created": created,
        "tables": [
            {
                "table": table.table,
                "real": json_safe(table.real),
                "exists": table.exists,
                "same": table.same,
                "differences": [
                    {
                        "what": one.what,
                        "name": json_safe(one.name),
                        "has": None if one.has is None else json_safe(one.has),
                        "wanted": one.wanted,
                    }
                    for one in table.differences
                ],
                "more": [json_safe(name) for name in table.more],
                "key": [json_safe(name) for name in table.key] if table.key is not None else None,
            }
            for table in comparison.tables
        ],
    }
