"""The script of a PostgreSQL migration: what would run, made of the target alone.

A script is made of pieces. Each makes one thing, so that a run which was killed can leave out what is there already.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Literal

from dedupaudit.migrate.databases.postgresql_names import LEVEL, Fragments, Names, beside, names_of
from dedupaudit.migrate.databases.protocol import Target
from dedupaudit.migrate.plan import StepName
from dedupaudit.repair.databases.postgresql_names import split
from dedupaudit.sources.tables.postgresql_sql import literal, quote
from dedupaudit.sqlfiles import fill, sql_text

BEGIN, COMMIT = "BEGIN", "COMMIT"
SHORT = "SET LOCAL lock_timeout = '1s'"
"""Nobody waits longer behind a statement that waits itself."""
BRIEF = "SET LOCAL statement_timeout = '2s'"
"""Nor behind one that should only change the catalog, whatever it finds to do."""
# One by one the partitions may take a second each, and all of them together must not.
_ALTOGETHER = "SET LOCAL statement_timeout = '1s'"
_PATIENT = ("SET lock_timeout = 0", "SET statement_timeout = 0")
_IMPATIENT = ("RESET statement_timeout", "RESET lock_timeout")

Makes = Literal["index", "unique index", "parent index", "constraint", "attachment", "all"]


@dataclass(frozen=True)
class Piece:
    """Statements that make one thing: `name` (quoted, with its schema) on `table` (quoted).

    An `index` is built concurrently, and may be left invalid. An `attachment` joins an index to `parent`.
    """

    makes: Makes
    table: str
    name: str
    statements: tuple[str, ...]
    parent: str = ""


@dataclass(frozen=True)
class Tree:
    """A partitioned table: its leaves, each with the table above it, and the levels between, topmost first; quoted."""

    leaves: tuple[tuple[str, str], ...] = ()
    levels: tuple[tuple[str, str], ...] = ()


def tree_of(target: Target) -> Tree:
    """Return the partitions that the facts know."""
    levels = [(name[len(LEVEL) :], above) for name, above in target.facts.settings.items() if name.startswith(LEVEL)]
    return Tree(tuple((part.quoted, part.parent) for part in target.facts.partitions), tuple(levels))


def text(file: str, /, **parts: str) -> str:
    """Return one statement of sql/migrations/postgresql/."""
    return fill(sql_text(f"migrations/postgresql/{file}.sql"), parts)


def brief(*statements: str) -> tuple[str, ...]:
    """Return short DDL as one transaction that waits a second at most for each lock."""
    return (BEGIN, SHORT, BRIEF, *statements, COMMIT)


def patient(*statements: str) -> tuple[str, ...]:
    """Return statements that wait as long as it takes, and let everybody read and write meanwhile."""
    return (*_PATIENT, *statements, *_IMPATIENT)


def locking(statement: str, target: Target) -> tuple[str, ...]:
    """Return a LOCK TABLE; where it locks partitions as well, all of it takes a second at most."""
    return (_ALTOGETHER, statement, BRIEF) if target.strategy == "partitioned" else (statement,)


def pieces(target: Target, step: StepName, tree: Tree) -> tuple[Piece, ...]:
    """Return what a step makes, in this order; nothing where other code does the step."""
    names, small = names_of(target.table), target.strategy == "small"
    match step:
        case "lock":
            return (_all(names, SHORT, text("05_lock", table=names.table)),)
        case "lookup":
            return tuple(_indexes(target, names, tree, names.lookup(names.table)))
        case "guard":
            return (_all(names, *brief(*_guard(target, names))),)
        case "not_null":
            return (_all(names, *_not_null(target, names)),)
        case "build" if small:
            key, constraint = ", ".join(Fragments(target).key), quote(target.constraint)
            built = text("52_build_small", table=names.table, name=constraint, key=key)
            made = (text("51_build_immediate"), built)
            return (Piece("unique index", names.table, beside(names.table, target.constraint), made),)
        case "build":
            return tuple(_builds(target, names, tree))
        case "attach":
            return tuple(_attached(target, names, tree))
        case "unguard":
            return (_all(names, *unguard(target, names)), *_unlooked(target, names))
        case _:
            return ()


def _all(names: Names, *statements: str) -> Piece:
    return Piece("all", names.table, "", statements)


def _indexes(target: Target, names: Names, tree: Tree, top: str) -> Iterator[Piece]:
    """Yield the lookup index; of a partitioned table the parents' first: partitions that come have theirs by them."""
    key = ", ".join(Fragments(target).key)
    if target.strategy != "partitioned":
        built = text("10_lookup", name=quote(top), table=names.table, key=key)
        yield Piece("index", names.table, beside(names.table, top), patient(built))
        return
    for table, _above in ((names.table, ""), *tree.levels):
        name = names.lookup(table)
        made = text("11_lookup_parent", name=quote(name), table=table, key=key)
        yield Piece("parent index", table, beside(table, name), brief(made))
    for table, above in tree.leaves:
        name = names.lookup(table)
        built = text("10_lookup", name=quote(name), table=table, key=key)
        yield Piece("index", table, beside(table, name), patient(built), beside(above, names.lookup(above)))
    for table, above in (*tree.leaves, *reversed(tree.levels)):
        yield _attachment(table, beside(table, names.lookup(table)), beside(above, names.lookup(above)))


