"""`migrate plan`, as a user types it: file, folder, summary, script, JSON, refusals. It changes nothing."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.cli.launching import on_terminal, with_checkout
from tests.cli.reading import SGR, dangerous, said, strict_json
from tests.cli.repairing import TABLE, changed, lines_of, rows, url, whole
from tests.conftest import Completed, Run, SqliteDb
from tests.migrate.made import played

# As `repairing.TABLE`, without the key whose rows may be two events.
MENDABLE = TABLE.replace("('activity_3', 'd2'", "('activity_4', 'd2'")
STEPS = ["lock", "clean", "build", "verify", "probe"]
INDEX = "activities_id_key"


@pytest.fixture
def db(sqlite_db: SqliteDb) -> Path:
    return sqlite_db(MENDABLE)


def plan(run: Run, db: Path, *more: str | os.PathLike[str], **how: Any) -> Completed:
    return run("migrate", "plan", *more, "--db", url(db), **how)


# ---- the file


def test_the_file_has_a_header_steps_and_an_end_as_the_contract_says(run: Run, db: Path, tmp_path: Path) -> None:
    done = plan(run, db, "activities", "-o", "plan.jsonl")
    assert done.code == 0, said(done)
    header, *steps, end = lines_of(tmp_path / "plan.jsonl")
    assert (header["type"], header["schema"], header["kind"]) == ("header", "dedupaudit.plan/1", "migrate")
    assert (header["table"], header["key"], header["constraint"]) == ("activities", ["id"], INDEX)
    assert (header["protecting"], header["found"]["groups"], header["found"]["removed"]) == (None, 2, 3)
    assert set(header["database"]) == {"dialect", "file"}
    assert [(step["type"], step["name"]) for step in steps] == [("step", name) for name in STEPS]
    assert [step["sql"] for step in steps if step["name"] == "build"] != [[]]
    assert (end["type"], end["count"]) == ("end", len(STEPS))


def test_it_changes_nothing_and_leaves_no_file_but_the_plan(run: Run, db: Path, tmp_path: Path) -> None:
    before = db.read_bytes(), db.stat().st_mtime_ns
    assert plan(run, db, "activities", "-o", "plan.jsonl").code == 0
    assert plan(run, db, "activities", "--sql").code == 0
    assert (db.read_bytes(), db.stat().st_mtime_ns) == before
    assert {path.name for path in tmp_path.iterdir()} == {"app.db", "plan.jsonl", "home"}


def test_a_dash_puts_the_plan_alone_on_stdout(run: Run, db: Path) -> None:
    done = plan(run, db, "activities", "-o", "-")
    assert [strict_json(line)["type"] for line in done.out.splitlines()] == ["header", *["step"] * len(STEPS), "end"]
    assert "make (id) unique" in said(done)
    assert plan(run, db, "activities", "-o", "-", "-q").err == b""


# ---- several tables


@pytest.mark.parametrize(("named", "place"), [((), "plans/"), (("activities", "screenshots"), "plans")])
def test_several_tables_have_a_plan_file_each(
    run: Run, two_tables: Path, tmp_path: Path, named: tuple[str, ...], place: str
) -> None:
    done = plan(run, two_tables, *named, "-o", place, "--max-delete", "100%")
    assert done.code == 0, said(done)
    files = sorted(path.name for path in (tmp_path / "plans").iterdir())
    assert files == ["activities.jsonl", "screenshots.jsonl"]
    for name in files:
        assert lines_of(tmp_path / "plans" / name)[0]["table"] == name.removesuffix(".jsonl")
    assert done.out.count(b"dedupaudit migrate apply plans/") == 2


def test_a_table_that_fails_leaves_the_others(run: Run, two_tables: Path, tmp_path: Path) -> None:
    done = plan(run, two_tables, "nowhere", "screenshots", "-o", "plans/", "-f", "json")
    assert done.code == 2
    assert "nowhere: database db has no table nowhere" in said(done)
    assert [one["table"] for one in strict_json(done.out)["plans"]] == ["screenshots"]
    assert [path.name for path in (tmp_path / "plans").iterdir()] == ["screenshots.jsonl"]


def test_a_name_stays_in_its_folder(run: Run, sqlite_db: SqliteDb, tmp_path: Path) -> None:
    db = sqlite_db('CREATE TABLE "../a/b" (id TEXT, type TEXT)')
    done = plan(run, db, "../a/b", "-o", "plans/")
    assert done.code == 0, said(done)
    assert [path.name for path in (tmp_path / "plans").iterdir()] == ["..%2Fa%2Fb.jsonl"]


def test_one_table_into_a_folder_that_is_there(run: Run, db: Path, tmp_path: Path) -> None:
    (tmp_path / "plans").mkdir()
    assert plan(run, db, "activities", "-o", "plans").code == 0
    assert (tmp_path / "plans" / "activities.jsonl").is_file()


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (("activities", "screenshots", "-o", "-"), "cannot share stdout"),
        (("activities", "--sql", "-o", "-"), "both want stdout"),
        (("activities", "screenshots", "-o", "taken"), "cannot write"),
    ],
)
def test_places_that_cannot_be_are_2_and_nothing_is_written(
    run: Run, two_tables: Path, tmp_path: Path, more: tuple[str, ...], words: str
) -> None:
    (tmp_path / "taken").write_text("mine")
    done = plan(run, two_tables, *more, "--max-delete", "100%")
    assert (done.code, done.out.count(b"The plan is in")) == (2, 0)
    assert words in said(done)
    assert (tmp_path / "taken").read_text() == "mine"


def test_no_table_at_all_is_4(run: Run, sqlite_db: SqliteDb) -> None:
    done = plan(run, sqlite_db("CREATE TABLE other (id TEXT)"))
    assert (done.code, done.out) == (4, b"")
    assert "none of the tables activities, screenshots, processes exists" in said(done)


def test_a_plan_takes_the_place_of_nothing_that_is_read(run: Run, db: Path) -> None:
    before = db.read_bytes()
    done = plan(run, db, "activities", "-o", "app.db")
    assert done.code == 5
    assert "is the database that is read here" in said(done)
    assert db.read_bytes() == before


# ---- what people are told


@pytest.mark.parametrize("columns", [80, 160])
def test_a_terminal_gets_lines_that_fit(clean_env: dict[str, str], db: Path, tmp_path: Path, columns: int) -> None:
    env = {**with_checkout(clean_env), "TERM": "xterm-256color"}
    done = on_terminal(["migrate", "plan", "activities", "--db", "sqlite:///app.db"], env, tmp_path, columns=columns)
    assert done.code == 0
    text = SGR.sub("", done.out.decode())
    assert not dangerous(text)
    assert max(map(len, text.splitlines())) <= columns


def test_it_ends_with_the_command_that_applies_it(run: Run, db: Path) -> None:
    done = plan(run, db, "activities", "-o", "a plan.jsonl")
    last = done.out.decode().splitlines()[-1]
    assert last == f"  dedupaudit migrate apply 'a plan.jsonl' --db {url(db)} --confirm activities"
    assert run("migrate", "apply", "a plan.jsonl", "--db", url(db), "--confirm", "activities").code == 0
    assert len(rows(db)) == 45


def test_without_a_place_it_says_how_to_save_it(run: Run, db: Path) -> None:
    assert b"-o FILE writes it, --sql shows it" in b" ".join(plan(run, db, "activities").out.split())


def test_nothing_to_do_is_0_and_says_what_protects(run: Run, clean: Path) -> None:
    done = plan(run, clean, "activities")
    assert done.code == 0
    assert b"(id) is unique already" in done.out
    assert b"Nothing to do." in done.out


def test_json_is_one_document_with_a_list_of_plans(run: Run, db: Path) -> None:
    done = plan(run, db, "activities", "-o", "plan.jsonl", "-f", "json")
    (told,) = strict_json(done.out)["plans"]
    assert done.err == b""
    assert (told["state"], told["plan"], told["strategy"]) == ("planned", "plan.jsonl", "small")
    assert [step["name"] for step in told["steps"]] == STEPS


# ---- the settings


def test_name_and_null_come_from_the_configuration_and_flags_go_before_it(run: Run, db: Path, tmp_path: Path) -> None:
    (tmp_path / "dedupaudit.toml").write_text("[tables.activities]\nconstraint = 'one_each'\n")
    (told,) = strict_json(plan(run, db, "activities", "-f", "json").out)["plans"]
    assert told["constraint"] == "one_each"
    (told,) = strict_json(plan(run, db, "activities", "-f", "json", "--constraint", "other").out)["plans"]
    assert told["constraint"] == "other"


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (("--strategy", "guarded"), "--strategy guarded is none of this database"),
        (("--strategy", "fast"), "--strategy: 'fast' is not one of its values"),
        (("--max-delete", "many"), "is no limit"),
        (("--on-conflict", "newst"), "most-complete"),
        (("--constraint", "a\nb"), "cannot be a constraint's name"),
    ],
)
def test_wrong_options_are_2(run: Run, db: Path, more: tuple[str, ...], words: str) -> None:
    done = plan(run, db, "activities", *more)
    assert (done.code, done.out) == (2, b"")
    assert words in said(done)


# ---- refusals


def test_more_rows_than_the_limit_is_5(run: Run, db: Path, tmp_path: Path) -> None:
    done = plan(run, db, "activities", "--max-delete", "2", "-o", "plan.jsonl")
    assert (done.code, done.out) == (5, b"")
    assert "more than --max-delete allows" in said(done)
    assert not (tmp_path / "plan.jsonl").exists()


@pytest.mark.parametrize("more", [(), ("-f", "json"), ("--sql",), ("--sql", "-q"), ("-o", "-", "-q")])
def test_what_forbids_it_is_shown_whole_with_5_and_no_file(
    run: Run, sqlite_db: SqliteDb, tmp_path: Path, more: tuple[str, ...]
) -> None:
    done = plan(run, sqlite_db(TABLE), "activities", *(more if "-o" in more else (*more, "-o", "plan.jsonl")))
    assert done.code == 5, said(done)
    assert "activity_3" in f"{done.out.decode()}{said(done)}"
    assert "CREATE UNIQUE INDEX" not in done.out.decode() or "json" in more
    assert not (tmp_path / "plan.jsonl").exists()
    assert "activities: " in said(done)


def test_of_several_tables_a_refused_one_leaves_the_others(run: Run, sqlite_db: SqliteDb, tmp_path: Path) -> None:
    db = sqlite_db(TABLE + "CREATE TABLE screenshots (id TEXT, status TEXT, oss_key TEXT);")
    done = plan(run, db, "-o", "plans/")
    assert done.code == 5, said(done)
    assert [path.name for path in (tmp_path / "plans").iterdir()] == ["screenshots.jsonl"]


# ---- the script


def test_the_script_is_on_stdout_alone_and_can_be_run_by_hand(run: Run, db: Path, tmp_path: Path) -> None:
    done = plan(run, db, "activities", "--sql", "-o", "plan.jsonl")
    assert done.code == 0
    assert "make (id) unique" in said(done)
    assert lines_of(tmp_path / "plan.jsonl")[-1]["count"] == len(STEPS)
    assert plan(run, db, "activities", "--sql", "-q").err == b""
    changed(db, "DELETE FROM activities WHERE seq IN (2, 3, 5)")
    played(db, done.out.decode())
    with closing(sqlite3.connect(db)) as connection, pytest.raises(sqlite3.IntegrityError):
        connection.execute("INSERT INTO activities (id) VALUES ('activity_1')")


def test_the_script_leaves_nothing_where_a_duplicate_is_still_there(run: Run, db: Path) -> None:
    done = plan(run, db, "activities", "--sql", "-q")
    before = whole(db)
    with pytest.raises(sqlite3.IntegrityError):
        played(db, done.out.decode())
    assert whole(db) == before
