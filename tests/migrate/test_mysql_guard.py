"""The guard on MariaDB: it refuses what a unique index refuses, and nothing else; and it blocks nobody."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from threading import Thread

import pymysql
import pytest

from dedupaudit.migrate.databases.mysql_script import guard
from tests.migrate.mysql_workman import Workman, answer, working
from tests.servers.mariadb import MariadbServer

DUPLICATE = 1062
COLUMNS = "n BIGINT AUTO_INCREMENT PRIMARY KEY, k VARCHAR(50), v INT"


@pytest.fixture(params=["mariadb", "mysql"])
def guarded(request: pytest.FixtureRequest, mariadb: MariadbServer) -> Iterator[Workman]:
    """Give a table with a row that was stored before the guard: MariaDB's, and MySQL's, which MariaDB takes too."""
    with working(mariadb, COLUMNS, before=["INSERT INTO t VALUES (1, 'old', 0)"]) as work:
        work.do("lookup")
        facts = replace(work.target.facts, product=request.param)
        for statement in guard(replace(work.target, facts=facts)):
            work.run(statement)
        assert work.migration.standing().guard == ("complete" if request.param == "mariadb" else "partial")
        yield work


TYPES = {
    "VARCHAR(50) COLLATE utf8mb4_general_ci": ("'a'", "'A'", "'a '", "'b'", "''", "' '", "'ä'"),
    "VARCHAR(50) COLLATE utf8mb4_bin": ("'a'", "'A'", "'a '", "'b'", "''", "' '"),
    "VARCHAR(50) COLLATE utf8mb4_nopad_bin": ("'a'", "'A'", "'a '", "''", "' '"),
    "VARCHAR(50) COLLATE utf8mb4_unicode_nopad_ci": ("'a'", "'A'", "'a '", "'ａ'", "'ß'", "'ss'"),
    "CHAR(5) CHARACTER SET latin1": ("'a'", "'A'", "'b'", "'ä'"),
    "VARBINARY(20)": ("'a'", "'A'", "'a '", "x'00'", "''"),
    "BINARY(3)": ("'a'", "x'610000'", "'b'"),
    "BIGINT UNSIGNED": ("0", "18446744073709551615", "18446744073709551614", "9007199254740993", "9007199254740992"),
    "DECIMAL(40,10)": ("1", "1.0", "1.00000000001", "12345678901234567890123456789.1", "12345678901234567890123456789"),
    "DOUBLE": ("0.1", "0.1e0", "1e300", "0.30000000000000004", "0.3"),
    "FLOAT": ("16777216", "16777217", "16777218", "0.1"),
    "DATETIME(6)": ("'2025-01-01 00:00:00'", "'2025-01-01 00:00:00.000001'", "'2025-01-01'"),
    "TIMESTAMP NULL": ("'2025-01-01 00:00:00'", "'2025-01-01 00:00:01'", "20250101000000"),
    "ENUM('b','a','1')": ("'a'", "'b'", "'1'", "1", "2"),
    "BIT(9)": ("b'1'", "1", "257", "b'101'"),
    "UUID": ("'00000000-0000-0000-0000-000000000001'", "'00000000-0000-0000-0000-00000000000A'",
             "'00000000-0000-0000-0000-00000000000a'"),
}  # fmt: skip


@pytest.mark.parametrize("declared", TYPES)
def test_every_type_is_compared_as_the_index_compares_it(declared: str, mariadb: MariadbServer) -> None:
    """Each value is stored, once over each other one; half of the values are there before the guard."""
    columns = f"n BIGINT AUTO_INCREMENT PRIMARY KEY, k {declared}"
    values = TYPES[declared]
    with working(mariadb, columns, before=[f"INSERT INTO t (k) VALUES ({values[0]})"]) as work:
        work.run(f"CREATE TABLE twin (n BIGINT AUTO_INCREMENT PRIMARY KEY, k {declared}, UNIQUE (k))")
        work.run(f"INSERT INTO twin (k) VALUES ({values[0]})")
        work.do("lookup", "guard")
        with closing(work.connect()) as session:
            for value in (*values, "NULL", "NULL"):
                said = [answer(session, f"INSERT INTO {table} (k) VALUES ({value})") for table in ("t", "twin")]
                assert said[0] == said[1], (declared, value)
            counts = [work.run(f"SELECT COUNT(*), COUNT(DISTINCT k) FROM {table}") for table in ("t", "twin")]
            assert counts[0] == counts[1]
            # And by an UPDATE, to each other value.
            for value in values:
                said = [
                    answer(session, f"UPDATE {table} SET k = {value} ORDER BY n LIMIT 1") for table in ("t", "twin")
                ]
                assert said[0] == said[1], (declared, value)
        work.do("build")
        assert work.migration.standing().unique == "constraint"


def test_a_key_whose_row_went_by_a_cascade_may_be_stored_again(mariadb: MariadbServer) -> None:
    """InnoDB's cascades fire no triggers: what they leave in the side table must refuse nobody."""
    columns = "n BIGINT AUTO_INCREMENT PRIMARY KEY, k VARCHAR(50), device INT"
    with working(mariadb, columns) as work:
        work.run("CREATE TABLE devices (id INT PRIMARY KEY)")
        work.run("ALTER TABLE t ADD FOREIGN KEY (device) REFERENCES devices (id) ON DELETE CASCADE")
        work.run("INSERT INTO devices VALUES (1), (2)")
        work.do("lookup", "guard")
        with closing(work.connect()) as session:
            for statement in ("INSERT INTO t (k, device) VALUES ('a', 1)", "DELETE FROM devices WHERE id = 1"):
                assert answer(session, statement) == 0
            assert work.run("SELECT COUNT(*) FROM t") == [(0,)]
            assert answer(session, "INSERT INTO t (k, device) VALUES ('a', 2)") == 0
            assert answer(session, "INSERT INTO t (k, device) VALUES ('a', 2)") == DUPLICATE


