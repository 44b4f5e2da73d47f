"""`repair` takes each option from the environment too, one database at a time, and shows no secret."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.reading import said, strict_json
from tests.cli.repairing import TABLE, applied, planned, repair, rows, url
from tests.cli.test_secrets import SECRET, URLS
from tests.conftest import Run, SqliteDb


@pytest.fixture
def db(sqlite_db: SqliteDb) -> Path:
    return sqlite_db(TABLE)


def test_every_command_works_by_the_environment_alone(run: Run, db: Path, tmp_path: Path) -> None:
    env = {
        "DEDUPAUDIT_DB": url(db),
        "DEDUPAUDIT_CONFIRM": "activities",
        "DEDUPAUDIT_FORMAT": "json",
        "DEDUPAUDIT_QUIET": "1",
        "DEDUPAUDIT_MAX_DELETE": "3 50%",
        "DEDUPAUDIT_ON_CONFLICT": "seq:max",
        "DEDUPAUDIT_MAX_AGE": "2h",
        "DEDUPAUDIT_CHUNK_TIME": "100ms",
        "DEDUPAUDIT_MAX_LOAD": "100",
        "DEDUPAUDIT_SLEEP": "1ms",
        "DEDUPAUDIT_RUN_TIME": "1h",
        "DEDUPAUDIT_OLDER_THAN": "0s",
    }
    before = rows(db)
    plan = {"DEDUPAUDIT_OUTPUT": "plan.jsonl"}
    done = run("repair", "plan", "activities", env=env | plan)
    assert done.code == 0, said(done)
    assert strict_json(done.out)["on_conflict"] == "seq:max"
    assert strict_json(done.out)["max_delete"] == {"rows": 3, "percent": 50.0}
    for command in (["apply", "plan.jsonl"], ["runs"], ["show", "last"], ["undo", "last"]):
        done = run("repair", *command, env=env)
        assert (done.code, done.err) == (0, b""), said(done)
        assert strict_json(done.out)
    assert rows(db) == before
    assert run("repair", "plan", "activities", env=env | {"DEDUPAUDIT_SQL": "1"}).out.startswith(b"-- activities")


def test_a_flag_goes_before_the_environment(run: Run, db: Path) -> None:
    plan = planned(db)
    done = repair(
        run, db, "apply", plan, "--confirm", "activities", env={"DEDUPAUDIT_CONFIRM": "no", "DEDUPAUDIT_DB": "x"}
    )
    assert done.code == 0, said(done)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--max-age", "soon"),
        ("--max-lag", "5"),
        ("--sleep", "-1s"),
        ("--chunk-time", ""),
        ("--run-time", "1 fortnight"),
        ("--max-load", "0"),
        ("--max-load", "many"),
        ("--replica", "oracle://h/x"),
    ],
)
def test_a_wrong_value_is_2_names_its_option_and_changes_nothing(run: Run, db: Path, option: str, value: str) -> None:
    plan, before = planned(db), db.read_bytes()
    done = repair(run, db, "apply", plan, "--confirm", "activities", option, value)
    assert (done.code, done.out) == (2, b"")
    assert option in said(done)
    assert "hint:" in said(done)
    assert db.read_bytes() == before


def test_a_lag_that_nobody_could_tell_is_no_wait_but_wrong_usage(run: Run, db: Path) -> None:
    plan, before = planned(db), db.read_bytes()
    done = repair(run, db, "apply", plan, "--confirm", "activities", "--max-lag", "5s")
    assert done.code == 2
    assert "--replica URL" in said(done)
    assert db.read_bytes() == before


def test_older_than_is_a_duration(run: Run, db: Path) -> None:
    applied(db, planned(db))
    done = repair(run, db, "purge", "activities", "--older-than", "old")
    assert done.code == 2
    assert "30d" in said(done) or "7d" in said(done)


def test_of_several_databases_one_has_to_be_named(run: Run, db: Path, sqlite_db: SqliteDb) -> None:
    both = ("--db", f"eu={url(db)}", "--db", f"us={url(sqlite_db(TABLE, 'us.db'))}")
    for command in (["plan", "activities"], ["runs"], ["undo", "last"], ["purge", "activities"]):
        done = run("repair", *command, *both)
        assert (done.code, done.out) == (2, b""), command
        assert "one database at a time" in said(done)
        assert "eu, us" in said(done)


def test_a_plan_of_a_shard_finds_its_database_among_several(run: Run, db: Path, sqlite_db: SqliteDb) -> None:
    other = sqlite_db(TABLE, "us.db")
    assert run("repair", "plan", "activities", "--db", f"eu={url(db)}", "-o", "plan.jsonl").code == 0
    before = rows(other)
    both = ("--db", f"us={url(other)}", "--db", f"eu={url(db)}")
    assert run("repair", "apply", "plan.jsonl", "--confirm", "activities", *both).code == 0
    assert rows(other) == before
    assert len(rows(db)) == len(before) - 3


def test_a_configured_table_goes_by_its_configured_name(run: Run, sqlite_db: SqliteDb, tmp_path: Path) -> None:
    db = sqlite_db(TABLE.replace("activities", "activity_log"))
    (tmp_path / "dedupaudit.toml").write_text(
        '[database]\nurl = "sqlite:///app.db"\n[tables.clicks]\nname = "activity_log"\nkey = ["id"]\n'
        "where = \"type = 'click'\"\n"
    )
    # The limit is a share of the rows that `where` leaves.
    assert run("repair", "plan", "clicks").code == 5
    done = run("repair", "plan", "clicks", "-o", "plan.jsonl", "--max-delete", "50%")
    assert done.code == 0, said(done)
    assert b"1 ID stored more than once" in done.out
    assert run("repair", "apply", "plan.jsonl", "--confirm", "activity_log").code == 5
    assert run("repair", "apply", "plan.jsonl", "--confirm", "clicks").code == 0
    assert len(rows(db, "SELECT * FROM activity_log")) == 46
    assert run("repair", "undo", "last", "--confirm", "clicks").code == 0
    assert len(rows(db, "SELECT * FROM activity_log")) == 48


@pytest.mark.parametrize(
    ("command", "address"),
    [
        (["plan", "activities"], URLS[0]),
        (["plan", "activities"], URLS[12]),
        (["apply", "plan.jsonl"], URLS[0]),
        (["apply", "plan.jsonl"], URLS[21]),
        (["runs"], URLS[2]),
        (["runs"], URLS[19]),
        (["undo", "last"], URLS[5]),
        (["show", "last"], URLS[0]),
        (["purge", "activities"], URLS[2]),
    ],
)
def test_no_url_shows_its_password(run: Run, db: Path, command: list[str], address: str) -> None:
    planned(db)
    done = run("repair", *command, "-v", "--db", address.format(SECRET))
    assert SECRET.encode() not in done.out + done.err
    assert b"a defect in dedupaudit" not in done.err
    assert done.code in (2, 3)


def test_nor_does_a_replicas_url_or_the_next_command(run: Run, db: Path) -> None:
    plan = planned(db)
    more = ("--max-lag", "1s", "--run-time", "2s", "--replica", f"postgresql://u:{SECRET}@localhost:1/app")
    done = repair(run, db, "apply", plan, "--confirm", "activities", "-v", *more)
    assert SECRET.encode() not in done.out + done.err
    assert done.code in (2, 3)
    done = run("repair", "plan", "activities", "-o", "again.jsonl", "--db", f"{url(db)}?password={SECRET}")
    assert SECRET.encode() not in done.out + done.err
    for made in db.parent.glob("*.jsonl"):
        assert SECRET.encode() not in made.read_bytes()
    assert SECRET.encode() not in db.read_bytes()
