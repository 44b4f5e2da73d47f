"""A connection that is lost as a step begins, and whoever else is at work on the same table."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from dedupaudit.errors import AuditError, Locked
from dedupaudit.repair.apply import Applied, Applying
from tests.migrate.killing import (
    MigratePlace,
    MigrateRunner,
    ordered,
    patiently,
)
from tests.migrate.killing_stage import DATABASES, REMOVED, SERVERS, Beside, Stage
from tests.repair.databases import Database
from tests.repair.killing import Order, Point

STEPS = ("lookup", "guard", "wait", "clean", "build", "attach", "verify", "probe", "unguard")


@pytest.mark.parametrize("database", SERVERS, ids=lambda database: str(database.name))
@pytest.mark.parametrize("step", STEPS)
def test_a_session_that_is_ended_as_a_step_begins_is_told_and_the_same_command_goes_on(
    database: Database, step: str, tmp_path: Path
) -> None:
    stage = Stage(database, tmp_path)
    plan = stage.guarded()
    if step not in stage.steps(plan):
        assert (step, database.name) == ("attach", "mariadb")
        return
    stage.at[step] = stage.end_sessions
    with pytest.raises(AuditError) as caught:
        stage.apply(plan, wait=5.0)
    assert caught.value.exit_code == 6, caught.value.message
    assert "same command again" in caught.value.hint
    # What the lost session could not remove is shown, and found again.
    (status,) = stage.status()
    assert bool(status.standing.leftovers) == bool(stage.traces())
    stage.done(plan)
    assert stage.quarantined() == REMOVED


@pytest.mark.parametrize("place", ["sqlite", "postgresql", "mariadb"], indirect=True)
def test_beside_a_migration_there_is_no_other_and_no_repair_and_a_dead_one_is_followed(
    place: MigratePlace, runner: MigrateRunner
) -> None:
    repair = ("repair", "plan", "uploads", "-o", "r.jsonl", "--max-delete", "90%", "--db", place.url)
    assert runner.run(*repair).code == 0
    repair_beside = Order(("repair", "apply", "r.jsonl", "--confirm", "uploads", "--db", place.url))
    # Before the guard: its triggers alone would make a repair refuse.
    first = runner.start(ordered(place, "apply", point=Point(1, r"^INSERT INTO \S*runs", signal.SIGSTOP)))
    try:
        assert first.wait_until_stopped(), first.completed()
        for order in (ordered(place, "apply"), ordered(place, "rollback"), repair_beside):
            done = runner.start(order).completed()
            assert done.code == 75, (order.arguments, done)
            assert f"process {first.pid}".encode() in done.err, done
        told = json.loads(runner.start(ordered(place, "status", "--format", "json")).completed().out)
        assert told["tables"][0]["runs"][-1]["state"] == "running", told
    finally:
        first.end()
    done = patiently(runner, ordered(place, "apply"))
    assert done.code == 0, done
    assert place.traces() == []
    assert place.constraint() == "valid"


@pytest.mark.parametrize("database", DATABASES, ids=lambda database: str(database.name))
def test_while_a_repair_runs_no_migration_begins(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = Stage(database, tmp_path)
    plan = stage.guarded()
    met: list[Locked] = []
    work = Applying.apply

    def worked(self: Applying) -> Applied:
        with pytest.raises(Locked) as caught:
            stage.apply(plan, wait=1.0)
        met.append(caught.value)
        return work(self)

    monkeypatch.setattr(Applying, "apply", worked)
    beside = Beside(stage)
    beside.apply(beside.plan())
    monkeypatch.undo()
    assert [error.exit_code for error in met] == [75]
    assert "process" in met[0].message + met[0].hint
    stage.done(plan)