def _attachment(table: str, part: str, parent: str) -> Piece:
    return Piece("attachment", table, part, brief(text("12_attach_index", parent=parent, part=part)), parent)


def _guard(target: Target, names: Names) -> Iterator[str]:
    parts, side = Fragments(target), names.guard
    columns = [f"t.{name} AS {entry}" for name, entry in zip(parts.key, parts.entry, strict=True)]
    yield text("20_guard_schema")
    yield text("21_guard_table", side=side, columns=", ".join(columns), table=names.table)
    yield text("22_guard_key", side=side, names=", ".join(parts.entry))
    yield text("26_guard_rights", side=side)
    body, partitioned = guard_parts(target, names), target.strategy == "partitioned"
    tag = _tag(body)
    yield text("23_guard_function", function=side, tag=tag, **body)
    functions = [side, names.guard_truncate]
    if not partitioned:
        functions.append(names.guard_insert)
        yield text("24_guard_insert_function", function=names.guard_insert, tag=tag, **body)
    yield text("25_guard_truncate_function", function=names.guard_truncate, tag=tag, side=side)
    for function in functions:
        yield text("27_guard_function_rights", function=function)
    yield from locking(text("28_guard_lock", table=names.table), target)
    insert, applied, update, delete, truncate = (quote(trigger) for trigger in names.triggers)
    on = {"table": names.table, "function": side}
    new, old = parts.whole("NEW"), parts.whole("OLD")
    if not partitioned:
        yield text("29_guard_insert", trigger=insert, table=names.table, function=names.guard_insert)
    yield text("30_guard_insert_row", trigger=insert if partitioned else applied, new_is_whole=new, **on)
    yield text("31_guard_update", trigger=update, key_is_changed=parts.changed(), **on)
    yield text("32_guard_delete", trigger=delete, old_is_whole=old, **on)
    yield text("33_guard_truncate", trigger=truncate, table=names.table, function=names.guard_truncate)
    always = [insert, update, delete, truncate] if partitioned else [update, delete, truncate]
    enabled = [f"ENABLE ALWAYS TRIGGER {one}" for one in always]
    enabled += [] if partitioned else [f"ENABLE REPLICA TRIGGER {applied}"]
    yield text("34_guard_always", table=names.table, enabled=", ".join(enabled))


def guard_parts(target: Target, names: Names) -> dict[str, str]:
    """Return what the guard's function is filled with."""
    parts = Fragments(target)
    schema, table = split(names.table)
    message = f'duplicate key value violates unique constraint "{target.constraint}"'
    detail = f"Key ({', '.join(target.table.key_names)}) already exists."
    return {
        "side": names.guard,
        "table": names.table,
        "old_is_whole": f"({parts.whole('OLD')})",
        "new_is_whole": parts.whole("NEW"),
        "new": ", ".join(f"NEW.{name}" for name in parts.key),
        "entry_is_old": parts.matches("g", "OLD"),
        "entry_is_new": parts.matches("g", "NEW"),
        "row_is_new": parts.matches("t", "NEW"),
        "fresh": ", ".join(f"n.{name}" for name in parts.key),
        "fresh_named": ", ".join(f"n.{name} AS {entry}" for name, entry in zip(parts.key, parts.entry, strict=True)),
        "fresh_is_whole": parts.whole("n"),
        "row_is_fresh": parts.matches("t", "n"),
        "one": ", ".join(f"one.{entry}" for entry in parts.entry),
        "entry_is_one": parts.matches("g", "one"),
        "row_is_one": parts.matches("t", "one"),
        "message": literal(message),
        "detail": literal(detail),
        "schema_name": literal(schema),
        "table_name": literal(table),
        "constraint_name": literal(target.constraint),
    }


