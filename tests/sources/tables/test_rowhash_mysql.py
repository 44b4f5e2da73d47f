"""The hash of a row on MariaDB: the same in every session, another for whatever is another, never none in silence."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from dedupaudit.config import DatabaseSettings
from dedupaudit.errors import SourceError
from dedupaudit.interrupt import Interrupt
from dedupaudit.progress import SILENT
from dedupaudit.sources.tables.mysql import MysqlSource
from dedupaudit.sources.tables.mysql_rowhash import identity, is_in, value_literal
from dedupaudit.sources.tables.protocol import Key, Reading, Undecodable
from dedupaudit.sources.tables.table import Table
from dedupaudit.urls import parse_database_url
from tests.servers.mariadb import MariadbServer

COLUMNS = {
    "i": "int NULL",
    "u": "bigint unsigned NULL",
    "z": "int(9) unsigned zerofill NULL",
    "dc": "decimal(30, 10) NULL",
    "fl": "float NULL",
    "db": "double NULL",
    "bi": "bit(64) NULL",
    "yr": "year NULL",
    "da": "date NULL",
    "ti": "time(6) NULL",
    "dt": "datetime(6) NULL",
    "ts": "timestamp(6) NULL DEFAULT NULL",
    "ch": "char(10) CHARACTER SET latin1 NULL",
    "vc": "varchar(50) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci NULL",
    "v2": "varchar(50) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci NULL",
    "u3": "varchar(50) CHARACTER SET utf8mb3 NULL",
    "w4": "varchar(50) CHARACTER SET utf32 NULL",
    "en": "enum('', 'a', 'b') CHARACTER SET latin1 NULL",
    "st": "set('a', 'b', 'c') NULL",
    "bn": "binary(4) NULL",
    "vb": "varbinary(50) NULL",
    "tx": "text NULL",
    "lt": "longtext NULL",
    "lb": "longblob NULL",
    "js": "json NULL",
    "ge": "geometry NULL",
    "uu": "uuid NULL",
    "i6": "inet6 NULL",
    "hidden": "int INVISIBLE NULL",
}
# What each column goes through, one value after the other: all of them are different rows.
CHANGES = {
    "i": ["NULL", "0", "1", "-1"],
    "u": ["18446744073709551615", "18446744073709551614"],
    "z": ["7", "8"],
    "dc": ["1.0000000000", "1.0000000001", "12345678901234567890.0000000001", "12345678901234567890.0000000002"],
    "fl": ["0", "-1e-200", "16777216", "16777218", "0.1", "0.10000001"],
    "db": ["0.1", "0.10000000000000002", "5e-324", "1e-323", "NULL"],
    "bi": ["b'1'", "b'10'", "18446744073709551615"],
    "yr": ["1970", "1971", "0"],
    "da": ["'0000-00-00'", "'2024-01-01'", "'2024-01-02'", "'2024-00-00'"],
    "ti": ["'-00:00:00.000001'", "'00:00:00.000001'", "'800:00:00'"],
    "dt": ["'0000-00-00'", "'2024-01-01 00:00:00.000001'", "'2024-01-01 00:00:00.000002'"],
    "ts": ["'2024-10-27 00:30:00'", "'2024-10-27 01:30:00'", "'0000-00-00'"],
    "ch": ["''", "'e'", "'é'", "'è'"],
    "vc": ["''", "' '", "'a'", "'A'", "'á'", "'a '", "'N'", "'1'", "'1,N'", "x'61CC81'", "NULL"],
    "u3": ["'a'", "'A'"],
    "w4": ["'a'", "'A'", "'\U0001f600'"],
    "en": ["NULL", "0", "1", "'a'", "'b'"],
    "st": ["''", "'a'", "'a,b'", "'a,b,c'", "NULL"],
    "bn": ["x'00'", "x'0001'", "x'20'"],
    "vb": ["x''", "x'00'", "x'0000'", "x'ff'", "NULL"],
    "tx": ["''", "'a'", "'A'", "'N'", "NULL"],
    "lt": ["''", "'a'", "'A'", "REPEAT('a', 100000)", "CONCAT(REPEAT('a', 100000), 'b')", "NULL"],
    "lb": ["x''", "x'00'", "x'ff'", "NULL"],
    "js": ["'{\"a\":1}'", "'{\"a\": 1}'", "'{\"a\":1.0}'"],
    "ge": ["NULL", "POINT(1, 2)", "POINT(1, 3)", "ST_GeomFromText('POINT(1 3)', 4326)"],
    "uu": ["'123e4567-e89b-12d3-a456-426655440000'", "'123e4567-e89b-12d3-a456-426655440001'"],
    "i6": ["'::1'", "'::2'"],
    "hidden": ["1", "2"],
}  # fmt: skip


@contextmanager
def opened(url: str) -> Iterator[tuple[MysqlSource, Table]]:
    source = MysqlSource(DatabaseSettings("db", parse_database_url(url)), Interrupt(), SILENT, Reading())
    try:
        catalog = source.catalog(("t",))
        assert catalog is not None
        yield source, Table("db", "t", catalog, key=catalog.columns[:1], compared=catalog.columns)
    finally:
        source.close()


def hashes(url: str, *locators: Key) -> list[str | None]:
    with opened(url) as (source, table):
        return source.row_hashes(table, locators)


def every_type(server: MariadbServer, name: str = "rowhash") -> str:
    url = server.create_database(name)
    columns = ", ".join(f"{column} {declared}" for column, declared in COLUMNS.items())
    generated = "twice int AS (pk * 2) VIRTUAL, once int AS (pk + 1) STORED"
    server.execute(f"CREATE TABLE t (pk int PRIMARY KEY, {columns}, {generated})", database=name)
    server.execute("SET SESSION sql_mode = 'NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES'")
    return url


def test_every_change_of_every_type_is_another_hash(mariadb: MariadbServer) -> None:
    url = every_type(mariadb)
    try:
        mariadb.execute("INSERT INTO t (pk) VALUES (0)", database="rowhash")
        assert set(CHANGES) | {"v2"} == set(COLUMNS)
        with opened(url) as (source, table):
            for column, values in CHANGES.items():
                seen: dict[str | None, str] = {}
                for value in values:
                    mariadb.execute(f"UPDATE t SET {column} = {value}", database="rowhash")
                    source.renew()
                    [found] = source.row_hashes(table, [(0,)])
                    assert found is not None
                    assert len(found) == 64
                    assert found not in seen, f"{column}: {value} and {seen[found]}"
                    seen[found] = value
            [last] = source.row_hashes(table, [(0,)])
        mariadb.execute("SET GLOBAL time_zone = '+05:00'")
        assert hashes(url, (0,)) == [last]
    finally:
        mariadb.execute("SET GLOBAL time_zone = 'SYSTEM'")
        mariadb.execute("SET SESSION sql_mode = DEFAULT")


def test_bytes_do_not_move_between_columns(mariadb: MariadbServer) -> None:
    url = every_type(mariadb)
    mariadb.execute("SET SESSION sql_mode = DEFAULT")
    pairs = [
        ("ab", "c"),
        ("a", "bc"),
        ("", "abc"),
        (None, "abc"),
        ("abc", None),
        ("abc", ""),
        ("1,N", "N"),
        ("N", "1,N"),
    ]
    for vc, v2 in pairs:
        mariadb.execute("DELETE FROM t", database="rowhash")
        mariadb.execute("INSERT INTO t (pk, vc, v2) VALUES (1, %s, %s)", (vc, v2), database="rowhash")
        pairs_seen = hashes(url, (1,))
        mariadb.execute("CREATE TABLE IF NOT EXISTS seen (h char(64) PRIMARY KEY)", database="rowhash")
        mariadb.execute("INSERT INTO seen VALUES (%s)", pairs_seen, database="rowhash")
    assert mariadb.execute("SELECT COUNT(*) FROM seen", database="rowhash") == [(len(pairs),)]


def test_hashes_come_in_the_order_of_the_locators_and_none_for_a_row_that_is_gone(mariadb: MariadbServer) -> None:
    url = mariadb.create_database("rowhash")
    mariadb.execute("CREATE TABLE t (a int, b varchar(20), v int, PRIMARY KEY (b, a))", database="rowhash")
    mariadb.execute("INSERT INTO t SELECT seq, CONCAT('K', seq), seq FROM seq_1_to_1300", database="rowhash")
    locators: list[Key] = [(f"K{number}", number) for number in range(1300, 0, -1)]
    found = hashes(url, *locators)
    assert len(set(found)) == 1300
    assert None not in found
    assert hashes(url, ("K5", 5), ("K5", 6), ("K6", 6)) == [found[1295], None, found[1294]]
    mariadb.execute("CREATE TABLE u (a int)", database="rowhash")
    mariadb.execute("DROP TABLE t", database="rowhash")
    mariadb.execute("RENAME TABLE u TO t", database="rowhash")
    assert hashes(url, (1,)) == [None]


def test_a_row_too_large_to_hash_is_an_error(mariadb: MariadbServer) -> None:
    url = mariadb.create_database("rowhash")
    columns = ", ".join(f"c{number} text" for number in range(20))
    mariadb.execute(f"CREATE TABLE t (pk int PRIMARY KEY, {columns})", database="rowhash")
    values = ", ".join(["REPEAT('x', 65535)"] * 20)
    mariadb.execute(f"INSERT INTO t VALUES (1, {values})", database="rowhash")
    assert hashes(url, (1,))[0]
    mariadb.execute("SET GLOBAL max_allowed_packet = 1048576")
    try:
        with pytest.raises(SourceError, match="max_allowed_packet"):
            hashes(url, (1,))
    finally:
        mariadb.execute("SET GLOBAL max_allowed_packet = 67108864")


def test_identity_and_clock(mariadb: MariadbServer) -> None:
    first, second = mariadb.create_database("rowhash"), mariadb.create_database("rowhash2")
    mariadb.execute("CREATE TABLE t (a int)", database="rowhash")
    mariadb.execute("CREATE TABLE t (a int)", database="rowhash2")
    with opened(first) as (one, _), opened(first) as (again, _), opened(second) as (other, _):
        assert one.identity() == again.identity()
        assert one.identity() != other.identity()
        assert one.identity()["dialect"] == "mariadb"
        assert abs(one.clock() / 1e6 - time.time()) < 5
    row = ["app", "host", "3306", "1", "/var/lib/mysql/"]
    said = identity("MariaDB", row)
    assert "/var" not in str(said)
    for place, value in enumerate(["app2", "host2", "3307", "2", "/srv/"]):
        assert identity("MariaDB", [*row[:place], value, *row[place + 1 :]]) != said
    assert identity("MySQL", ["app", "uuid"]) == {"dialect": "mysql", "database": "app", "server": "uuid"}


def test_values_as_literals() -> None:
    assert value_literal("it's") == "_utf8mb4 x'69742773'"
    assert value_literal(b"\x00'") == "x'0027'"
    assert value_literal(-5) == "-5"
    assert value_literal(0.1) == "0.1e0"
    assert value_literal(1e300) == "1e+300"
    assert value_literal(Undecodable(b"\xff")) == "x'ff'"
    assert value_literal(None) == "NULL"
    assert is_in(["a"], []) == "FALSE"
    assert is_in(["a"], [(1,), ("x",)]) == "a IN (1, _utf8mb4 x'78')"
    assert is_in(["a", "b"], [(1, 2), (3, 4)]) == "((a = 1 AND b = 2) OR (a = 3 AND b = 4))"
