"""What cannot be migrated, plans that are not what they were, and servers that refuse: why, and the way out.

Nothing is half done afterwards that `status` does not show.
"""

from __future__ import annotations

import hashlib
import json
from datetime import timedelta
from pathlib import Path

import pytest

from dedupaudit.config import TableSettings
from dedupaudit.errors import AuditError, NothingToCheck, Refused, UsageError
from dedupaudit.times import iso, parse_time
from tests.faults.standby import StandbyServer
from tests.migrate.killing_stage import CONSTRAINT, DATABASES, MARIADB, POSTGRESQL, SERVERS, SQLITE, Beside, Stage
from tests.repair.databases import Database
from tests.servers.fixtures import shared_mariadb, shared_postgresql

every = pytest.mark.parametrize("stage", DATABASES, ids=lambda database: str(database.name), indirect=True)
servers = pytest.mark.parametrize("stage", SERVERS, ids=lambda database: str(database.name), indirect=True)


@pytest.fixture
def stage(request: pytest.FixtureRequest, tmp_path: Path) -> Stage:
    database: Database = request.param
    return Stage(database, tmp_path)


def untouched(stage: Stage, plan: Path, text: str, **request: object) -> Refused:
    """Apply, see that it is refused for a reason, and that not one byte of the database is another."""
    before = stage.database.content()
    with pytest.raises(Refused) as caught:
        stage.apply(plan, **request)
    assert caught.value.exit_code == 5
    assert text in caught.value.message, caught.value.message
    assert stage.database.content() == before
    return caught.value


def rewritten(plan: Path, change: str, to: str, *, sealed: bool = True) -> Path:
    """Write a plan anew with another text in it; `sealed` by the right hash, as its reader asks for."""
    lines = plan.read_text().splitlines()
    body = [line.replace(change, to) for line in lines[:-1]]
    assert body != lines[:-1], f"{change} is not in the plan"
    end = json.loads(lines[-1])
    if sealed:
        end["sha256"] = hashlib.sha256("".join(f"{line}\n" for line in body).encode()).hexdigest()
    path = plan.with_name("rewritten.jsonl")
    path.write_text("\n".join([*body, json.dumps(end, separators=(",", ":"))]) + "\n")
    return path


# ---- plans


@every
def test_a_plan_changes_nothing_whatever_it_finds(stage: Stage) -> None:
    for strategy in (None, "small", "guarded"):
        content = stage.database.content()
        if strategy in (None, "small") or stage.database is not SQLITE:
            if strategy == "small" and stage.database is MARIADB:
                with pytest.raises(UsageError):
                    stage.plan(strategy=strategy)
            else:
                stage.plan(strategy=strategy)
        assert stage.database.content() == content
    plan = stage.guarded()
    stage.done(plan)
    content = stage.database.content()
    assert stage.look().is_done
    assert stage.database.content() == content
    stage.status()
    assert stage.database.content() == content


@every
def test_a_plan_that_was_tampered_with_is_refused(stage: Stage) -> None:
    plan = stage.guarded()
    untouched(stage, rewritten(plan, "UNIQUE", "unique", sealed=False), "")
    untouched(stage, rewritten(plan, '"lock":"', '"lock":"no ', sealed=False), "")
    cut = plan.with_name("cut.jsonl")
    cut.write_text("\n".join(plan.read_text().splitlines()[:-2]) + "\n")
    untouched(stage, cut, "")
    cut.write_text("not a plan\n")
    untouched(stage, cut, "")
    stage.done(plan)


@every
def test_a_step_that_somebody_added_to_is_refused_although_the_hash_is_right(stage: Stage) -> None:
    plan = stage.guarded()
    evil = rewritten(plan, "CREATE UNIQUE INDEX" if stage.database is not MARIADB else "ALTER TABLE", "DROP TABLE t; X")
    untouched(stage, evil, "steps of the plan")
    stage.done(plan)


@every
def test_a_stale_plan_is_refused_and_a_fresh_one_goes(stage: Stage) -> None:
    plan = stage.guarded()
    header = json.loads(plan.read_text().splitlines()[0])
    made = parse_time(header["created_at"])
    assert made is not None
    old = iso(made - round(timedelta(hours=2).total_seconds() * 1_000_000))
    untouched(stage, rewritten(plan, header["created_at"], old), "")
    stage.done(plan)


