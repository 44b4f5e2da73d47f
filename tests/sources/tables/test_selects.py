"""A configured SELECT runs where it only reads, on each database; a renewed snapshot shows what came meanwhile."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from dedupaudit.errors import SourceError, UsageError
from dedupaudit.sources.tables.protocol import Undecodable, Value
from tests.servers.mariadb import MariadbServer
from tests.servers.postgresql import PostgresqlServer
from tests.sources.tables.opened import all_rows, opened

NAME, WHERE = "selects", "objects.also_referenced[0]"


@dataclass
class Place:
    """One database with the tables t and thumbs, and how its owner changes it."""

    url: str
    execute: Callable[[str], object]


@pytest.fixture(params=["sqlite", "postgresql", "mariadb"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    if request.param == "sqlite":
        path = tmp_path / "app.db"
        connection = sqlite3.connect(path, isolation_level=None)
        connection.execute("PRAGMA journal_mode = WAL")
        found = Place(f"sqlite:///{path}", connection.execute)
        end: Callable[[], object] = connection.close
    else:
        server: PostgresqlServer | MariadbServer = request.getfixturevalue(request.param)
        url = server.create_database(NAME)
        found = Place(url, lambda sql: server.execute(sql, database=NAME))
        end = (lambda: server.drop_database(NAME)) if isinstance(server, PostgresqlServer) else (lambda: None)
    for sql in (
        "CREATE TABLE t (id varchar(20), oss_key varchar(20))",
        "CREATE TABLE thumbs (k varchar(20), n integer)",
        "INSERT INTO thumbs VALUES ('a', 1), ('it''s', 2), (NULL, NULL)",
        "INSERT INTO t VALUES ('one', 'k1')",
    ):
        found.execute(sql)
    yield found
    end()


GOOD: Sequence[tuple[str, list[Value]]] = (
    ("SELECT k FROM thumbs WHERE k = 'it''s'", ["it's"]),
    (" \n select k from thumbs where n = 1\n", ["a"]),
    ("SELECT n FROM thumbs WHERE n > 0 ORDER BY n DESC LIMIT 2", [2, 1]),
    ("SELECT k FROM thumbs WHERE n IS NULL", [None]),
    ("WITH two AS (SELECT k FROM thumbs WHERE n = 2) SELECT k FROM two", ["it's"]),
    ("SELECT 'x;y' UNION SELECT 'x;y'", ["x;y"]),
    ("SELECT '/*--' FROM thumbs WHERE n = 1", ["/*--"]),
    ("SELECT k FROM thumbs WHERE k = 'INTO x FOR UPDATE'", []),
    ("SELECT (SELECT MAX(k) FROM thumbs)", ["it's"]),
)
BAD = (
    "",
    " ",
    "SELECT 1; DROP TABLE t",
    "SELECT 1;",
    "SELECT 1) x; --",
    "SELECT 1) UNION (SELECT 2",
    "SELECT 1) x --",
    "SELECT 1 /* x */",
    "SELECT 1 -- x",
    "SELECT 'a",
    "SELECT (1",
    "SELECT k, n FROM thumbs",
    "SELECT * FROM thumbs",
    "SELECT k FROM missing",
    "SELECT missing FROM thumbs",
    "SELECT k FROM thumbs FOR UPDATE",
    "SELECT k FROM thumbs FOR\n share",
    "SELECT k INTO u FROM thumbs",
    "SELECT k FROM thumbs INTO OUTFILE 'x'",
    "WITH gone AS (DELETE FROM t RETURNING id) SELECT id FROM gone",
    "WITH gone AS (SELECT 1) DELETE FROM t",
    "WITH made AS (INSERT INTO t VALUES ('x', 'x') RETURNING id) SELECT id FROM made",
    "DELETE FROM t",
    "INSERT INTO t VALUES ('x', 'x')",
    "SELECTED",
    "TABLE t",
    "VALUES (1)",
    "EXPLAIN SELECT 1",
    "SELECT ?",
    "SELECT k FROM thumbs WHERE k = 'a\\'",
    "SELECT 'a\0'",
    "PRAGMA user_version = 1",
    "SELECT missing_function(k) FROM thumbs",
)
OF_ITS_OWN = {
    "sqlite": ("SELECT load_extension('x')", "SELECT k FROM thumbs WHERE \"it's\" = 'x'", "SELECT @x", "SELECT :x"),
    "postgresql": (
        *("SELECT nextval('s')", "SELECT lo_create(0)", "SELECT pg_sleep(9)", "SELECT $1"),
        "SELECT set_config('a.b', 'c', false)",
    ),
    "mysql": (
        *("SELECT SLEEP(9)", "SELECT NEXTVAL(s)", "SELECT NEXT VALUE FOR s", "SELECT GET_LOCK('a', 1)"),
        *("SELECT @x := 1", "SELECT LOAD_FILE('/etc/passwd')", "SELECT /*! 1 */"),
        "SELECT k FROM thumbs LOCK IN SHARE MODE",
    ),
}  # fmt: skip


def read(source: object, select: str) -> list[Value]:
    return [value for batch in source.selected(select, WHERE) for value in batch]  # type: ignore[attr-defined]  # any


def test_a_select_of_one_column_is_run(place: Place) -> None:
    with opened(place.url) as (source, _table):
        for select, values in GOOD:
            source.check_select(select, WHERE)
            assert read(source, select) == values, select


def test_whatever_is_more_than_one_select_that_reads_is_refused(place: Place) -> None:
    with opened(place.url) as (source, table):
        for select in (*BAD, *OF_ITS_OWN[source.dialect]):
            with pytest.raises(UsageError, match=r"objects\.also_referenced\[0\]: ") as caught:
                source.check_select(select, WHERE)
            assert caught.value.hint, select
        # The session goes on after each refusal, and nothing was changed.
        source.check_select("SELECT k FROM thumbs", WHERE)
        assert len(all_rows(source, table)) == 1
        with pytest.raises(UsageError):
            list(source.selected("SELECT 1; DROP TABLE t", WHERE))


def test_a_renewed_snapshot_shows_what_was_committed_meanwhile(place: Place) -> None:
    with opened(place.url) as (source, table):
        assert len(all_rows(source, table)) == 1
        place.execute("INSERT INTO t VALUES ('two', 'k2')")
        place.execute("DELETE FROM thumbs")
        assert len(all_rows(source, table, keys=["k2"])) == 0
        assert len(read(source, "SELECT k FROM thumbs")) == 3
        source.renew()
        assert [row.key for row in all_rows(source, table, keys=["k2"])] == [("two",)]
        assert read(source, "SELECT k FROM thumbs") == []
        place.execute("INSERT INTO t VALUES ('three', 'k3')")
        assert len(all_rows(source, table)) == 2
        assert not [remark for remark in source.remarks() if "different moments" in remark]


def test_a_server_that_follows_no_other_is_behind_none(place: Place) -> None:
    with opened(place.url) as (source, _table):
        assert source.lag() == 0.0
        assert read(source, "SELECT k FROM thumbs WHERE n = 1") == ["a"]


def test_many_values_come_in_parts_and_of_any_type(place: Place) -> None:
    with opened(place.url) as (source, _table):
        numbers = "WITH RECURSIVE n (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 900) SELECT x FROM n"
        many = f"SELECT a.x FROM ({numbers}) AS a, (SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3) AS b"
        batches = list(source.selected(many, WHERE))
        assert len(batches) > 1
        assert sorted(value for batch in batches for value in batch if isinstance(value, int))[-1] == 900
        assert sum(map(len, batches)) == 2700
        half = "SELECT 0.5e0" if source.dialect == "mysql" else "SELECT CAST(0.5 AS REAL)"
        assert read(source, half) in ([0.5], ["0.5"])


def test_bytes_stay_bytes(postgresql: PostgresqlServer, mariadb: MariadbServer, tmp_path: Path) -> None:
    url = postgresql.create_database(NAME)
    try:
        postgresql.execute("CREATE TABLE t (id text, oss_key text)", database=NAME)
        with opened(url) as (source, _table):
            assert read(source, "SELECT decode('00ff', 'hex')") == [b"\x00\xff"]
            assert read(source, "SELECT CAST(12.50 AS numeric)") == ["12.50"]
    finally:
        postgresql.drop_database(NAME)
    url = mariadb.create_database(NAME)
    mariadb.execute("CREATE TABLE t (id text, oss_key varchar(9) CHARACTER SET latin1)", database=NAME)
    mariadb.execute("INSERT INTO t VALUES ('a', 'é')", database=NAME)
    with opened(url) as (source, _table):
        assert read(source, "SELECT CAST(x'00ff' AS BINARY)") == [b"\x00\xff"]
        assert read(source, "SELECT oss_key FROM t") == ["é"]
        assert read(source, "SELECT CAST(12.50 AS decimal(9,2))") == ["12.50"]
        assert read(source, "SELECT DATE '2025-12-24'") == ["2025-12-24"]
    with closing(sqlite3.connect(tmp_path / "b.db")) as connection:
        connection.execute("CREATE TABLE t (id, oss_key)")
    with opened(f"sqlite:///{tmp_path}/b.db") as (source, _table):
        assert read(source, "SELECT x'00ff' UNION ALL SELECT CAST(x'ff' AS TEXT)") == [
            b"\x00\xff",
            Undecodable(b"\xff"),
        ]


def test_what_may_not_be_read_is_no_wrong_usage(postgresql: PostgresqlServer, mariadb: MariadbServer) -> None:
    postgresql.create_database(NAME)
    postgresql.execute("CREATE TABLE t (id text, oss_key text)", database=NAME)
    postgresql.execute("CREATE TABLE hidden (k text)", database=NAME)
    postgresql.execute("CREATE ROLE poor LOGIN", database=NAME)
    postgresql.execute("GRANT SELECT ON t TO poor", database=NAME)
    try:
        with opened(postgresql.url(user="poor", database=NAME)) as (source, _table):
            with pytest.raises(SourceError):
                source.check_select("SELECT k FROM hidden", WHERE)
            assert source.lag() == 0.0
    finally:
        postgresql.drop_database(NAME)
        postgresql.execute("DROP ROLE poor")
    mariadb.create_database(NAME)
    mariadb.execute("CREATE TABLE t (id text, oss_key text)", database=NAME)
    mariadb.execute("CREATE TABLE hidden (k text)", database=NAME)
    mariadb.execute("CREATE OR REPLACE USER 'poor'@'%' IDENTIFIED BY 'poor'")
    mariadb.execute(f"GRANT SELECT ON {NAME}.t TO 'poor'@'%'")
    try:
        with opened(mariadb.url(user="poor", password="poor", database=NAME)) as (source, _table):
            with pytest.raises(SourceError):
                source.check_select("SELECT k FROM hidden", WHERE)
            # It may not see the replication, and the server takes writes.
            assert source.lag() == 0.0
            mariadb.execute("SET GLOBAL read_only = 1")
            assert source.lag() is None
    finally:
        mariadb.execute("SET GLOBAL read_only = 0")
        mariadb.execute("DROP USER 'poor'@'%'")


@pytest.mark.parametrize("closed", [True, False])
def test_a_sleeping_wal_that_is_written_to_cannot_be_renewed(tmp_path: Path, closed: bool) -> None:
    path = tmp_path / "app.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("CREATE TABLE t (id, oss_key)")
    with opened(f"sqlite:///{path}") as (source, table):
        assert all_rows(source, table) == []
        source.renew()
        writer = sqlite3.connect(path, isolation_level=None)
        writer.execute("INSERT INTO t VALUES (1, 'k')")
        if closed:
            # Closing moves what is in the log into the file.
            writer.close()
        with pytest.raises(SourceError, match="without locks"):
            source.renew()
        writer.close()
