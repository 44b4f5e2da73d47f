"""`repair apply`, `undo`, `runs`, `show` and `purge`, as a user types them: exit codes, JSON, streams, the way back."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.cli.launching import completed, started, with_checkout
from tests.cli.reading import said, strict_json
from tests.cli.repairing import REMOVED, TABLE, applied, changed, planned, repair, rows, url, whole
from tests.conftest import Completed, Run, SqliteDb

JSON = ("-f", "json")


@pytest.fixture
def db(sqlite_db: SqliteDb) -> Path:
    return sqlite_db(TABLE)


def apply(run: Run, db: Path, plan: Path, *more: str | os.PathLike[str], **how: Any) -> Completed:
    return repair(run, db, "apply", plan, "--confirm", "activities", *more, **how)


def undo(run: Run, db: Path, named: str = "last", *more: str | os.PathLike[str]) -> Completed:
    return repair(run, db, "undo", named, "--confirm", "activities", *more)


def runs(run: Run, db: Path) -> list[dict[str, Any]]:
    done = repair(run, db, "runs", *JSON)
    assert (done.code, done.err) == (0, b"")
    told: list[dict[str, Any]] = strict_json(done.out)["runs"]
    return told


# ---- there and back


def test_apply_leaves_one_row_a_key_and_undo_brings_back_every_byte(run: Run, db: Path) -> None:
    before = rows(db)
    done = apply(run, db, planned(db))
    assert done.code == 0, said(done)
    text = done.out.decode()
    assert "3 rows of 2 IDs moved into quarantine" in text
    assert "Nothing was lost: 5 rows read under lock = 2 kept + 3 in quarantine" in " ".join(text.split())
    assert [row[0] for row in rows(db)[:4]] == [1, 4, 6, 7]
    assert len(rows(db)) == len(before) - REMOVED
    command = text.splitlines()[-1].split()
    assert command[:3] == ["dedupaudit", "repair", "undo"]
    done = run(*command[1:], "--confirm", "activities")
    assert (done.code, rows(db)) == (0, before)
    assert b"3 rows restored" in done.out


def test_json_of_each_command_is_one_document(run: Run, db: Path) -> None:
    done = apply(run, db, planned(db), *JSON, "-q")
    told = strict_json(done.out)
    assert done.err == b""
    assert set(told) == {"run", "stopped", "skipped"}
    assert told["run"]["proof"]["holds"] is True
    (listed,) = runs(run, db)
    assert {"id", "state", "table", "started_at", "finished_at"} <= set(listed)
    assert listed == {**told["run"], "updated_at": listed["updated_at"]}
    assert (listed["state"], listed["table"], listed["rows_deleted"]) == ("done", "activities", REMOVED)
    shown = strict_json(repair(run, db, "show", listed["id"], *JSON).out)
    assert shown == {"run": listed, "skipped": []}
    taken_back = strict_json(undo(run, db, "last", *JSON, "-q").out)
    assert (taken_back["run"]["state"], taken_back["left"]) == ("undone", 0)
    assert [one["state"] for one in runs(run, db)] == ["undone"]


def test_every_report_goes_where_o_says(run: Run, db: Path, tmp_path: Path) -> None:
    commands: list[tuple[str | os.PathLike[str], ...]] = [
        ("apply", planned(db), "--confirm", "activities"),
        ("runs",),
        ("show", "last"),
        ("undo", "last", "--confirm", "activities"),
    ]
    for command in commands:
        done = repair(run, db, str(command[0]), *command[1:], "-q", "-o", "out.txt", *JSON)
        assert (done.code, done.out, done.err) == (0, b"", b""), command
        assert strict_json((tmp_path / "out.txt").read_bytes())
        (tmp_path / "out.txt").unlink()


def test_a_reader_that_went_away_is_141_silent_and_what_was_done_is_done(
    run: Run, clean_env: dict[str, str], db: Path, tmp_path: Path
) -> None:
    plan, before = planned(db), rows(db)
    reader, writer = os.pipe()
    os.close(reader)
    try:
        for command in (["apply", str(plan), "--confirm", "activities"], ["runs"], ["show", "last", *JSON]):
            arguments = ["repair", *command, "--db", url(db), "-q"]
            with started(arguments, with_checkout(clean_env), tmp_path, stdout=writer) as process:
                done = completed(process)
            assert (done.code, done.err) == (141, b""), command
    finally:
        os.close(writer)
    assert len(rows(db)) == len(before) - REMOVED
    assert [one["state"] for one in runs(run, db)] == ["done"]


@pytest.mark.parametrize("command", [["runs"], ["show", "last"], ["undo", "last", "--confirm", "activities"]])
def test_no_report_takes_the_place_of_the_database(run: Run, db: Path, command: list[str]) -> None:
    applied(db, planned(db))
    before = db.read_bytes()
    done = repair(run, db, *command, "-o", "app.db")
    assert done.code == 5
    assert "would be overwritten" in said(done)
    assert db.read_bytes() == before


def test_nor_that_of_the_plan(run: Run, db: Path) -> None:
    plan = planned(db)
    before = db.read_bytes(), plan.read_bytes()
    done = apply(run, db, plan, "-o", plan)
    assert done.code == 5
    assert "is the plan that is read here" in said(done)
    assert (db.read_bytes(), plan.read_bytes()) == before


def test_a_place_that_cannot_be_written_is_2_before_anything_changes(run: Run, db: Path) -> None:
    plan, before = planned(db), db.read_bytes()
    done = apply(run, db, plan, "-o", "nowhere/out.txt")
    assert done.code == 2
    assert db.read_bytes() == before


def test_the_offer_is_on_stderr_and_quiet_leaves_it_out(run: Run, db: Path) -> None:
    done = apply(run, db, planned(db))
    assert "About to remove 3 rows" in said(done)
    assert undo(run, db, "last", "-q").err == b""


def test_the_database_is_named_in_the_next_command_without_its_password(run: Run, db: Path) -> None:
    assert f"undo {applied(db, planned(db)).id} --db {url(db)}" in repair(run, db, "show", "last").out.decode()


# ---- again, and in between


def test_a_plan_that_was_applied_is_not_applied_again(run: Run, db: Path) -> None:
    plan = planned(db)
    ident = applied(db, plan).id
    before = whole(db)
    done = apply(run, db, plan)
    assert done.code == 0
    assert f"applied already, by run {ident}" in " ".join(done.out.decode().split())
    assert whole(db) == before


def test_a_plan_that_was_taken_back_can_be_applied_again(run: Run, db: Path) -> None:
    plan, before = planned(db), rows(db)
    for _ in range(2):
        assert apply(run, db, plan).code == 0
        assert len(rows(db)) == len(before) - REMOVED
        assert undo(run, db).code == 0
        assert rows(db) == before
    assert [one["state"] for one in runs(run, db)] == ["undone", "undone"]
    done = undo(run, db)
    assert done.code == 5
    assert "taken back already" in said(done)


def test_rows_that_changed_since_are_left_and_it_is_3(run: Run, db: Path) -> None:
    plan = planned(db)
    changed(db, "UPDATE activities SET type = 'x' WHERE seq = 2", "DELETE FROM activities WHERE seq = 5")
    before = rows(db)
    done = apply(run, db, plan, *JSON)
    told = strict_json(done.out)
    assert done.code == 3
    assert rows(db) == before
    assert [one["key"]["id"] for one in told["skipped"]] == ["activity_1", "activity_2"]
    assert "changed since the plan" in told["skipped"][0]["why"]
    assert "is gone since the plan" in told["skipped"][1]["why"]
    assert f"2 IDs skipped: `dedupaudit repair show {told['run']['id']}` says why" in said(done)
    shown = repair(run, db, "show", "last")
    assert shown.code == 0
    assert b"skipped id = activity_1: row " in shown.out


def test_run_time_stops_between_chunks_and_the_same_command_goes_on(run: Run, db: Path) -> None:
    plan, before = planned(db), rows(db)
    done = apply(run, db, plan, "--run-time", "0s")
    assert done.code == 3
    assert "--run-time is over" in done.out.decode()
    assert rows(db) == before
    (stopped,) = runs(run, db)
    assert stopped["state"] == "interrupted"
    shown = repair(run, db, "show", "last").out.decode()
    assert "The same `dedupaudit repair apply PLAN` goes on" in shown
    # Its plan is older than allowed: a run that began may end.
    done = apply(run, db, plan, "--max-age", "0s")
    assert done.code == 0, said(done)
    assert f"run {stopped['id']} goes on" in said(done)
    assert [one["id"] for one in runs(run, db)] == [stopped["id"]]
    assert len(rows(db)) == len(before) - REMOVED


def test_a_signal_ends_it_between_chunks_with_128_and_its_number(
    run: Run, clean_env: dict[str, str], db: Path, tmp_path: Path
) -> None:
    plan, before = planned(db), rows(db)
    # One row a chunk, and a long sleep before the first.
    arguments = ["repair", "apply", str(plan), "--db", url(db), "--confirm", "activities", "--sleep", "60s"]
    with started(arguments, with_checkout(clean_env), tmp_path) as process:
        assert process.stderr
        while b"safety" not in process.stderr.readline():
            assert process.poll() is None
        while not whole_has_run(db):
            assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        done = completed(process)
    assert done.code == 143
    assert "goes on" in done.out.decode()
    assert rows(db) == before
    assert [one["state"] for one in runs(run, db)] == ["interrupted"]
    assert apply(run, db, plan).code == 0


def whole_has_run(db: Path) -> bool:
    return any('INSERT INTO "dedupaudit_runs"' in line for line in whole(db))


def test_a_second_run_on_the_table_is_75_and_names_the_first(
    run: Run, clean_env: dict[str, str], db: Path, tmp_path: Path
) -> None:
    plan, other = planned(db), planned(db, name="other.jsonl")
    arguments = ["repair", "apply", str(plan), "--db", url(db), "--confirm", "activities", "--sleep", "60s"]
    with started(arguments, with_checkout(clean_env), tmp_path) as process:
        while not whole_has_run(db):
            assert process.poll() is None
        done = apply(run, db, other)
        assert (done.code, done.out) == (75, b"")
        assert "another run works on" in said(done)
        assert f"process {process.pid}" in said(done)
        assert [one["state"] for one in runs(run, db)] == ["running"]
        process.terminate()
        assert completed(process).code == 143


# ---- undo, where something stands in the way


def test_a_constraint_that_was_added_since_stands_in_the_way_and_is_named(run: Run, db: Path) -> None:
    applied(db, planned(db))
    changed(
        db, "DELETE FROM activities WHERE id = 'activity_3' AND seq = 7", "CREATE UNIQUE INDEX one ON activities (id)"
    )
    before = whole(db)
    done = undo(run, db)
    assert (done.code, done.out) == (5, b"")
    assert "unique index one has its key already" in said(done)
    assert whole(db) == before


@pytest.mark.parametrize("command", ["undo", "show"])
def test_a_run_that_nobody_knows_is_4(run: Run, db: Path, command: str) -> None:
    more = ("--confirm", "activities") if command == "undo" else ()
    done = repair(run, db, command, "last", *more)
    assert (done.code, done.out) == (4, b"")
    assert "no repair was ever run here" in said(done)
    assert "docs/operations.md, Logins" in said(done)
    applied(db, planned(db))
    done = repair(run, db, command, "x\x1b[5m\n", *more)
    assert done.code == 4
    assert "no run " in said(done)


def test_no_runs_are_an_empty_list(run: Run, db: Path) -> None:
    before = db.read_bytes()
    assert runs(run, db) == []
    assert b"No repair was ever run here." in repair(run, db, "runs").out
    assert db.read_bytes() == before


# ---- purge


def test_purge_drops_old_quarantine_for_good_and_the_journal_stays(run: Run, db: Path) -> None:
    ident = applied(db, planned(db)).id
    young = repair(run, db, "purge", "activities", "--confirm", "activities")
    assert (young.code, young.out) == (4, b"")
    assert "older than 30d" in said(young)
    journal = rows(db, "SELECT * FROM dedupaudit_journal")
    done = repair(run, db, "purge", "activities", "--older-than", "0s", "--confirm", "activities")
    assert done.code == 0
    assert b"Dropped 3 rows of 1 run from quarantine." in done.out
    assert rows(db, "SELECT * FROM dedupaudit_quarantine_activities") == []
    assert rows(db, "SELECT * FROM dedupaudit_journal") == journal
    shown = repair(run, db, "show", ident).out
    assert b"quarantine was dropped" in shown
    assert b"dedupaudit repair undo" not in shown
    done = undo(run, db, ident)
    assert done.code == 5
    assert "not in quarantine any more" in said(done)
    assert repair(run, db, "purge", "activities", "--older-than", "0s", "--confirm", "activities").code == 4


def test_purge_of_another_table_drops_nothing(run: Run, db: Path) -> None:
    applied(db, planned(db))
    before = whole(db)
    assert repair(run, db, "purge", "screenshots", "--older-than", "0s", "--confirm", "screenshots").code == 4
    assert whole(db) == before


# ---- the demo


def test_every_table_of_the_demo_is_repaired_and_given_back(run: Run, incident: Path, tmp_path: Path) -> None:
    folder = tmp_path / "incident"
    shutil.copytree(incident, folder)
    tables = ("activities", "screenshots", "processes")
    before = {table: rows(folder / "app.db", f"SELECT * FROM {table} ORDER BY seq") for table in tables}
    idents = {}
    for table in tables:
        words = ("--max-delete", "50%", "--on-conflict", "newest", "-o", f"{table}.jsonl")
        assert run("repair", "plan", table, *words, cwd=folder).code == 0
        done = run("repair", "apply", f"{table}.jsonl", "--confirm", table, *JSON, cwd=folder)
        assert done.code == 0, said(done)
        idents[table] = done.json()["run"]["id"]
    after = run("scan", "-f", "json", "--check", "duplicate_ids", cwd=folder).json()
    # What is left are the IDs that stand for different events, and a blank one.
    causes = {(finding["cause"] or {}).get("name") for finding in after["findings"]}
    assert causes == {"id_collision"}, after["findings"]
    for table, ident in idents.items():
        assert run("repair", "undo", ident, "--confirm", table, "-q", cwd=folder).code == 0
        assert rows(folder / "app.db", f"SELECT * FROM {table} ORDER BY seq") == before[table]