@every
def test_the_plan_of_another_database_or_of_a_repair_is_refused(stage: Stage, tmp_path: Path) -> None:
    plan = stage.guarded()
    repair = Beside(stage).plan()
    with pytest.raises((Refused, UsageError)):
        stage.apply(repair)
    if stage.database is SQLITE:
        (tmp_path / "other").mkdir()
        other = Stage(SQLITE, tmp_path / "other")
    else:
        header = json.loads(plan.read_text().splitlines()[0])
        name = str(header["database"]["database"])
        plan = rewritten(plan, f'"database":"{name}"', '"database":"elsewhere"')
        other = stage
    untouched(other, plan, "")


@every
@pytest.mark.parametrize(
    "statement",
    ["ALTER TABLE t ADD COLUMN more INTEGER", "DROP TABLE t", "CREATE UNIQUE INDEX t_k_key ON t (k, id)"],
    ids=["a column more", "no table", "the name taken"],
)
def test_a_table_that_was_altered_since_the_plan_is_refused(stage: Stage, statement: str) -> None:
    plan = stage.guarded()
    stage.database.run(statement)
    before = stage.database.content()
    with pytest.raises(AuditError) as caught:
        stage.apply(plan)
    assert caught.value.exit_code in (2, 5), caught.value
    assert "t" in caught.value.message
    assert stage.database.content() == before


@every
def test_a_constraint_that_was_dropped_by_hand_after_the_end_is_told(stage: Stage) -> None:
    plan = stage.guarded()
    stage.done(plan)
    drop = "ALTER TABLE t DROP CONSTRAINT t_k_key" if stage.database is POSTGRESQL else "DROP INDEX t_k_key"
    stage.database.run(drop + (" ON t" if stage.database is MARIADB else ""))
    said = untouched(stage, plan, "applied already")
    assert "migrate plan" in said.hint
    (status,) = stage.status()
    assert status.protecting is None
    assert status.standing.unique == "none"
    stage.done(stage.guarded())


@every
def test_a_constraint_that_is_there_already_is_a_plan_without_steps_and_an_apply_of_a_done_one_is_quiet(
    stage: Stage,
) -> None:
    plan = stage.guarded()
    first = stage.done(plan)
    looked = stage.look()
    assert looked.is_done
    assert looked.steps == ()
    before = stage.database.content()
    again = stage.apply(plan)
    assert again.exit_code == 0
    assert again.run is not None
    assert first.run is not None
    assert again.run.id == first.run.id
    assert stage.database.content() == before


@every
def test_a_table_without_duplicates_gets_its_constraint_and_nothing_goes(stage: Stage) -> None:
    stage.database.run("DELETE FROM t WHERE id > 20")
    migrated = stage.done(stage.guarded())
    assert migrated.cleaned == ()
    assert len(stage.rows()) == 20


@every
def test_an_empty_table_gets_its_constraint(stage: Stage) -> None:
    stage.database.run("DELETE FROM t")
    migrated = stage.done(stage.guarded())
    assert migrated.evidence is not None
    assert "nothing could be tried" in migrated.evidence.probe or "empty" in migrated.evidence.probe


@every
def test_where_nothing_was_migrated_there_is_nothing_to_roll_back(stage: Stage) -> None:
    before = stage.database.content()
    with pytest.raises(NothingToCheck) as caught:
        stage.roll_back()
    assert caught.value.exit_code == 4
    stage.database.run("DELETE FROM t WHERE id > 20", "CREATE UNIQUE INDEX by_hand ON t (k)")
    before = stage.database.content()
    with pytest.raises(NothingToCheck):
        stage.roll_back()
    assert stage.database.content() == before


# ---- keys and names


@every
def test_a_key_column_that_does_not_exist_is_named(stage: Stage) -> None:
    stage.tables["t"] = TableSettings(key=("missing",))
    with pytest.raises(UsageError, match="missing") as caught:
        stage.look()
    assert caught.value.exit_code == 2


