"""PostgreSQL's row hash: the same in every session and in the quarantine, another for whatever differs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from dedupaudit.config import DatabaseSettings, TableSettings
from dedupaudit.repair.databases.postgresql import PostgresqlRepair
from dedupaudit.sources.tables.catalog import Catalog
from dedupaudit.sources.tables.protocol import Key, Undecodable, Value
from dedupaudit.urls import parse_database_url
from tests.servers.postgresql import PostgresqlServer
from tests.sources.tables.opened import opened

NAME = "rowhash"

# Of each type, values that are pairwise different rows, however little they differ.
DIFFERENT = {
    "smallint": ["1", "-1", "NULL", "0"],
    "integer": ["1", "-1", "NULL"],
    "bigint": ["9007199254740993", "9007199254740992", "NULL"],
    "numeric": ["1", "1.0", "1.00", "'NaN'", "0", "0.0", "123456789012345678901234567890.1"],
    "numeric(30,10)": ["1", "1.0000000001", "NULL"],
    "real": ["0.1", "'0.10000002'", "'-0'", "0", "'NaN'", "'Infinity'", "16777216", "16777217 + 1"],
    "double precision": ["0.1", "'0.10000000000000002'", "'-0'", "0", "'NaN'", "'-Infinity'", "'5e-324'", "'1e-323'"],
    "money": ["'1.00'", "'1.01'", "'-1.00'", "'1000.00'"],
    "boolean": ["true", "false", "NULL"],
    "text": ["'a'", "'A'", "'a '", "''", "NULL", "'é'", "E'e\\u0301'", "'\"'", "'\"\"'", "'\\'",
             "'\\\\'", "','", "'(,)'", "E'\\n'", "'NULL'", "'ａ'"],
    "varchar(10)": ["'a'", "'a '", "''", "NULL"],
    "char(5)": ["'a'", "'b'", "''", "NULL"],
    '"char"': ["'a'", "'A'", "''", "NULL", "(-128)::\"char\"", "(-1)::\"char\""],
    "name": ["'a'", "''", "NULL"],
    "bytea": [r"'\x'", r"'\x00'", r"'\x0000'", r"'\x5c78'", r"'\xff'", "NULL"],
    "json": ["""'{"a":1}'""", """'{"a": 1}'""", """'{"a":1,"a":1}'""", r"""'"\u0000"'""",
             r"""'"A"'""", r"""'"\u0041"'"""],
    "jsonb": ["""'{"a":1}'""", """'{"a":1.0}'""", """'{"a":"1"}'""", "'null'", "NULL", "'[]'", "'{}'"],
    "xml": ["""'<?xml version="1.0" encoding="UTF-8"?><a/>'""", """'<?xml version="1.0"?><a/>'""", "'<a/>'",
            "'<a></a>'", "NULL"],
    "date": ["'2026-01-02'", "'0044-03-15 BC'", "'infinity'", "'-infinity'", "NULL"],
    "time": ["'00:00'", "'24:00'", "'12:00:00.000001'", "'12:00'"],
    "timetz": ["'12:00+00'", "'12:00+01'", "'13:00+01'"],
    "timestamp": ["'2026-01-02 03:04:05.123456'", "'2026-01-02 03:04:05.123457'", "'infinity'", "'10000-01-01'"],
    "timestamptz": ["'2026-01-02 03:04:05.123456+00'", "'2026-01-02 03:04:05.123457+00'", "'infinity'"],
    "interval": ["'1 day'", "'24 hours'", "'1 mon'", "'30 days'", "'-1 day 24 hours'", "'0'", "'0.000001 s'",
                 "'-1 mon 1 day'"],
    "uuid": ["'00000000-0000-0000-0000-000000000001'", "'00000000-0000-0000-0000-000000000002'"],
    "inet": ["'1.2.3.4'", "'1.2.3.4/24'", "'::1'"],
    "cidr": ["'1.2.3.0/24'", "'1.2.3.0/25'"],
    "bit(3)": ["B'101'", "B'100'"],
    "bit varying": ["B''", "B'0'", "B'00'", "NULL"],
    "integer[]": ["'{}'", "'{NULL}'", "'{1}'", "'[0:0]={1}'", "'{{1}}'", "'{1,2}'", "'{{1,2}}'", "NULL"],
    "text[]": ["'{}'", "'{NULL}'", "'{\"NULL\"}'", "'{\"\"}'", "'{a,b}'", "'{\"a,b\"}'", "NULL"],
    "numeric[]": ["'{1}'", "'{1.0}'"],
    "int4range": ["'[1,2)'", "'empty'", "'[1,)'", "'(,)'", "NULL"],
    "tsvector": ["'a:1'", "'a:2'", "'a'", "''"],
    "point": ["'(0,0)'", "'(-0,0)'", "'(0,1e-300)'"],
    "path": ["'[(0,0),(1,1)]'", "'((0,0),(1,1))'"],
    "regclass": ["'pg_class'", "'pg_proc'"],
    "mood": ["'sad'", "'glad'", "NULL"],
    "pair": ["ROW(1,'a')", "ROW(1,NULL)", "ROW(1,'')", "ROW(NULL,NULL)", "NULL"],
    "short": ["'a'", "'b'"],
}  # fmt: skip
TYPES = ("CREATE TYPE mood AS ENUM ('sad', 'glad')", "CREATE TYPE pair AS (a int, b text)",
         "CREATE DOMAIN short AS varchar(3) NOT NULL CHECK (VALUE <> '')")  # fmt: skip


@pytest.fixture
def database(postgresql: PostgresqlServer) -> Iterator[str]:
    yield postgresql.create_database(NAME)
    postgresql.drop_database(NAME)


def do(server: PostgresqlServer, *statements: str) -> None:
    for statement in statements:
        server.execute(statement, database=NAME)


def repair(url: str) -> PostgresqlRepair:
    return PostgresqlRepair(DatabaseSettings("db", parse_database_url(url)))


def written(database: PostgresqlRepair, catalog: Catalog, table: str) -> list[Value]:
    """Return the hashes of all rows as the repair's session has them, in the order of `pk`."""
    return [row[0] for row in database.fetch((), [database.row_hash(catalog, "t")], f"FROM {table} AS t ORDER BY t.pk")]


