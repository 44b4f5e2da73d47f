"""How far a migration on MySQL or MariaDB is: what the catalog says, and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from dedupaudit.migrate.databases.mysql_names import GUARD, LOOKUP, PARTS, Names, is_ours, names_of
from dedupaudit.migrate.databases.mysql_script import body
from dedupaudit.migrate.databases.protocol import Standing, Target
from dedupaudit.migrate.facts import Leftover
from dedupaudit.repair.databases.mysql_tables import Place
from dedupaudit.sources.tables.mysql_sql import literal, quote
from dedupaudit.sqlfiles import fill, sql_text

Texts = Callable[[str], list[tuple[str | None, ...]]]
"""Returns all rows of a statement."""


@dataclass(frozen=True)
class IndexState:
    """An index: a column is None where it holds an expression. `whole` says that it holds all of each value."""

    name: str
    unique: bool
    columns: tuple[str | None, ...]
    whole: bool
    used: bool
    """Whether the optimizer may use it (MySQL: visible; MariaDB: not ignored)."""
    sorted: bool = True
    """Whether it is a B-tree, and neither for full texts nor for places."""


@dataclass(frozen=True)
class TriggerState:
    """A trigger of the table."""

    name: str
    timing: str
    event: str
    statement: str


def look(file: str, /, **parts: str) -> str:
    """Return one query of sql/migrations/mysql/look/."""
    return fill(sql_text(f"migrations/mysql/look/{file}.sql"), parts)


def read_indexes(texts: Texts, place: Place, product: str) -> dict[str, IndexState]:
    """Return a table's indexes by their names."""
    ignored = "ignored = 'YES'" if product.lower() == "mariadb" else "is_visible = 'NO'"
    found: dict[str, list[tuple[str | None, ...]]] = {}
    for row in texts(look("indexes", ignored=ignored, **place.literals)):
        found.setdefault(str(row[0]), []).append(row)
    return {
        name: IndexState(
            name,
            unique=rows[0][1] == "0",
            columns=tuple(row[2] for row in rows),
            whole=all(row[3] is None for row in rows),
            used=rows[0][4] == "0",
            sorted=rows[0][5] == "BTREE",
        )
        for name, rows in found.items()
    }


def read_triggers(texts: Texts, place: Place) -> list[TriggerState]:
    """Return a table's triggers, by name."""
    return [
        TriggerState(str(name), str(timing), str(event), statement or "")
        for name, timing, event, statement, _table in texts(look("triggers", **place.literals))
    ]


def read_sides(texts: Texts, names: Names) -> list[str]:
    """Return the names of the guards' side tables that were made for the table, whatever the key was."""
    rows = texts(look("guard_tables", schema=literal(names.place.schema)))
    return [
        str(name)
        for name, comment in rows
        if is_ours(str(name)) and (name == names.side.name or comment == names.comment)
    ]


def leftovers_of(indexes: dict[str, IndexState], triggers: list[TriggerState], sides: list[str]) -> Iterator[Leftover]:
    """Yield the tool's own objects around a table, in the order in which they are to be removed."""
    for trigger in triggers:
        if trigger.name.startswith(GUARD) and is_ours(trigger.name):
            yield Leftover("guard trigger", quote(trigger.name))
    for side in sides:
        yield Leftover("guard table", quote(side))
    for name in indexes:
        if name.startswith(LOOKUP) and is_ours(name):
            yield Leftover("lookup index", quote(name))


def standing(texts: Texts, target: Target) -> Standing:
    """Look how far the migration of a target is."""
    names = names_of(target.table)
    indexes = read_indexes(texts, names.place, target.facts.product)
    triggers = read_triggers(texts, names.place)
    sides = read_sides(texts, names)
    nullable = texts(fill(sql_text("repair/mysql/columns.sql"), names.place.literals))
    wanted = {name.lower() for name in target.not_null}
    served = target.facts.lookup in indexes if target.facts.lookup is not None else names.lookup in indexes
    return Standing(
        lookup="ready" if served else "none",
        guard=_guard(target, names, triggers, sides, served=served),
        unique="constraint" if keeps_unique(indexes.get(target.constraint), names.key) else "none",
        nulls_forbidden=not any(str(row[0]).lower() in wanted and row[4] == "YES" for row in nullable),
        leftovers=tuple(f"{one.kind} {one.name}" for one in leftovers_of(indexes, triggers, sides)),
    )


def _guard(
    target: Target, names: Names, triggers: list[TriggerState], sides: list[str], *, served: bool
) -> Literal["none", "partial", "complete"]:
    """Say what is there of the guard: all of it, and as this version makes it, or a part.

    Without the index that it looks through its triggers fail (1176), and every INSERT with them.
    """
    there = {trigger.name: trigger.statement.strip() for trigger in triggers if is_ours(trigger.name)}
    has_side = names.side.name in sides
    made = zip(names.triggers, PARTS, strict=True)
    if has_side and served and all(there.get(name) == body(target, part).strip() for name, part in made):
        return "complete"
    return "partial" if has_side or any(name in there for name in names.triggers) else "none"


def keeps_unique(index: IndexState | None, key: tuple[str, ...]) -> bool:
    """Say whether an index is unique on exactly the key."""
    if index is None or not (index.unique and index.whole):
        return False
    return {(name or "").lower() for name in index.columns} == {name.lower() for name in key}
