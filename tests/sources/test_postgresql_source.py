"""What only a live PostgreSQL can show: hidden rows, hostile search paths, odd encodings, odd tables, locks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from dedupaudit.config import DatabaseSettings, TableSettings
from dedupaudit.errors import SourceError, UsageError
from dedupaudit.interrupt import Interrupt
from dedupaudit.progress import SILENT
from dedupaudit.sources.tables.postgresql import PostgresqlSource
from dedupaudit.sources.tables.protocol import Reading
from dedupaudit.urls import parse_database_url
from tests.conformance.running import findings_of, report_of, scanned
from tests.servers.postgresql import PostgresqlServer

NAME = "source_facts"


@pytest.fixture
def database(postgresql: PostgresqlServer) -> Iterator[str]:
    yield postgresql.create_database(NAME)
    postgresql.drop_database(NAME)


def opened(url: str, timeout: float | None = None) -> PostgresqlSource:
    return PostgresqlSource(DatabaseSettings("db", parse_database_url(url), timeout), Interrupt(), SILENT, Reading())


def in_database(server: PostgresqlServer, *statements: str) -> None:
    for statement in statements:
        server.execute(statement, database=NAME)


@pytest.mark.parametrize(
    "condition",
    [
        "TRUE) FROM t; COMMIT; BEGIN READ WRITE; CREATE TABLE hacked (); SELECT (1",
        "nextval('s') > 0",
        "pg_advisory_lock(1) IS NULL",
        "lo_create(0) > 0",
        "no_such_column = 1",
        "id = ",
        "tags[1) OR (1] = 'x'",
    ],
)
def test_a_condition_that_does_more_than_read_is_refused_before_it_runs(
    postgresql: PostgresqlServer, database: str, condition: str
) -> None:
    in_database(postgresql, "CREATE TABLE t (id text, tags text[])", "CREATE SEQUENCE s")
    with closing(opened(database)) as source:
        catalog = source.catalog(("t",))
        assert catalog is not None
        with pytest.raises(UsageError, match=r"tables\.t\.where"):
            source.check_condition(catalog, condition, "tables.t.where")
        # The session goes on after each refusal.
        source.check_condition(catalog, "tags[1] = 'x' AND id ~ '^a' AND tags @> ARRAY['a']", "tables.t.where")
    assert postgresql.execute("SELECT to_regclass('hacked')", database=NAME) == [(None,)]


def test_rows_that_a_policy_hides_are_an_error_and_other_tables_go_on(
    postgresql: PostgresqlServer, database: str
) -> None:
    in_database(
        postgresql,
        "CREATE TABLE hidden (id text)",
        "INSERT INTO hidden VALUES ('a'), ('a')",
        "ALTER TABLE hidden ENABLE ROW LEVEL SECURITY",
        "CREATE TABLE seen (id text)",
        "INSERT INTO seen VALUES ('a'), ('a')",
        "DROP ROLE IF EXISTS rls_reader",
        "CREATE ROLE rls_reader LOGIN",
        "GRANT SELECT ON hidden, seen TO rls_reader",
    )
    try:
        url = postgresql.url(user="rls_reader", database=NAME)
        report = report_of(scanned(url, tables=("hidden", "seen"), checks=("duplicate_ids",)))
    finally:
        in_database(postgresql, "DROP OWNED BY rls_reader", "DROP ROLE rls_reader")
    by_table = {row["target"]: row for row in report["coverage"]}
    assert by_table["hidden"]["status"] == "failed"
    assert "row-level security" in by_table["hidden"]["reason"]
    assert by_table["seen"]["status"] == "checked"
    assert [finding["target"] for finding in report["findings"]] == ["seen"]
    assert report["complete"] is False


@pytest.mark.parametrize("engine", ["pushdown", "snapshot"])
def test_functions_on_the_search_path_stand_in_for_no_built_in(
    postgresql: PostgresqlServer, database: str, engine: str
) -> None:
    in_database(
        postgresql,
        "CREATE TABLE t (id varchar(20), status text, oss_key text)",
        "INSERT INTO t VALUES ('a'), ('a'), ('A'), (' ')",
        "CREATE FUNCTION lower(varchar) RETURNS text LANGUAGE sql AS $$ SELECT 'x' $$",
        "CREATE FUNCTION btrim(varchar, text) RETURNS text LANGUAGE sql AS $$ SELECT 'x' $$",
        "CREATE FUNCTION never(varchar, varchar) RETURNS boolean LANGUAGE sql AS $$ SELECT false $$",
        "CREATE OPERATOR = (LEFTARG = varchar, RIGHTARG = varchar, FUNCTION = never)",
        f"ALTER DATABASE {NAME} SET search_path = public, pg_catalog",
    )
    report = report_of(scanned(database, {"t": TableSettings(key=("id",))}, engine=engine))
    assert report["complete"]
    assert [finding["count"] for finding in findings_of(report, "duplicate_ids")] == [2]
    assert [finding["count"] for finding in findings_of(report, "blank_ids")] == [1]
    assert len(findings_of(report, "near_equal_ids")) == 1


@pytest.mark.parametrize("engine", ["pushdown", "snapshot"])
def test_a_database_without_an_encoding_keeps_keys_that_do_not_decode(
    postgresql: PostgresqlServer, engine: str
) -> None:
    url = postgresql.create_database(NAME, "ENCODING 'SQL_ASCII' LOCALE 'C'")
    try:
        in_database(
            postgresql,
            "CREATE TABLE t (id text)",
            r"INSERT INTO t SELECT convert_from(k, 'SQL_ASCII')"
            r" FROM (VALUES ('\x61ff'::bytea), ('\x61ff'), ('\xc3a9'), ('\xc3a9')) AS v (k)",
        )
        report = report_of(scanned(url, {"t": TableSettings(key=("id",))}, engine=engine))
    finally:
        postgresql.drop_database(NAME)
    assert report["complete"]
    found = {finding["key"]["id"]: finding for finding in findings_of(report, "duplicate_ids")}
    assert set(found) == {"a\ufffd", "é"}
    assert found["a\ufffd"]["key_raw"]["id"] == {"base64": "Yf8="}


@pytest.mark.parametrize("engine", ["pushdown", "snapshot"])
def test_odd_values_end_no_scan(postgresql: PostgresqlServer, database: str, engine: str) -> None:
    in_database(
        postgresql,
        "CREATE TYPE mood AS ENUM ('sad', 'ok')",
        "CREATE DOMAIN code AS varchar(10)",
        "CREATE TABLE t (id code, gone int, m mood, a int[], j json, t timestamptz, created_at timestamp, n numeric,"
        " f float8, big text, twice text GENERATED ALWAYS AS (upper(big)) STORED)",
        "ALTER TABLE t DROP COLUMN gone",
        """INSERT INTO t SELECT 'k', 'ok', '{1,NULL}', '{"a": "\\u0000"}', 'infinity', at, 'NaN', 'NaN',"""
        " repeat('x', 1000000) FROM (VALUES ('infinity'::timestamp), ('0044-03-15 BC'), ('2025-12-01')) AS v (at)",
        "INSERT INTO t (id, n) VALUES ('n', 1.0), ('n', 1.00)",
    )
    report = report_of(scanned(database, {"t": TableSettings(key=("id",))}, engine=engine))
    assert report["complete"], report["coverage"]
    found = {finding["key"]["id"]: finding for finding in findings_of(report, "duplicate_ids")}
    assert {key: (one["count"], one["class"]) for key, one in found.items()} == {
        "k": (3, "identical"),
        "n": (2, "identical"),
    }
    assert found["k"]["first_at"] == "2025-12-01T00:00:00.000Z"


@pytest.mark.parametrize("engine", ["pushdown", "snapshot"])
@pytest.mark.parametrize(
    ("made", "where"),
    [
        ("CREATE TABLE t (id text, d int) PARTITION BY LIST (d)", "tableoid"),
        ("CREATE TABLE t (id text, d int)", "ctid"),
    ],
)
def test_tables_of_several_parts_name_the_part_of_each_row(
    postgresql: PostgresqlServer, database: str, engine: str, made: str, where: str
) -> None:
    part = "PARTITION OF t FOR VALUES IN ({})" if "PARTITION" in made else "() INHERITS (t)"
    in_database(
        postgresql,
        made,
        f"CREATE TABLE t1 {part.format(1)}",
        f"CREATE TABLE t2 {part.format(2)}",
        "INSERT INTO t1 VALUES ('a', 1)",
        "INSERT INTO t2 VALUES ('a', 2)",
    )
    with closing(opened(database)) as source:
        assert source.catalog(("t",)) is not None
    report = report_of(scanned(database, {"t": TableSettings(key=("id",))}, engine=engine))
    (finding,) = findings_of(report, "duplicate_ids")
    assert finding["count"] == 2
    assert {row["where"].partition("=")[2] for row in finding["evidence"]} == {"(t1, (0,1))", "(t2, (0,1))"}, where


def test_a_locked_table_fails_and_the_session_goes_on(postgresql: PostgresqlServer, database: str) -> None:
    in_database(postgresql, "CREATE TABLE t (id text)", "CREATE TABLE u (id text)")
    with closing(postgresql.connect(NAME)) as other, closing(opened(database)) as source:
        other.cursor().execute("BEGIN; LOCK TABLE t IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(SourceError, match="lock"):
            source.catalog(("t",))
        assert source.catalog(("u",)) is not None


def test_names_are_told_with_their_schema_where_the_search_path_does_not_reach(
    postgresql: PostgresqlServer, database: str
) -> None:
    long = "x" * 200
    in_database(
        postgresql,
        "CREATE SCHEMA app",
        "CREATE TABLE app.t (id text)",
        'CREATE TABLE "T u" (id text)',
        f"CREATE TABLE {long} (id text)",
        "CREATE SCHEMA dedupaudit",
        "CREATE TABLE dedupaudit.journal (id text)",
    )
    with closing(opened(database)) as source:
        assert source.names() == ["app.t", "T u", "x" * 63]
        found = source.catalog(("T",))
        assert found is not None
        assert found.name == "app.t"
        assert source.catalog((long,)) is not None
        assert source.catalog(("app", "missing")) is None
        assert source.catalog(("dedupaudit", "journal")) is None
