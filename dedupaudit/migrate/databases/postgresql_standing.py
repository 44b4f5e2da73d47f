"""Looks into PostgreSQL's catalog: how far a migration is, and which of its parts are there."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from dedupaudit.display import visible
from dedupaudit.migrate.databases.postgresql_names import ENABLED, Names, beside, names_of
from dedupaudit.migrate.databases.postgresql_script import Piece, Tree, guard_parts, pieces
from dedupaudit.migrate.databases.protocol import Standing, Target
from dedupaudit.repair.databases.postgresql_names import split
from dedupaudit.sources.tables.postgresql_session import Row, name_of
from dedupaudit.sources.tables.postgresql_sql import literal, quote
from dedupaudit.sqlfiles import fill, sql_text

Ask = Callable[[str], list[Row]]


@dataclass(frozen=True)
class IndexState:
    """An index that is there. `table`, `name` and `parent` are quoted, with their schemas."""

    table: str
    name: str
    unique: bool
    valid: bool
    constraint: bool
    parent: str
    columns: tuple[str | None, ...]
    partial: bool


@dataclass(frozen=True)
class GuardState:
    """The parts of the guard that are there, for people; `state` sums them up."""

    state: Literal["none", "partial", "complete"]
    parts: tuple[str, ...]


def look(file: str, /, **parts: object) -> str:
    """Return one of the queries of sql/migrations/postgresql/look/."""
    filled = {key: str(part) for key, part in parts.items()}
    return fill(sql_text(f"migrations/postgresql/look/{file}.sql"), filled)


def oid_of(ask: Ask, quoted: str) -> int | None:
    """Return the OID of a table, or None where it is gone."""
    schema, name = split(quoted)
    rows = ask(fill(sql_text("repair/postgresql/named.sql"), {"schema": literal(schema), "name": literal(name)}))
    return int(str(rows[0][0])) if rows else None


def read_tree(ask: Ask, oid: int) -> Tree:
    """Return the partitions that are there now."""
    leaves: list[tuple[str, str]] = []
    levels: list[tuple[str, str]] = []
    for schema, name, _kind, leaf, above_schema, above, _rows in ask(look("tree", oid=oid)):
        pair = _quoted(schema, name), _quoted(above_schema, above)
        (leaves if leaf else levels).append(pair)
    return Tree(tuple(leaves), tuple(levels))


def read_indexes(ask: Ask, oid: int) -> dict[str, IndexState]:
    """Return the indexes of a table and its partitions, by their quoted names."""
    found = {}
    for schema, table, name, unique, valid, constraint, above_schema, above, columns, partial in ask(
        look("indexes", oid=oid)
    ):
        quoted = _quoted(schema, name)
        found[quoted] = IndexState(
            table=_quoted(schema, table),
            name=quoted,
            unique=bool(unique),
            valid=bool(valid),
            constraint=bool(constraint),
            parent=_quoted(above_schema, above) if above is not None else "",
            columns=tuple(json.loads(name_of(columns))),
            partial=bool(partial),
        )
    return found


def own_index(piece: Piece, indexes: dict[str, IndexState], key: Sequence[str]) -> IndexState | None:
    """Return the index of a piece's name, where it is what the piece makes, finished or not, and no other's."""
    found = indexes.get(piece.name)
    if found is None or found.table != piece.table or found.partial or set(found.columns) != set(key):
        return None
    return found if found.unique == (piece.makes in ("unique index", "constraint")) else None


def is_made(piece: Piece, indexes: dict[str, IndexState], key: Sequence[str]) -> bool:
    """Say whether what a piece makes is there, and valid where it is no parent's."""
    own = own_index(piece, indexes, key)
    # Partitions that came meanwhile have an index by another name, attached already.
    attached = bool(piece.parent) and any(
        one.table == piece.table and one.parent == piece.parent and one.valid for one in indexes.values()
    )
    match piece.makes:
        case "index" | "unique index":
            return attached or (own is not None and own.valid)
        case "parent index":
            return own is not None
        case "constraint":
            return attached or (own is not None and own.constraint)
        case "attachment":
            return any(one.table == piece.table and one.parent == piece.parent for one in indexes.values())
        case _:
            return False


