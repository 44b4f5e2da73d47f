"""Before data changes, its name is typed: on a terminal, or by --confirm; everything else changes nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.launching import with_checkout
from tests.cli.reading import dangerous, said
from tests.cli.repairing import REMOVED, TABLE, applied, planned, repair, rows, typed, url, whole
from tests.conftest import Run, SqliteDb


@pytest.fixture
def env(clean_env: dict[str, str]) -> dict[str, str]:
    return with_checkout(clean_env)


@pytest.fixture
def db(sqlite_db: SqliteDb) -> Path:
    return sqlite_db(TABLE)


def test_the_name_typed_right_applies_and_stdout_holds_the_report_alone(
    run: Run, env: dict[str, str], db: Path, tmp_path: Path
) -> None:
    plan, before = planned(db), rows(db)
    done, screen = typed(["repair", "apply", plan, "--db", url(db)], env, tmp_path, b"activities\n")
    assert done.code == 0, screen
    assert len(rows(db)) == len(before) - REMOVED
    assert done.out.startswith(b"run ")
    assert b"Type activities to go on: activities\n" in screen
    assert b"About to remove 3 rows of activities in" in screen
    assert b"repair undo" in screen


@pytest.mark.parametrize(
    ("keys", "code"),
    [
        (b"activity\n", 5),
        (b"\n", 5),
        (b"y\n", 5),
        (b"yes\n", 5),
        (b" activities\n", 5),
        (b"ACTIVITIES\n", 5),
        (b"\xff\xfe\n", 5),
        (b"\x04", 5),
        (b"\x03", 130),
    ],
    ids=["wrong", "empty", "y", "yes", "space", "case", "bytes", "ctrl-d", "ctrl-c"],
)
def test_anything_else_changes_nothing(
    run: Run, env: dict[str, str], db: Path, tmp_path: Path, keys: bytes, code: int
) -> None:
    plan, before = planned(db), db.read_bytes()
    done, screen = typed(["repair", "apply", plan, "--db", url(db)], env, tmp_path, keys)
    assert done.code == code, screen
    assert db.read_bytes() == before
    assert done.out == b""
    assert b"Traceback" not in screen
    if code == 5:
        assert b"not confirmed: nothing was changed" in screen


def test_undo_and_purge_ask_as_well(run: Run, env: dict[str, str], db: Path, tmp_path: Path) -> None:
    before = rows(db)
    applied(db, planned(db))
    after = whole(db)
    for command in (["undo", "last"], ["purge", "activities", "--older-than", "0s"]):
        done, screen = typed(["repair", *command, "--db", url(db)], env, tmp_path, b"no\n")
        assert done.code == 5, screen
        assert b"About to" in screen
        assert whole(db) == after
    done, screen = typed(["repair", "undo", "last", "--db", url(db)], env, tmp_path, b"activities\n")
    assert done.code == 0, screen
    assert b"About to bring back 3 rows of activities in" in screen
    assert rows(db) == before


def test_without_a_terminal_it_is_2_and_names_the_flag(run: Run, db: Path) -> None:
    plan = planned(db)
    before = db.read_bytes()
    done = repair(run, db, "apply", plan, stdin=b"activities\n")
    assert (done.code, done.out) == (2, b"")
    assert "--confirm activities" in said(done)
    assert db.read_bytes() == before
    applied(db, plan)
    after = whole(db)
    for command in (["undo", "last"], ["purge", "activities", "--older-than", "0s"]):
        done = repair(run, db, *map(str, command), stdin=b"activities\n")
        assert (done.code, done.out) == (2, b"")
        assert "--confirm activities" in said(done)
    assert whole(db) == after


@pytest.mark.parametrize("name", ["activity", "", "Activities", "main.activities"])
def test_another_name_behind_confirm_is_5_and_changes_nothing(run: Run, db: Path, name: str) -> None:
    plan = planned(db)
    before = db.read_bytes()
    done = repair(run, db, "apply", plan, "--confirm", name)
    assert (done.code, done.out) == (5, b"")
    assert "nothing was changed" in said(done)
    assert "--confirm activities" in said(done)
    assert db.read_bytes() == before


def test_a_name_that_nobody_can_type_is_named_as_it_is_shown(
    run: Run, env: dict[str, str], sqlite_db: SqliteDb, tmp_path: Path
) -> None:
    name = "ac\x1b[5m\nt"
    quoted = '"' + name + '"'
    db = sqlite_db(
        [f"CREATE TABLE {quoted} (seq INTEGER PRIMARY KEY, id TEXT)", f"INSERT INTO {quoted} (id) VALUES ('1'), ('1')"]
    )
    plan = planned(db, table=name)
    arguments = ["repair", "apply", str(plan), "--db", url(db), "--no-progress"]
    done, screen = typed(arguments, env, tmp_path, rb"ac\x1b[5m\nt" + b"\n")
    assert done.code == 0, screen
    assert not dangerous(screen.decode())
    assert not dangerous(done.out.decode())
    assert repair(run, db, "undo", "last", "--confirm", name).code == 0


def test_quiet_asks_all_the_same(run: Run, env: dict[str, str], db: Path, tmp_path: Path) -> None:
    plan, before = planned(db), db.read_bytes()
    done, screen = typed(["repair", "apply", plan, "--db", url(db), "-q"], env, tmp_path, b"no\n")
    assert done.code == 5
    assert b"About to remove 3 rows" in screen
    assert db.read_bytes() == before
