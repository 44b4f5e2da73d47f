"""`dedupaudit history` as a user runs it: trend, earlier reports, pruning, and a file that is not as it should be."""

from __future__ import annotations

import re
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from tests.conftest import ROOT, Completed, Run, SqliteDb

TABLE = "CREATE TABLE activities (id INTEGER PRIMARY KEY, activity_id TEXT, created_at INTEGER)"
CHECKS = ("--check", "duplicate_ids")


def rows(*ids: str) -> str:
    values = ", ".join(f"('{one}', 1766557428498)" for one in ids)
    return f"{TABLE}; INSERT INTO activities (activity_id, created_at) VALUES {values}"


@pytest.fixture
def scan(run: Run, sqlite_db: SqliteDb, tmp_path: Path):  # type: ignore[no-untyped-def]
    """Return a function that scans a database with these IDs in it."""

    def scan_ids(*ids: str, options: tuple[str, ...] = (), name: str = "app.db") -> Completed:
        path = tmp_path / name
        if path.exists():
            with closing(sqlite3.connect(path)) as connection:
                connection.execute("DROP TABLE IF EXISTS activities")
        sqlite_db(rows(*ids), name)
        return run("scan", "activities", "--db", f"sqlite:///{name}", *CHECKS, "-f", "json", *options)

    return scan_ids


@pytest.fixture
def state(clean_env: dict[str, str]) -> Path:
    return Path(clean_env["XDG_STATE_HOME"]) / "dedupaudit"


def test_runs_are_listed_with_what_was_new_and_gone(scan, run: Run, state: Path) -> None:  # type: ignore[no-untyped-def]
    first = scan("a", "a", "b", "b").json()["run"]["id"]
    second = scan("a", "a", "c").json()["run"]["id"]
    listed = run("history", "-f", "json")
    assert listed.code == 0
    past = listed.json()["runs"]
    assert [one["id"] for one in past] == [first, second]
    assert [(one["new"], one["gone"], one["still"], one["exit_code"]) for one in past] == [(2, 0, 0, 1), (0, 1, 1, 1)]
    text = run("history").out.decode()
    assert re.search(rf"^{second} +scan +1 +yes +1 +0 +0 +0 +1 +1$", text, re.MULTILINE), text
    assert "findings  █▅" in text
    assert all(len(line) <= 80 for line in text.splitlines())
    assert stat.S_IMODE((state / "history.db").stat().st_mode) == 0o600
    assert stat.S_IMODE(state.stat().st_mode) == 0o700


def test_a_table_has_a_trend_of_its_own(scan, run: Run) -> None:  # type: ignore[no-untyped-def]
    scan("a", "a")
    assert len(run("history", "--table", "db.activities", "-f", "json").json()["runs"]) == 1
    assert run("history", "--table", "processes", "-f", "json").json() == {"runs": []}


def test_two_databases_of_one_name_have_no_trend_in_common(scan, run: Run) -> None:  # type: ignore[no-untyped-def]
    scan("a", "a")
    last = [scan(*ids, name=name).json()["run"]["id"] for ids, name in ((("a",), "app.db"), (("b",) * 4, "b.db"))]
    text = run("history").out.decode()
    assert f"scan of db, 2 runs, the last {last[0]}\n" in text
    assert f"scan of db, 1 run, the last {last[1]}\n" in text


def test_a_stream_of_ascii_gets_ascii(scan, run: Run) -> None:  # type: ignore[no-untyped-def]
    scan("a", "a")
    assert run("history", env={"PYTHONIOENCODING": "ascii"}).out.isascii()


def test_no_history_yet_is_no_failure(run: Run) -> None:
    done = run("history")
    assert done.code == 0
    assert b"no run is kept in" in done.out
    assert run("history", "-f", "json").json() == {"runs": []}
    assert run("history", "show", "last").code == 2


