"""Rows in MariaDB's hands: read, copied whole, given back, found by an index, counted; and what makes a chunk fail."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from dedupaudit.config import DatabaseSettings
from dedupaudit.errors import Locked, Refused, SourceError, StatementStopped
from dedupaudit.interrupt import Interrupt
from dedupaudit.progress import SILENT
from dedupaudit.repair.databases.mysql import MysqlRepair
from dedupaudit.repair.databases.protocol import RUN_COLUMNS, digest_of
from dedupaudit.repair.errors import Busy, Violation
from dedupaudit.sources.tables.catalog import Catalog
from dedupaudit.sources.tables.mysql import MysqlSource
from dedupaudit.sources.tables.protocol import Key, Reading
from dedupaudit.sources.tables.table import Table
from dedupaudit.urls import parse_database_url
from tests.servers.mariadb import MariadbServer

DATABASE = "repair rows"

# One row of every kind of type, with what copies go wrong on: 0 in an AUTO_INCREMENT column, invalid dates, -0.
EVERY_TYPE = """
CREATE TABLE t (
  pk int NOT NULL AUTO_INCREMENT PRIMARY KEY,
  u bigint unsigned NOT NULL, z int(9) unsigned zerofill, dc decimal(30, 10), fl float, db double, bi bit(64), yr year,
  da date NOT NULL, ti time(6), dt datetime(6), ts timestamp(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6)
    ON UPDATE CURRENT_TIMESTAMP(6), t0 timestamp NULL,
  ch char(10) CHARACTER SET latin1 NOT NULL, vc varchar(50) COLLATE utf8mb4_general_ci, u3 varchar(50) CHARSET utf8mb3,
  w4 varchar(50) CHARACTER SET utf32, en enum('', 'a\\\\b', 'it''s', 'é') CHARACTER SET latin1, st set('a', 'b', 'ü'),
  bn binary(4), vb varbinary(50), tx text, lt longtext, lb longblob, js json, ge geometry, uu uuid, i6 inet6,
  hidden int INVISIBLE DEFAULT 7, `odd ``name` int, `select` int,
  twice int AS (pk * 2) VIRTUAL, once varchar(60) AS (CONCAT(vc, '!')) STORED,
  CHECK (u > 0)
)
"""
ROWS = (
    "(0, 18446744073709551615, 7, 12345678901234567890.0123456789, -1e-200, 5e-324, 18446744073709551615, 0,"
    " '0000-00-00', '-800:00:00.000001', '2024-02-31 00:00:00', '2024-10-27 00:30:00.000001', '0000-00-00',"
    " 'é  ', 'A ', 'ẞ', '\U0001f600', '', 'a,ü', x'2000', x'0027ff', '', 'a''b\n', x'00', '{\"a\": 1.0}',"
    " ST_GeomFromText('POINT(1 2)', 4326), UUID(), '::1', 1, 2, 3)",
    "(5, 1, NULL, NULL, 0.1, 0.1, NULL, NULL, '2024-00-00', NULL, NULL, '2024-10-27 01:30:00', NULL, '', '', NULL,"
    " NULL, 0, '', NULL, '', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)",
    "(-6, 1, NULL, NULL, 16777218, 0.1, NULL, NULL, '2024-01-01', NULL, NULL, '2024-03-31 01:30:00', NULL, '', NULL,"
    " NULL, NULL, 'a\\\\b', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)",
)
COLUMNS = (
    "pk, u, z, dc, fl, db, bi, yr, da, ti, dt, ts, t0, ch, vc, u3, w4, en, st, bn, vb, tx, lt, lb, js, ge, uu, i6,"
    " hidden, `odd ``name`, `select`"
)
LENIENT = "SET SESSION sql_mode = 'NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES', time_zone = '+00:00'"


def opened(url: str, timeout: float | None = None) -> closing[MysqlRepair]:
    return closing(MysqlRepair(DatabaseSettings("db", parse_database_url(url), timeout)))


@contextmanager
def looked_at(url: str, name: str = "t") -> Iterator[tuple[MysqlSource, Table]]:
    source = MysqlSource(DatabaseSettings("db", parse_database_url(url)), Interrupt(), SILENT, Reading())
    try:
        catalog = source.catalog((name,))
        assert catalog is not None
        yield source, Table("db", name, catalog, key=catalog.columns[:1], compared=catalog.columns)
    finally:
        source.close()


def catalog_of(url: str, name: str = "t") -> Catalog:
    with looked_at(url, name) as (_source, table):
        return table.catalog


def made(server: MariadbServer, *statements: str) -> str:
    url = server.create_database(DATABASE)
    for statement in statements:
        server.execute(statement, database=DATABASE)
    return url


def hashed(database: MysqlRepair, catalog: Catalog, keys: list[Key], lock: bool = True) -> dict[Key, str]:
    names = [f"t.{database.quote(name)}" for name in catalog.primary_key]
    rows = database.fetch(
        list(zip(database.handle(catalog), names, strict=True)),
        [database.row_hash(catalog, "t")],
        f"FROM {catalog.quoted} AS t WHERE {database.is_in(names, keys)}{database.locking if lock else ''}",
    )
    return {row[:-1]: str(row[-1]) for row in rows}


def copy(database: MysqlRepair, catalog: Catalog, keys: list[Key], run: str = "run") -> int:
    listed = ", ".join(database.quote(column.name) for column in catalog.columns)
    names = [f"t.{database.quote(name)}" for name in catalog.primary_key]
    return database.execute(
        f"INSERT INTO {database.quarantine(catalog)} ({', '.join(RUN_COLUMNS)}, {listed})"
        f" SELECT {database.literal(run)}, 1, 1, 'victim', {listed} FROM {catalog.quoted} AS t"
        f" WHERE {database.is_in(names, keys)}"
    )


def test_a_row_of_every_type_goes_into_quarantine_and_comes_back_as_it_was(mariadb: MariadbServer) -> None:
    url = made(mariadb, EVERY_TYPE)
    mariadb.execute(LENIENT)
    try:
        for row in ROWS:
            mariadb.execute(f"INSERT INTO t ({COLUMNS}) VALUES {row}", database=DATABASE)
    finally:
        mariadb.execute("SET SESSION sql_mode = DEFAULT, time_zone = DEFAULT")
    keys: list[Key] = [(0,), (5,), (-6,)]
    with looked_at(url) as (source, table), opened(url) as database:
        planned = dict(zip(keys, source.row_hashes(table, keys), strict=True))
        source.close()
        catalog = table.catalog
        assert len(catalog.columns) == 33
        database.prepare([catalog])
        with database.transaction():
            assert hashed(database, catalog, keys) == planned
            assert copy(database, catalog, keys) == 3
            assert database.execute(f"DELETE FROM {catalog.quoted} WHERE {database.is_in(['pk'], keys)}") == 3
            copies = database.fetch((), [database.row_hash(catalog, "q")], f"FROM {database.quarantine(catalog)} AS q")
            assert {str(row[0]) for row in copies} == set(planned.values())
        assert mariadb.execute("SELECT COUNT(*) FROM t", database=DATABASE) == [(0,)]
        given = ", ".join(database.quote(column.name) for column in catalog.columns if not column.generated)
        back = f"INSERT INTO {catalog.quoted} ({given}) SELECT {given} FROM {database.quarantine(catalog)}"
        with database.transaction():
            assert database.execute(back) == 3
        assert hashed(database, catalog, keys) == planned
        # One byte of a copy is another hash.
        database.execute(f"UPDATE {database.quarantine(catalog)} SET vc = 'a ' WHERE pk = 0")
        copies = database.fetch((), [database.row_hash(catalog, "q")], f"FROM {database.quarantine(catalog)} AS q")
        assert len({str(row[0]) for row in copies} - set(planned.values())) == 1


def test_a_value_that_does_not_fit_is_an_error_and_never_another_value(mariadb: MariadbServer) -> None:
    url = made(mariadb, "CREATE TABLE t (pk int PRIMARY KEY, v varchar(3))", "INSERT INTO t VALUES (1, 'abc')")
    with opened(url) as database:
        for statement in ("UPDATE t SET v = 'abcd'", "UPDATE t SET pk = 99999999999", "UPDATE t SET pk = 'x'"):
            with pytest.raises(Violation):
                database.execute(statement)


def test_a_date_that_is_none_is_written_as_it_was_read(mariadb: MariadbServer) -> None:
    url = made(mariadb, "CREATE TABLE t (pk int PRIMARY KEY, d date)")
    column = catalog_of(url).columns[1]
    with opened(url) as database:
        for number, value in enumerate(("0000-00-00", "2024-00-00", "2024-02-31")):
            database.execute(f"INSERT INTO t VALUES ({number}, {database.literal(value)})")
            found = database.fetch([(column, "t.d")], (), f"FROM t AS t WHERE {database.is_in(['d'], [(value,)])}")
            assert found == [(value,)]


def test_a_row_that_cannot_be_hashed_is_an_error_and_equals_nothing(mariadb: MariadbServer) -> None:
    columns = ", ".join(f"c{number} text" for number in range(20))
    url = made(mariadb, f"CREATE TABLE t (pk int PRIMARY KEY, {columns})")
    mariadb.execute(f"INSERT INTO t VALUES (1, {', '.join(['REPEAT(0, 65535)'] * 20)})", database=DATABASE)
    catalog = catalog_of(url)
    mariadb.execute("SET GLOBAL max_allowed_packet = 1048576")
    try:
        with opened(url) as database:
            written = database.row_hash(catalog, "t")
            with pytest.raises(SourceError, match="max_allowed_packet"):
                database.fetch((), [written], "FROM t AS t")
            assert database.digest(written, "FROM t AS t") != database.digest(written, "FROM t AS t")
    finally:
        mariadb.execute("SET GLOBAL max_allowed_packet = 67108864")


def test_keys_are_found_by_the_primary_key(mariadb: MariadbServer) -> None:
    url = made(
        mariadb,
        "CREATE TABLE t (pk bigint PRIMARY KEY, v int)",
        "CREATE TABLE two (a int, b varchar(50) COLLATE latin1_german1_ci, v int, PRIMARY KEY (a, b))",
        "CREATE TABLE ids (id varchar(255) COLLATE utf8mb4_general_ci PRIMARY KEY, v int)",
        "INSERT INTO t SELECT seq, 0 FROM seq_1_to_50000",
        "INSERT INTO two SELECT seq % 500, CONCAT('ü', seq), 0 FROM seq_1_to_50000",
        "INSERT INTO ids SELECT CONCAT('Activity_', seq), 0 FROM seq_1_to_50000",
        "ANALYZE TABLE t, two, ids",
    )
    asked: dict[str, tuple[list[str], list[Key]]] = {
        "t": (["pk"], [(number * 7,) for number in range(1, 1001)]),
        "two": (["a", "b"], [(number * 7 % 500, f"ü{number * 7}") for number in range(1, 1001)]),
        "ids": (["id"], [(f"Activity_{number * 7}",) for number in range(1, 1001)]),
    }
    with opened(url) as database:
        for table, (names, keys) in asked.items():
            for found in (keys, keys[:1]):
                where = database.is_in(names, found)
                for statement in (
                    f"SELECT * FROM {table} AS t WHERE {where} ORDER BY {', '.join(names)} FOR UPDATE",
                    f"UPDATE {table} SET v = 1 WHERE {where}",
                    f"DELETE FROM {table} WHERE {where}",
                ):
                    [plan] = database.connection.texts(f"EXPLAIN {statement}")
                    assert (plan[3], plan[5]) in (("range", "PRIMARY"), ("const", "PRIMARY")), statement[:60]
                    assert int(plan[8] or 0) == len(found)
                with database.transaction():
                    assert database.execute(f"UPDATE {table} SET v = v WHERE {where}") == len(found)
        # No row but those is locked, and no gap between them: others insert and change beside them.
        with database.transaction():
            assert len(hashed(database, catalog_of(url), asked["t"][1])) == 1000
            [(locked,)] = mariadb.execute(
                f"SELECT trx_rows_locked FROM information_schema.innodb_trx"
                f" WHERE trx_mysql_thread_id = {database.connection.number}"
            )
            assert locked == 1000
            mariadb.execute("INSERT INTO t VALUES (60000, 0), (-1, 0)", database=DATABASE)
            mariadb.execute("UPDATE t SET v = 2 WHERE pk IN (8, 13)", database=DATABASE)


def test_a_literal_equals_the_value_that_was_read_in_every_character_set(mariadb: MariadbServer) -> None:
    sets = ("utf8mb4", "utf8mb3", "latin1", "ucs2", "utf16le", "utf32", "gbk", "cp932", "cp1251", "koi8r", "binary")
    columns = ", ".join(f"`{name}` varchar(20) CHARACTER SET {name}" for name in sets)
    url = made(mariadb, f"CREATE TABLE t (pk int PRIMARY KEY, d date, ts timestamp NULL, dc decimal(20, 3), {columns})")
    for number, text in enumerate(("a'b\\", "é", "я", "字", "")):
        values = ", ".join(f"IF(x'{text.encode().hex()}' = '', '', _utf8mb4 x'{text.encode().hex()}')" for _ in sets)
        mariadb.execute(f"INSERT IGNORE INTO t VALUES ({number}, '2024-01-31', '2024-03-31 01:30', 0.125, {values})",
                        database=DATABASE)  # fmt: skip
    catalog = catalog_of(url)
    with opened(url) as database:
        columns_read = [(column, f"t.{database.quote(column.name)}") for column in catalog.columns]
        for row in database.fetch(columns_read, (), "FROM t AS t"):
            for (column, name), value in zip(columns_read, row, strict=True):
                where = f"pk = {row[0]!r} AND {database.is_in([name], [(value,)])}"
                found = database.fetch((), ["COUNT(*)"], f"FROM t AS t WHERE {where}")
                assert found == [("1",)], (column.name, value)


def test_rows_are_counted_as_they_are_found(mariadb: MariadbServer) -> None:
    url = made(mariadb, "CREATE TABLE t (pk int PRIMARY KEY, v int)", "INSERT INTO t SELECT seq, 1 FROM seq_1_to_12345")
    with opened(url) as database:
        assert database.execute("UPDATE t SET v = 1 WHERE pk <= 12") == 12
        assert database.execute("UPDATE t SET v = pk") == 12345
        assert database.execute("  update t SET v = pk WHERE pk > 99999") == 0
        assert database.execute("INSERT INTO t VALUES (20000, 1), (20001, 1)") == 2
        assert database.execute("DELETE FROM t WHERE pk < 10") == 9


def test_a_digest_is_that_of_all_hashes_however_many(mariadb: MariadbServer) -> None:
    url = made(
        mariadb,
        "CREATE TABLE t (pk int PRIMARY KEY, v double)",
        "INSERT INTO t SELECT seq, seq / 7 FROM seq_1_to_20000",
    )
    catalog = catalog_of(url)
    with opened(url) as database:
        written = database.row_hash(catalog, "t")
        hashes = sorted(str(row[0]) for row in database.fetch((), [written], "FROM t AS t"))
        with database.transaction():
            assert database.digest(written, "FROM t AS t", lock=True) == (20000, digest_of(hashes))
            assert database.digest(written, "FROM t AS t WHERE FALSE") == (0, digest_of([]))
            assert database.digest(written, "FROM t AS t WHERE pk < 20000")[1] != digest_of(hashes)


def test_a_transaction_is_all_or_nothing(mariadb: MariadbServer) -> None:
    url = made(mariadb, "CREATE TABLE t (pk int PRIMARY KEY)")
    with opened(url) as database:
        with pytest.raises(KeyError), database.transaction():
            database.execute("INSERT INTO t VALUES (1)")
            raise KeyError
        with pytest.raises(Violation), database.transaction():
            database.execute("INSERT INTO t VALUES (2)")
            database.execute("INSERT INTO t VALUES (2)")
        with database.transaction():
            database.execute("INSERT INTO t VALUES (3)")
            assert database.connection.texts("SELECT @@tx_isolation, @@in_transaction") == [("READ-COMMITTED", "1")]
        with opened(url) as other:
            assert other.fetch((), ["pk"], "FROM t") == [("3",)]


def test_whoever_holds_the_lock_is_named(mariadb: MariadbServer) -> None:
    url = made(mariadb, "CREATE TABLE t (pk int PRIMARY KEY, v int)", "INSERT INTO t VALUES (1, 1), (2, 1)")
    mariadb.execute("CREATE OR REPLACE USER 'app'@'%' IDENTIFIED BY 'x'")
    mariadb.execute(f"GRANT ALL ON `{DATABASE}`.* TO 'app'@'%'")
    with opened(url) as database, closing(mariadb.connect(DATABASE, "app", "x")) as other:
        with other.cursor() as cursor:
            cursor.execute("BEGIN")
            cursor.execute("UPDATE t SET v = 5 WHERE pk = 2")
        with pytest.raises(Busy) as raised, database.transaction():
            database.execute("UPDATE t SET v = 9 WHERE pk = 1")
            database.execute("UPDATE t SET v = 9 WHERE pk = 2")
        assert f"session {other.thread_id()} (user app@" in raised.value.blocked_by  # type: ignore[no-untyped-call]
        # The whole transaction is rolled back, the other session was left alone, and the next one works.
        other.commit()
        assert mariadb.execute("SELECT v FROM t ORDER BY pk", database=DATABASE) == [(1,), (5,)]
        with database.transaction():
            database.execute("UPDATE t SET v = 9 WHERE pk = 2")
        with pytest.raises(Violation):
            database.execute("INSERT INTO t VALUES (1, 1)")


def test_a_trigger_that_refuses_is_a_violation(mariadb: MariadbServer) -> None:
    url = made(
        mariadb,
        "CREATE TABLE t (pk int PRIMARY KEY)",
        "INSERT INTO t VALUES (1)",
        "CREATE TRIGGER no BEFORE DELETE ON t FOR EACH ROW SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'never'",
    )
    with opened(url) as database, pytest.raises(Violation, match="never"):
        database.execute("DELETE FROM t")


def test_a_statement_that_takes_too_long_is_stopped(mariadb: MariadbServer) -> None:
    with opened(made(mariadb), timeout=0.2) as database, pytest.raises(StatementStopped):
        database.fetch((), ["SUM(a.seq * b.seq)"], "FROM seq_1_to_1000000 AS a, seq_1_to_1000000 AS b")


def test_a_lost_connection_stays_lost_and_leaves_nothing(mariadb: MariadbServer) -> None:
    url = made(mariadb, "CREATE TABLE t (pk int PRIMARY KEY)")
    with opened(url) as database, opened(url) as other:
        assert database.acquire("a table")
        with pytest.raises(SourceError, match="lost"), database.transaction():
            database.execute("INSERT INTO t VALUES (1)")
            mariadb.execute(f"KILL CONNECTION {database.connection.number}")
            time.sleep(0.2)
            database.execute("INSERT INTO t VALUES (2)")
        with pytest.raises(SourceError, match="lost"):
            database.fetch((), ["1"], "FROM t")
        deadline = time.monotonic() + 10
        while not other.acquire("a table"):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert other.fetch((), ["pk"], "FROM t") == []


def test_an_interrupted_statement_commits_nothing(mariadb: MariadbServer, monkeypatch: pytest.MonkeyPatch) -> None:
    url = made(mariadb, "CREATE TABLE t (pk int PRIMARY KEY)")
    with opened(url) as database:
        with pytest.raises(KeyboardInterrupt), database.transaction():
            database.execute("INSERT INTO t VALUES (1)")
            monkeypatch.setattr(database.connection._connection, "_read_packet", _interrupted)
            database.execute("INSERT INTO t VALUES (2)")
        with pytest.raises(SourceError, match="interrupted"):
            database.execute("COMMIT")
    assert mariadb.execute("SELECT * FROM t", database=DATABASE) == []


def _interrupted(*_arguments: object) -> None:
    raise KeyboardInterrupt


def test_one_session_alone_has_a_lock(mariadb: MariadbServer) -> None:
    url = made(mariadb)
    with opened(url) as first, opened(url) as second:
        assert not second.is_held("`app`.`t`")
        assert first.acquire("`app`.`t`")
        assert not second.acquire("`app`.`t`")
        assert second.acquire("`app`.`" + "u" * 64 + "`")
        assert second.is_held("`app`.`t`")
        with first.transaction():
            first.renew_lock("`app`.`t`")
        with pytest.raises(Locked):
            second.renew_lock("`app`.`t`")
        first.close()
        deadline = time.monotonic() + 10
        while not second.acquire("`app`.`t`"):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        with pytest.raises(Locked):
            second.renew_lock("another")


def test_identity_clock_and_load(mariadb: MariadbServer) -> None:
    url = made(mariadb, "CREATE TABLE t (pk int PRIMARY KEY)")
    with looked_at(url) as (source, _table), opened(url) as database:
        assert database.identity() == source.identity()
        assert abs(database.clock() / 1e6 - time.time()) < 5
        assert database.lag() is None
        idle = database.load()
        assert idle is not None
        assert 0 <= idle < 20


def test_a_server_that_takes_no_writes_is_refused(mariadb: MariadbServer) -> None:
    url = made(mariadb)
    mariadb.execute("SET GLOBAL read_only = 1")
    try:
        with pytest.raises(Refused, match="read_only"):
            opened(url)
    finally:
        mariadb.execute("SET GLOBAL read_only = 0")
    mariadb.execute("CREATE OR REPLACE USER 'app'@'%' IDENTIFIED BY 'x'")
    mariadb.execute(f"GRANT SELECT, CREATE ON `{DATABASE}`.* TO 'app'@'%'")
    with opened(mariadb.url(user="app", password="x", database=DATABASE)) as database:
        database.execute("CREATE TABLE t (pk int PRIMARY KEY)")
        with pytest.raises(Refused, match="INSERT"):
            database.execute("INSERT INTO t VALUES (1)")
