"""Several tables and databases: one that is broken leaves the others, and a typo is said before anything is scanned."""

from __future__ import annotations

from pathlib import Path

from tests.cli.conftest import DUPLICATES
from tests.cli.reading import report_of, said
from tests.conftest import Run, SqliteDb


def test_one_broken_default_table_leaves_the_others_scanned(run: Run, sqlite_db: SqliteDb) -> None:
    sqlite_db(f"{DUPLICATES} CREATE VIEW screenshots AS SELECT * FROM gone;")
    done = run("scan", "--db", "sqlite:///app.db", "-f", "json")
    report = report_of(done)
    assert done.code == 1
    assert not report["complete"]
    assert report["summary"]["by_check"]["duplicate_ids"] == 1
    failed = [row for row in report["coverage"] if row["status"] == "failed"]
    assert [(row["target"], row["check"]) for row in failed] == [("screenshots", "*")]
    assert "gone" in failed[0]["reason"]


def test_a_table_that_the_second_database_lacks_is_said_before_the_first_is_scanned(
    run: Run, sqlite_db: SqliteDb, tmp_path: Path
) -> None:
    sqlite_db(DUPLICATES, "one.db")
    sqlite_db("CREATE TABLE processes(id TEXT)", "two.db")
    done = run(
        "scan", "activities", "--db", "a=sqlite:///one.db", "--db", "b=sqlite:///two.db", "--findings", "all.jsonl"
    )
    assert done.code == 2
    assert "database b has no table activities" in said(done)
    assert done.out == b""
    assert not (tmp_path / "all.jsonl").exists()


def test_a_check_that_is_named_twice_runs_once(run: Run, sqlite_db: SqliteDb) -> None:
    sqlite_db(DUPLICATES)
    done = run("scan", "--db", "sqlite:///app.db", "-f", "json", "--check", "null_ids", "--check", "null_ids")
    assert done.code == 0, done.err
    assert [row["check"] for row in report_of(done)["coverage"]] == ["null_ids"]