def test_an_earlier_report_is_rendered_again(scan, run: Run) -> None:  # type: ignore[no-untyped-def]
    told = scan("a", "a", "b", "b")
    scan("a")
    ident = told.json()["run"]["id"]
    assert run("history", "show", ident, "-f", "json").json() == told.json()
    assert run("history", "show", "last", "-f", "json").json()["summary"]["findings"] == 0
    assert b"FOUND: 2 findings" in run("history", "show", ident).out
    near = run("history", "show", ident[:-1] + ("0" if ident[-1] != "0" else "1"))
    assert near.code == 2
    assert f"did you mean `{ident}`".encode() in near.err


def test_pruning_removes_reports_and_nothing_becomes_new_again(scan, run: Run) -> None:  # type: ignore[no-untyped-def]
    for _ in range(3):
        scan("a", "a")
    dry = run("history", "prune", "--keep-last", "1", "--dry-run", "-f", "json").json()
    assert (dry["runs"], len(run("history", "-f", "json").json()["runs"])) == (2, 3)
    assert run("history", "prune", "--keep", "1d", "-f", "json").json()["runs"] == 0
    assert b"removed: 2 runs" in run("history", "prune", "--keep-last", "1").out
    assert len(run("history", "-f", "json").json()["runs"]) == 1
    again = scan("a", "a", options=("--baseline", "last"))
    assert (again.code, again.json()["summary"]["changes"]["known"]) == (0, 1)


def test_pruning_wants_to_know_what_stays(run: Run) -> None:
    assert run("history", "prune").code == 2
    assert run("history", "prune", "--keep", "soon").code == 2


def test_none_keeps_nothing(scan, state: Path) -> None:  # type: ignore[no-untyped-def]
    assert scan("a", options=("--history", "none")).code == 0
    assert not state.exists()


