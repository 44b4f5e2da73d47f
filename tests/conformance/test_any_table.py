"""Tables of every kind that production has, on each server: types of keys, generated columns, long payloads, growth."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from dedupaudit.config import TableSettings
from dedupaudit.errors import UsageError
from dedupaudit.model import Finding
from dedupaudit.sources.tables.protocol import Engine
from tests.conformance.running import Content, agreed, findings_of, report_of, scanned
from tests.conftest import SqliteDb
from tests.servers.mariadb import MariadbServer
from tests.servers.postgresql import PostgresqlServer
from tests.servers.proxy import Proxy

ENGINES: tuple[Engine, ...] = ("pushdown", "snapshot")
BY_ID = {"t": TableSettings(key=("id",))}

# A type of key, and values of which a unique index holds some to be one.
POSTGRESQL_KEYS = (
    ("uuid", ["'00000000-0000-0000-0000-00000000000a'", "'{0000000000000000000000000000000A}'", "gen_random_uuid()"]),
    ("numeric", ["1", "1.0", "1.000", "'NaN'", "'NaN'", "1.01"]),
    ("smallint", ["1", "1", "-1"]),
    ("float4", ["0.1", "0.1", "-0.0", "0", "'inf'"]),
    ("bytea", [r"'\x00'", r"'\x00'", r"'\xff'", "''"]),
    ("char(5)", ["'a'", "'a  '", "' a'"]),
    ("date", ["'2025-01-01'", "'2025-01-01'", "'infinity'", "'infinity'", "'0044-03-15 BC'"]),
    ("timestamptz", ["'2025-01-01 00:00+00'", "'2025-01-01 08:00+08'", "'infinity'"]),
    ("interval", ["'1 day'", "'24 hours'", "'1 hour'"]),
    ("inet", ["'10.0.0.1'", "'10.0.0.1/32'", "'10.0.0.2'"]),
    ("boolean", ["true", "true", "false"]),
    ("jsonb", ["""'{"a":1,"b":2}'""", """'{"b":2,"a":1.0}'""", "'1'"]),
    ("int[]", ["'{1,2}'", "'{1,2}'", "'{2,1}'", "'[0:1]={1,2}'"]),
    ("mood", ["'sad'", "'sad'", "'ok'"]),
    ("positive", ["1", "1", "2"]),
)
MARIADB_KEYS = (
    ("INT UNSIGNED", ["1", "1", "4294967295"]),
    ("BIGINT UNSIGNED", ["18446744073709551615", "18446744073709551615", "0"]),
    ("DECIMAL(20,4)", ["1", "1.0000", "1.0001"]),
    ("FLOAT", ["16777218", "16777216", "16777216", "0.1", "0.1"]),
    ("CHAR(10)", ["'a'", "'a '", "'A'", "'b'"]),
    ("BINARY(3)", ["'a'", r"'a\0'", "'b'"]),
    ("VARBINARY(16)", ["'a'", "'a '", "'A'", "'a'"]),
    ("ENUM('sad','ok')", ["'sad'", "'sad'", "'ok'"]),
    ("SET('a','b')", ["'a,b'", "'b,a'", "'a'"]),
    ("DATE", ["'2025-01-01'", "'2025-01-01'", "'0000-00-00'", "'0000-00-00'"]),
    ("DATETIME(6)", ["'2025-01-01 00:00:00.000001'", "'2025-01-01 00:00:00.000001'", "'2025-01-01'"]),
    ("TIMESTAMP NULL", ["'2025-01-01 00:00:00'", "'2025-01-01 00:00:00'", "'2025-01-02 00:00:00'"]),
    ("TIME(3)", ["'00:00:01'", "'00:00:01.000'", "'-00:00:01'"]),
    ("BIT(8)", ["b'1'", "1", "0"]),
    ("UUID", ["'00000000-0000-0000-0000-00000000000a'", "'0000000000000000000000000000000A'"]),
    ("INET6", ["'::1'", "'0:0::1'", "'::2'"]),
)


@pytest.fixture
def pg(postgresql: PostgresqlServer) -> Callable[[str], str]:
    """Return a function that runs statements in a new database and returns its URL."""

    def make(sql: str) -> str:
        url = postgresql.create_database("any table")
        postgresql.execute(sql, database="any table")
        return url

    return make


@pytest.fixture
def maria(mariadb: MariadbServer) -> Callable[[str], str]:
    """Return a function that runs statements in a new database and returns its URL."""

    def make(sql: str) -> str:
        url = mariadb.create_database("any table")
        for statement in f"SET sql_mode = ''; USE `any table`; {sql}".split("; "):
            mariadb.execute(statement)
        return url

    return make


def sizes(report: Content) -> list[int]:
    assert report["complete"], report["coverage"]
    return sorted(finding["count"] for finding in findings_of(report, "duplicate_ids"))


def classes(report: Content) -> dict[Any, str]:
    return {next(iter(finding["key"].values())): finding["class"] for finding in findings_of(report, "duplicate_ids")}


@pytest.mark.parametrize(("kind", "values"), POSTGRESQL_KEYS, ids=lambda value: value if isinstance(value, str) else "")
def test_postgresql_a_key_of_any_type_repeats_where_its_unique_index_says_so(
    pg: Callable[[str], str], postgresql: PostgresqlServer, kind: str, values: list[str]
) -> None:
    rows = ", ".join(f"({value})" for value in values)
    url = pg(
        "CREATE TYPE mood AS ENUM ('sad', 'ok'); CREATE DOMAIN positive AS int CHECK (value > 0);"
        f"CREATE TABLE t (id {kind}); CREATE TABLE held (id {kind} UNIQUE)"
    )
    for value in values:
        postgresql.execute(f"INSERT INTO t VALUES ({value})", database="any table")
        postgresql.execute(f"INSERT INTO held VALUES ({value}) ON CONFLICT DO NOTHING", database="any table")
    ((distinct,),) = postgresql.execute("SELECT count(*) FROM held", database="any table")
    report = agreed(ENGINES, url, BY_ID)
    assert report["complete"], report["coverage"]
    table = report["summary"]["tables"]["db.t"]
    assert (table["rows"], table["distinct_ids"]) == (len(values), distinct), rows


@pytest.mark.parametrize(("kind", "values"), MARIADB_KEYS, ids=lambda value: value if isinstance(value, str) else "")
def test_mariadb_a_key_of_any_type_repeats_where_its_unique_index_says_so(
    maria: Callable[[str], str], mariadb: MariadbServer, kind: str, values: list[str]
) -> None:
    url = maria(f"CREATE TABLE t (pk INT AUTO_INCREMENT PRIMARY KEY, id {kind}); CREATE TABLE held (id {kind} UNIQUE)")
    for value in values:
        mariadb.execute(f"INSERT INTO t (id) VALUES ({value})", database="any table")
        mariadb.execute(f"INSERT IGNORE INTO held VALUES ({value})", database="any table")
    ((distinct,),) = mariadb.execute("SELECT count(*) FROM held", database="any table")
    report = agreed(ENGINES, url, BY_ID)
    assert report["complete"], report["coverage"]
    table = report["summary"]["tables"]["db.t"]
    assert (table["rows"], table["distinct_ids"]) == (len(values), distinct)


# A type, two values that its unique index takes for one, and another; their texts differ.
POSTGRESQL_WRITINGS = (
    ("float8", "0", "'-0'", "'NaN'"),
    ("float4", "0", "'-0'", "0.1"),
    ("numeric", "1.0", "1.00", "'NaN'"),
    ("interval", "'1 day'", "'24 hours'", "'1 month'"),
    ("jsonb", "'1.0'", "'1'", "'\"1\"'"),
    ("float8[]", "'{0}'", "'{-0}'", "'{NaN}'"),
    ("numrange", "'[1,2)'", "'[1.0,2.00)'", "'[1,2]'"),
    ("char(3)", "'a'", "'a  '", "'b'"),
    ("date", "'2025-01-01'", "'20250101'", "'0044-03-15 BC'"),
    ("mood", "'Sad'", "'Sad'", "'sad'"),
)
MARIADB_WRITINGS = (
    ("DOUBLE", "0e0", "-0e0", "0.1"),
    ("FLOAT", "0e0", "-0e0", "0.1"),
    ("DECIMAL(9,2)", "1.0", "1.00", "-0.0"),
    ("CHAR(3)", "'a'", "'a '", "'b'"),
)
SQLITE_WRITINGS = (("REAL", "0.0", "-0.0", "0.1"), ("", "1", "1.0", "1.5"), ("NUMERIC", "'1'", "1.0", "'1.5'"))


def one_key_however_it_is_written(make: Callable[[str], str], kind: str, texts: str, values: Sequence[str]) -> None:
    """Assert that (0, a), (-0, a), (-0, A) and the like are two writings, in whichever order the rows come."""
    same, other, third = values
    rows = [
        (same, "a"),
        (other, "a "),
        (other, "a"),
        (other, "A"),
        (same, "A"),
        (third, "a"),
        (third, "A"),
        (third, "a"),
    ]
    said = []
    for order in (rows, rows[::-1], [*rows[2:], *rows[:2]]):
        values_list = ", ".join(f"({value}, '{text}')" for value, text in order)
        url = make(f"CREATE TABLE t (pk {kind}, device {texts}); INSERT INTO t VALUES {values_list}")
        engines: tuple[Engine, ...] = ENGINES if "sqlite" not in url else ("pushdown",)
        report = agreed(
            engines, url, {"t": TableSettings(key=("pk", "device"))}, checks=("duplicate_ids", "near_equal_ids")
        )
        assert report["complete"], report["coverage"]
        found = findings_of(report, "duplicate_ids", "near_equal_ids")
        assert len(findings_of(report, "duplicate_ids")) == 3
        said.append({(one["fingerprint"], one["check"], one["count"], one["message"]) for one in found})
        assert sorted(one["count"] for one in findings_of(report, "near_equal_ids")) == [2, 3]
    assert said[0] == said[1] == said[2]


@pytest.mark.parametrize(("kind", "values"), [(kind, values) for kind, *values in POSTGRESQL_WRITINGS])
def test_postgresql_equal_keys_that_are_written_differently_are_one(
    pg: Callable[[str], str], kind: str, values: list[str]
) -> None:
    def make(sql: str) -> str:
        return pg("CREATE TYPE mood AS ENUM ('Sad', 'sad');" + sql)

    one_key_however_it_is_written(make, kind, "text", values)


@pytest.mark.parametrize(("kind", "values"), [(kind, values) for kind, *values in MARIADB_WRITINGS])
def test_mariadb_equal_keys_that_are_written_differently_are_one(
    maria: Callable[[str], str], kind: str, values: list[str]
) -> None:
    one_key_however_it_is_written(maria, kind, "VARCHAR(9) COLLATE utf8mb4_nopad_bin", values)


@pytest.mark.parametrize(("kind", "values"), [(kind, values) for kind, *values in SQLITE_WRITINGS])
def test_sqlite_equal_keys_that_are_written_differently_are_one(
    sqlite_db: SqliteDb, kind: str, values: list[str]
) -> None:
    def make(sql: str) -> str:
        return f"sqlite:///{sqlite_db('DROP TABLE IF EXISTS t; ' + sql)}"

    one_key_however_it_is_written(make, kind, "TEXT", values)


def test_postgresql_json_and_generated_columns_are_compared_as_values(pg: Callable[[str], str]) -> None:
    url = pg(
        "CREATE TABLE t (id text, a json, b jsonb, twice text GENERATED ALWAYS AS (id || id) STORED);"
        """INSERT INTO t VALUES ('same', '{"x":1, "y":2}', '[1.0]'), ('same', '{"y":2.0,"x":1}', '[1]'),"""
        r"""('odd', '{"x":"\u0000"}', '1'), ('odd', '{"x":"\u0000"}', '1'),"""
        """('other', '[1,2]', '1'), ('other', '[2,1]', '1')"""
    )
    report = agreed(ENGINES, url, BY_ID)
    assert report["complete"]
    assert classes(report) == {"same": "identical", "odd": "identical", "other": "conflicting"}
    by_generated = agreed(ENGINES, url, {"t": TableSettings(key=("twice",))})
    assert sizes(by_generated) == [2, 2, 2]


def test_mariadb_json_and_generated_columns_are_compared_as_values(maria: Callable[[str], str]) -> None:
    url = maria(
        "CREATE TABLE t (pk INT AUTO_INCREMENT PRIMARY KEY, id VARCHAR(50), a JSON,"
        " v VARCHAR(100) AS (CONCAT(id, id)) VIRTUAL, p VARCHAR(100) AS (CONCAT(id, id)) PERSISTENT); "
        """INSERT INTO t (id, a) VALUES ('same', '{"x":1, "y":2}'), ('same', '{"y":2.0,"x":1}'),"""
        """('other', '[1,2]'), ('other', '[2,1]')"""
    )
    report = agreed(ENGINES, url, BY_ID)
    assert classes(report) == {"same": "identical", "other": "conflicting"}
    for column in ("v", "p"):
        assert sizes(agreed(ENGINES, url, {"t": TableSettings(key=(column,))})) == [2, 2]


def test_mariadb_zero_dates_are_no_time_and_no_failure(maria: Callable[[str], str]) -> None:
    url = maria(
        "CREATE TABLE t (pk INT AUTO_INCREMENT PRIMARY KEY, id VARCHAR(50), created_at DATETIME); "
        "INSERT INTO t (id, created_at) VALUES ('a', '0000-00-00'), ('a', '2025-00-10'), ('a', '2025-12-24 12:00:00')"
    )
    (found,) = findings_of(agreed(ENGINES, url, BY_ID), "duplicate_ids")
    assert (found["count"], found["first_at"], found["last_at"]) == (
        3,
        "2025-12-24T12:00:00.000Z",
        "2025-12-24T12:00:00.000Z",
    )


def test_mariadb_bytes_of_a_latin1_column_that_are_no_utf8_are_read_as_latin1(maria: Callable[[str], str]) -> None:
    url = maria(
        "CREATE TABLE t (pk INT AUTO_INCREMENT PRIMARY KEY, id VARCHAR(50) CHARACTER SET latin1); "
        "INSERT INTO t (id) VALUES (x'E9'), (x'E9'), (x'C3A9'), (x'C3A9'), (x'C3A9')"
    )
    report = agreed(ENGINES, url, BY_ID)
    found = {finding["key"]["id"]: finding["count"] for finding in findings_of(report, "duplicate_ids")}
    assert found == {"\u00e9": 2, "\u00c3\u00a9": 3}


def long_payloads_stay(url: str, port: int, engine: Engine) -> None:
    with Proxy(port) as proxy:
        report = report_of(scanned(url.replace(f":{port}/", f":{proxy.port}/"), BY_ID, engine=engine))
        assert report["complete"], report["coverage"]
        assert classes(report) == {"same": "identical", "other": "conflicting"}
        assert proxy.forwarded < 1_000_000


@pytest.mark.parametrize("engine", ENGINES)
def test_postgresql_a_payload_of_ten_megabytes_is_compared_without_coming_over_the_wire(
    pg: Callable[[str], str], postgresql: PostgresqlServer, engine: Engine
) -> None:
    url = pg(
        "CREATE TABLE t (id text, payload text, raw bytea);"
        "INSERT INTO t SELECT k, repeat('x', 10000000) || tail, convert_to(repeat('y', 10000000), 'UTF8')"
        " FROM (VALUES ('same', 'a'), ('same', 'a'), ('other', 'a'), ('other', 'b')) AS v (k, tail)"
    )
    long_payloads_stay(url, postgresql.port, engine)


@pytest.mark.parametrize("engine", ENGINES)
def test_mariadb_a_payload_of_ten_megabytes_is_compared_without_coming_over_the_wire(
    maria: Callable[[str], str], mariadb: MariadbServer, engine: Engine
) -> None:
    row = "INSERT INTO t (id, payload, raw) VALUES ('{}', CONCAT(REPEAT('x', 10000000), '{}'), REPEAT('y', 10000000))"
    rows = [row.format(*pair) for pair in (("same", "a"), ("same", "a"), ("other", "a"), ("other", "b"))]
    url = maria(
        "CREATE TABLE t (pk INT AUTO_INCREMENT PRIMARY KEY, id VARCHAR(50), payload LONGTEXT, raw LONGBLOB); "
        + "; ".join(rows)
    )
    long_payloads_stay(url, mariadb.port, engine)


def grows(url: str, engine: Engine, write: Callable[[], object]) -> None:
    """Scan two tables; at the first finding both grow, and the scan says what was there when it began."""
    written: list[object] = []

    def sink(_finding: Finding) -> None:
        if not written:
            written.append(write())

    both = {name: TableSettings(key=("id",)) for name in ("t", "u")}
    report = report_of(scanned(url, both, engine=engine, sink=sink))
    assert written
    assert report["complete"]
    assert {name: table["rows"] for name, table in report["summary"]["tables"].items()} == {"db.t": 3, "db.u": 3}
    assert [finding["count"] for finding in findings_of(report, "duplicate_ids")] == [2, 2]


@pytest.mark.parametrize("engine", ENGINES)
def test_postgresql_a_table_that_grows_while_it_is_read_is_seen_as_it_was(
    pg: Callable[[str], str], postgresql: PostgresqlServer, engine: Engine
) -> None:
    fill = "CREATE TABLE {0} (id text); INSERT INTO {0} VALUES ('a'), ('a'), ('b')"
    url = pg(f"{fill.format('t')}; {fill.format('u')}")
    more = "INSERT INTO t VALUES ('b'), ('c'), ('c'); INSERT INTO u VALUES ('a'), ('b'), ('c'), ('c')"
    grows(url, engine, lambda: [postgresql.execute(more, database="any table")])


@pytest.mark.parametrize("engine", ENGINES)
def test_mariadb_a_table_that_grows_while_it_is_read_is_seen_as_it_was(
    maria: Callable[[str], str], mariadb: MariadbServer, engine: Engine
) -> None:
    fill = (
        "CREATE TABLE {0} (pk INT AUTO_INCREMENT PRIMARY KEY, id VARCHAR(9)); "
        "INSERT INTO {0} (id) VALUES ('a'), ('a'), ('b')"
    )
    url = maria(f"{fill.format('t')}; {fill.format('u')}")
    more = "INSERT INTO {} (id) VALUES ('a'), ('b'), ('c'), ('c')"
    grows(url, engine, lambda: [mariadb.execute(more.format(name), database="any table") for name in "tu"])


@pytest.mark.parametrize(
    "condition",
    [
        "nextval('s') > 0",
        "lo_create(0) > 0",
        "writes('x')",
        "pg_advisory_lock(1) IS NULL",
        "set_config('transaction_read_only', 'off', false) = 'off'",
        "pg_create_restore_point('x') IS NULL",
        "EXISTS (WITH gone AS (DELETE FROM t RETURNING 1) SELECT 1 FROM gone)",
    ],
)
def test_postgresql_a_condition_that_would_write_is_refused(
    pg: Callable[[str], str], postgresql: PostgresqlServer, condition: str
) -> None:
    url = pg(
        "CREATE TABLE t (id text); INSERT INTO t VALUES ('a'), ('a'); CREATE SEQUENCE s;"
        "CREATE FUNCTION writes(text) RETURNS boolean LANGUAGE sql AS 'INSERT INTO t VALUES ($1) RETURNING true'"
    )
    with pytest.raises(UsageError):
        scanned(url, {"t": TableSettings(key=("id",), where=condition)})
    look = "SELECT (SELECT count(*) FROM t), (SELECT is_called FROM s), (SELECT count(*) FROM pg_largeobject_metadata)"
    assert postgresql.execute(look, database="any table") == [(2, False, 0)]


@pytest.mark.parametrize(
    "condition",
    [
        "id = 'a' INTO OUTFILE '/tmp/dedupaudit-outfile'",
        "1 PROCEDURE ANALYSE()",
        "id IN (SELECT 1 INTO OUTFILE '/tmp/dedupaudit-outfile')",
        "1 FOR UPDATE",
        "1) INTO @x FROM t WHERE (1",
    ],
)
def test_mariadb_a_condition_cannot_write_a_file_or_lock_a_row(maria: Callable[[str], str], condition: str) -> None:
    url = maria("CREATE TABLE t (id VARCHAR(9)); INSERT INTO t VALUES ('a'), ('a')")
    with pytest.raises(UsageError):
        scanned(url, {"t": TableSettings(key=("id",), where=condition)})


@pytest.mark.parametrize("condition", ["writes(id)", "NEXTVAL(s) > 0"])
def test_mariadb_a_function_that_would_write_does_not(
    maria: Callable[[str], str], mariadb: MariadbServer, condition: str
) -> None:
    url = maria(
        "CREATE TABLE t (id VARCHAR(9)); INSERT INTO t VALUES ('a'), ('a'); CREATE TABLE u (n INT); CREATE SEQUENCE s"
    )
    mariadb.execute("DROP FUNCTION IF EXISTS writes", database="any table")
    body = "CREATE FUNCTION writes(x VARCHAR(9)) RETURNS INT BEGIN INSERT INTO u VALUES (1); RETURN 1; END"
    mariadb.execute(body, database="any table")
    try:
        report = report_of(scanned(url, {"t": TableSettings(key=("id",), where=condition)}))
    except UsageError:
        report = {"complete": False}
    assert not report["complete"]
    assert mariadb.execute("SELECT COUNT(*) FROM u", database="any table") == [(0,)]
    assert mariadb.execute("SELECT next_not_cached_value FROM s", database="any table") == [(1,)]