def fill_all_types(server: PostgresqlServer) -> int:
    """Make a table with a column of every type and as many rows as any has values; return how many."""
    kinds = list(DIFFERENT)
    do(server, *TYPES)
    columns = ", ".join(f"c{number} {kind}" for number, kind in enumerate(kinds))
    do(
        server,
        f"CREATE TABLE t (pk int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, {columns},"
        " twice int GENERATED ALWAYS AS (c1 * 2) STORED)",
    )
    rows = max(map(len, DIFFERENT.values()))
    for row in range(rows):
        values = ", ".join(
            f"({texts[row % len(texts)]})::{kind}" if kind != "short" else f"{texts[row % len(texts)]}"
            for kind, texts in DIFFERENT.items()
        )
        names = ", ".join(f"c{number}" for number in range(len(kinds)))
        do(server, f"INSERT INTO t ({names}) VALUES ({values})")
    return rows


def test_a_row_of_every_type_has_one_hash_in_the_audit_in_the_repair_and_in_the_quarantine(
    postgresql: PostgresqlServer, database: str
) -> None:
    rows = fill_all_types(postgresql)
    # What a role or a database may set, and what must not matter.
    for setting in ("timezone = 'Asia/Shanghai'", "datestyle = 'German'", "intervalstyle = 'iso_8601'",
                    "extra_float_digits = -5", "bytea_output = 'escape'", "search_path = ''",
                    "xmloption = document"):  # fmt: skip
        do(postgresql, f"ALTER DATABASE {NAME} SET {setting}")
    with opened(database, TableSettings(key=("pk",), name=("public", "t"))) as (source, table):
        audited = source.row_hashes(table, [(number,) for number in range(1, rows + 1)])
    do(postgresql, f"ALTER DATABASE {NAME} RESET ALL")
    with closing(repair(database)) as session:
        assert written(session, table.catalog, "t") == audited
        session.prepare([table.catalog])
        columns = ", ".join(session.quote(column.name) for column in table.catalog.columns)
        moved = session.execute(
            f"INSERT INTO {session.quarantine(table.catalog)} (dedupaudit_run, dedupaudit_chunk, dedupaudit_step,"
            f" dedupaudit_role, {columns}) SELECT 'run', 3, 1, 'victim', {columns} FROM t AS t"
        )
        assert moved == rows
        assert written(session, table.catalog, session.quarantine(table.catalog)) == audited
        # And back again, into a table with identity and generated columns.
        assert session.execute("DELETE FROM t") == rows
        given = ", ".join(session.quote(column.name) for column in table.catalog.columns if not column.generated)
        session.execute(
            f"INSERT INTO t ({given}){session.overriding} SELECT {given} FROM {session.quarantine(table.catalog)} AS q"
        )
        assert written(session, table.catalog, "t") == audited
    assert None not in audited
    assert len(set(audited)) == rows


