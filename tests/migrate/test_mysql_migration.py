"""The workman on MariaDB: it looks, does what is missing, waits for whom it must, and takes everything away again."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from threading import Event, Thread

import pytest

from dedupaudit.config import DatabaseSettings
from dedupaudit.errors import Cancelled, Refused
from dedupaudit.interrupt import Interrupt
from dedupaudit.migrate.databases.mysql import DIALECT
from dedupaudit.migrate.databases.mysql_migration import MysqlMigration
from dedupaudit.migrate.databases.mysql_script import statements
from dedupaudit.repair.databases.mysql import MysqlRepair
from dedupaudit.repair.errors import Busy, Surprise, Violation
from dedupaudit.urls import parse_database_url
from tests.migrate.mysql_workman import CONSTRAINT, DATABASE, Workman, answer, facts_of, table_of, working
from tests.servers.mariadb import MariadbServer

COLUMNS = "n BIGINT AUTO_INCREMENT PRIMARY KEY, k VARCHAR(50), v INT"
TWICE = "INSERT INTO t (k) VALUES ('a'), ('A '), ('b'), (NULL), (NULL)"


def settings_of(work: Workman) -> list[tuple[str | None, ...]]:
    """Return the settings of the session that a step may alter."""
    connection = work.migration._connection
    return connection.texts("SELECT @@lock_wait_timeout, @@max_statement_time, @@sql_mode, @@tx_isolation")


def test_the_whole_way_by_hand(mariadb: MariadbServer) -> None:
    with working(mariadb, COLUMNS, before=[TWICE]) as work:
        before = settings_of(work)
        migration = work.migration
        assert migration.standing().guard == "none"
        work.do("lookup", "guard")
        assert (migration.standing().lookup, migration.standing().guard) == ("ready", "complete")
        assert len(migration.standing().leftovers) == 6
        assert {one.name for one in migration.repair.inspect(work.target.table).triggers} == set(
            migration.guard_triggers()
        )
        with pytest.raises(Violation):
            work.do("build")
        assert migration.standing().unique == "none"
        work.run("DELETE FROM t WHERE k = 'a' LIMIT 1")
        work.do("build")
        assert migration.standing().unique == "constraint"
        work.do("unguard")
        standing = migration.standing()
        assert (standing.lookup, standing.guard, standing.leftovers) == ("none", "none", ())
        assert migration.probe() == f"INSERT was refused by {CONSTRAINT} (error 1062)"
        migration.remove_constraint()
        assert migration.standing().unique == "none"
        assert settings_of(work) == before


def test_each_step_says_what_runs(mariadb: MariadbServer) -> None:
    with working(mariadb, COLUMNS, not_null=("k",)) as work:
        steps = DIALECT.steps(work.target)
        assert [step.name for step in steps] == [
            "lookup", "guard", "wait", "clean", "not_null", "build", "verify", "unguard", "probe",
        ]  # fmt: skip
        for step in steps:
            if step.sql:
                assert step.sql[0] == "SET SESSION lock_wait_timeout = 1"
                assert (step.blocks, step.briefly) == ("reads and writes", True)
        # By hand, as a DBA runs the script.
        for step in steps:
            for statement in step.sql:
                work.run(statement)
        assert work.migration.standing().unique == "constraint"
        assert work.migration.standing().nulls_forbidden
        assert work.migration.standing().leftovers == ()


@contextmanager
def working_on(work: Workman, key: tuple[str, ...]) -> Iterator[MysqlMigration]:
    """Give the workman of another key of the same table."""
    table = table_of(work.url, key)
    target = replace(work.target, table=table, facts=facts_of(work.url, table))
    with closing(MysqlRepair(DatabaseSettings("db", parse_database_url(work.url)))) as repair:
        yield MysqlMigration(repair, target, Interrupt())


@pytest.mark.parametrize("done", range(1, 6))
def test_a_guard_that_was_begun_is_finished_or_removed(done: int, mariadb: MariadbServer) -> None:
    with working(mariadb, COLUMNS, before=["INSERT INTO t (k) VALUES ('a')"]) as work:
        work.do("lookup")
        made = statements(work.target, "guard")[1 : done + 1]
        for statement in made:
            work.run(statement)
        assert work.migration.standing().guard == ("complete" if done == 5 else "partial")
        with closing(work.connect()) as session:
            # Whatever is there of it, nobody is refused what a unique index would let in.
            assert answer(session, f"INSERT INTO t (k) VALUES ('begun {done}')") == 0
            assert answer(session, f"UPDATE t SET k = 'altered {done}' WHERE k = 'begun {done}'") == 0
        if done % 2:
            work.migration.remove_guard()
            work.migration.remove_guard()
            assert work.migration.standing().leftovers == ()
        work.do("guard")
        assert work.migration.standing().guard == "complete"
        with closing(work.connect()) as session:
            assert answer(session, "INSERT INTO t (k) VALUES ('a')") == 1062
        # And what an unguard left that was killed.
        for statement in statements(work.target, "unguard")[1 : done + 1]:
            work.run(statement)
        work.do("unguard")
        assert work.migration.standing().leftovers == ()


def test_a_trigger_that_somebody_altered_is_no_guard(mariadb: MariadbServer) -> None:
    with working(mariadb, COLUMNS) as work:
        work.do("lookup", "guard")
        name = work.migration.guard_triggers()[-1]
        work.run(f"CREATE OR REPLACE TRIGGER {name} AFTER INSERT ON t FOR EACH ROW SET @x = 1")
        assert work.migration.standing().guard == "partial"
        work.do("guard")
        assert work.migration.standing().guard == "complete"


def test_a_guard_without_the_index_that_it_looks_through_is_made_whole_or_refused(mariadb: MariadbServer) -> None:
    with working(mariadb, COLUMNS) as work:
        work.do("lookup", "guard")
        work.run("ALTER TABLE t DROP INDEX dedupaudit_lookup_" + work.migration._names.mark)
        assert (work.migration.standing().lookup, work.migration.standing().guard) == ("none", "partial")
        work.do("guard")
        assert (work.migration.standing().lookup, work.migration.standing().guard) == ("ready", "complete")
    with working(mariadb, f"{COLUMNS}, KEY theirs (k)") as work:
        assert work.migration.standing().lookup == "ready"
        work.run("ALTER TABLE t DROP INDEX theirs")
        with pytest.raises(Refused, match="theirs is gone"):
            work.do("guard")


def test_what_was_left_of_another_key_is_found_and_removed(mariadb: MariadbServer) -> None:
    with working(mariadb, COLUMNS) as work:
        work.do("lookup", "guard")
        work.run("ALTER TABLE t DROP INDEX dedupaudit_lookup_" + work.migration._names.mark)
        with working_on(work, ("k", "v")) as other:
            assert other.standing().guard == "none"
            assert len(other.standing().leftovers) == 5
            other.remove_guard()
            assert other.standing().leftovers == ()


# ---- whom it waits for


def test_it_waits_for_the_snapshots_that_are_older_than_the_guard(mariadb: MariadbServer) -> None:
    with (
        working(mariadb, COLUMNS) as work,
        closing(work.connect()) as old,
        closing(work.connect("READ COMMITTED")) as fresh,
        closing(work.connect()) as later,
    ):
        work.run("CREATE TABLE other (n INT) ENGINE=InnoDB")
        assert answer(old, "START TRANSACTION WITH CONSISTENT SNAPSHOT") == 0
        assert answer(fresh, "START TRANSACTION") == answer(fresh, "INSERT INTO other VALUES (1)") == 0
        work.do("lookup", "guard")
        (told,) = work.migration.older()
        assert f"session {old.thread_id()}" in told  # type: ignore[no-untyped-call]
        assert answer(later, "START TRANSACTION WITH CONSISTENT SNAPSHOT") == 0
        # A snapshot becomes a transaction with a number of its own when it writes: it is the same one.
        assert answer(old, "INSERT INTO other VALUES (2)") == 0
        time.sleep(0.2)
        assert len(work.migration.older()) == 1
        assert answer(old, "COMMIT") == 0
        time.sleep(0.2)  # InnoDB shows what it showed the last one, for a tenth of a second
        assert work.migration.older() == []


def test_a_role_that_cannot_see_transactions_is_refused(mariadb: MariadbServer) -> None:
    with working(mariadb, COLUMNS) as work:
        mariadb.execute("CREATE OR REPLACE USER 'blind'@'%' IDENTIFIED BY 'x'")
        mariadb.execute(f"GRANT ALL ON `{DATABASE}`.* TO 'blind'@'%'")
        url = parse_database_url(mariadb.url(user="blind", password="x", database=DATABASE))
        try:
            with closing(MysqlRepair(DatabaseSettings("db", url))) as repair:
                migration = MysqlMigration(repair, work.target, Interrupt())
                with pytest.raises(Refused) as refused:
                    migration.older()
        finally:
            mariadb.execute("DROP USER 'blind'@'%'")
        assert refused.value.hint == "GRANT PROCESS ON *.* TO 'blind'@'%'"


@pytest.mark.parametrize("step", ["lookup", "guard", "build", "unguard"])
def test_a_table_that_another_holds_makes_it_busy_and_is_told(step: str, mariadb: MariadbServer) -> None:
    with working(mariadb, COLUMNS, before=["INSERT INTO t (k) VALUES ('a')"]) as work, closing(work.connect()) as other:
        order = ("lookup", "guard", "build", "unguard")
        work.do(*order[: order.index(step)])  # type: ignore[arg-type]
        assert answer(other, "START TRANSACTION") == answer(other, "SELECT * FROM t") == 0
        before = settings_of(work)
        with pytest.raises(Busy) as busy:
            work.do(step)  # type: ignore[arg-type]
        assert f"session {other.thread_id()}" in busy.value.blocked_by  # type: ignore[no-untyped-call]
        assert settings_of(work) == before
        assert answer(other, "COMMIT") == 0
        work.do(step)  # type: ignore[arg-type]
        standing = work.migration.standing()
        assert {"lookup": standing.lookup == "ready", "guard": standing.guard == "complete"}.get(step, True)
        assert {"build": standing.unique == "constraint", "unguard": not standing.leftovers}.get(step, True)


def test_a_signal_cancels_a_long_statement_on_the_server(mariadb: MariadbServer) -> None:
    interrupt = Interrupt()
    with (
        working(mariadb, COLUMNS, before=[TWICE], interrupt=interrupt) as work,
        closing(work.connect()) as other,
    ):
        migration = work.migration
        migration._connection.run("SET SESSION lock_wait_timeout = 50")
        assert answer(other, "LOCK TABLES t WRITE") == 0
        ended: list[BaseException] = []
        begun = Event()

        def count() -> None:
            begun.set()
            try:
                migration._long("SELECT COUNT(*) FROM t")
            except Cancelled as cancelled:
                ended.append(cancelled)

        thread = Thread(target=count)
        thread.start()
        begun.wait(10)
        interrupt.signum = signal.SIGTERM
        thread.join(30)
        assert not thread.is_alive()
        assert len(ended) == 1
        # The session, and with it the run's lock, is still there.
        assert migration._connection.rows("SELECT 1") == [(b"1",)]


# ---- what is tried at the end


def test_what_a_probe_says(mariadb: MariadbServer) -> None:
    with working(mariadb, COLUMNS) as work:
        assert work.migration.probe() == "nothing could be tried: no row has a key"
        work.run("INSERT INTO t (k) VALUES ('a'), ('b')")
        with pytest.raises(Surprise, match="let a duplicate in"):
            work.migration.probe()
        work.do("lookup", "guard")
        # The guard's answer is no proof.
        assert work.migration.probe().startswith("nothing could be tried: ")
        work.do("build")
        assert work.migration.probe().startswith("nothing could be tried: ")
        work.do("unguard")
        assert work.migration.probe().startswith("INSERT was refused by")
        assert work.run("SELECT k FROM t ORDER BY k") == [("a",), ("b",)]


def test_a_probe_of_a_table_whose_primary_key_nobody_can_make_up(mariadb: MariadbServer) -> None:
    with working(mariadb, "n BIGINT PRIMARY KEY, k VARCHAR(50)", before=["INSERT INTO t VALUES (1, 'a')"]) as work:
        work.do("build")
        assert work.migration.probe().startswith("nothing could be tried: ")
        work.run("INSERT INTO t VALUES (2, 'b')")
        assert work.migration.probe() == f"UPDATE was refused by {CONSTRAINT} (error 1062)"
        work.run("CREATE TRIGGER refuses BEFORE INSERT ON t FOR EACH ROW SIGNAL SQLSTATE '45000'")
        assert work.migration.probe() == f"UPDATE was refused by {CONSTRAINT} (error 1062)"
        work.run("CREATE TRIGGER alters BEFORE UPDATE ON t FOR EACH ROW SET NEW.k = 'c'")
        assert "a trigger turns what is stored into something else" in work.migration.probe() or (
            work.migration.probe().startswith("nothing could be tried: ")
        )


def test_a_probe_leaves_out_what_the_server_makes(mariadb: MariadbServer) -> None:
    columns = (
        "n BIGINT AUTO_INCREMENT PRIMARY KEY, a VARCHAR(9), k VARCHAR(9) AS (LOWER(a)) STORED, hidden INT INVISIBLE"
    )
    with working(mariadb, columns, before=["INSERT INTO t (a) VALUES ('X'), ('Y')"]) as work:
        work.do("lookup", "guard", "build", "unguard")
        assert work.migration.probe() == f"INSERT was refused by {CONSTRAINT} (error 1062)"
