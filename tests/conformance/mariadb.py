"""MariaDB for the conformance suite: collations that pad and that do not, views, partitions, two storage engines."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any, cast

import pymysql
from pymysql.constants import ER

from dedupaudit.sources.tables.protocol import Engine, TableSource
from tests.conformance.names import NAMES
from tests.conformance.tables import Col, RawText, Refused, Stored, Tab, Type, is_json, typed
from tests.servers.fixtures import shared_mariadb

_DATABASE, _OTHER, _SCRATCH = "conformance", "conformance other", "conformance scratch"
# Those that the issue lists, and one of each further kind; `binary` is the type bytes.
_COLLATIONS = (
    "utf8mb4_bin",
    "utf8mb4_general_ci",
    "utf8mb4_unicode_ci",
    "utf8mb4_uca1400_ai_ci",
    "utf8mb4_nopad_bin",
    "utf8mb4_unicode_nopad_ci",
    "latin1_swedish_ci",
    "ascii_bin",
)
# The snapshot engine reads along an integer primary key; the other variants have none.
_ROW_IDS = {
    "primary key": "BIGINT NOT NULL AUTO_INCREMENT",
    "partitioned": "INT NOT NULL",
    "myisam": "SMALLINT NOT NULL",
    "other database": "BIGINT UNSIGNED NOT NULL",
}
_CODECS = {"latin1": "cp1252", "ascii": "ascii"}
# MyISAM's keys have 1000 bytes, two columns of four bytes a character.
_LENGTHS = {"myisam": 120}
_LOCKED = (ER.LOCK_WAIT_TIMEOUT, ER.LOCK_DEADLOCK)
_READ_ONLY = 1792


@dataclass
class _Session:
    """The adapter's connection, with what was asked of its scratch tables."""

    connection: pymysql.Connection[Any]
    answers: dict[Hashable, bool] = field(default_factory=dict)
    scratch: dict[tuple[Col, ...], str] = field(default_factory=dict)

    def run(self, sql: str) -> list[Any]:
        with self.connection.cursor() as cursor:
            cursor.execute(sql)
            return list(cursor.fetchall())

    def literal(self, value: Stored) -> str:
        assert not isinstance(value, RawText)
        return str(self.connection.escape(value))