@pytest.mark.parametrize("kind", DIFFERENT)
def test_rows_that_differ_in_one_value_have_different_hashes(
    postgresql: PostgresqlServer, database: str, kind: str
) -> None:
    values = DIFFERENT[kind]
    do(postgresql, *TYPES, f"CREATE TABLE t (pk int PRIMARY KEY, v {kind})")
    do(postgresql, *(f"INSERT INTO t VALUES (0, {value})" if not number else
                     f"INSERT INTO t VALUES ({number}, {value})" for number, value in enumerate(values)))  # fmt: skip
    with opened(database, TableSettings(key=("pk",))) as (source, table):
        # The primary key is no part of it here, so that only the value tells.
        only = Catalog("t", '"public"."t"', "table", (table.catalog.columns[1],))
        with closing(repair(database)) as session:
            hashes = written(session, only, "t")
        assert len(set(hashes)) == len(values), dict(zip(values, hashes, strict=True))
        whole = source.row_hashes(table, [(number,) for number in range(len(values))])
    assert len(set(whole)) == len(values)


def test_a_value_in_another_column_and_a_border_between_columns_matter(
    postgresql: PostgresqlServer, database: str
) -> None:
    do(
        postgresql,
        "CREATE TABLE t (pk int, a text, b text)",
        "INSERT INTO t VALUES (1, 'x', NULL), (2, NULL, 'x'), (3, 'x,', ''), (4, 'x', ','), (5, 'x', ''), (6, '', 'x'),"
        " (7, NULL, NULL), (8, '', ''), (9, 'x\",\"y', 'z'), (10, 'x', 'y\",\"z')",
    )
    with opened(database, TableSettings(key=("pk",))) as (_source, table), closing(repair(database)) as session:
        only = Catalog("t", '"public"."t"', "table", table.catalog.columns[1:])
        hashes = written(session, only, "t")
    assert len(set(hashes)) == 10


def test_every_byte_of_a_text_matters(postgresql: PostgresqlServer, database: str) -> None:
    text = 'activity_1 \\",(é'
    changed = {
        text[:place] + other + text[place + 1 :] for place in range(len(text)) for other in ("z", " ", "\\", '"')
    }
    changed.add(text)
    do(postgresql, "CREATE TABLE t (pk serial PRIMARY KEY, v text)")
    for one in sorted(changed):
        postgresql.execute("INSERT INTO t (v) VALUES (%s)", (one,), database=NAME)
    with opened(database, TableSettings(key=("v",))) as (_source, table), closing(repair(database)) as session:
        only = Catalog("t", '"public"."t"', "table", table.catalog.columns[1:])
        assert len(set(written(session, only, "t"))) == len(changed)


@pytest.mark.parametrize(
    ("kind", "values", "asked"),
    [
        ("double precision", "('NaN'), ('-0'), (0.1)", [(float("nan"),), (0.0,), (0.1,), (0.3,)]),
        ("real", "(0.1), (16777216), (3)", [(0.1,), (16777216.0,), (3.0,), (0.7,)]),
        ("numeric", "(1.50), ('NaN'), (7)", [("1.5",), ("NaN",), ("7",), ("8",)]),
        ("bytea", r"('\x00ff'), ('\x'), ('\x5c')", [(b"\x00\xff",), (b"",), (b"\\",), (b"x",)]),
        ("char(4)", "('a'), ('b'), ('')", [("a",), ("b",), ("",), ("c",)]),
        ("text", r"('a''b'), ('\'), ('%s')", [("a'b",), ("\\",), ("%s",), ("x",)]),
        ("timestamptz", "('2026-01-01 00:00:00.000001+00'), ('infinity'), ('2026-01-01+08')",
         [("2026-01-01 00:00:00.000001+00",), ("infinity",), ("2025-12-31 16:00:00+00",), ("2026-01-01+00",)]),
        ("boolean", "(true), (false)", [("true",), ("false",)]),
    ],
)  # fmt: skip
def test_rows_are_found_by_the_locators_that_the_audit_has(
    postgresql: PostgresqlServer, database: str, kind: str, values: str, asked: list[Key]
) -> None:
    do(postgresql, f"CREATE TABLE t (id {kind} PRIMARY KEY, v int)", f"INSERT INTO t VALUES {values}")
    with opened(database) as (source, table):
        found = source.row_hashes(table, asked)
        assert source.row_hashes(table, list(reversed(asked))) == list(reversed(found))
    rows = values.count("(")
    assert [one is not None for one in found] == [number < rows for number in range(len(asked))]
    assert len(set(found[:rows])) == rows
    with closing(repair(database)) as session:
        column = table.catalog.columns[0]
        same = session.fetch([(column, 't."id"')], [session.row_hash(table.catalog, "t")],
                             f"FROM t AS t WHERE {session.is_in(['t.id'], asked)}")  # fmt: skip
        assert sorted(str(row[1]) for row in same) == sorted(str(one) for one in found if one)
        assert sorted(repr(row[0]) for row in same) == sorted(repr(key[0]) for key in asked[:rows])


