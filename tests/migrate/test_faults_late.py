"""What arrives between the plan and the guard, what needs a person, and the way back: rollback, then undo."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dedupaudit.errors import AuditError, Refused
from tests.migrate.killing_stage import DATABASES, POSTGRESQL, REMOVED, ROWS, SQLITE, Beside, Stage
from tests.repair.databases import Database


@pytest.fixture(params=DATABASES, ids=lambda database: str(database.name))
def stage(request: pytest.FixtureRequest, tmp_path: Path) -> Stage:
    database: Database = request.param
    return Stage(database, tmp_path)


def first_step(stage: Stage) -> str:
    """Return the step before which duplicates may still come."""
    return "lock" if stage.database is SQLITE else "guard"


def test_duplicates_that_arrive_between_plan_and_guard_are_cleaned_by_the_same_rule(stage: Stage) -> None:
    plan = stage.guarded()
    stage.database.run("INSERT INTO t VALUES (101, 'alone 1', 'd', 'x')")
    if stage.database is not SQLITE:
        stage.at["guard"] = lambda: stage.database.run("INSERT INTO t VALUES (102, 'pair 1', 'd', 'x')")
        stage.at["lookup"] = lambda: stage.database.run("INSERT INTO t VALUES (103, 'alone 2', 'd', 'x')")
    migrated = stage.done(plan)
    late = 1 if stage.database is SQLITE else 3
    assert stage.quarantined() == REMOVED + late
    assert migrated.evidence is not None
    assert migrated.evidence.rows_quarantined == REMOVED + late
    # The earliest stays, as the rule says.
    assert [row[0] for row in stage.rows()] == [*range(1, 26), 31]


def test_duplicates_beyond_the_limit_stop_it_before_one_row_goes(stage: Stage) -> None:
    from dedupaudit.repair.plan import Limit

    plan = stage.guarded(limit=Limit(rows=REMOVED))
    stage.database.run("INSERT INTO t VALUES (101, 'alone 1', 'd', 'x')")
    with pytest.raises(Refused) as caught:
        stage.apply(plan)
    assert caught.value.exit_code == 5
    assert "max-delete" in caught.value.message + caught.value.hint
    assert len(stage.rows()) == len(ROWS) + 1
    stage.clean()


@pytest.mark.parametrize("when", ["before apply", "before the guard"])
@pytest.mark.parametrize("keep_guard", [False, True])
def test_rows_that_need_a_person_stop_it_and_are_named_and_nothing_is_removed(
    stage: Stage, when: str, *, keep_guard: bool
) -> None:
    plan = stage.guarded()

    def come() -> None:
        stage.database.run(
            "INSERT INTO t VALUES (101, 'alone 7', 'another', 'x')", "INSERT INTO t VALUES (102, 'alone 8', 'd', 'y')"
        )

    if when == "before apply" or stage.database is SQLITE:
        come()
    else:
        stage.at["guard"] = come
    before = stage.database.dump()
    with pytest.raises(Refused) as caught:
        stage.apply(plan, keep_guard=keep_guard)
    assert caught.value.exit_code == 5
    for name in ("alone 7", "alone 8"):
        assert name in caught.value.message
    if when == "before apply" or stage.database is SQLITE:
        assert stage.database.dump() == before
    assert len(stage.rows()) == len(ROWS) + 2
    kept = keep_guard and stage.database is not SQLITE
    assert bool(stage.traces()) == kept
    (status,) = stage.status()
    assert status.standing.guard == ("complete" if kept else "none")
    # A person settles it, and the same command goes on.
    stage.database.run("DELETE FROM t WHERE id IN (101, 102)")
    stage.done(plan)


def test_while_the_constraint_stands_an_undo_is_refused_and_says_why_and_nothing_changes(stage: Stage) -> None:
    migrated = stage.done(stage.guarded())
    before = stage.database.dump()
    (cleaned,) = migrated.cleaned
    with pytest.raises(AuditError) as caught:
        Beside(stage).undo(cleaned.id)
    said = caught.value.message + caught.value.hint
    assert "unique" in said or "constraint" in said or "t_k_key" in said, said
    assert stage.database.dump() == before
    assert stage.is_protected()
    stage.roll_back()
    assert not stage.is_protected()
    Beside(stage).undo(cleaned.id)
    assert stage.rows() == sorted(ROWS)


def test_plan_apply_rollback_undo_is_the_identity(stage: Stage) -> None:
    dump, schema = stage.database.dump(), stage.database.schema()
    migrated = stage.done(stage.guarded())
    assert stage.database.schema() != schema or stage.database is POSTGRESQL
    rolled = stage.roll_back()
    assert rolled.removed
    assert not stage.is_protected()
    stage.clean()
    assert stage.database.schema() == schema
    for run in reversed(migrated.cleaned):
        Beside(stage).undo(run.id)
    assert stage.database.dump() == dump
    assert stage.database.schema() == schema


def test_after_a_rollback_the_same_plan_puts_it_back(stage: Stage) -> None:
    plan = stage.guarded()
    stage.done(plan)
    stage.roll_back()
    stage.done(plan)
    stage.roll_back()
    stage.clean()


_VALUES = st.sampled_from(["x", "y", "", "é", "a'b", "\\", "NULL"])
_TABLES = st.lists(
    st.tuples(st.sampled_from(["a", "b", "c", "d", "e f", "é", "q'"]), st.sampled_from(["d", "e"]), _VALUES),
    max_size=12,
)


@pytest.mark.parametrize("database", DATABASES, ids=lambda database: str(database.name))
def test_whatever_is_stored_rollback_and_undo_give_it_back(
    database: Database, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("identity")

    @settings(max_examples=settings.default.max_examples // 6 if settings.default else 10)
    @given(_TABLES)
    def holds(values: list[tuple[str, str, str]]) -> None:
        stage = Stage(database, folder, rows=[(n, *value) for n, value in enumerate(values, 1)])
        dump, schema = database.dump(), database.schema()
        looked = stage.look(strategy=None if database is SQLITE else "guarded")
        if looked.refused:
            # Rows that need a person: nothing is changed, and with a policy they are settled or refused as well.
            assert looked.header.found.left
            assert database.dump() == dump
            return
        migrated = stage.done(stage.guarded())
        keys = [row[1] for row in stage.rows()]
        assert len(keys) == len(set(keys))
        assert len(keys) + sum(run.rows_deleted for run in migrated.cleaned) == len(values)
        stage.roll_back()
        for run in reversed(migrated.cleaned):
            Beside(stage).undo(run.id)
        assert database.dump() == dump
        assert database.schema() == schema

    holds()