def test_a_composite_key_under_names_that_need_quotes(mariadb: MariadbServer) -> None:
    columns = "n INT AUTO_INCREMENT PRIMARY KEY, `d``'v` VARCHAR(9), `k\"\\\\` VARCHAR(9), stored INT"
    with working(mariadb, columns, ("d`'v", 'k"\\\\'), name="t `'\"") as work:
        work.do("lookup", "guard")
        with closing(work.connect()) as session:
            insert = "INSERT INTO `t ``'\"` (`d``'v`, `k\"\\\\`) VALUES "
            given = ["('x', 'yz')", "('xy', 'z')", "('x', NULL)", "('x', NULL)", "('X', 'yz ')", "('xy', 'zz')"]
            assert [answer(session, insert + one) for one in given] == [0, 0, 0, 0, DUPLICATE, 0]
        work.do("build", "unguard")
        assert "was refused by t's key" in work.migration.probe()
        standing = work.migration.standing()
        assert (standing.guard, standing.lookup, standing.unique, standing.leftovers) == (
            "none",
            "none",
            "constraint",
            (),
        )


STATEMENTS = (
    ("INSERT INTO t (k) VALUES ('old')", DUPLICATE),
    ("INSERT INTO t (k) VALUES ('new'), ('other')", 0),
    ("INSERT INTO t (k) VALUES ('NEW ')", DUPLICATE),
    ("INSERT INTO t (k) VALUES ('one'), ('two'), ('one')", DUPLICATE),
    ("INSERT INTO t (k) VALUES ('one'), ('two')", 0),
    ("INSERT IGNORE INTO t (k) VALUES ('fresh'), ('old')", DUPLICATE),
    ("INSERT INTO t (k) VALUES ('fresh')", 0),
    # What fails on the primary key leaves no trace.
    ("INSERT IGNORE INTO t VALUES (1, 'ignored', 0)", 0),
    ("INSERT INTO t VALUES (1, 'ignored', 0)", DUPLICATE),
    ("INSERT INTO t (k) VALUES ('ignored')", 0),
    ("INSERT INTO t VALUES (1, 'never stored', 0) ON DUPLICATE KEY UPDATE v = v + 1", 0),
    ("INSERT INTO t (k) VALUES ('never stored')", 0),
    # Updates by the primary key go on as ever.
    ("INSERT INTO t VALUES (1, 'old', 0) ON DUPLICATE KEY UPDATE v = v + 1", 0),
    ("INSERT INTO t VALUES (1, 'old', 0) ON DUPLICATE KEY UPDATE k = VALUES(k)", 0),
    ("INSERT INTO t VALUES (1, 'new', 0) ON DUPLICATE KEY UPDATE k = VALUES(k)", DUPLICATE),
    ("INSERT INTO t (k) VALUES ('old') ON DUPLICATE KEY UPDATE v = 9", DUPLICATE),
    ("REPLACE INTO t VALUES (1, 'old', 7)", 0),
    ("REPLACE INTO t VALUES (1, 'new', 7)", DUPLICATE),
    ("REPLACE INTO t VALUES (900, 'old', 7)", DUPLICATE),
    ("REPLACE INTO t VALUES (1, 'replaced', 7)", 0),
    ("INSERT INTO t (k) VALUES ('old')", 0),
    # Keys that change, and keys that do not.
    ("UPDATE t SET k = k", 0),
    ("UPDATE t SET k = UPPER(k)", 0),
    ("UPDATE t SET k = 'new' WHERE k = 'old'", DUPLICATE),
    ("UPDATE IGNORE t SET k = 'new' WHERE k = 'old'", DUPLICATE),
    ("UPDATE t SET k = 'older' WHERE k = 'old'", 0),
    ("UPDATE t AS a JOIN t AS b ON b.k = 'new' SET a.k = b.k WHERE a.k = 'older'", DUPLICATE),
    ("UPDATE t SET k = NULL WHERE k = 'older'", 0),
    ("UPDATE t SET k = 'older' WHERE k IS NULL", 0),
    # Rows that go.
    ("DELETE FROM t WHERE k = 'new'", 0),
    ("INSERT INTO t (k) VALUES ('new')", 0),
    ("INSERT INTO t (k) VALUES ('new')", DUPLICATE),
    ("DELETE a FROM t AS a JOIN t AS b ON a.n = b.n WHERE a.k = 'new'", 0),
    ("INSERT INTO t (k) SELECT 'new'", 0),
    ("TRUNCATE TABLE t", 0),
    ("INSERT INTO t (k) VALUES ('new'), ('old')", 0),
    ("INSERT INTO t (k) VALUES ('new')", DUPLICATE),
)


