"""What only a live server shows: gaps in primary keys, very common keys, types of columns, streams that are left."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from dedupaudit.config import DatabaseSettings
from dedupaudit.interrupt import Interrupt
from dedupaudit.progress import SILENT
from dedupaudit.sources.tables import mysql_tokens
from dedupaudit.sources.tables.mysql import MysqlSource
from dedupaudit.sources.tables.protocol import Engine, Reading, Undecodable
from dedupaudit.sources.tables.table import Table
from dedupaudit.urls import parse_database_url
from tests.servers.mariadb import MariadbServer


@contextmanager
def opened(server: MariadbServer, *statements: str, engine: Engine = "auto") -> Iterator[tuple[MysqlSource, Table]]:
    """Make a table t with a key id, and open its database."""
    url = server.create_database("live")
    for statement in statements:
        server.execute(statement, database="live")
    settings = DatabaseSettings("db", parse_database_url(url))
    source = MysqlSource(settings, Interrupt(), SILENT, Reading(engine))
    try:
        catalog = source.catalog(("t",))
        assert catalog is not None
        key = catalog.column("id")
        assert key is not None
        yield source, Table("db", "t", catalog, key=(key,), compared=catalog.columns, time=catalog.column("at"))
    finally:
        source.close()


def counted(source: MysqlSource, table: Table) -> dict[object, int]:
    rows = list(source.duplicate_rows(table))
    found: Counter[object] = Counter(row.key[0] for row in rows)
    assert all(found[row.key[0]] == row.n for row in rows)
    return dict(found)


def test_gaps_and_negative_numbers_in_the_primary_key_hide_nothing(mariadb: MariadbServer) -> None:
    lowest, highest = -(2**63), 2**63 - 1
    rows = f"({lowest}, 'a'), (-5, 'b'), (0, 'a'), (7, 'c'), (1000000007, 'b'), ({highest - 1}, 'd'), ({highest}, 'd')"
    with opened(
        mariadb,
        "CREATE TABLE t (pk bigint PRIMARY KEY, id varchar(20)) ",
        f"INSERT INTO t VALUES {rows}",
        engine="snapshot",
    ) as (source, table):
        assert source.strategy(table)[0] == "snapshot"
        assert counted(source, table) == {"a": 2, "b": 2, "d": 2}


def test_ranges_adapt_to_clusters_that_lie_far_apart(mariadb: MariadbServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mysql_tokens, "_RANGE_ROWS", 10)
    with opened(
        mariadb,
        "CREATE TABLE t (pk bigint PRIMARY KEY, id int)",
        "INSERT INTO t SELECT (seq DIV 100) * 1000000000000 + seq % 100, seq % 2500 FROM seq_0_to_2999",
        engine="snapshot",
    ) as (source, table):
        found = counted(source, table)
        assert len(found) == 500
        assert set(found.values()) == {2}


def test_a_key_with_very_many_rows_is_read_by_its_hash(mariadb: MariadbServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mysql_tokens, "_HUGE", 50)
    monkeypatch.setattr(mysql_tokens, "_BATCH", 20)
    with opened(
        mariadb,
        "CREATE TABLE t (pk int PRIMARY KEY AUTO_INCREMENT, id varchar(20))",
        "INSERT INTO t (id) SELECT IF(seq % 3 = 0, 'often', CONCAT('k', seq DIV 6)) FROM seq_1_to_300",
        engine="snapshot",
    ) as (source, table):
        assert counted(source, table)["often"] == 100
        assert len(counted(source, table)) > 40


@pytest.mark.parametrize("engine", ["pushdown", "snapshot"])
@pytest.mark.parametrize(
    ("declared", "values", "found"),
    [
        ("bigint unsigned", "18446744073709551615, 18446744073709551615, 1", {18446744073709551615: 2}),
        ("float", "16777218, 16777218, -0.0, 0, 0.1", {16777218.0: 2, 0.0: 2}),
        ("decimal(10,2)", "1, 1.00, 2", {"1.00": 2}),
        ("enum('x','y')", "'x', 'x', 'y'", {"x": 2}),
        ("bit(10)", "5, 5, 6", {5: 2}),
        ("uuid", "'123e4567-e89b-12d3-a456-426655440000', '123E4567-E89B-12D3-A456-426655440000'", None),
        ("binary(4)", "'a', 'a\\0', 'b'", {b"a\0\0\0": 2}),
        ("varbinary(4)", "'a', 'a ', 'a'", {b"a": 2}),
        ("datetime(3)", "'2025-12-24 10:00:00.5', '2025-12-24 10:00:00.500', '0000-00-00'", None),
        ("text", "'a', 'A ', 'b'", None),
        ("varchar(20) CHARACTER SET ascii", "x'61ff', x'61ff', x'61fe'", {Undecodable(b"a\xff"): 2}),
        ("varchar(20) CHARACTER SET ucs2", "'aé', 'aé', 'b'", {"aé": 2}),
        ("varchar(20) CHARACTER SET latin1", "x'81', x'81', x'80'", {"\x81": 2}),
    ],
)
def test_keys_of_every_type_are_read(
    mariadb: MariadbServer, engine: Engine, declared: str, values: str, found: dict[object, int] | None
) -> None:
    rows = ", ".join(f"({value})" for value in values.split(", "))
    with opened(
        mariadb,
        f"CREATE TABLE t (pk int PRIMARY KEY AUTO_INCREMENT, id {declared})",
        "SET SESSION sql_mode = ''",
        f"INSERT INTO t (id) VALUES {rows}",
        engine=engine,
    ) as (source, table):
        rows_found = list(source.duplicate_rows(table))
        assert [row.n for row in rows_found] == [2] * (2 * len(found) if found else 2)
        if found:
            assert counted(source, table) == found


def test_a_stream_that_nobody_reads_on_is_ended_on_the_server(mariadb: MariadbServer) -> None:
    with opened(
        mariadb,
        "CREATE TABLE t (id varchar(20), note varchar(200), KEY (id))",
        "INSERT INTO t SELECT seq DIV 2, REPEAT('x', 200) FROM seq_1_to_50000",
    ) as (source, table):
        rows = source.duplicate_rows(table)
        next(rows)
        rows.close()  # type: ignore[attr-defined]  # a generator
        running = mariadb.execute(
            "SELECT COUNT(*) FROM information_schema.processlist WHERE info LIKE '%dedupaudit n%'"
        )
        assert running[0][0] <= 1
        assert source.survey(table, ("null_ids",)).rows == 50_000


def test_times_without_a_date_are_none_and_timestamps_are_utc(mariadb: MariadbServer) -> None:
    with opened(
        mariadb,
        "CREATE TABLE t (id int, at timestamp NULL, day datetime)",
        "SET SESSION sql_mode = '', time_zone = '+05:00'",
        "INSERT INTO t VALUES (1, '2025-12-24 15:00:00', '0000-00-00'), (1, NULL, '2025-00-01')",
    ) as (source, table):
        assert {row.at for row in source.duplicate_rows(table)} == {1_766_570_400_000_000, None}
        naive = replace(table, time=table.catalog.column("day"))
        assert {row.at for row in source.duplicate_rows(naive)} == {None}