def read_guard(ask: Ask, oid: int, target: Target, tree: Tree) -> GuardState:
    """Look which parts of the guard are there, and whether they are what the script would make now."""
    names = names_of(target.table)
    rows = ask(guard_query(names, oid))
    kinds = [str(row[0]) for row in rows]
    bodies = {name_of(row[1]): name_of(row[2]) for row in rows if row[0] == "function"}
    fired = {(int(str(row[3])), name_of(row[1])): str(row[2]) for row in rows if row[0] == "trigger"}
    told = [f"{row[0]!s} {visible(name_of(row[1]))}" for row in rows if row[0] not in ("key", "trigger")]
    told += [f"trigger {visible(name)}" for name in names.triggers if (oid, name) in fired]
    complete = "table" in kinds and "key" in kinds and _is_current(bodies, target, names)
    if target.strategy == "partitioned":
        # Each leaf and each level has its own three for rows, and all fire always.
        below = len(tree.leaves) + len(tree.levels)
        complete = complete and len(fired) == 4 + 3 * below and set(fired.values()) == {"A"}
    else:
        wanted = {(oid, name): enabled for name, enabled in zip(names.triggers, ENABLED, strict=True)}
        complete = complete and fired == wanted
    return GuardState("complete" if complete else "partial" if rows else "none", tuple(told))


def guard_query(names: Names, oid: int) -> str:
    """Return the question which parts of a guard are there."""
    functions = ", ".join(literal(split(one)[1]) for one in names.functions)
    triggers = ", ".join(map(literal, names.triggers))
    return look("guard", oid=oid, side=literal(split(names.guard)[1]), functions=functions, triggers=triggers)


def _is_current(bodies: dict[str, str], target: Target, names: Names) -> bool:
    """Say whether the functions are the ones of this script: one of another constraint's name would tell that."""
    parts = guard_parts(target, names)
    said = [parts[name] for name in ("message", "table", "constraint_name")]
    row = bodies.get(split(names.guard)[1], "")
    insert = row if target.strategy == "partitioned" else bodies.get(split(names.guard_insert)[1], "")
    is_there = split(names.guard_truncate)[1] in bodies
    return is_there and all(one in body for body in (row, insert) for one in said)


def is_whole(made: Sequence[Piece], indexes: dict[str, IndexState], key: Sequence[str]) -> bool:
    """Say whether all pieces are there."""
    return all(is_made(piece, indexes, key) for piece in made)


def standing(ask: Ask, target: Target) -> Standing:
    """Look how far a migration is; see `Migration.standing`."""
    names = names_of(target.table)
    oid = oid_of(ask, names.table)
    if oid is None:
        return Standing("none", "none", "none", nulls_forbidden=False)
    tree = read_tree(ask, oid) if target.strategy == "partitioned" else Tree()
    indexes = read_indexes(ask, oid)
    guard = read_guard(ask, oid, target, tree)
    lookups = [piece for piece in pieces(target, "lookup", tree) if piece.makes in ("index", "parent index")]
    own = [piece.name for piece in lookups if piece.name in indexes]
    has_check, nullable, _schema = ask(look("columns", oid=oid, check=literal(names.check)))[0]
    left = [f"lookup index {_shown(name)}" for name in own]
    left += guard.parts
    left += [f"check {visible(names.check)}"] if has_check else []
    unique = _unique(target, names, tree, indexes)
    if unique == "invalid":
        made = [piece for piece in pieces(target, "build", tree) if piece.makes == "unique index"]
        broken = [one.name for one in made if one.name in indexes and not indexes[one.name].valid]
        left += [f"invalid index {_shown(name)}" for name in broken]
    return Standing(
        lookup=_lookup(target, names, lookups, own, indexes),
        guard=guard.state,
        unique=unique,
        nulls_forbidden=not has_check and not set(target.not_null) & set(json.loads(name_of(nullable))),
        leftovers=tuple(left),
    )


def _lookup(
    target: Target, names: Names, lookups: Sequence[Piece], own: Sequence[str], indexes: dict[str, IndexState]
) -> Literal["none", "invalid", "ready"]:
    top = indexes.get(beside(names.table, names.lookup(names.table)))
    if top is not None and top.valid and is_whole(lookups, indexes, names.key):
        return "ready"
    if target.facts.lookup is not None and not own:
        return "ready"
    return "invalid" if own else "none"


def _unique(
    target: Target, names: Names, tree: Tree, indexes: dict[str, IndexState]
) -> Literal["none", "invalid", "index", "constraint"]:
    top = indexes.get(beside(names.table, target.constraint))
    if top is not None and (
        top.table != names.table or not top.unique or top.partial or set(top.columns) != set(names.key)
    ):
        top = None
    if target.strategy != "partitioned":
        if top is None:
            return "none"
        return "invalid" if not top.valid else "constraint" if top.constraint else "index"
    if top is not None and top.valid and top.constraint:
        return "constraint"
    built = pieces(target, "build", tree)
    if is_whole(built, indexes, names.key):
        return "index"
    return "invalid" if top is not None or any(piece.name in indexes for piece in built) else "none"


def _quoted(schema: object, name: object) -> str:
    return f"{quote(name_of(schema))}.{quote(name_of(name))}"


def _shown(quoted: str) -> str:
    return visible(split(quoted)[1])
