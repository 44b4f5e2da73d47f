"""SQLite for the conformance suite: columns without a type, three collations, three encodings, no rowids."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Hashable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import cast

from dedupaudit.sources.tables.protocol import Engine, TableSource
from tests.conformance.names import NAMES
from tests.conformance.tables import Col, RawText, Refused, Stored, Tab, Type

_SQLITE_TYPES: dict[Type, str] = {
    "text": "TEXT",
    "integer": "INTEGER",
    "real": "REAL",
    "bytes": "BLOB",
    "any": "",
    "json": "JSON",
}
_STRICT_TYPES = _SQLITE_TYPES | {"any": "ANY", "json": "TEXT"}
_UTF16 = {"utf-16le": "UTF-16le", "utf-16be": "UTF-16be"}


class Sqlite:
    """A file for each table."""

    name = "sqlite"
    engines: tuple[Engine, ...] = ("auto",)
    variants: tuple[str, ...] = ("plain", "primary key", "utf-16le", "utf-16be", "without rowid", "strict", "view")
    types: tuple[Type, ...] = ("text", "integer", "real", "bytes", "any", "json")
    exact = ""
    abilities = frozenset({"forge", "NUL in text"})
    names: tuple[str, ...] = NAMES
    no_conditions: tuple[str, ...] = (
        "id = @name",
        "id = '\\\\'",
        "id = 'a\0'",
        'id >= "2025-12-01"',
        '"missing column" = 1',
        "load_extension('x')",
    )
    conditions: tuple[tuple[str, int], ...] = (
        ('"t"."id" = \'a\' AND note <> \'"x"\'', 2),
        ("\"id\" = 'a'", 2),
        ("id - -1 = 1", 3),
    )
    endless = "(WITH RECURSIVE n (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT max(x) FROM n) > 0"

    def collations(self, variant: str) -> tuple[str, ...]:
        return ("", "NOCASE", "RTRIM")

    def located(self, table: Tab, variant: str) -> tuple[str, ...]:
        return (table.name,)

    def create(self, folder: Path, table: Tab, variant: str = "plain") -> str:
        path = folder / "app.db"
        path.unlink(missing_ok=True)
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA synchronous = OFF")
            if variant in _UTF16:
                connection.execute(f"PRAGMA encoding = '{_UTF16[variant]}'")
            held = replace(table, name=f"{table.name} held") if variant == "view" else table
            for statement in _statements(held, variant):
                connection.execute(statement)
            names = ", ".join(_quote(column.name) for column in table.columns)
            for row in table.rows:
                marks = ", ".join("CAST(? AS TEXT)" if isinstance(value, RawText) else "?" for value in row)
                values = [value.raw if isinstance(value, RawText) else value for value in row]
                connection.execute(f"INSERT INTO {_quote(held.name)} ({names}) VALUES ({marks})", values)
            if variant == "view":
                connection.execute(f"CREATE VIEW {_quote(table.name)} AS SELECT {names} FROM {_quote(held.name)}")
            connection.commit()
        return f"sqlite:///{path}"

    def can_store(self, value: Stored, column: Col, variant: str) -> bool:
        # CAST reads bytes in the database's encoding, and a blob is trimmed in it; there the bytes mean something else.
        return variant not in _UTF16 or not isinstance(value, RawText | bytes)

    def stored(self, url: str, table: Tab, variant: str) -> list[tuple[Stored, ...]]:
        with closing(sqlite3.connect(_path(url))) as connection:
            connection.text_factory = _decode
            names = ", ".join(_quote(column.name) for column in table.columns)
            return connection.execute(f"SELECT {names} FROM {_quote(table.name)}").fetchall()

    def equal(self, columns: Sequence[Col], first: Sequence[Stored], second: Sequence[Stored], variant: str) -> bool:
        with _scratch(tuple(columns), variant) as connection:
            for row in (first, second):
                marks = ", ".join("CAST(? AS TEXT)" if isinstance(value, RawText) else "?" for value in row)
                values = [value.raw if isinstance(value, RawText) else value for value in row]
                try:
                    connection.execute(f"INSERT INTO scratch VALUES ({marks})", values)
                except sqlite3.IntegrityError as error:
                    assert error.sqlite_errorname == "SQLITE_CONSTRAINT_UNIQUE"
                    return True
            return False

    def forge_unique(self, url: str, index: str) -> None:
        with closing(sqlite3.connect(_path(url))) as connection:
            connection.execute("PRAGMA writable_schema = ON")
            changed = connection.execute(
                "UPDATE sqlite_master SET sql = replace(sql, 'CREATE INDEX', 'CREATE UNIQUE INDEX') WHERE name = ?",
                (index,),
            )
            assert changed.rowcount == 1
            connection.commit()

    def content(self, url: str, folder: Path) -> Hashable:
        return tuple((path.name, hashlib.sha256(path.read_bytes()).hexdigest()) for path in sorted(folder.iterdir()))

    def execute(self, source: TableSource, statement: str) -> list[tuple[object, ...]]:
        connection = cast(sqlite3.Connection, source._connection)  # type: ignore[attr-defined]
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        try:
            return connection.execute(statement).fetchall()
        except sqlite3.Error as error:
            raise Refused from error

    def writes(self, folder: Path) -> tuple[str, ...]:
        return (
            "INSERT INTO t VALUES ('x', 'x')",
            "UPDATE t SET id = 'x'",
            "DELETE FROM t",
            "REPLACE INTO t VALUES ('x', 'x')",
            "CREATE TABLE u (id)",
            "CREATE TEMP TABLE u (id)",
            "CREATE INDEX u ON t (id)",
            "CREATE VIEW u AS SELECT 1",
            "CREATE TRIGGER u AFTER INSERT ON t BEGIN SELECT 1; END",
            "CREATE VIRTUAL TABLE u USING fts5(x)",
            "ALTER TABLE t RENAME TO u",
            "DROP TABLE t",
            f"ATTACH '{folder / 'other.db'}' AS other",
            "DETACH main",
            "VACUUM",
            f"VACUUM INTO '{folder / 'copy.db'}'",
            "REINDEX",
            "ANALYZE",
            "PRAGMA user_version = 1",
            "PRAGMA writable_schema = ON",
            "PRAGMA query_only = OFF",
            "PRAGMA journal_mode = WAL",
            "PRAGMA wal_checkpoint",
            "PRAGMA temp_store_directory = '/'",
            "SAVEPOINT one",
            "BEGIN IMMEDIATE",
            "BEGIN EXCLUSIVE",
            "SELECT load_extension('x')",
            "SELECT * FROM pragma_user_version",
            "EXPLAIN DELETE FROM t",
            "WITH gone AS (SELECT 1) DELETE FROM t",
        )


def _statements(table: Tab, variant: str) -> Iterator[str]:
    types = _STRICT_TYPES if variant == "strict" else _SQLITE_TYPES
    columns = [_definition(column, types) for column in table.columns]
    options = {"without rowid": " WITHOUT ROWID", "strict": " STRICT"}.get(variant, "")
    if table.primary_key:
        columns.append(f"PRIMARY KEY ({_listed(table.primary_key)})")
    elif variant in ("without rowid", "primary key"):
        # Random, so that the rows lie in another order than they came in.
        columns.insert(0, '"row id" BLOB PRIMARY KEY NOT NULL DEFAULT (randomblob(16))')
    yield f"CREATE TABLE {_quote(table.name)} ({', '.join(columns)}){options}"
    for word, indexes in (("UNIQUE INDEX", table.unique), ("INDEX", table.indexes)):
        for name, parts in indexes:
            yield f"CREATE {word} {_quote(name)} ON {_quote(table.name)} ({_listed(parts)})"


def _definition(column: Col, types: dict[Type, str]) -> str:
    collation = f" COLLATE {column.collation}" if column.collation else ""
    return f"{_quote(column.name)} {types[column.type]}{collation}{' NOT NULL' if column.not_null else ''}"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(map(_quote, names))


def _quote(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _path(url: str) -> str:
    return url.removeprefix("sqlite:///")


def _decode(raw: bytes) -> str | RawText:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return RawText(raw)


@cache
def _scratch_database(columns: tuple[Col, ...], variant: str) -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    if variant in _UTF16:
        connection.execute(f"PRAGMA encoding = '{_UTF16[variant]}'")
    names: tuple[str, ...] = tuple(column.name for column in columns)
    strict = variant if variant == "strict" else "plain"
    for statement in _statements(Tab("scratch", columns, unique=(("scratch key", names),)), strict):
        connection.execute(statement)
    return connection


@contextmanager
def _scratch(columns: tuple[Col, ...], variant: str) -> Iterator[sqlite3.Connection]:
    connection = _scratch_database(columns, variant)
    connection.execute("BEGIN")
    try:
        yield connection
    finally:
        connection.execute("ROLLBACK")
