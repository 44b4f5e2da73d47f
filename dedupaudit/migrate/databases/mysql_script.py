"""The script of a migration on MySQL and MariaDB: what would run, made of the target alone."""

from __future__ import annotations

import re
from collections.abc import Iterator

from dedupaudit.migrate.databases.mysql_definition import forbidding_null
from dedupaudit.migrate.databases.mysql_names import DEFINITION, PARTS, Fragments, names_of
from dedupaudit.migrate.databases.protocol import Target
from dedupaudit.migrate.facts import KeyColumn
from dedupaudit.migrate.plan import StepName
from dedupaudit.sources.tables.mysql_sql import literal, quote
from dedupaudit.sqlfiles import fill, sql_text

SHORT = "SET SESSION lock_wait_timeout = 1"
"""Nobody waits longer behind a statement that waits itself."""
ENDLESS = "SET SESSION max_statement_time = 0"
"""MariaDB alone has a limit for such statements."""
_MARIADB = ("21_guard_lock_update", "23_guard_lock_insert")
"""What MariaDB is given a text of its own for, in sql/migrations/mariadb/."""
_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
_WORD = re.compile(r"\w+", re.ASCII)


def text(file: str, /, **parts: str) -> str:
    """Return one statement of sql/migrations/mysql/."""
    return fill(sql_text(f"migrations/mysql/{file}.sql"), parts)


def statements(target: Target, step: StepName) -> tuple[str, ...]:
    """Return what a step runs; nothing where other code does it."""
    match step:
        case "lookup":
            return (*_patient(target), lookup(target))
        case "guard":
            return (SHORT, *guard(target))
        case "not_null":
            return (*_patient(target), not_null(target))
        case "build":
            return (*_patient(target), build(target))
        case "unguard":
            return (SHORT, *unguard(target))
        case _:
            return ()


def _patient(target: Target) -> tuple[str, ...]:
    """Return the settings of a statement that is long, and waits briefly."""
    return (SHORT, ENDLESS) if target.facts.product == "mariadb" else (SHORT,)


def lookup(target: Target) -> str:
    """Return what makes the lookup index."""
    names = names_of(target.table)
    return text("10_lookup", table=names.table, name=quote(names.lookup), key=", ".join(Fragments(target).key))


def build(target: Target) -> str:
    """Return what makes the unique index."""
    key = ", ".join(Fragments(target).key)
    return text("50_build", table=names_of(target.table).table, name=quote(target.constraint), key=key)


def guard(target: Target) -> tuple[str, ...]:
    """Return what makes the guard: the side table, then the triggers."""
    return (guard_table(target), *(trigger(target, part) for part in PARTS))


def guard_table(target: Target) -> str:
    """Return what makes the side table: its key is of the same type, character set and collation as the table's."""
    names, parts = names_of(target.table), Fragments(target)
    columns = [_entry(entry, column) for entry, column in zip(parts.entry, target.facts.key, strict=True)]
    return text(
        "20_guard_table",
        side=names.side.quoted,
        columns=",\n  ".join(columns),
        names=", ".join(parts.entry),
        comment=literal(names.comment),
    )


def _entry(name: str, column: KeyColumn) -> str:
    kind = _COMMENT.sub("", column.declared).strip()
    if column.collation and _WORD.fullmatch(column.collation):
        kind += f" CHARACTER SET {column.collation.partition('_')[0]} COLLATE {column.collation}"
    # Without a default of its own a first TIMESTAMP would be set anew by each UPDATE of its row.
    default = " DEFAULT '1970-01-02 00:00:00'" if base_of(column.declared) == "timestamp" else ""
    return f"{name} {kind} NOT NULL{default}"


def base_of(declared: str) -> str:
    """Return the base of a type: `varchar` of `varchar(255)`."""
    found = re.match(r"\w+", declared.strip().lower())
    return found[0] if found else ""


def trigger(target: Target, part: str) -> str:
    """Return what makes one of the guard's triggers, one of PARTS."""
    names = names_of(target.table)
    number = 21 + PARTS.index(part)
    name = names.in_schema(names.triggers[PARTS.index(part)])
    file = f"{number}_guard_{part}"
    folder = "mariadb" if target.facts.product == "mariadb" and file in _MARIADB else "mysql"
    return fill(sql_text(f"migrations/{folder}/{file}.sql"), {"trigger": name, **Fragments(target).guard()})


def body(target: Target, part: str) -> str:
    """Return what a trigger does, as information_schema.triggers.action_statement has it."""
    return trigger(target, part).partition(" FOR EACH ROW\n")[2]


def not_null(target: Target) -> str:
    """Return what forbids NULL; a column whose definition is not known has a definition that fails."""
    changed = [
        f"MODIFY COLUMN {quote(name)} {forbidding_null(target.facts.settings.get(DEFINITION + name, ''))}"
        for name in target.not_null
    ]
    return text("40_not_null", table=names_of(target.table).table, columns=", ".join(changed))


def unguard(target: Target) -> Iterator[str]:
    """Yield what removes the guard: who refuses first, then who locks, then what they use."""
    names = names_of(target.table)
    for name in reversed(names.triggers):
        yield drop_trigger(names.in_schema(name))
    yield drop_side(names.side.quoted)
    if target.facts.lookup is None:
        yield drop_lookup(names.table, names.lookup)


def drop_trigger(trigger: str) -> str:
    """Return what removes a trigger, by its quoted name."""
    return text("80_unguard_trigger", trigger=trigger)


def drop_side(side: str) -> str:
    """Return what removes a side table, by its quoted name."""
    return text("81_unguard_table", side=side)


def drop_lookup(table: str, name: str) -> str:
    """Return what removes a lookup index."""
    return text("82_unguard_lookup", table=table, name=quote(name))