@pytest.mark.parametrize("level", ["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"])
@pytest.mark.parametrize("flag", [0, pymysql.constants.CLIENT.FOUND_ROWS])
def test_every_statement_is_answered_as_the_plan_says(guarded: Workman, level: str, flag: int) -> None:
    """With CLIENT_FOUND_ROWS, which many drivers set, an update that changes nothing counts as an insert does."""
    with closing(guarded.connect(level, client_flag=flag)) as session:
        for statement, expected in STATEMENTS:
            assert answer(session, statement) == expected, statement
            assert not guarded.run("SELECT k FROM t WHERE k IS NOT NULL GROUP BY k HAVING COUNT(*) > 1"), statement


def test_a_refusal_says_which_key_and_no_value(guarded: Workman) -> None:
    with closing(guarded.connect()) as session, pytest.raises(pymysql.err.IntegrityError) as refused:
        session.cursor().execute("INSERT INTO t (k) VALUES ('old')")
    assert refused.value.args == (DUPLICATE, "Duplicate entry for key 't's key'")


@pytest.mark.parametrize("level", ["READ COMMITTED", "REPEATABLE READ"])
def test_writers_of_new_keys_do_not_wait_for_each_other(guarded: Workman, level: str) -> None:
    """EXISTS in an IF would lock the gap between two keys until the transaction ends."""
    with closing(guarded.connect(level)) as one, closing(guarded.connect(level)) as other:
        for key in ("m1", "m5", "m3", "m9"):
            session, beside = (one, other) if key in ("m1", "m3") else (other, one)
            assert answer(session, "START TRANSACTION") == answer(beside, "START TRANSACTION") == 0
            assert answer(session, f"INSERT INTO t (k) VALUES ('{key}'), ('{key}z')") == 0
            assert answer(beside, f"INSERT INTO t (k) VALUES ('{key}a'), ('{key}y')") == 0
            assert answer(session, f"INSERT INTO t (k) VALUES ('{key}b')") == 0
            assert answer(session, "COMMIT") == answer(beside, "COMMIT") == 0


