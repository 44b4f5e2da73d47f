"""`--against`: the shape of the user's table, with what keeps duplicates out of it and what does not."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from dedupaudit.config import TableSettings
from dedupaudit.drill.against import AgainstTable
from dedupaudit.errors import UsageError
from tests.drill.copying import copied, count, rows_after_a_retry, send
from tests.migrate.migrating import Migrating
from tests.repair.databases import DATABASES, INSENSITIVE, MARIADB, POSTGRESQL, SQLITE, Database


@pytest.fixture(params=DATABASES, ids=lambda database: str(database.name))
def database(request: pytest.FixtureRequest) -> Database:
    chosen: Database = request.param
    return chosen


def production(database: Database) -> str:
    """Return the table as production often has it: a number of its own, and the sent ID in a plain column."""
    number = {
        "sqlite": "INTEGER PRIMARY KEY AUTOINCREMENT",
        "postgresql": "bigserial PRIMARY KEY",
        "mariadb": "BIGINT AUTO_INCREMENT PRIMARY KEY",
    }[database.name]
    text = database.text()
    json = "JSON" if database.name != "sqlite" else "TEXT"
    columns = [f"id {number}", f"activity_id {text} NOT NULL", f"device_id {text} NOT NULL", f"type {text} NOT NULL"]
    columns += [f"data {json}", "created_at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP"]
    return database.table("activities", columns)


@pytest.fixture
def migrating(database: Database, tmp_path: Path) -> Migrating:
    made = Migrating(database, tmp_path, {"activities": TableSettings(key=("activity_id",))})
    database.run(production(database), "CREATE INDEX activities_activity_id ON activities (activity_id)")
    return made


def test_today_a_retry_duplicates_and_after_migrate_it_does_not(migrating: Migrating) -> None:
    with copied(migrating.url, "activities", key=("activity_id",)) as (scratch, against):
        assert rows_after_a_retry(scratch, against) == 2
        assert against.shape.key == ("activity_id",)
        assert not any("UNIQUE" in one for one in against.shape.constraints)
        assert (against.shape.left_out, against.shape.uncertain) == ((), False)
    migrating.apply(migrating.plan("activities"))
    with copied(migrating.url, "activities", key=("activity_id",)) as (scratch, against):
        assert rows_after_a_retry(scratch, against) == 1
        assert any("UNIQUE" in one for one in against.shape.constraints)


def test_nothing_but_the_scratch_is_written_and_that_is_gone(migrating: Migrating, database: Database) -> None:
    database.run("INSERT INTO activities (activity_id, device_id, type) VALUES ('a', 'd', 'click')")
    before = database.content()
    with copied(migrating.url, "activities", key=("activity_id",)) as (scratch, against):
        assert rows_after_a_retry(scratch, against) == 2
        assert database.dump().get("public.activities", database.dump().get("activities")) is not None
        assert database.ask("SELECT activity_id FROM activities") == [("a",)]
    assert database.content() == before


def test_rows_are_of_their_arguments_alone_and_go_to_another_process(migrating: Migrating) -> None:
    with copied(migrating.url, "activities", key=("activity_id",), device="device_id") as (scratch, against):
        there: AgainstTable = pickle.loads(pickle.dumps(against))  # noqa: S301 (made a moment ago)
        assert there.row(3, "d", 1) == against.row(3, "d", 1)
        one, other = against.row(3, "d", 0), against.row(3, "d", 1)
        assert one["activity_id"] == other["activity_id"] != against.row(4, "d")["activity_id"]
        assert one["device_id"] == "d"
        assert "id" not in one
        assert against.rows.varied
        assert one != other
        assert send(scratch, against, one, other, against.row(4, "d")) == ["stored"] * 3


def test_a_key_of_two_columns(database: Database, tmp_path: Path) -> None:
    url = database.fresh(tmp_path)
    text = database.text()
    database.run(database.table("t", [f"device_id {text}", f"id {text}", f"v {text}", "PRIMARY KEY (device_id, id)"]))
    with copied(url, "t", key=("device_id", "id")) as (scratch, against):
        rows = [against.row(1, "d1"), against.row(1, "d2"), against.row(1, "d1", 1)]
        assert [row["device_id"] for row in rows] == ["d1", "d2", "d1"]
        assert [said == "stored" for said in send(scratch, against, *rows)] == [True, True, False]


def test_a_number_that_the_backend_makes_for_each_row_protects_nobody(database: Database, tmp_path: Path) -> None:
    url = database.fresh(tmp_path)
    text = database.text()
    columns = [f"row_id {text} NOT NULL PRIMARY KEY", f"id {text} NOT NULL", "made DATE NOT NULL", "n BIGINT NOT NULL"]
    database.run(database.table("t", columns))
    with copied(url, "t", key=("id",)) as (scratch, against):
        assert rows_after_a_retry(scratch, against) == 2
        assert not against.shape.uncertain
        assert against.row(1, "d")["row_id"] != against.row(1, "d")["row_id"]
    # Whether this number is the client's, and the same in a retry, nobody knows here.
    database.run("CREATE UNIQUE INDEX once ON t (n, made)")
    with copied(url, "t", key=("id",)) as (scratch, against):
        assert rows_after_a_retry(scratch, against) == 2
        assert against.shape.uncertain
        assert {what for what, _why in against.shape.left_out} == {"the value of column n", "the value of column made"}


def left(against: AgainstTable) -> set[str]:
    return {what for what, _why in against.shape.left_out}


def test_a_unique_column_that_the_drill_leaves_empty_may_be_the_clients(database: Database, tmp_path: Path) -> None:
    url = database.fresh(tmp_path)
    text = database.text()
    columns = [f"id {text} NOT NULL", f"device_id {text} NOT NULL", "moment BIGINT"]
    database.run(database.table("t", [*columns, "UNIQUE (device_id, moment)"]))
    with copied(url, "t", key=("id",)) as (scratch, against):
        assert rows_after_a_retry(scratch, against) == 2
        assert (left(against), against.shape.uncertain) == ({"the value of column moment"}, True)
    # All events would have it, and so clash with each other.
    with pytest.raises(UsageError) as refused, copied(url, "t", {"moment": "5"}, key=("id",)):
        pass
    assert "--value" not in refused.value.hint
    # Beside the sent ID, a column of the primary key is no number of the backend's own.
    database.run(database.table("u", [f"id {text} NOT NULL", "moment BIGINT NOT NULL", "PRIMARY KEY (id, moment)"]))
    with copied(url, "u", key=("id",)) as (scratch, against):
        assert rows_after_a_retry(scratch, against) == 2
        assert (left(against), against.shape.uncertain) == ({"the value of column moment"}, True)


def test_events_that_differ_are_not_refused_for_what_they_say(database: Database, tmp_path: Path) -> None:
    url = database.fresh(tmp_path)
    text = database.text()
    kept = "VIRTUAL" if database is SQLITE else "STORED"
    columns = [f"id {text} NOT NULL", f"data {text}", f"small {text} GENERATED ALWAYS AS (lower(data)) {kept}"]
    database.run(database.table("t", [*columns, "UNIQUE (small)"]))
    with copied(url, "t", key=("id",)) as (scratch, against):
        assert send(scratch, against, *(against.rows.event(number, "d") for number in range(3))) == ["stored"] * 3
        assert rows_after_a_retry(scratch, against) == 4


def test_ids_begin_as_those_of_the_table_do(database: Database, tmp_path: Path) -> None:
    url = database.fresh(tmp_path)
    key = f"id {database.text()} NOT NULL PRIMARY KEY"
    database.run(database.table("screenshots", [key, "v INTEGER", "CHECK (id LIKE 'screenshot%')"]))
    with copied(url, "screenshots") as (scratch, against):
        assert rows_after_a_retry(scratch, against) == 1


def test_an_engine_that_takes_nothing_back_is_drilled_empty(tmp_path: Path) -> None:
    url = MARIADB.fresh(tmp_path)
    MARIADB.run("CREATE TABLE t (id VARCHAR(64) NOT NULL PRIMARY KEY, v INT) ENGINE = MyISAM")
    with copied(url, "t", key=("id",)) as (scratch, against):
        assert count(scratch, against) == 0
        assert rows_after_a_retry(scratch, against) == 1


def test_a_policy_that_looks_for_the_row_leaves_it_open(tmp_path: Path) -> None:
    url = POSTGRESQL.fresh(tmp_path)
    POSTGRESQL.run(
        "CREATE TABLE t (id text NOT NULL, v int); ALTER TABLE t ENABLE ROW LEVEL SECURITY",
        "CREATE POLICY mine ON t USING (id <> current_user)",
    )
    with copied(url, "t", key=("id",)) as (_scratch, against):
        assert (left(against), against.shape.uncertain) == (set(), False)
    POSTGRESQL.run("CREATE POLICY once ON t FOR INSERT WITH CHECK (id NOT IN (SELECT u.id FROM t AS u))")
    with copied(url, "t", key=("id",)) as (_scratch, against):
        assert (left(against), against.shape.uncertain) == ({"policy once"}, True)


def test_a_partial_unique_index_is_copied_and_protects_nobody_else(tmp_path: Path) -> None:
    for database in (SQLITE, POSTGRESQL):
        url = database.fresh(tmp_path)
        text = database.text()
        database.run(
            database.table("t", [f"id {text}", f"device_id {text}", f"v {text}"]),
            "CREATE UNIQUE INDEX alive ON t (id) WHERE device_id = 'kept'",
        )
        with copied(url, "t", key=("id",)) as (scratch, against):
            assert rows_after_a_retry(scratch, against) == 2
            row = against.row(8, "kept")
            assert [one == "stored" for one in send(scratch, against, row, row)] == [True, False]
            # Had all rows of the drill been of it, a No would be of those alone.
            assert [doubt.partition(" does not cover ")[0] for doubt in against.shape.doubts] == ["unique index alive"]
        database.run("CREATE UNIQUE INDEX whole ON t (id)")
        with copied(url, "t", key=("id",)) as (_scratch, against):
            assert against.shape.doubts == ()


def test_the_collation_is_the_tables(database: Database, tmp_path: Path) -> None:
    url = database.fresh(tmp_path)
    database.run(database.table("t", [f"id {database.text(INSENSITIVE)} NOT NULL PRIMARY KEY", "v INTEGER"]))
    with copied(url, "t", key=("id",)) as (scratch, against):
        row = against.row(1, "d")
        upper = row | {"id": str(row["id"]).upper()}
        assert [one == "stored" for one in send(scratch, against, row, upper)] == [True, False]


def test_the_target_schemas_own_name_for_a_table_is_found_by_usual_names(database: Database, tmp_path: Path) -> None:
    url = database.fresh(tmp_path)
    text = database.text()
    database.run(database.table("activities", [f"id {text} NOT NULL PRIMARY KEY", f"device_id {text}"]))
    with copied(url, "activities") as (scratch, against):
        assert against.shape.key == ("id",)
        assert against.settings.name == against.table.name == scratch.table("activities")
        assert against.settings.key == ("id",)
        assert rows_after_a_retry(scratch, against) == 1


def test_a_deferred_constraint_and_nulls_not_distinct_are_as_they_were(tmp_path: Path) -> None:
    url = POSTGRESQL.fresh(tmp_path)
    POSTGRESQL.run(
        "CREATE TABLE t (id text NOT NULL, v int, UNIQUE NULLS NOT DISTINCT (v),"
        " CONSTRAINT late UNIQUE (id) DEFERRABLE INITIALLY DEFERRED)"
    )
    with copied(url, "t", key=("id",)) as (scratch, against):
        engine = scratch.engine()
        with engine.connect() as connection:
            found = connection.exec_driver_sql(
                "SELECT condeferrable, condeferred, pg_get_constraintdef(oid) FROM pg_constraint"
                " WHERE conrelid = 't'::regclass AND contype = 'u' ORDER BY conname"
            ).fetchall()
        engine.dispose()
        assert [tuple(row) for row in found] == [
            (True, True, "UNIQUE (id) DEFERRABLE INITIALLY DEFERRED"),
            (False, False, "UNIQUE NULLS NOT DISTINCT (v)"),
        ]
        assert rows_after_a_retry(scratch, against) == 1


def test_an_index_whose_build_failed_is_left_out_and_said(tmp_path: Path) -> None:
    url = POSTGRESQL.fresh(tmp_path)
    POSTGRESQL.run("CREATE TABLE t (id text, v int); INSERT INTO t VALUES ('a'), ('a')")
    with pytest.raises(Exception, match="could not create unique index"):
        POSTGRESQL.run("CREATE UNIQUE INDEX CONCURRENTLY failed ON t (id)")
    with copied(url, "t", key=("id",)) as (scratch, against):
        [(what, why)] = against.shape.left_out
        assert what == "index failed"
        assert "INVALID" in why
        assert rows_after_a_retry(scratch, against) == 2
    # The second pass found a row that came meanwhile: that one does refuse new duplicates.
    POSTGRESQL.run("UPDATE pg_index SET indisready = true WHERE indexrelid = 'failed'::regclass")
    with copied(url, "t", key=("id",)) as (_scratch, against):
        assert "enforces uniqueness" in against.shape.left_out[0][1]
        assert against.shape.uncertain


def test_numbers_of_the_tables_own_are_counted_in_scratch(database: Database, tmp_path: Path) -> None:
    url = database.fresh(tmp_path)
    database.run(production(database))
    before = database.dump()
    with copied(url, "activities", key=("activity_id",)) as (scratch, against):
        assert send(scratch, against, *(against.row(number, "d") for number in range(3))) == ["stored"] * 3
        assert count(scratch, against) == 3
    assert database.dump() == before


def test_a_partitioned_table_is_copied_as_one(tmp_path: Path) -> None:
    url = POSTGRESQL.fresh(tmp_path)
    POSTGRESQL.run(
        "CREATE TABLE t (id text, day date NOT NULL, v int, PRIMARY KEY (id, day)) PARTITION BY RANGE (day);"
        "CREATE TABLE t_2025 PARTITION OF t FOR VALUES FROM ('2025-01-01') TO ('2026-01-01')"
    )
    with copied(url, "t", key=("id", "day")) as (scratch, against):
        assert rows_after_a_retry(scratch, against) == 1
        assert [what for what, _why in against.shape.left_out] == ["the partitions"]
        assert not against.shape.uncertain
    POSTGRESQL.run("CREATE UNIQUE INDEX own ON t_2025 (id)")
    with copied(url, "t", key=("id", "day")) as (_scratch, against):
        assert against.shape.uncertain
    url = MARIADB.fresh(tmp_path)
    MARIADB.run("CREATE TABLE t (id VARCHAR(64), v INT, PRIMARY KEY (id)) PARTITION BY KEY (id) PARTITIONS 3")
    with copied(url, "t", key=("id",)) as (scratch, against):
        assert rows_after_a_retry(scratch, against) == 1
        assert "its partitions" in against.shape.constraints


@pytest.mark.parametrize("database", [POSTGRESQL, MARIADB], indirect=True, ids=lambda database: str(database.name))
def test_under_the_guard_of_a_migration_it_says_that_one_is_under_way(migrating: Migrating, database: Database) -> None:
    plan = migrating.look("activities", strategy="guarded")
    database.run(*(statement for step in plan.steps if step.name == "guard" for statement in step.sql))
    before = database.schema()
    with copied(migrating.url, "activities", key=("activity_id",)) as (scratch, against):
        left = dict(against.shape.left_out)
        guarding = [what for what, why in left.items() if "the migration is under way" in why]
        assert guarding
        assert all(what.startswith("trigger dedupaudit_guard_") for what in guarding)
        assert against.shape.triggers == ()
        assert against.shape.uncertain
        assert rows_after_a_retry(scratch, against) == 2
    assert database.schema() == before
