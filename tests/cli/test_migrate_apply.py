"""`migrate apply`, `status` and `rollback`, as a user types them: exit codes, JSON, prompts, streams, the way back."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.cli.launching import with_checkout
from tests.cli.reading import said, strict_json
from tests.cli.repairing import TABLE, changed, lines_of, rewritten, rows, typed, url
from tests.cli.test_migrate_plan import INDEX, MENDABLE
from tests.conftest import Completed, Run, SqliteDb

JSON = ("-f", "json")


@pytest.fixture
def db(sqlite_db: SqliteDb) -> Path:
    return sqlite_db(MENDABLE)


def migrate(run: Run, db: Path, command: str, *more: str | os.PathLike[str], **how: Any) -> Completed:
    return run("migrate", command, *more, "--db", url(db), **how)


@pytest.fixture
def plan(run: Run, db: Path, tmp_path: Path) -> Path:
    assert migrate(run, db, "plan", "activities", "-o", "plan.jsonl").code == 0
    return tmp_path / "plan.jsonl"


def apply(run: Run, db: Path, plan: Path, *more: str, **how: Any) -> Completed:
    return migrate(run, db, "apply", plan, "--confirm", "activities", *more, **how)


def indexes(db: Path) -> list[str]:
    with closing(sqlite3.connect(db)) as connection:
        found = connection.execute("SELECT name FROM sqlite_master WHERE type = 'index' AND tbl_name = 'activities'")
        return [name for (name,) in found]


def status(run: Run, db: Path) -> dict[str, Any]:
    done = migrate(run, db, "status", "activities", *JSON)
    assert (done.code, done.err) == (0, b"")
    (told,) = strict_json(done.out)["tables"]
    return dict(told)


# ---- there and back


def test_apply_cleans_builds_proves_and_ends_with_a_sentence_and_the_way_back(run: Run, db: Path, plan: Path) -> None:
    before = rows(db)
    done = apply(run, db, plan)
    assert done.code == 0, said(done)
    text = " ".join(done.out.decode().split())
    assert "(id) of activities is unique now, by the constraint activities_id_key" in text
    assert "nothing was lost: 5 rows read under lock = 2 kept + 3 in quarantine" in text
    assert "For the incident report: On " in text
    assert f"the unique constraint {INDEX} was put on activities (id) in one transaction" in text
    assert [row[0] for row in rows(db)[:4]] == [1, 4, 6, 7]
    assert indexes(db) == [INDEX]
    with pytest.raises(sqlite3.IntegrityError, match=r"activities\.id"):
        changed(db, "INSERT INTO activities (id) VALUES ('activity_1')")
    back, undo = (line.split()[1:] for line in done.out.decode().splitlines()[-2:])
    for words in (back, undo):
        done = run(*words, "--confirm", "activities")
        assert done.code == 0, said(done)
    assert rows(db) == before
    assert indexes(db) == []


def test_a_table_that_is_protected_already_is_nothing_to_do_for_both_commands(run: Run, db: Path, plan: Path) -> None:
    assert apply(run, db, plan).code == 0
    assert migrate(run, db, "plan", "activities", "-o", "again.jsonl").code == 0
    done = apply(run, db, Path("again.jsonl"))
    assert done.code == 0, said(done)
    assert done.out.decode() == f"(id) of activities is unique already, by {INDEX}: nothing to do\n"
    # Between plan and apply somebody may drop it.
    changed(db, f"DROP INDEX {INDEX}")
    done = apply(run, db, Path("again.jsonl"))
    assert done.code == 5
    assert f"{INDEX} is gone" in said(done)


def test_json_of_each_command_is_one_document(run: Run, db: Path, plan: Path) -> None:
    assert status(run, db)["protecting"] is None
    done = apply(run, db, plan, *JSON, "-q")
    told = strict_json(done.out)
    assert done.err == b""
    assert set(told) == {"run", "cleaned", "evidence", "incident", "protecting", "stopped", "stays"}
    assert (told["run"]["kind"], told["run"]["state"], told["stopped"]) == ("migrate", "done", None)
    assert (told["evidence"]["holds"], told["evidence"]["duplicates"]) == (True, 0)
    assert [one["rows_deleted"] for one in told["cleaned"]] == [3]
    found = status(run, db)
    assert (found["protecting"], found["unique"], found["guard"]) == (INDEX, "constraint", "none")
    assert (found["leftovers"], found["unfinished"]) == ([], False)
    assert [one["id"] for one in found["runs"]] == [told["run"]["id"]]
    done = migrate(run, db, "rollback", "activities", "--confirm", "activities", *JSON, "-q")
    assert (done.code, done.err) == (0, b"")
    rolled = strict_json(done.out)
    assert (rolled["run"]["id"], rolled["run"]["state"]) == (told["run"]["id"], "undone")
    assert rolled["removed"]
    assert status(run, db)["protecting"] is None


def test_every_report_goes_where_o_says(run: Run, db: Path, plan: Path, tmp_path: Path) -> None:
    commands: list[tuple[str | os.PathLike[str], ...]] = [
        ("apply", plan, "--confirm", "activities"),
        ("status",),
        ("rollback", "activities", "--confirm", "activities"),
    ]
    for command in commands:
        done = migrate(run, db, str(command[0]), *command[1:], "-q", "-o", "out.txt", *JSON)
        assert (done.code, done.out, done.err) == (0, b"", b""), command
        assert strict_json((tmp_path / "out.txt").read_bytes())
        (tmp_path / "out.txt").unlink()


def test_a_plan_that_was_applied_says_so_and_is_0(run: Run, db: Path, plan: Path) -> None:
    assert apply(run, db, plan).code == 0
    before = rows(db)
    done = apply(run, db, plan)
    assert done.code == 0
    assert b"This plan was applied already" in done.out
    assert (rows(db), indexes(db)) == (before, [INDEX])


def test_duplicates_that_arrived_since_the_plan_are_cleaned_by_the_same_rule(run: Run, db: Path, plan: Path) -> None:
    changed(
        db, "INSERT INTO activities (id, device_id, type, created_at) SELECT id, device_id, type, created_at"
        " FROM activities WHERE id = 'activity_100'",
    )  # fmt: skip
    done = apply(run, db, plan, *JSON)
    assert done.code == 0, said(done)
    assert strict_json(done.out)["evidence"]["rows_quarantined"] == 4


# ---- what is asked


def env_of(clean_env: Mapping[str, str]) -> dict[str, str]:
    return {**with_checkout(clean_env), "TERM": "dumb"}


@pytest.mark.parametrize(("keys", "code"), [(b"activities\n", 0), (b"yes\n", 5), (b"\x04", 5)])
def test_on_a_terminal_the_tables_name_is_asked_for(
    clean_env: dict[str, str], db: Path, plan: Path, tmp_path: Path, keys: bytes, code: int
) -> None:
    done, screen = typed(["migrate", "apply", "plan.jsonl", "--db", url(db)], env_of(clean_env), tmp_path, keys)
    assert done.code == code
    assert b"About to make (id) of activities unique" in screen
    assert b"by the constraint" in screen
    assert (indexes(db) == [INDEX]) is (code == 0)
    assert plan.exists()


def test_a_rollback_asks_as_well(run: Run, clean_env: dict[str, str], db: Path, plan: Path, tmp_path: Path) -> None:
    assert apply(run, db, plan).code == 0
    words = ["migrate", "rollback", "activities", "--db", url(db)]
    done, screen = typed(words, env_of(clean_env), tmp_path, b"no\n")
    assert (done.code, indexes(db)) == (5, [INDEX])
    assert b"the constraint activities_id_key" in screen
    done, _screen = typed(words, env_of(clean_env), tmp_path, b"activities\n")
    assert (done.code, indexes(db)) == (0, [])


def test_without_a_terminal_it_is_2_and_names_the_flag(run: Run, db: Path, plan: Path) -> None:
    done = migrate(run, db, "apply", plan)
    assert (done.code, done.out) == (2, b"")
    assert "--confirm activities" in said(done)
    assert indexes(db) == []


def test_another_name_is_5_and_changes_nothing(run: Run, db: Path, plan: Path) -> None:
    done = migrate(run, db, "apply", plan, "--confirm", "screenshots")
    assert (done.code, done.out, indexes(db)) == (5, b"", [])


# ---- what is refused


def test_rows_that_need_a_person_stop_it_with_5_and_nothing_is_left(run: Run, db: Path, plan: Path) -> None:
    changed(db, "INSERT INTO activities (id, device_id, type) VALUES ('activity_100', 'd9', 'other')")
    before = rows(db)
    done = apply(run, db, plan)
    assert (done.code, done.out) == (5, b""), said(done)
    assert "activity_100" in said(done)
    assert (rows(db), indexes(db)) == (before, [])
    assert status(run, db)["leftovers"] == []


@pytest.mark.parametrize(
    ("line", "change", "words"),
    [
        (0, {"table": "screenshots"}, "screenshots"),
        (0, {"constraint": "other"}, "not those that table activities needs"),
        (0, {"max_delete": {"rows": None, "percent": 0.001}}, "max-delete"),
        (3, {"sql": ["DROP TABLE activities"]}, "not those that table activities needs"),
    ],
)
def test_a_plan_that_somebody_made_up_changes_nothing(
    run: Run, db: Path, plan: Path, line: int, change: dict[str, Any], words: str
) -> None:
    lines = lines_of(plan)
    lines[line] = {**lines[line], **change}
    before = rows(db)
    done = apply(run, db, rewritten(plan, lines))
    assert done.code in (2, 5), said(done)
    assert words in said(done)
    assert (rows(db), indexes(db)) == (before, [])


def test_a_plan_that_was_edited_is_old_or_of_a_repair_is_5(run: Run, db: Path, plan: Path, tmp_path: Path) -> None:
    done = apply(run, db, plan, "--max-age", "0s")
    assert done.code == 5
    assert "--max-age" in said(done)
    raw = plan.read_bytes()
    plan.write_bytes(raw.replace(b"activities_id_key", b"activities_id_kex"))
    done = apply(run, db, plan)
    assert done.code == 5
    assert "somebody changed them" in said(done)
    assert run("repair", "plan", "activities", "--db", url(db), "-o", "repair.jsonl").code == 0
    done = apply(run, db, tmp_path / "repair.jsonl")
    assert done.code == 5
    assert "dedupaudit repair apply" in said(done)
    plan.write_bytes(raw)
    done = run("repair", "apply", plan, "--db", url(db), "--confirm", "activities")
    assert done.code == 5
    assert "dedupaudit migrate apply" in said(done)


def test_a_plan_of_another_database_is_5(run: Run, plan: Path, sqlite_db: SqliteDb) -> None:
    other = sqlite_db(MENDABLE, "other.db")
    done = apply(run, other, plan)
    assert done.code == 5
    assert "made for another database" in said(done)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (("--wait", "5"), "--wait: '5' is not a duration"),
        (("--max-age", "x"), "--max-age: 'x' is not a duration"),
        (("--max-lag", "5s"), "--max-lag"),
        (("--replica", "nowhere"), "--replica"),
    ],
)
def test_wrong_options_are_2(run: Run, db: Path, plan: Path, more: tuple[str, ...], words: str) -> None:
    done = apply(run, db, plan, *more)
    assert (done.code, done.out) == (2, b"")
    assert words in said(done)


def test_the_report_takes_the_place_of_neither_plan_nor_database(run: Run, db: Path, plan: Path) -> None:
    before = plan.read_bytes()
    for place, words in (("plan.jsonl", "is the plan that is read here"), ("app.db", "is the database")):
        done = apply(run, db, plan, "-o", place)
        assert done.code == 5
        assert words in said(done)
    assert plan.read_bytes() == before
    assert indexes(db) == []


# ---- status and rollback


def test_status_without_a_name_tells_all_that_are_there(run: Run, two_tables: Path) -> None:
    done = migrate(run, two_tables, "status")
    assert done.code == 0
    text = done.out.decode()
    assert text.index("activities in ") < text.index("screenshots in ")
    assert "dedupaudit migrate plan screenshots" in text


def test_status_leaves_no_trace(run: Run, db: Path, tmp_path: Path) -> None:
    before = db.read_bytes()
    assert migrate(run, db, "status").code == 0
    assert db.read_bytes() == before
    assert {path.name for path in tmp_path.iterdir()} == {"app.db", "home"}


def test_a_rollback_of_nothing_is_4_also_where_somebody_else_made_the_constraint(run: Run, db: Path) -> None:
    done = migrate(run, db, "rollback", "activities", "--confirm", "activities")
    assert (done.code, done.out) == (4, b"")
    assert "nothing to roll back" in said(done)
    changed(db, "DELETE FROM activities WHERE seq IN (2, 3, 5)", f"CREATE UNIQUE INDEX {INDEX} ON activities (id)")
    done = migrate(run, db, "rollback", "activities", "--confirm", "activities")
    assert (done.code, indexes(db)) == (4, [INDEX])


def test_a_rollback_leaves_the_quarantine_for_undo(run: Run, db: Path, plan: Path) -> None:
    before = rows(db)
    assert apply(run, db, plan).code == 0
    assert run("repair", "undo", "last", "--db", url(db), "--confirm", "activities").code == 5
    assert migrate(run, db, "rollback", "activities", "--confirm", "activities").code == 0
    assert len(rows(db)) == 45
    assert run("repair", "undo", "last", "--db", url(db), "--confirm", "activities").code == 0
    assert rows(db) == before


def test_after_a_rollback_the_same_plan_is_applied_again(run: Run, db: Path, plan: Path) -> None:
    assert apply(run, db, plan).code == 0
    assert migrate(run, db, "rollback", "activities", "--confirm", "activities").code == 0
    done = apply(run, db, plan)
    assert done.code == 0, said(done)
    assert b"is unique now" in done.out
    assert indexes(db) == [INDEX]


def test_collisions_are_planned_only_by_the_wider_key(run: Run, sqlite_db: SqliteDb, tmp_path: Path) -> None:
    db = sqlite_db(TABLE)
    done = migrate(run, db, "plan", "activities")
    assert done.code == 5
    assert b'key = ["device_id", "id"]' in done.out
    (tmp_path / "dedupaudit.toml").write_text("[tables.activities]\nkey = ['device_id', 'id']\n")
    done = migrate(run, db, "plan", "activities", "-o", "plan.jsonl")
    assert done.code == 0, said(done)
    assert apply(run, db, tmp_path / "plan.jsonl").code == 0
