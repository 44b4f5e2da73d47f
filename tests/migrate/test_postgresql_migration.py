"""PostgreSQL's workman: what he finds, what he finishes, who is in his way, and what he proves at the end."""

from __future__ import annotations

import os
import signal
from threading import Timer

import pytest

from dedupaudit.errors import AuditError, Cancelled
from dedupaudit.interrupt import Interrupt
from dedupaudit.migrate.plan import StepName
from dedupaudit.repair.errors import Busy, Surprise, Violation
from tests.migrate.postgresql_workman import UNIQUE, Workman, sessions

T = "CREATE TABLE t (n serial PRIMARY KEY, id text, x int)"
OLD = "INSERT INTO t (id) VALUES ('old'), ('other')"
TWICE = "INSERT INTO t (id) VALUES ('twice'), ('twice')"
DONE: tuple[StepName, ...] = ("lookup", "guard", "not_null", "build", "attach", "unguard")
SETTINGS = "SELECT current_setting('lock_timeout'), current_setting('statement_timeout')"


# ---- every strategy


@pytest.mark.parametrize("not_null", [(), ("id",)])
def test_small_builds_in_one_transaction_that_keeps_out_writers_and_no_readers(not_null: tuple[str, ...]) -> None:
    work = Workman(T, OLD, strategy="small")
    with work.migration(not_null=not_null) as working, sessions("", "") as (reader, writer):
        with working.migration.repair.transaction():
            working.do("lock", "build")
            assert reader.ask("SELECT count(*) FROM t") == [(2,)]
            # Whoever locks a row and then writes it must wait before he has locked it.
            later = writer.later("SELECT * FROM t FOR UPDATE")
            assert later.is_waiting
            assert working.migration.standing().unique == "index"
        assert later.state == ""
        working.do("not_null", "attach")
        assert working.migration.probe() == "INSERT was refused by t_id_key (SQLSTATE 23505)"
        standing = working.migration.standing()
        assert (standing.unique, standing.nulls_forbidden) == ("constraint", True)
    assert work.keys() == ["old", "other"]


def test_small_leaves_nothing_where_it_fails() -> None:
    work = Workman(T, TWICE, strategy="small")
    before = work.database.schema()
    with work.migration(not_null=("id",)) as working, pytest.raises(Violation), working.migration.repair.transaction():
        working.do("lock")
        working.do("build")
    assert work.database.schema() == before


def test_foreign_keys_that_wait_for_the_end_do_not_stop_a_small_build() -> None:
    work = Workman(
        T, OLD,
        "CREATE TABLE child (n int REFERENCES t (n) DEFERRABLE INITIALLY DEFERRED)",
        strategy="small",
    )  # fmt: skip
    with work.migration() as working, working.migration.repair.transaction():
        working.do("lock")
        working.migration.repair.execute("DELETE FROM t WHERE id = 'other'")
        working.do("build")
    assert work.keys() == ["old"]


def test_each_step_may_be_done_twice() -> None:
    work = Workman(T, OLD)
    with work.migration(not_null=("id",)) as working:
        for name in DONE:
            working.do(name, name)
        standing = working.migration.standing()
        assert (standing.lookup, standing.guard, standing.unique) == ("none", "none", "constraint")
        assert standing.leftovers == ()
        working.migration.remove_guard()
        working.migration.remove_constraint(not_null=("id",))
        working.migration.remove_constraint()
    assert work.traces() == []


def test_the_session_has_its_own_settings_again_whatever_happened() -> None:
    work = Workman(T, TWICE)
    with work.migration() as working:
        connection = working.migration._connection  # noqa: SLF001
        before = connection.rows(SETTINGS)
        working.do("lookup", "guard")
        assert connection.rows(SETTINGS) == before
        with pytest.raises(Violation):
            working.do("build")
        assert connection.rows(SETTINGS) == before


# ---- what a killed run leaves


def test_an_invalid_index_is_dropped_and_built_again() -> None:
    work = Workman(T, OLD, TWICE)
    with work.migration() as working:
        for _ in range(2):
            with pytest.raises(Violation, match="twice|could not create unique index"):
                working.do("build")
            standing = working.migration.standing()
            assert standing.unique == "invalid"
            assert standing.leftovers == ("invalid index t_id_key",)
        work.run("DELETE FROM t WHERE ctid = (SELECT max(ctid) FROM t WHERE id = 'twice')")
        working.finish()
    assert work.traces() == []


