"""What a PostgreSQL row and its database are known again by: a hash of the whole row, and the database's identity.

Whoever repairs asks in a session of its own: both pin the settings that decide how values are written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from dedupaudit.sources.tables.catalog import Catalog, Column
from dedupaudit.sources.tables.postgresql_asking import Asking, as_number
from dedupaudit.sources.tables.postgresql_session import Row, name_of
from dedupaudit.sources.tables.postgresql_sql import literal, quote
from dedupaudit.sources.tables.protocol import Key, Undecodable, Value
from dedupaudit.sources.tables.table import Table
from dedupaudit.sqlfiles import fill, sql_text

# Types whose own text loses something, or is another in another session: XML's hides the encoding that it declares,
# that of an object's OID depends on the search path, and a "char" may be no text at all.
_AS_NUMBER = (
    "regclass", "regcollation", "regconfig", "regdictionary", "regnamespace", "regoper", "regoperator", "regproc",
    "regprocedure", "regrole", "regtype",
)  # fmt: skip
_CASTS = {"xml": "text", '"char"': "int4", **dict.fromkeys(_AS_NUMBER, "oid")}

_BATCH = 1_000


def row_hash(catalog: Catalog, alias: str) -> str:
    """Return SQL for the SHA-256 of a row's text: columns one by one, so that a table with more can be asked too.

    A row's text tells NULL from '', and quotes what could be taken for its own signs: no two rows have one text.
    """
    parts = ", ".join(_written(column, alias) for column in catalog.columns)
    text = f"pg_catalog.convert_to(ROW({parts})::pg_catalog.text, pg_catalog.getdatabaseencoding())"
    return f"pg_catalog.encode(pg_catalog.sha256({text}), 'hex')"


def _written(column: Column, alias: str) -> str:
    cast = _CASTS.get(column.declared)
    return f"{alias}.{quote(column.name)}" + (f"::pg_catalog.{cast}" if cast else "")


def key_literal(value: Value) -> str:
    """Return a value as a literal without a type: that of the column it is compared with or stored in decides."""
    match value:
        case None:
            return "NULL"
        case bytes():
            return f"'\\x{value.hex()}'"
        case Undecodable():
            return literal(value.raw.decode("utf-8", "surrogateescape"))
        case str():
            return literal(value)
        case _:
            return f"'{value!r}'"


def is_in(names: Sequence[str], keys: Sequence[Key]) -> str:
    """Return the condition that columns (SQL names) have one of these values; an index on them finds the rows."""
    if not keys:
        return "FALSE"
    if len(names) == 1:
        return f"{names[0]} IN ({', '.join(key_literal(key[0]) for key in keys)})"
    listed = ", ".join(f"({', '.join(map(key_literal, key))})" for key in keys)
    return f"({', '.join(names)}) IN ({listed})"


def row_hashes(ask: Asking, table: Table, locators: Sequence[Key]) -> list[str | None]:
    """Return a hash of each row named by its locator, as `TableSource.row_hashes` does."""
    locator = ask.locator(table)
    if not locator:
        return [None] * len(locators)
    found: dict[Key, str] = {}
    for start in range(0, len(locators), _BATCH):
        batch = locators[start : start + _BATCH]
        found |= ask.session.retried(lambda batch=batch: dict(_hashed(ask, table, batch)))  # type: ignore[misc]
    return [found.get(_comparable(key)) for key in locators]


def _hashed(ask: Asking, table: Table, keys: Sequence[Key]) -> Iterator[tuple[Key, str]]:
    catalog, locator = table.catalog, ask.locator(table)
    # A ctid is one of several tables' where rows lie in more than one: all are asked for, and told apart here.
    first = 1 if locator[0] == "tableoid" else 0
    names = [f"{catalog.quoted}.{quote(name)}" for name in locator[first:]]
    statement = fill(
        sql_text("repair/postgresql/row_hashes.sql"),
        {
            "locator": ask.fragments(table)["locator"],
            "hash": row_hash(catalog, catalog.quoted),
            "table": catalog.quoted,
            "wanted": is_in(names, [key[first:] for key in keys]),
        },
    )
    with ask.question(table):
        for *key, hashed in ask.session.rows(statement):
            yield _comparable(key), name_of(hashed)


def _comparable(key: Sequence[Value]) -> Key:
    """Return a key that equals itself: NaN does in PostgreSQL, and does not in Python."""
    return tuple(repr(part) if isinstance(part, float) else part for part in key)


def identity(rows: Callable[[str], list[Row]]) -> dict[str, str]:
    """Return what tells a database from every other, its standbys excepted; `rows` asks it.

    The number of the cluster is left out where the role may not see it (by default all may).
    """
    name, oid, may_see = rows(sql_text("repair/postgresql/identity.sql"))[0]
    found = {"dialect": "postgresql", "database": name_of(name), "database_oid": str(oid)}
    if may_see:
        found["system_identifier"] = str(rows(sql_text("repair/postgresql/system_identifier.sql"))[0][0])
    return found


def clock(rows: Callable[[str], list[Row]]) -> int:
    """Return the server's time in microseconds since the epoch; `rows` asks it."""
    return as_number(rows(sql_text("repair/postgresql/clock.sql"))[0][0])