class Mariadb:
    """One database, and one beside it; creating a table drops all that is there."""

    name = "mariadb"
    engines: tuple[Engine, ...] = ("pushdown", "snapshot")
    variants: tuple[str, ...] = ("plain", "primary key", "partitioned", "view", "myisam", "other database")
    types: tuple[Type, ...] = ("text", "integer", "real", "bytes", "json")
    exact = "utf8mb4_nopad_bin"
    abilities = frozenset({"NUL in text"})
    # Names of tables have no space at their end, and those of columns neither; all of them lie within the BMP. A view
    # drops control characters before the name of a column.
    names: tuple[str, ...] = (
        *(
            name if name[0].isprintable() else f"x{name}"
            for name in NAMES
            if len(name) < 50 and name == name.rstrip(" ") and max(name) < "\U00010000"
        ),
        "x" * 50,
    )
    no_conditions: tuple[str, ...] = (
        "id = 'a\\",
        "id = '\\'",
        "/*! 1 = 1 */",
        "/*!99999 1 = 1 */",
        "id = 'a' INTO @x",
        "SLEEP(0) = (1, 2)",
    )
    conditions: tuple[tuple[str, int], ...] = (
        ("`t`.`id` = 'a' AND note <> '`x`'", 2),
        ("`id` = 'a'", 2),
        ("LENGTH(id) - -1 = 2", 3),
        ("id = 'A' OR note = 'ONE'", 2),
        ("id RLIKE '^b'", 1),
    )
    endless = "(SELECT MAX(a.seq + b.seq) FROM seq_1_to_1000000 AS a, seq_1_to_1000000 AS b) > 0"

    def collations(self, variant: str) -> tuple[str, ...]:
        return ("", *_COLLATIONS)

    def create(self, folder: Path, table: Tab, variant: str = "plain") -> str:
        session = _session()
        assert not table.invalid
        _clear(session)
        for statement in _statements(table, variant):
            session.run(statement)
        hidden = () if table.primary_key or variant not in _ROW_IDS else ("row id",)
        names = _listed((*hidden, *(column.name for column in table.columns)))
        rows = [
            # Neither dense nor in order, and for one of them below zero.
            ", ".join(map(session.literal, (*((_place(number, variant),) if hidden else ()), *row)))
            for number, row in enumerate(table.rows)
        ]
        for begin in range(0, len(rows), 1000):
            values = "), (".join(rows[begin : begin + 1000])
            session.run(f"INSERT INTO {_held(table, variant)} ({names}) VALUES ({values})")
        return shared_mariadb().url(database=_DATABASE)

    def located(self, table: Tab, variant: str) -> tuple[str, ...]:
        return (_OTHER, table.name) if variant == "other database" else (table.name,)

    def can_store(self, value: Stored, column: Col, variant: str) -> bool:
        if isinstance(value, RawText) or value == float("inf"):
            return False
        if not isinstance(value, str):
            return True
        if column.type == "json":
            # MariaDB's JSON is at most 32 deep.
            return is_json(value) and value.count("[") < 30
        codec = _CODECS.get(column.collation.partition("_")[0], "utf-8")
        try:
            value.encode(codec)
        except UnicodeEncodeError:
            return False
        return len(value) <= _LENGTHS.get(variant, 255)

    def stored(self, url: str, table: Tab, variant: str) -> list[tuple[Stored, ...]]:
        names = _listed(column.name for column in table.columns)
        place = self.located(table, variant) if variant == "other database" else (_DATABASE, table.name)
        return cast(list[tuple[Stored, ...]], _session().run(f"SELECT {names} FROM {_quote(*place)}"))

    def equal(self, columns: Sequence[Col], first: Sequence[Stored], second: Sequence[Stored], variant: str) -> bool:
        session = _session()
        asked = tuple(columns)
        pair = (asked, typed(first), typed(second))
        if pair not in session.answers:
            session.answers[pair] = _ask(session, asked, (first, second))
        return session.answers[pair]

    def forge_unique(self, url: str, index: str) -> None:
        raise NotImplementedError("no unique index of MariaDB lies on order")

    def content(self, url: str, folder: Path) -> Hashable:
        session = _session()
        tables = session.run(
            "SELECT table_schema, table_name, table_type, engine, create_time, update_time"
            " FROM information_schema.tables"
            " WHERE table_schema NOT IN ('information_schema', 'performance_schema', 'sys', 'mysql') ORDER BY 1, 2"
        )
        sums = [
            (
                session.run(f"CHECKSUM TABLE {_quote(schema, name)}"),
                session.run(f"SHOW CREATE TABLE {_quote(schema, name)}"),
            )
            for schema, name, *_ in tables
            if schema in (_DATABASE, _OTHER)
        ]
        others = [session.run(f"SELECT * FROM mysql.{name} ORDER BY 1, 2") for name in ("user", "db", "proc", "event")]
        others.append(session.run("SHOW DATABASES"))
        return repr((tables, sums, others, sorted(path.name for path in folder.iterdir())))

    def execute(self, source: TableSource, statement: str) -> list[tuple[object, ...]]:
        connection = cast("pymysql.Connection[Any]", source._session._connection)  # type: ignore[attr-defined]
        connection.rollback()
        try:
            with connection.cursor() as cursor:
                cursor.execute(statement)
                # The audit reads what the server sends, as bytes.
                return [tuple(int(value) for value in row) for row in cursor.fetchall()]
        except pymysql.MySQLError as error:
            if error.args[0] == _READ_ONLY:
                raise Refused from error
            raise
        finally:
            connection.rollback()

    def writes(self, folder: Path) -> tuple[str, ...]:
        # ANALYZE, FLUSH and INTO OUTFILE are not here: no session refuses them, only missing grants do.
        return (
            "INSERT INTO t VALUES ('x', 'x')",
            "INSERT INTO t SELECT * FROM t",
            "UPDATE t SET id = 'x'",
            "DELETE FROM t",
            "REPLACE INTO t VALUES ('x', 'x')",
            "TRUNCATE TABLE t",
            "SELECT * FROM t FOR UPDATE",
            "CREATE TABLE u (id INT)",
            "CREATE TABLE u LIKE t",
            "CREATE TABLE u AS SELECT 1 AS one",
            "CREATE INDEX u ON t (note)",
            "CREATE VIEW u AS SELECT 1",
            "CREATE TRIGGER u BEFORE INSERT ON t FOR EACH ROW SET @x = 1",
            "CREATE PROCEDURE u() SELECT 1",
            "CREATE DATABASE u",
            "CREATE USER u",
            "ALTER TABLE t ADD COLUMN u INT",
            "RENAME TABLE t TO u",
            "DROP TABLE t",
            "DROP INDEX i ON t",
            "GRANT SELECT ON *.* TO root@localhost",
            "OPTIMIZE TABLE t",
            "LOAD DATA INFILE '/dev/null' INTO TABLE t",
        )


@cache
def _session() -> _Session:
    session = _Session(shared_mariadb().connect())
    session.run("SET lock_wait_timeout = 5, innodb_lock_wait_timeout = 5, sql_mode = 'STRICT_ALL_TABLES'")
    for name in (_DATABASE, _OTHER, _SCRATCH):
        session.run(f"CREATE DATABASE {_quote(name)} CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci")
    session.run(f"USE {_quote(_DATABASE)}")
    return session