def test_a_named_file_before_and_after_the_command_s_name(scan, run: Run, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    scan("a", "a", options=("--history", "mine.db"))
    assert len(run("history", "--history", "mine.db", "-f", "json").json()["runs"]) == 1
    shown = run("history", "--history", "mine.db", "show", "last", "-f", "json")
    assert shown.json()["summary"]["findings"] == 1
    assert run("history", "show", "last", "--history", "mine.db", "-f", "json").out == shown.out


DAMAGES = {"text": b"not a database at all", "header": b"SQLite format 3\0" + b"\xff" * 4096}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_history_is_kept_aside_and_a_new_one_begun(  # type: ignore[no-untyped-def]
    scan, run: Run, state: Path, damage: str
) -> None:
    scan("a", "a")
    history = state / "history.db"
    history.write_bytes(DAMAGES[damage])
    assert run("history").code == 2
    done = scan("a", "a")
    assert (done.code, b"is damaged: it is kept as" in done.err) == (1, True)
    assert [path.read_bytes() for path in state.glob("history.db.corrupt-*")] == [DAMAGES[damage]]
    assert len(run("history", "-f", "json").json()["runs"]) == 1


def test_a_page_that_is_damaged_is_found_when_it_is_read(scan, run: Run, state: Path) -> None:  # type: ignore[no-untyped-def]
    scan("a", "a")
    history = state / "history.db"
    text = bytearray(history.read_bytes())
    text[4096:] = b"\xa5" * (len(text) - 4096)
    history.write_bytes(text)
    done = scan("a", "a")
    assert (done.code, b"kept as" in done.err) == (1, True)
    assert len(list(state.glob("history.db.corrupt-*"))) == 1


def test_a_newer_history_is_left_alone(scan, run: Run, state: Path) -> None:  # type: ignore[no-untyped-def]
    scan("a", "a")
    history = state / "history.db"
    with closing(sqlite3.connect(history)) as connection:
        connection.execute("PRAGMA user_version = 99")
    before = history.read_bytes()
    done = scan("a", "a")
    assert (done.code, b"made by a newer dedupaudit" in done.err, b"not kept" in done.err) == (1, True, True)
    for options in (("--baseline", "last"), ("--history", str(history))):
        assert scan("a", "a", options=options).code == 2
    assert run("history").code == 2
    assert history.read_bytes() == before


def test_somebody_s_database_or_text_is_no_history(scan, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    with closing(sqlite3.connect(tmp_path / "other.db")) as connection:
        connection.execute("CREATE TABLE mine (x)")
    (tmp_path / "notes.txt").write_text("mine")
    for name in ("other.db", "notes.txt", "app.db", "."):
        before = (tmp_path / name).read_bytes() if name in ("other.db", "notes.txt") else b""
        done = scan("a", "a", options=("--history", name))
        assert (name, done.code) == (name, 2)
        assert not before or (tmp_path / name).read_bytes() == before


def test_a_locked_history_leaves_the_run_unkept_and_its_verdict_alone(scan, state: Path) -> None:  # type: ignore[no-untyped-def]
    scan("a", "a")
    with closing(sqlite3.connect(state / "history.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        done = scan("a", "a")
    assert done.code == 1
    assert done.json()["summary"]["findings"] == 1
    assert b"is locked" in done.err
    assert b"this run is not kept" in done.err


def test_with_a_baseline_a_locked_history_is_an_error(scan, state: Path) -> None:  # type: ignore[no-untyped-def]
    scan("a", "a")
    with closing(sqlite3.connect(state / "history.db", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        done = scan("a", "a", options=("--baseline", "last"))
    assert (done.code, done.out) == (3, b"")


def test_a_folder_that_nobody_can_write_leaves_the_run_unkept(scan, state: Path) -> None:  # type: ignore[no-untyped-def]
    state.parent.mkdir(parents=True)
    state.write_text("in the way")
    done = scan("a", "a")
    assert (done.code, b"cannot be opened" in done.err) == (1, True)
    assert scan("a", "a", options=("--history", "no/such/folder.db")).code == 2


def test_a_disk_without_room_for_the_run_leaves_the_history_whole(  # type: ignore[no-untyped-def]
    scan, run: Run, state: Path, clean_env: dict[str, str], tmp_path: Path
) -> None:
    scan("a", "a")
    before = (state / "history.db").read_bytes()
    # Blocks of 1,024 bytes: less than the history has already.
    limited = f"ulimit -f 4; exec {sys.executable} -m dedupaudit scan activities --db sqlite:///app.db -f json"
    done = subprocess.run(
        ["/bin/bash", "-c", limited],
        cwd=tmp_path,
        env=clean_env | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        check=False,
    )
    assert (done.returncode, b"this run is not kept" in done.stderr) == (1, True)
    assert (state / "history.db").read_bytes() == before
    assert len(run("history", "-f", "json").json()["runs"]) == 1


def test_a_report_does_not_take_the_history_s_place(scan, state: Path, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    scan("a", "a", options=("--history", "mine.db"))
    before = (tmp_path / "mine.db").read_bytes()
    done = scan("a", "a", options=("--history", "mine.db", "-o", "mine.db"))
    assert (done.code, b"is the history" in done.err) == (5, True)
    assert (tmp_path / "mine.db").read_bytes() == before


def test_a_report_that_nobody_got_is_not_kept(scan, run: Run) -> None:  # type: ignore[no-untyped-def]
    scan("a")
    assert scan("a", "a", options=("-o", "/dev/full")).code == 3
    assert len(run("history", "-f", "json").json()["runs"]) == 1
    again = scan("a", "a", options=("--baseline", "last"))
    assert again.json()["summary"]["changes"]["new"] == 1


def test_hostile_values_cannot_move_the_cursor(run: Run, sqlite_db: SqliteDb, tmp_path: Path) -> None:
    sqlite_db(
        "CREATE TABLE \"x\x1b[2J\" (activity_id TEXT); INSERT INTO \"x\x1b[2J\" VALUES ('\x1b]0;a'), ('\x1b]0;a')"
    )
    (tmp_path / "dedupaudit.toml").write_text(
        '[database]\nurl = "sqlite:///app.db"\n[tables."x\\u001b[2J"]\nkey = ["activity_id"]\n'
    )
    assert run("scan", *CHECKS).code == 1
    for arguments in ((), ("--table", "x\x1b[2J"), ("--table", "\x1b[3J"), ("show", "last"), ("show", "\x1b[4J")):
        done = run("history", *arguments)
        assert b"\x1b" not in done.out + done.err