def test_a_snapshot_that_does_not_see_a_row_stores_no_duplicate_of_it(guarded: Workman) -> None:
    with closing(guarded.connect()) as old, closing(guarded.connect()) as other:
        assert answer(old, "START TRANSACTION WITH CONSISTENT SNAPSHOT") == 0
        assert answer(other, "INSERT INTO t (k) VALUES ('later')") == 0
        assert answer(old, "INSERT INTO t (k) VALUES ('later')") == DUPLICATE
        assert answer(old, "UPDATE t SET k = 'later' WHERE n = 1") == DUPLICATE


def test_a_snapshot_that_still_sees_a_deleted_row_may_store_its_key(guarded: Workman) -> None:
    """Told that it is a duplicate, a client would drop its only copy."""
    with closing(guarded.connect()) as old, closing(guarded.connect()) as other:
        assert answer(other, "INSERT INTO t (k) VALUES ('later')") == 0
        assert answer(old, "START TRANSACTION WITH CONSISTENT SNAPSHOT") == 0
        assert answer(other, "DELETE FROM t") == 0
        assert answer(old, "INSERT INTO t (k) VALUES ('later'), ('old')") == 0
        assert answer(old, "COMMIT") == 0
        assert guarded.run("SELECT k FROM t ORDER BY k") == [("later",), ("old",)]


def test_a_snapshot_stores_no_duplicate_whatever_was_done_in_its_session_before(guarded: Workman) -> None:
    """ROW_COUNT() in a trigger tells of the statement before the INSERT: 1 after this one."""
    with closing(guarded.connect()) as old, closing(guarded.connect()) as other:
        assert answer(old, "START TRANSACTION WITH CONSISTENT SNAPSHOT") == 0
        assert answer(other, "INSERT INTO t (k) VALUES ('later')") == 0
        assert answer(old, "INSERT INTO t (k) VALUES ('mine')") == 0
        assert answer(old, "INSERT INTO t (k) VALUES ('later')") == DUPLICATE
        assert answer(old, "UPDATE t SET v = 1 WHERE k = 'mine'") == 0
        assert answer(old, "UPDATE t SET k = 'later' WHERE k = 'mine'") == DUPLICATE


def test_a_row_that_another_deletes_is_waited_for(guarded: Workman) -> None:
    with closing(guarded.connect()) as one, closing(guarded.connect()) as other:
        assert answer(other, "START TRANSACTION") == 0
        assert answer(other, "DELETE FROM t WHERE k = 'old'") == 0
        assert answer(one, "INSERT INTO t (k) VALUES ('old')") == 1205
        assert answer(other, "ROLLBACK") == 0
        assert answer(one, "INSERT INTO t (k) VALUES ('old')") == DUPLICATE


def test_a_rolled_back_row_is_no_duplicate(guarded: Workman) -> None:
    with closing(guarded.connect()) as one, closing(guarded.connect()) as other:
        assert answer(one, "START TRANSACTION") == 0
        assert answer(one, "INSERT INTO t (k) VALUES ('never')") == 0
        assert answer(other, "INSERT INTO t (k) VALUES ('never')") == 1205
        assert answer(one, "ROLLBACK") == 0
        assert answer(other, "INSERT INTO t (k) VALUES ('never')") == 0
        assert answer(one, "INSERT INTO t (k) VALUES ('never')") == DUPLICATE


def test_a_trigger_made_later_that_rewrites_the_key(guarded: Workman) -> None:
    guarded.run("CREATE TRIGGER later BEFORE INSERT ON t FOR EACH ROW SET NEW.k = TRIM(LEADING '!' FROM NEW.k)")
    guarded.run("CREATE TRIGGER later2 BEFORE UPDATE ON t FOR EACH ROW SET NEW.k = TRIM(LEADING '!' FROM NEW.k)")
    with closing(guarded.connect()) as session, closing(guarded.connect()) as old:
        assert answer(old, "START TRANSACTION WITH CONSISTENT SNAPSHOT") == 0
        assert answer(session, "INSERT INTO t (k) VALUES ('!old')") == DUPLICATE
        assert answer(session, "INSERT INTO t (k) VALUES ('!young')") == 0
        assert answer(session, "INSERT INTO t (k) VALUES ('!!young')") == DUPLICATE
        assert answer(session, "UPDATE t SET k = '!young' WHERE k = 'old'") == DUPLICATE
        assert answer(old, "INSERT INTO t (k) VALUES ('!!!young')") == DUPLICATE
        assert answer(old, "UPDATE t SET k = '!!young' WHERE n = 1") == DUPLICATE
        assert answer(old, "ROLLBACK") == 0
        assert answer(session, "UPDATE t SET k = '!!young' WHERE k = 'young'") == 0