@cache
def _lacking() -> frozenset[str]:
    """Return those of the collations that this server does not have: before 10.10 there is no uca1400."""
    known = (
        "SELECT collation_name FROM information_schema.collations"
        " UNION SELECT full_collation_name FROM information_schema.collation_character_set_applicability"
    )
    try:
        names = _session().run(known)
    except pymysql.err.OperationalError:
        names = _session().run("SELECT collation_name FROM information_schema.collations")
    return frozenset(_COLLATIONS) - {name for (name,) in names}


def _clear(session: _Session) -> None:
    held = session.run(
        "SELECT table_schema, table_name, table_type FROM information_schema.tables"
        f" WHERE table_schema IN ('{_DATABASE}', '{_OTHER}') ORDER BY table_type = 'BASE TABLE'"
    )
    for schema, name, kind in held:
        drop = f"DROP {'VIEW' if kind == 'VIEW' else 'TABLE'} {_quote(schema, name)}"
        try:
            session.run(drop)
        except pymysql.err.OperationalError as error:
            if error.args[0] not in _LOCKED:
                raise
            # A test that failed may have left its audit open.
            for (other,) in session.run("SELECT id FROM information_schema.processlist WHERE id <> CONNECTION_ID()"):
                session.run(f"KILL {other}")
            session.run(drop)


def _statements(table: Tab, variant: str) -> Iterator[str]:
    columns = [_definition(column, variant) for column in table.columns]
    held = _held(table, variant)
    options = " ENGINE=MyISAM" if variant == "myisam" else " ENGINE=InnoDB"
    if table.primary_key:
        columns.append(f"PRIMARY KEY ({_listed(table.primary_key)})")
    elif variant in _ROW_IDS:
        columns.insert(0, f"`row id` {_ROW_IDS[variant]} PRIMARY KEY")
    # A unique index of a partitioned table has to hold the partition key.
    if variant == "partitioned" and not (table.unique or table.primary_key):
        options += " PARTITION BY KEY (`row id`) PARTITIONS 3"
    for word, indexes in (("UNIQUE INDEX", table.unique), ("INDEX", table.indexes)):
        columns += [f"{word} {_quote(name)} ({_listed(parts)})" for name, parts in indexes]
    yield f"CREATE TABLE {held} ({', '.join(columns)}){options}"
    if variant == "view":
        names = _listed(column.name for column in table.columns)
        # Named twice: what a select list names begins with no control character.
        yield f"CREATE VIEW {_quote(_DATABASE, table.name)} ({names}) AS SELECT {names} FROM {held}"


def _held(table: Tab, variant: str) -> str:
    if variant == "view":
        return _quote(_DATABASE, f"{table.name} held")
    return _quote(_OTHER if variant == "other database" else _DATABASE, table.name)


def _place(number: int, variant: str) -> int:
    """Return the row's number, neither dense nor in order: as far apart as the type allows, or below zero too."""
    spread = (number * 7919 + 13) % 32_003
    return {
        "primary key": 1 + spread * 280_000_000_000_000,
        "partitioned": spread * 130_000 - 2_000_000_000,
        "myisam": spread * 2 - 32_768,
        "other database": (1 + spread) * 570_000_000_000_000,
    }[variant]


def _definition(column: Col, variant: str) -> str:
    length = _LENGTHS.get(variant, 255)
    kind = {
        "text": f"VARCHAR({length})",
        "integer": "BIGINT",
        "real": "DOUBLE",
        "bytes": f"VARBINARY({length})",
        "json": "JSON",
    }[column.type]
    if column.type == "text" and column.name == "payload":
        kind = "LONGTEXT"
    collation = ""
    if column.collation and column.type == "text":
        charset = column.collation.partition("_")[0]
        name = "utf8mb4_unicode_520_ci" if column.collation in _lacking() else column.collation
        collation = f" CHARACTER SET {charset} COLLATE {name}"
    return f"{_quote(column.name)} {kind}{collation}{' NOT NULL' if column.not_null else ' NULL'}"


def _ask(session: _Session, columns: tuple[Col, ...], rows: Sequence[Sequence[Stored]]) -> bool:
    if columns not in session.scratch:
        name = session.scratch[columns] = _quote(_SCRATCH, f"scratch {len(session.scratch)}")
        defined = ", ".join(_definition(replace(column, not_null=False), "plain") for column in columns)
        unique = f"UNIQUE INDEX ({_listed(column.name for column in columns)})"
        session.run(f"CREATE TABLE {name} ({defined}, {unique}) ENGINE=InnoDB")
    values = "), (".join(", ".join(map(session.literal, row)) for row in rows)
    session.run("BEGIN")
    try:
        session.run(f"INSERT INTO {session.scratch[columns]} VALUES ({values})")
    except pymysql.err.IntegrityError as error:
        assert error.args[0] == ER.DUP_ENTRY
        return True
    finally:
        session.run("ROLLBACK")
    return False


def _listed(names: Sequence[str] | Iterator[str]) -> str:
    return ", ".join(map(_quote, names))


def _quote(*parts: str) -> str:
    return ".".join("`" + part.replace("`", "``") + "`" for part in parts)