def _tag(parts: dict[str, str]) -> str:
    """Return a tag for dollar quotes that no name in the body ends."""
    tag = "guard"
    while any(f"${tag}$" in part for part in parts.values()):
        tag += "_"
    return tag


def _not_null(target: Target, names: Names) -> Iterator[str]:
    columns = [quote(name) for name in target.not_null]
    if not columns:
        return
    check = quote(names.check)
    condition = " AND ".join(f"{name} IS NOT NULL" for name in columns)
    forbidden = ", ".join(f"ALTER COLUMN {name} SET NOT NULL" for name in columns)
    is_set = text("42_not_null_set", table=names.table, columns=forbidden)
    yield from brief(text("40_not_null_check", table=names.table, check=check, condition=condition))
    yield from patient(text("41_not_null_validate", table=names.table, check=check))
    yield from brief(is_set, text("43_not_null_uncheck", table=names.table, check=check))


def _builds(target: Target, names: Names, tree: Tree) -> Iterator[Piece]:
    key = ", ".join(Fragments(target).key)
    top = names.table, target.constraint, ""
    parts = [(table, names.part(table, target.constraint), above) for table, above in tree.leaves]
    for table, name, above in parts if target.strategy == "partitioned" else [top]:
        built = text("50_build", name=quote(name), table=table, key=key)
        parent = beside(above, _constraint(target, names, above)) if above else ""
        yield Piece("unique index", table, beside(table, name), patient(built), parent)


def _constraint(target: Target, names: Names, table: str) -> str:
    return target.constraint if table == names.table else names.part(table, target.constraint)


def _attached(target: Target, names: Names, tree: Tree) -> Iterator[Piece]:
    key = ", ".join(Fragments(target).key)
    if target.strategy != "partitioned":
        statement = text("60_attach", table=names.table, constraint=quote(target.constraint))
        yield Piece("constraint", names.table, beside(names.table, target.constraint), brief(statement))
        return
    # From above: what comes meanwhile below a level has its constraint from the beginning.
    for table, _above in ((names.table, ""), *tree.levels):
        name = _constraint(target, names, table)
        statement = text("61_attach_parent", table=table, constraint=quote(name), key=key)
        yield Piece("constraint", table, beside(table, name), brief(statement))
    for table, above in tree.leaves:
        name, parent = names.part(table, target.constraint), beside(above, _constraint(target, names, above))
        statement = text("60_attach", table=table, constraint=quote(name))
        yield Piece("constraint", table, beside(table, name), brief(statement), parent)
    for table, above in (*tree.leaves, *reversed(tree.levels)):
        part, parent = (beside(one, _constraint(target, names, one)) for one in (table, above))
        yield _attachment(table, part, parent)


def unguard(target: Target, names: Names) -> tuple[str, ...]:
    """Return what removes triggers, functions and side table, in one transaction; what is not there is no error."""
    dropped = [text("81_unguard_trigger", trigger=quote(one), table=names.table) for one in names.triggers]
    dropped += [text("82_unguard_function", function=one) for one in names.functions]
    dropped.append(text("83_unguard_table", side=names.guard))
    return brief(*locking(text("80_unguard_lock", table=names.table), target), *dropped)


def _unlooked(target: Target, names: Names) -> Iterator[Piece]:
    if target.facts.lookup is not None:
        return
    name = beside(names.table, names.lookup(names.table))
    if target.strategy == "partitioned":
        yield Piece("all", names.table, name, brief(text("85_unguard_lookup_parent", name=name)))
    else:
        yield Piece("all", names.table, name, patient(text("84_unguard_lookup", name=name)))


def statements_of(made: Sequence[Piece]) -> tuple[str, ...]:
    """Return all statements of pieces, as a plan has them."""
    return tuple(chain.from_iterable(piece.statements for piece in made))
