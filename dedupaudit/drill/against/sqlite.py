"""Copies the shape of an SQLite table into the scratch file: what it is, and never what is in it.

All that a trigger can reach is its own file, and the scratch is another one: what works there touches nothing outside.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

from dedupaudit.display import visible
from dedupaudit.drill.against.bodies import inserts_into
from dedupaudit.drill.against.copying import Copied
from dedupaudit.drill.against.rows import Field, Kind, computes
from dedupaudit.drill.against.trying import refusal, said
from dedupaudit.drill.scratch.sqlite import SqliteScratch, connected
from dedupaudit.errors import SourceError
from dedupaudit.migrate.databases.sqlite_facts import timing_of
from dedupaudit.sources.tables.sqlite_guard import connect, explain, is_sleeping_wal
from dedupaudit.sources.tables.sqlite_sql import quote
from dedupaudit.sources.tables.table import Table

_LENGTH = re.compile(r"\((\d+)")
# The words of a declared type, in the order in which SQLite itself looks for them.
_KINDS: tuple[tuple[str, Kind], ...] = (
    ("JSON", "json"), ("INT", "integer"), ("CHAR", "text"), ("CLOB", "text"), ("TEXT", "text"), ("BLOB", "bytes"),
    ("REAL", "float"), ("FLOA", "float"), ("DOUB", "float"), ("BOOL", "integer"), ("DATETIME", "datetime"),
    ("TIMESTAMP", "datetime"), ("DATE", "date"), ("UUID", "uuidtext"), ("NUMERIC", "integer"), ("DECIMAL", "integer"),
)  # fmt: skip
_OBJECTS = "SELECT name, sql FROM main.sqlite_master WHERE type = ? AND tbl_name = ? COLLATE NOCASE AND sql IS NOT NULL"


def copy_table(scratch: SqliteScratch, table: Table) -> Copied:
    """Make the table in the scratch file, in place of one of its name, without its triggers."""
    name = table.catalog.name
    copied = Copied(name)
    with _real(scratch) as real, connected(scratch.path) as made:
        [(_name, statement)] = real.execute(_OBJECTS, ("table", name)).fetchall()
        made.execute(f"DROP TABLE IF EXISTS main.{quote(name)}")
        made.execute(statement)
        for index, sql in real.execute(f"{_OBJECTS} ORDER BY name", ("index", name)).fetchall():
            try:
                made.execute(sql)
            except sqlite3.Error as error:
                unique = any(one.unique for one in table.catalog.indexes if one.name == index)
                copied.leave(f"index {visible(index)}", f"it cannot be made here: {said(error)}", uncertain=unique)
        keys = {row[0]: row[2] for row in made.execute(f"PRAGMA foreign_key_list({quote(name)})")}
        for parent in keys.values():
            copied.leave(f"foreign key to {visible(parent)}", "the tables that it refers to are not copied")
        there = {row[1] for row in made.execute(f"PRAGMA index_list({quote(name)})") if row[2]}
        copied.fields += _fields(made, table)
    for one in table.catalog.indexes:
        if one.unique and (one.primary or one.name in there):
            copied.constraints.append(
                "PRIMARY KEY" if one.primary else f"UNIQUE {visible(_told(one.name, one.columns))}"
            )
    return copied


def _told(name: str, columns: tuple[str | None, ...]) -> str:
    """Return an index's name; one that SQLite gave tells nothing."""
    return f"({', '.join(map(str, columns))})" if name.startswith("sqlite_autoindex_") else name


@contextmanager
def _real(scratch: SqliteScratch) -> Iterator[sqlite3.Connection]:
    """Open the user's file so that it cannot be written."""
    path = Path(scratch.around.url.database or "")
    try:
        asleep = scratch.around.url.query.get("immutable") == "1" or is_sleeping_wal(path)
        with closing(connect(path, immutable=asleep)) as connection:
            connection.text_factory = str
            yield connection
    except sqlite3.Error as error:
        raise explain(error, path) from error