def test_rows_without_a_primary_key_are_found_by_their_place_also_below_a_parent(
    postgresql: PostgresqlServer, database: str
) -> None:
    do(
        postgresql,
        "CREATE TABLE t (id text, v int)",
        "CREATE TABLE u () INHERITS (t)",
        "INSERT INTO t VALUES ('a', 1), ('a', 2)",
        "INSERT INTO u VALUES ('a', 3), ('a', 4)",
    )
    with opened(database) as (source, table):
        locators = [row.locator for row in source.duplicate_rows(table)]
        found = source.row_hashes(table, [*locators, ("u", "(7,7)")])
    assert len(locators) == 4
    assert len(set(found[:4])) == 4
    assert None not in found[:4]
    assert found[4] is None


def test_many_locators_are_asked_for_at_once_and_their_order_is_kept(
    postgresql: PostgresqlServer, database: str
) -> None:
    do(
        postgresql,
        "CREATE TABLE t (id int, part text, v int, PRIMARY KEY (id, part))",
        "INSERT INTO t SELECT i % 10, 'p' || i, i FROM generate_series(1, 2500) i",
    )
    with opened(database) as (source, table):
        asked: list[Key] = [(i % 10, f"p{i}") for i in range(2500, 0, -1)]
        found = source.row_hashes(table, [*asked, (11, "p1")])
        assert source.row_hashes(table, asked[1234:1235]) == found[1234:1235]
    assert len(set(found)) == 2501
    assert found[-1] is None


def test_a_database_without_an_encoding_keeps_every_byte(postgresql: PostgresqlServer) -> None:
    postgresql.execute("CREATE DATABASE raw ENCODING 'SQL_ASCII' TEMPLATE template0 LOCALE 'C'")
    try:
        rows = r"(convert_from('\xff61', 'SQL_ASCII'), 1), (convert_from('\xc3a9', 'SQL_ASCII'), 2)"
        for statement in ("CREATE TABLE t (id text PRIMARY KEY, v int)", f"INSERT INTO t VALUES {rows}"):
            postgresql.execute(statement, database="raw")
        url = postgresql.url(database="raw")
        with opened(url) as (source, table):
            asked: list[Key] = [(Undecodable(b"\xffa"),), ("é",), (Undecodable(b"\xffb"),)]
            found = source.row_hashes(table, asked)
        assert [one is None for one in found] == [False, False, True]
        with closing(repair(url)) as session:
            read = session.fetch([(table.catalog.columns[0], "t.id")], [session.row_hash(table.catalog, "t")],
                                 f"FROM t AS t WHERE {session.is_in(['t.id'], asked)} ORDER BY t.v")  # fmt: skip
        assert read == [(Undecodable(b"\xffa"), found[0]), ("é", found[1])]
    finally:
        postgresql.drop_database("raw")


def test_identity_is_one_for_both_sessions_and_another_for_another_database(
    postgresql: PostgresqlServer, database: str
) -> None:
    do(postgresql, "CREATE TABLE t (id text)", "DROP ROLE IF EXISTS plain", "CREATE ROLE plain LOGIN",
       "GRANT SELECT ON t TO plain")  # fmt: skip
    try:
        with opened(postgresql.url(user="plain", database=NAME)) as (source, _table):
            known = source.identity()
        with closing(repair(database)) as session:
            assert session.identity() == known
        with closing(repair(postgresql.url())) as other:
            assert other.identity() != known
            assert other.identity()["system_identifier"] == known["system_identifier"]
        assert known["database"] == NAME
    finally:
        do(postgresql, "DROP OWNED BY plain", "DROP ROLE plain")


def test_the_clock_is_the_servers(postgresql: PostgresqlServer, database: str) -> None:
    do(postgresql, "CREATE TABLE t (id text)")

    def server() -> int:
        asked = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::int8"
        return int(postgresql.execute(asked, database=NAME)[0][0])

    with opened(database) as (source, _table), closing(repair(database)) as session:
        times = [server(), source.clock(), server(), session.clock(), server()]
    # Rounded to microseconds on either side.
    assert all(later >= earlier - 1 for earlier, later in zip(times, times[1:], strict=False))
