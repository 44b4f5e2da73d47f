"""Somebody holds the table, or a transaction: the tool says who, waits as long as it may, and leaves nothing behind."""

from __future__ import annotations

from pathlib import Path
from threading import Timer

import pytest

from dedupaudit.errors import RunFailed
from tests.migrate.killing_stage import POSTGRESQL, REMOVED, SERVERS, Other, Stage
from tests.repair.databases import Database

# Others keep locks, or fill a disk: nearly all of the time is waiting.
pytestmark = pytest.mark.slow

STEPS = ("lookup", "guard", "wait", "clean", "build", "attach", "unguard")
CONCURRENT = ("lookup", "build")
"""Steps of PostgreSQL that wait as long as it takes: nobody waits behind them."""


@pytest.fixture(params=SERVERS, ids=lambda database: str(database.name))
def stage(request: pytest.FixtureRequest, tmp_path: Path) -> Stage:
    database: Database = request.param
    return Stage(database, tmp_path)


@pytest.mark.parametrize("step", STEPS)
def test_a_table_lock_of_another_is_told_and_bounded_and_the_same_command_goes_on(stage: Stage, step: str) -> None:
    plan = stage.guarded()
    if step not in stage.steps(plan):
        assert (step, stage.database.name) == ("attach", "mariadb")
        return
    with Other(stage) as other:
        number = other.number
        stage.at[step] = other.lock_table
        with pytest.raises(RunFailed) as caught:
            stage.apply(plan, wait=1.0)
        assert caught.value.exit_code == 6
        assert "same command again" in caught.value.hint
        other.release()
        said = " ".join([*stage.said, caught.value.message])
        if step not in ("wait", "clean"):
            # MariaDB tells nobody who holds a metadata lock, unless a plugin is there.
            assert (f"pid {number}" if stage.database is POSTGRESQL else "another session holds a lock") in said, said
    (status,) = stage.status()
    # What could not be removed while the lock was held is shown.
    assert bool(status.standing.leftovers) == bool(stage.traces())
    assert status.runs[-1].state == "interrupted"
    stage.done(plan)
    assert stage.quarantined() == REMOVED


@pytest.mark.parametrize("keep_guard", [False, True])
def test_a_transaction_older_than_the_guard_is_told_and_bounded(stage: Stage, *, keep_guard: bool) -> None:
    plan = stage.guarded()
    with Other(stage) as other:
        number = other.number

        def begin() -> None:
            if stage.database is POSTGRESQL:
                other.run("BEGIN ISOLATION LEVEL REPEATABLE READ", "SELECT * FROM bystander")
            else:
                other.run("BEGIN", "INSERT INTO bystander VALUES (2)")

        stage.at["guard"] = begin
        with pytest.raises(RunFailed) as caught:
            stage.apply(plan, wait=1.0, keep_guard=keep_guard)
        assert "began before the guard" in caught.value.message
        assert str(number) in caught.value.message
        (status,) = stage.status()
        assert status.standing.guard == ("complete" if keep_guard else "none")
        assert bool(stage.traces()) == keep_guard
        assert len(stage.rows()) == 36
        other.release()
    stage.done(plan)


@pytest.mark.parametrize("step", CONCURRENT)
@pytest.mark.parametrize("lock", [True, False])
def test_a_concurrent_build_waits_and_goes_on_when_the_other_is_done(stage: Stage, step: str, *, lock: bool) -> None:
    plan = stage.guarded()
    if stage.database is not POSTGRESQL:
        # MariaDB's ALTER waits 1 s at its ends, as all short DDL: the test above has it.
        assert "attach" not in stage.steps(plan)
        return
    with Other(stage) as other:
        timers = []

        def hold() -> None:
            if lock:
                other.lock_table()
            else:
                other.run("BEGIN ISOLATION LEVEL REPEATABLE READ", "UPDATE t SET v = v WHERE id = 1")
            timers.append(Timer(1.5, other.release))
            timers[0].start()

        stage.at[step] = hold
        stage.done(plan, wait=30.0)
        timers[0].join()
    assert stage.quarantined() == REMOVED


def test_a_row_that_another_holds_is_waited_for_and_nothing_is_lost(stage: Stage) -> None:
    plan = stage.guarded()
    with Other(stage) as other:
        stage.at["clean"] = lambda: other.run("BEGIN", "UPDATE t SET v = v WHERE id = 31")
        released = Timer(3.0, other.release)
        stage.at["lookup"] = released.start
        stage.done(plan)
        released.join()
    assert stage.quarantined() == REMOVED