def test_an_invalid_lookup_index_is_dropped_and_built_again() -> None:
    work = Workman(T, OLD)
    with work.migration() as working:
        working.do("lookup")
        work.run("UPDATE pg_index SET indisvalid = FALSE WHERE indexrelid::regclass::text ~ 'dedupaudit_lookup'")
        assert working.migration.standing().lookup == "invalid"
        working.do("lookup")
        assert working.migration.standing().lookup == "ready"
        working.finish()


@pytest.mark.parametrize(
    "damage",
    [
        "DROP TRIGGER {trigger}_update ON t",
        "DROP TRIGGER {trigger}_applied ON t",
        "ALTER TABLE t DISABLE TRIGGER {trigger}_delete",
        "ALTER TABLE t ENABLE TRIGGER {trigger}_update",
        "DROP FUNCTION {guard}_truncate() CASCADE",
        "DROP TABLE {guard}",
        "DO $$ BEGIN EXECUTE (SELECT 'DROP INDEX ' || indexrelid::regclass FROM pg_index WHERE indrelid = '{guard}'::regclass); END $$",  # noqa: E501
    ],
)
def test_a_damaged_guard_is_known_and_made_anew(damage: str) -> None:
    work = Workman(T, OLD)
    with work.guarded() as working, sessions("") as (one,):
        trigger = working.migration.guard_triggers()[0].removesuffix("_insert")
        one.ask(damage.format(trigger=trigger, guard=f"dedupaudit.{trigger.removeprefix('dedupaudit_')}"))
        assert working.migration.standing().guard == "partial"
        working.do("guard")
        assert working.migration.standing().guard == "complete"
        assert one.fails("INSERT INTO t (id) VALUES ('old')") == UNIQUE
        assert one.fails("INSERT INTO t (id) VALUES ('new')") == ""


def test_a_guard_that_tells_of_another_constraint_is_made_anew() -> None:
    work = Workman(T, OLD)
    with work.guarded():
        pass
    with work.migration(constraint="another") as working, sessions("") as (one,):
        assert working.migration.standing().guard == "partial"
        working.do("guard")
        assert one.fails("INSERT INTO t (id) VALUES ('old')") == UNIQUE
        assert one.last is not None
        assert one.last.diag.constraint_name == "another"


def test_a_check_that_a_killed_run_left_is_used_and_removed() -> None:
    work = Workman(T, OLD)
    with work.migration(not_null=("id",)) as working:
        first = working.steps["not_null"].sql
        work.run(*first[1 : first.index("COMMIT")])
        standing = working.migration.standing()
        assert not standing.nulls_forbidden
        assert len(standing.leftovers) == 1
        working.do("not_null")
        assert working.migration.standing().nulls_forbidden
    assert work.traces() == []


def test_a_null_stops_not_null_and_what_is_left_is_removed() -> None:
    work = Workman(T, OLD, "INSERT INTO t (id) VALUES (NULL)")
    with work.migration(not_null=("id",)) as working:
        with pytest.raises(Violation):
            working.do("not_null")
        assert not working.migration.standing().nulls_forbidden
        working.migration.remove_constraint(not_null=("id",))
    assert work.traces() == []


def test_the_guard_of_a_table_that_is_gone_is_removed() -> None:
    work = Workman(T, OLD)
    with work.guarded() as working:
        work.run("DROP TABLE t")
        working.migration.remove_guard()
    assert work.traces() == []


def test_an_index_of_others_by_the_wanted_name_is_left_alone() -> None:
    work = Workman(T, OLD, "CREATE INDEX t_id_key ON t (id)")
    with work.migration() as working:
        assert working.migration.standing().unique == "none"
        with pytest.raises(AuditError, match="already exists"):
            working.do("build")
        working.migration.remove_constraint()
    assert work.database.ask("SELECT to_regclass('t_id_key') IS NOT NULL") == [(True,)]


# ---- others in the way


@pytest.mark.parametrize("step", ["guard", "attach", "unguard"])
def test_short_ddl_gives_way_and_says_to_whom(step: StepName) -> None:
    work = Workman(T, OLD)
    with work.migration() as working, sessions("") as (one,):
        working.do(*(one for one in DONE[: DONE.index(step)] if one != "not_null"))
        before = working.migration.standing()
        one.ask("BEGIN; LOCK TABLE t IN ROW EXCLUSIVE MODE")
        with pytest.raises(Busy) as busy:
            working.do(step)
        assert f"pid {one.pid}" in busy.value.blocked_by
        assert working.migration.standing() == before
        one.ask("COMMIT")
        working.finish()


