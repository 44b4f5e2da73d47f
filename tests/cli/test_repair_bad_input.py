"""`repair` on what is not as it should be: plans, tables and files are refused with the reason, and nothing changes."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from dedupaudit.errors import AuditError
from tests.cli.reading import dangerous, said
from tests.cli.repairing import (
    TABLE,
    applied,
    apply_here,
    changed,
    lines_of,
    planned,
    repair,
    rewritten,
    rows,
    url,
    whole,
)
from tests.conftest import Completed, Run, SqliteDb
from tests.ordinary_user import run_as_ordinary_user

OTHERS = """
CREATE VIEW shown AS SELECT * FROM activities;
CREATE TABLE loose (id TEXT, note TEXT);
INSERT INTO loose VALUES ('1', 'a'), ('1', 'a'), ('1', 'a'), ('2', 'b');
CREATE TABLE halfnamed (k TEXT PRIMARY KEY, id TEXT);
INSERT INTO halfnamed VALUES (NULL, '1'), (NULL, '1'), ('a', '2'), ('b', '2');
CREATE TABLE empty (id TEXT);
"""


@pytest.fixture
def db(sqlite_db: SqliteDb) -> Path:
    return sqlite_db(TABLE + OTHERS)


def apply(run: Run, db: Path, plan: str | os.PathLike[str], *more: str, table: str = "activities") -> Completed:
    return repair(run, db, "apply", plan, "--confirm", table, *more)


def assert_refused(done: Completed, db: Path, before: bytes, words: str, code: int = 5) -> None:
    """Assert that it ended with this code, said why and what to do, and left the database byte for byte."""
    assert done.code == code, said(done)
    assert done.out == b""
    assert words in said(done)
    assert "hint:" in said(done)
    assert db.read_bytes() == before


def refused_here(db: Path, plan: Path, words: str, code: int = 5, max_age: float = 3600.0) -> None:
    """Assert the same of an apply in this process: what makes an exit code of an error is tested with processes."""
    before = db.read_bytes()
    with pytest.raises(AuditError) as caught:
        apply_here(db, plan, max_age)
    assert caught.value.exit_code == code
    assert words in caught.value.message
    assert caught.value.hint
    assert not dangerous(caught.value.message + caught.value.hint)
    assert db.read_bytes() == before


# ---- plans (tests/repair/test_planfile.py has the many ways in which a file can be broken)


@pytest.mark.parametrize(
    ("content", "words", "code"),
    [
        (b"", "it is empty", 5),
        (b"\x00\xff\x1b[5m\n", "not the header of a repair plan", 5),
        (b"{broken\n", "not the header of a repair plan", 5),
        (None, "No such file", 2),
    ],
)
def test_what_is_no_plan(run: Run, db: Path, tmp_path: Path, content: bytes | None, words: str, code: int) -> None:
    before = db.read_bytes()
    if content is not None:
        (tmp_path / "plan.jsonl").write_bytes(content)
    assert_refused(apply(run, db, "plan.jsonl"), db, before, words, code)


def test_a_folder_and_the_database_itself_are_no_plans(run: Run, db: Path) -> None:
    before = db.read_bytes()
    assert_refused(apply(run, db, "."), db, before, "Is a directory", 2)
    assert_refused(apply(run, db, "app.db"), db, before, "not the header of a repair plan")


def test_a_tampered_line_is_refused(run: Run, db: Path) -> None:
    plan, before = planned(db), db.read_bytes()
    plan.write_bytes(plan.read_bytes().replace(b'{"seq":2}', b'{"seq":6}', 1))
    assert_refused(apply(run, db, plan), db, before, "somebody changed them")


def test_rows_that_somebody_put_into_a_plan_are_skipped_by_their_hash(run: Run, db: Path) -> None:
    plan = planned(db)
    lines = lines_of(plan)
    victim = next(one for one in lines if one["type"] == "group" and one["victims"])["victims"][0]
    victim["pk"] = {"seq": 20}
    rewritten(plan, lines)
    before = rows(db)
    done = apply(run, db, plan)
    assert done.code == 3
    kept = {row[0] for row in rows(db)}
    assert {1, 2, 3, 20} <= kept
    assert len(before) - len(kept) == 1


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"kind": "migrate"}, "plan of a migration"),
        ({"table": "loose"}, "is not as it was when the plan was made"),
        ({"table": "gone"}, "no table gone"),
        ({"table": "shown"}, "is not as it was"),
        ({"real": 'main."loose"'}, "is not as it was"),
        ({"key": ["device_id"]}, "name its rows by the columns"),
        ({"primary_key": []}, "name its rows by the columns"),
        ({"columns": []}, "is not as it was"),
        ({"database": {"dialect": "sqlite", "file": "/other.db"}}, "made for another database"),
        ({"database": {}}, "made for another database"),
        ({"created_at": "yesterday"}, "does not say when it was made"),
        ({"max_delete": {"rows": 1}}, "more than its own limit"),
    ],
    ids=lambda change: "" if isinstance(change, str) else next(iter(change)),
)
def test_a_tampered_header_is_refused_although_its_hash_is_right(db: Path, change: dict[str, Any], words: str) -> None:
    plan = planned(db)
    header, *rest = lines_of(plan)
    rewritten(plan, [header | change, *rest])
    refused_here(db, plan, words, 2 if change.get("table") == "gone" else 5)


def at(minutes: float) -> str:
    return (datetime.now(UTC) + timedelta(minutes=minutes)).isoformat().replace("+00:00", "Z")


@pytest.mark.parametrize(
    ("minutes", "max_age", "words"),
    [
        (-61, 3600.0, "--max-age is 1h"),
        (-3, 120.0, "--max-age is 2min"),
        (6, 3600.0, "from the future"),
        (600_000, 3600.0, "from the future"),
    ],
)
def test_a_plan_that_is_too_old_or_from_the_future_is_refused(
    db: Path, minutes: float, max_age: float, words: str
) -> None:
    plan = planned(db)
    header, *rest = lines_of(plan)
    rewritten(plan, [header | {"created_at": at(minutes)}, *rest])
    refused_here(db, plan, words, max_age=max_age)


def test_an_older_plan_is_applied_where_that_is_allowed(run: Run, db: Path) -> None:
    plan, before = planned(db), db.read_bytes()
    header, *rest = lines_of(plan)
    rewritten(plan, [header | {"created_at": at(-120)}, *rest])
    assert_refused(apply(run, db, plan), db, before, "--max-age is 1h")
    assert apply(run, db, plan, "--max-age", "3h").code == 0


def test_a_plan_that_removes_nothing_is_refused_and_says_why(run: Run, db: Path) -> None:
    changed(db, "DELETE FROM activities WHERE seq IN (2, 3, 5)")
    plan, before = planned(db), db.read_bytes()
    assert_refused(apply(run, db, plan), db, before, "the plan removes no row")


def test_the_plan_of_another_file_of_the_same_name_is_foreign(run: Run, db: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    other = tmp_path / "elsewhere" / "app.db"
    other.write_bytes(db.read_bytes())
    before = db.read_bytes()
    done = apply(run, db, planned(other))
    assert_refused(done, db, before, "made for another database")
    assert str(other) in said(done)


def test_a_link_to_the_same_file_is_the_same_database(run: Run, db: Path, tmp_path: Path) -> None:
    (tmp_path / "link.db").symlink_to(db)
    plan = planned(db)
    assert apply(run, tmp_path / "link.db", plan).code == 0


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE activities ADD COLUMN more TEXT",
        "ALTER TABLE activities DROP COLUMN type",
        "ALTER TABLE activities RENAME COLUMN type TO kind",
    ],
)
def test_a_table_that_was_altered_since_is_refused(db: Path, statement: str) -> None:
    plan = planned(db)
    changed(db, statement)
    refused_here(db, plan, "is not as it was when the plan was made")


def test_a_table_that_is_gone_is_2(run: Run, db: Path) -> None:
    plan = planned(db)
    changed(db, "DROP VIEW shown", "DROP TABLE activities")
    assert_refused(apply(run, db, plan), db, db.read_bytes(), "no table activities", 2)


# ---- tables


@pytest.mark.parametrize(
    ("table", "words", "code"),
    [
        ("shown", "is a view", 5),
        ("gone", "no table gone", 2),
        ("sqlite_master", "sqlite_master", 2),
        ("", "", 2),
    ],
)
def test_what_cannot_be_planned_is_said_at_once(run: Run, db: Path, table: str, words: str, code: int) -> None:
    before = db.read_bytes()
    assert_refused(repair(run, db, "plan", table, "-o", "plan.jsonl"), db, before, words, code)
    assert not (db.parent / "plan.jsonl").exists()


def test_the_tools_own_tables_are_not_repaired(run: Run, db: Path) -> None:
    applied(db, planned(db))
    for table in ("dedupaudit_quarantine_activities", "dedupaudit_journal"):
        (db.parent / "dedupaudit.toml").write_text(f'[tables.{table}]\nkey = ["{_KEYS[table]}"]\n')
        done = repair(run, db, "plan", table)
        assert_refused(done, db, db.read_bytes(), f"{table} is dedupaudit's own")


_KEYS = {"dedupaudit_quarantine_activities": "dedupaudit_run", "dedupaudit_journal": "run"}


def test_an_empty_table_has_nothing_to_do(run: Run, db: Path) -> None:
    done = repair(run, db, "plan", "empty")
    assert done.code == 0
    assert b"empty: 0 rows, 0 IDs stored more than once" in done.out


def test_rows_without_a_primary_key_are_found_by_key_and_hash(run: Run, db: Path) -> None:
    before = rows(db, "SELECT rowid, * FROM loose ORDER BY rowid")
    plan = planned(db, table="loose")
    changed(db, "INSERT INTO loose VALUES ('1', 'other')")
    done = apply(run, db, plan, table="loose")
    assert done.code == 0, said(done)
    assert sorted(rows(db, "SELECT * FROM loose")) == [(b"1", b"a"), (b"1", b"other"), (b"2", b"b")]
    changed(db, "DELETE FROM loose WHERE note = 'other'")
    assert repair(run, db, "undo", "last", "--confirm", "loose").code == 0
    assert rows(db, "SELECT rowid, * FROM loose ORDER BY rowid") == before


def test_rows_with_null_in_their_primary_key_are_left(run: Run, db: Path) -> None:
    done = repair(run, db, "plan", "halfnamed", "--max-delete", "50%", "-o", "plan.jsonl")
    assert done.code == 0
    assert b"unnamed: a row has NULL in its primary key" in done.out
    assert apply(run, db, "plan.jsonl", table="halfnamed").code == 0
    assert len(rows(db, "SELECT * FROM halfnamed")) == 3
    assert len(rows(db, "SELECT * FROM halfnamed WHERE k IS NULL")) == 2


def test_a_trigger_is_named_and_may_be_allowed_by_name(run: Run, db: Path) -> None:
    changed(
        db,
        "CREATE TABLE audit (seq INTEGER)",
        'CREATE TRIGGER "on del" AFTER DELETE ON activities BEGIN INSERT INTO audit VALUES (OLD.seq); END',
    )
    plan, before = planned(db), db.read_bytes()
    assert_refused(apply(run, db, plan), db, before, "on del (DELETE on activities)")
    done = apply(run, db, plan, "--allow-trigger", "on del")
    assert done.code == 0, said(done)
    assert len(rows(db, "SELECT * FROM audit")) == 3


# ---- files


def test_a_database_that_is_not_there_is_3_and_is_not_made(run: Run, db: Path, tmp_path: Path) -> None:
    plan = planned(db)
    for command in (("plan", "activities"), ("apply", str(plan)), ("runs",), ("show", "last"), ("undo", "last")):
        done = run("repair", *command, "--db", "sqlite:///nowhere.db")
        assert (done.code, done.out) == (3, b""), command
        assert "no such database file" in said(done)
    assert not (tmp_path / "nowhere.db").exists()


def test_what_is_no_database_is_3(run: Run, tmp_path: Path) -> None:
    (tmp_path / "text.db").write_text("not a database, but longer than a header " * 100)
    for command in (("plan", "activities"), ("runs",)):
        done = run("repair", *command, "--db", "sqlite:///text.db")
        assert done.code == 3, said(done)
        assert said(done)


def test_an_immutable_database_is_refused(run: Run, db: Path) -> None:
    plan, before = planned(db), db.read_bytes()
    done = run("repair", "apply", plan, "--confirm", "activities", "--db", f"{url(db)}?immutable=1")
    assert_refused(done, db, before, "immutable")


def test_a_writer_that_keeps_the_database_is_said(run: Run, db: Path) -> None:
    plan = planned(db)
    before = rows(db)
    with closing(sqlite3.connect(db, isolation_level=None)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        done = apply(run, db, plan)
        writer.execute("ROLLBACK")
    assert done.code in (3, 6), said(done)
    assert "keeps the database locked" in said(done)
    assert rows(db) == before
    assert apply(run, db, plan).code == 0


def test_a_file_that_may_not_be_written_is_refused(clean_env: dict[str, str], clean: Path, public: Path) -> None:
    db = public / "app.db"
    with closing(sqlite3.connect(db)) as connection:
        connection.executescript(TABLE)
    plan = planned(db)
    plan.chmod(0o644)
    db.chmod(0o444)
    before = db.read_bytes()
    env = {**clean_env, "HOME": str(public), "XDG_CONFIG_HOME": str(public / ".config")}
    arguments = ("repair", "apply", plan, "--confirm", "activities", "--db", url(db))
    done = run_as_ordinary_user(env, public, clean, *arguments)
    assert_refused(done, db, before, "cannot be written")
    assert [path.name for path in public.iterdir() if "dedupaudit" in path.name] == []


# ---- quarantine


@pytest.mark.parametrize(
    "statements",
    [
        ["ALTER TABLE dedupaudit_quarantine_activities DROP COLUMN dedupaudit_step"],
        ["CREATE TRIGGER t AFTER INSERT ON dedupaudit_quarantine_activities BEGIN SELECT 1; END"],
        [
            "ALTER TABLE dedupaudit_quarantine_activities RENAME TO mine",
            "CREATE VIEW dedupaudit_quarantine_activities AS SELECT * FROM mine",
        ],
    ],
    ids=["column gone", "trigger", "view"],
)
def test_a_quarantine_that_somebody_altered_is_refused_with_the_way_out(
    run: Run, db: Path, statements: list[str]
) -> None:
    applied(db, planned(db))
    columns = "id, device_id, type, created_at"
    again = f"INSERT INTO activities ({columns}) SELECT {columns} FROM activities WHERE id = 'activity_100'"
    changed(db, again, *statements)
    plan, before = planned(db), whole(db)
    done = apply(run, db, plan)
    assert done.code == 5, said(done)
    assert "altered" in said(done)
    assert "rename it away" in said(done)
    assert whole(db) == before