@servers
def test_a_key_that_cannot_be_indexed_is_refused_at_plan_time(stage: Stage) -> None:
    stage.database.run(
        "CREATE TABLE odd (id INTEGER PRIMARY KEY, k json NOT NULL)"
        if stage.database is POSTGRESQL
        else "CREATE TABLE odd (id INTEGER PRIMARY KEY, k LONGTEXT NOT NULL)"
    )
    stage.tables["odd"] = TableSettings(key=("k",))
    try:
        refused = stage.look("odd").refused
    except (UsageError, Refused) as error:
        assert "k" in error.message
        return
    assert refused
    assert any("k" in concern.message for concern in refused)


@every
def test_a_name_that_is_taken_is_refused_at_plan_time(stage: Stage) -> None:
    stage.database.run(
        "CREATE INDEX t_k_key ON t (v)" if stage.database is not MARIADB else "CREATE INDEX t_k_key ON t (v(9))"
    )
    looked = stage.look()
    assert any(CONSTRAINT in concern.message for concern in looked.refused)
    assert stage.look(constraint="t_other_key").refused == ()


@every
@pytest.mark.parametrize("name", ["", "a" * 64, "a\nb"])
def test_a_name_that_none_can_have_is_refused(stage: Stage, name: str) -> None:
    if not name:
        assert stage.look(constraint=name).header.constraint == CONSTRAINT
        return
    with pytest.raises(UsageError, match="name"):
        stage.look(constraint=name)


# ---- servers that refuse


@pytest.fixture
def limited(stage: Stage) -> str:
    """Give the URL of a role that may read and write rows, and no DDL."""
    if stage.database is POSTGRESQL:
        shared_postgresql().execute(
            "DO $$ BEGIN CREATE ROLE no_ddl LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$"
        )
        stage.database.run(
            "GRANT USAGE ON SCHEMA public TO no_ddl", "GRANT SELECT, INSERT, UPDATE, DELETE ON t TO no_ddl"
        )
        return shared_postgresql().url(user="no_ddl", database="repaired")
    stage.database.run(
        "DROP USER IF EXISTS no_ddl",
        "CREATE USER no_ddl",
        "GRANT SELECT, INSERT, UPDATE, DELETE ON repaired.t TO no_ddl",
    )
    return shared_mariadb().url(user="no_ddl", database="repaired")


@servers
def test_a_role_without_ddl_is_told_what_it_needs(stage: Stage, limited: str) -> None:
    plan = stage.guarded()
    stage.url = limited
    looked = stage.look(strategy="guarded")
    told = " ".join(concern.message + concern.hint for concern in looked.refused)
    assert "GRANT" in told or "OWNER" in told, looked.refused
    before = stage.database.dump()
    with pytest.raises(AuditError) as caught:
        stage.apply(plan)
    assert caught.value.exit_code == 5, caught.value
    assert "GRANT" in caught.value.message + caught.value.hint or "OWNER" in caught.value.message + caught.value.hint
    assert stage.database.dump() == before
    assert stage.traces() == []


@pytest.mark.parametrize("stage", [MARIADB], ids=["mariadb"], indirect=True)
def test_mariadb_a_server_that_takes_no_writes_is_refused(stage: Stage) -> None:
    plan = stage.guarded()
    server = shared_mariadb()
    stage.database.run(
        "DROP USER IF EXISTS reader",
        "CREATE USER reader",
        "GRANT ALL ON repaired.* TO reader",
        "GRANT PROCESS ON *.* TO reader",
    )
    stage.url = server.url(user="reader", database="repaired")
    server.execute("SET GLOBAL read_only = ON")
    try:
        assert any("read" in concern.message for concern in stage.look(strategy="guarded").refused)
        untouched(stage, plan, "read")
    finally:
        server.execute("SET GLOBAL read_only = OFF")


@pytest.mark.parametrize("stage", [POSTGRESQL], ids=["postgresql"], indirect=True)
def test_postgresql_a_standby_is_refused(stage: Stage) -> None:
    plan = stage.guarded()
    primary = stage.url
    with StandbyServer(shared_postgresql()) as standby:
        standby.caught_up()
        stage.url = standby.url(database="repaired")
        assert any("standby" in concern.message for concern in stage.look(strategy="guarded").refused)
        untouched(stage, plan, "standby")
    stage.url = primary
    stage.done(plan)