def test_all_partitions_together_are_waited_for_a_second() -> None:
    parts = [f"CREATE TABLE t{n} PARTITION OF t FOR VALUES IN ({n})" for n in range(3)]
    work = Workman("CREATE TABLE t (id int) PARTITION BY LIST (id)", *parts, strategy="partitioned")
    with work.migration() as working, sessions("", "") as (one, writer):
        working.do("lookup")
        one.ask("BEGIN; LOCK TABLE t2 IN ACCESS SHARE MODE; LOCK TABLE t1 IN ROW EXCLUSIVE MODE")
        with pytest.raises(Busy):
            working.do("guard")
        assert writer.fails("INSERT INTO t VALUES (0)") == ""
        one.ask("COMMIT")
        working.finish()


def test_a_signal_cancels_a_build_that_waits() -> None:
    work = Workman(T, OLD)
    work.interrupt = Interrupt()
    write = work.interrupt.wakeup_fd()
    with work.migration() as working, sessions("BEGIN ISOLATION LEVEL REPEATABLE READ") as (one,):
        one.ask("SELECT count(*) FROM t")

        def come() -> None:
            work.interrupt.signum = signal.SIGTERM
            os.write(write, b"\x0f")

        timer = Timer(0.5, come)
        timer.start()
        with pytest.raises(Cancelled):
            working.do("build")
        timer.join()
        one.ask("COMMIT")
        assert working.migration.standing().unique == "invalid"
        work.interrupt.signum = None
        os.read(work.interrupt.fd or 0, 1)
        working.finish()
    assert work.traces() == []


# ---- proof


def test_the_probe_tells_a_constraint_from_the_guard_and_from_nothing() -> None:
    work = Workman(T, OLD)
    with work.migration() as working:
        before = work.database.dump()["public.t"]
        with pytest.raises(Surprise, match="let a duplicate in"):
            working.migration.probe()
        working.do("lookup", "guard")
        with pytest.raises(Surprise, match="by the guard"):
            working.migration.probe()
        working.do("build", "attach")
        assert working.migration.probe() == "INSERT was refused by t_id_key (SQLSTATE 23505)"
        assert work.database.dump()["public.t"] == before


_BY_INSERT, _BY_UPDATE = (f"{verb} was refused by t_id_key (SQLSTATE 23505)" for verb in ("INSERT", "UPDATE"))
_NO_DEFAULT = "CREATE TABLE t (n int PRIMARY KEY, id text)"
PROBED = {
    "empty": ((T,), "nothing could be tried: no row has a key"),
    "only NULL": ((T, "INSERT INTO t (id) VALUES (NULL)"), "nothing could be tried: no row has a key"),
    "identity": (("CREATE TABLE t (n int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, id text)", OLD), _BY_INSERT),
    "generated column": (("CREATE TABLE t (id text, up text GENERATED ALWAYS AS (upper(id)) STORED)", OLD), _BY_INSERT),
    "a primary key that has no default": ((_NO_DEFAULT, "INSERT INTO t VALUES (1, 'a'), (2, 'b')"), _BY_UPDATE),
    "one row of such": (
        (_NO_DEFAULT, "INSERT INTO t VALUES (1, 'only')"),
        "nothing could be tried: database db: PostgreSQL refuses the change",
    ),
}


@pytest.mark.parametrize("case", PROBED)
def test_the_probe_finds_a_way_or_says_that_there_is_none(case: str) -> None:
    made, said = PROBED[case]
    work = Workman(*made)
    with work.migration() as working:
        working.do("build", "attach")
        assert working.migration.probe().startswith(said)


def test_the_probe_is_not_deceived_by_a_trigger_that_changes_the_key() -> None:
    work = Workman(
        T, OLD,
        "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.id := NEW.n::text; RETURN NEW; END'",
        "CREATE TRIGGER a BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f()",
    )  # fmt: skip
    with work.migration() as working:
        working.do("build", "attach")
        assert working.migration.probe() == "UPDATE was refused by t_id_key (SQLSTATE 23505)"
        work.run("CREATE TRIGGER b BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION f()")
        assert "a trigger or a rule" in working.migration.probe()