def test_a_key_that_the_server_makes(mariadb: MariadbServer) -> None:
    columns = "n BIGINT PRIMARY KEY, a VARCHAR(9), k VARCHAR(20) AS (LOWER(a)) STORED, m INT AUTO_INCREMENT, KEY (m)"
    for key in ("k", "m"):
        with working(mariadb, columns, (key,)) as work:
            work.do("lookup", "guard")
            with closing(work.connect()) as session:
                assert answer(session, "INSERT INTO t (n, a) VALUES (1, 'X')") == 0
                again = "(n, a) VALUES (2, 'x')" if key == "k" else "(n, a, m) VALUES (2, 'x', 1)"
                assert answer(session, f"INSERT INTO t {again}") == DUPLICATE
                assert answer(session, "INSERT INTO t (n, a) VALUES (3, 'y')") == 0
                assert answer(session, f"UPDATE t SET {'a' if key == 'k' else 'm'} = 1 WHERE n = 3") in (0, DUPLICATE)
                assert not work.run(f"SELECT {key} FROM t GROUP BY {key} HAVING COUNT(*) > 1")


def writes(work: Workman, level: str, number: int, said: list[int]) -> None:
    """Write for a while: fresh keys, keys that all share, updates, deletes, many rows at once."""
    dice = random.Random(number)  # noqa: S311 (no secret)
    with closing(work.connect(level)) as session:
        for turn in range(120):
            shared = f"shared {dice.randrange(12)}"
            many = ", ".join(f"('own {number} {turn} {one}')" for one in range(40))
            said.append(
                answer(
                    session,
                    dice.choice((
                        f"INSERT INTO t (k) VALUES ('{shared}')",
                        f"INSERT INTO t (k) VALUES ('own {number} {turn}')",
                        f"INSERT INTO t (k) VALUES {many}",
                        f"INSERT IGNORE INTO t (k) VALUES ('{shared}'), ('more {number} {turn}')",
                        f"UPDATE t SET k = '{shared}' WHERE n = {dice.randrange(1, 400)}",
                        f"DELETE FROM t WHERE k = '{shared}'",
                        f"INSERT INTO t (n, k) VALUES (1, '{shared}') ON DUPLICATE KEY UPDATE k = VALUES(k)",
                        f"REPLACE INTO t (n, k) VALUES ({dice.randrange(1, 400)}, '{shared}')",
                    )),
                )
            )  # fmt: skip


@pytest.fixture(scope="module")
def logging() -> Iterator[MariadbServer]:
    """Give a server with its binary log on."""
    with MariadbServer(settings={"skip-log-bin": "", "log-bin": "binlog", "server-id": "1"}) as server:
        yield server


@pytest.mark.parametrize("logged", ["MIXED", "ROW"])
@pytest.mark.parametrize("level", ["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"])
def test_writers_with_the_binary_log_on(logging: MariadbServer, logged: str, level: str) -> None:
    """MIXED, MariaDB's default, has InnoDB lock what a trigger reads at REPEATABLE READ: deadlocks, and no leak."""
    assert logging.execute("SELECT @@GLOBAL.log_bin")[0][0] == 1
    logging.execute(f"SET GLOBAL binlog_format = {logged}")
    with working(logging, COLUMNS, before=["INSERT INTO t (k) SELECT CONCAT('shared ', seq) FROM seq_0_to_5"]) as work:
        work.do("lookup", "guard")
        said: list[list[int]] = [[] for _ in range(6)]
        threads = [Thread(target=writes, args=(work, level, number, said[number])) for number in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        told = [one for writer in said for one in writer]
        assert len(told) == 6 * 120
        assert set(told) <= {0, DUPLICATE, 1213, 1205}
        assert told.count(0) > len(told) // 4
        assert told.count(DUPLICATE)
        assert not work.run("SELECT k FROM t GROUP BY k HAVING COUNT(*) > 1")
        work.do("build", "unguard")
        assert work.migration.standing().unique == "constraint"