def _fields(made: sqlite3.Connection, table: Table) -> Iterator[Field]:
    defaults = {row[1]: row[4] for row in made.execute(f"PRAGMA table_xinfo({quote(table.catalog.name)})")}
    for column in table.catalog.columns:
        declared = column.declared.upper()
        found = _LENGTH.search(declared)
        kind: Kind = next((kind for word, kind in _KINDS if word in declared), "text")
        yield Field(
            name=column.name,
            kind=kind,
            length=int(found[1]) if found and kind == "text" else None,
            required=not (column.nullable or column.auto_increment or column.generated)
            and defaults.get(column.name) is None,
            own=column.auto_increment or column.generated,
            always=column.generated,
            made=column.auto_increment
            or table.catalog.primary_key == (column.name,)
            and declared == "INTEGER"
            or computes(defaults.get(column.name)),
            empty=column.nullable
            and not (column.auto_increment or column.generated)
            and defaults.get(column.name) is None,
        )


def copy_triggers(scratch: SqliteScratch, table: Table, copied: Copied, row: Mapping[str, object]) -> None:
    """Copy the triggers that work with this table alone; `row` is one that the table takes without them."""
    name = table.catalog.name
    with _real(scratch) as real:
        triggers = real.execute(f"{_OBJECTS} ORDER BY name", ("trigger", name)).fetchall()
        deciding = {trigger for trigger, sql in triggers if not _only_logs(real, sql)}
    for trigger, sql in triggers:
        why = _tried(scratch, trigger, sql, name, row)
        if why is None:
            copied.triggers.append(visible(trigger))
        else:
            decides = trigger in deciding and timing_of(sql)[1] == "INSERT"
            # A row that is stored is changed by an UPDATE alone.
            diverts = decides and "UPDATE" in sql.upper()
            copied.leave(f"trigger {visible(trigger)}", why, uncertain=decides, diverts=diverts)


def _only_logs(real: sqlite3.Connection, sql: str) -> bool:
    """Say whether a trigger certainly keeps no row out and changes none: it writes to tables that refuse nothing."""
    # The first BEGIN is that of the body, or before it.
    _head, _begin, body = re.split(r"\b(BEGIN)\b", sql, maxsplit=1, flags=re.IGNORECASE)
    tables = inserts_into(body, "postgresql") if timing_of(sql)[0] == "AFTER" else None
    return tables is not None and not any(_may_refuse(real, table[-1], body) for table in tables)


def _may_refuse(real: sqlite3.Connection, name: str, body: str) -> bool:
    """Say whether a table may refuse a second row that is like one it has; one that is not found may."""
    columns = real.execute(f"PRAGMA table_xinfo({quote(name)})").fetchall()
    is_unique = any(row[2] for row in real.execute(f"PRAGMA index_list({quote(name)})"))
    if not columns or is_unique or real.execute(_OBJECTS, ("trigger", name)).fetchall():
        return True
    # What is left is a number that counts by itself, where the body names other columns and not that one.
    numbers = [row[1] for row in columns if row[5]]
    is_named = any(re.search(rf"\b{re.escape(number)}\b", body, re.IGNORECASE) for number in numbers)
    return bool(numbers) and (is_named or not re.search(r"\bINTO\s+[^\s(]+\s*\(", body, re.IGNORECASE))


def _tried(scratch: SqliteScratch, trigger: str, sql: str, name: str, row: Mapping[str, object]) -> str | None:
    """Make a trigger, unless it does not work there: then return why."""
    try:
        with connected(scratch.path) as made:
            made.execute(sql)
    except SourceError as error:
        return f"it cannot be made here: {error.message}"
    refused = refusal(scratch, scratch.table(name), row)
    # What the trigger itself refuses is an IntegrityError.
    if isinstance(refused, sqlite3.OperationalError):
        with connected(scratch.path) as made:
            made.execute(f"DROP TRIGGER main.{quote(trigger)}")
        return f"it does not work with what the drill has copied: {said(refused)}"
    return None
