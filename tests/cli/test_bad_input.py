"""Bad input: each kind with the code it ends in, and a message that says what, where, and what to do next."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.cli.reading import report_of, said, statuses, strict_json
from tests.conftest import Run, SqliteDb


def scan(db: Path | str, *more: str) -> list[str]:
    return ["scan", "--db", f"sqlite:///{db}", *more]


# ---- databases


def test_a_folder_is_no_database(run: Run, tmp_path: Path) -> None:
    done = run(*scan(tmp_path))
    assert done.code == 3
    assert "is a folder, not a database file" in said(done)


@pytest.mark.parametrize("content", [b"hello, world\n" * 100, b"\x00" * 5000, b"xy", b"SQLite format 3\x00short"])
def test_a_file_that_is_no_database_is_3_and_never_clean(run: Run, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "app.db").write_bytes(content)
    done = run(*scan("app.db", "activities"))
    assert done.code == 3
    assert "app.db" in said(done)
    assert "not an SQLite database" in said(done)


def test_an_empty_file_is_an_empty_database_as_it_is_to_sqlite(run: Run, tmp_path: Path) -> None:
    (tmp_path / "app.db").write_bytes(b"")
    assert run(*scan("app.db")).code == 4


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("sqlite://app.db", "sqlite:///file.db"),
        ("sqlite:///:memory:", "always empty"),
        ("app.db", "sqlite:///file.db"),
        ("", "has no scheme"),
        ("sqlit:///app.db", "did you mean sqlite://"),
    ],
)
def test_a_url_that_names_no_file_is_2(run: Run, url: str, words: str) -> None:
    done = run("scan", "--db", url)
    assert done.code == 2
    assert words in said(done)


def test_a_database_that_another_program_has_locked_is_3(run: Run, sqlite_db: SqliteDb) -> None:
    db = sqlite_db("CREATE TABLE activities (id TEXT)")
    with closing(sqlite3.connect(db, isolation_level=None)) as writer:
        writer.execute("BEGIN EXCLUSIVE")
        done = run(*scan(db, "-f", "json"))
    assert done.code == 3
    assert not report_of(done)["complete"]
    assert "locked by another program" in said(done)
    assert "try again" in said(done)


def test_a_corrupt_database_is_3_and_what_could_be_read_is_there(run: Run, tmp_path: Path) -> None:
    db = tmp_path / "app.db"
    with closing(sqlite3.connect(db)) as connection:
        connection.execute("PRAGMA page_size = 1024")
        connection.execute("CREATE TABLE activities (id TEXT)")
        connection.executemany("INSERT INTO activities VALUES (?)", ((f"activity_{n:020d}",) for n in range(5000)))
        connection.commit()
    raw = bytearray(db.read_bytes())
    middle = len(raw) // 2048 * 1024
    raw[middle : middle + 10 * 1024] = b"\xa5" * 10 * 1024
    db.write_bytes(raw)
    done = run(*scan(db, "-f", "json", "--fail-on", "high"))
    report = report_of(done)
    assert done.code == 3
    assert statuses(report)["db.activities.duplicate_ids"] == "failed"
    assert statuses(report)["db.activities.missing_unique"] == "checked"
    assert report["summary"]["tables"]["db.activities"]["duplicate_ids"] is None
    assert "the database is corrupt" in said(done)
    assert "integrity_check" in said(done)


# ---- tables and columns


def test_a_table_that_does_not_exist_names_the_nearest(run: Run, duplicates: Path) -> None:
    done = run(*scan(duplicates, "activites"))
    assert done.code == 2
    assert "has no table activites" in said(done)
    assert "did you mean activities?" in said(done)


def configured(folder: Path, db: Path, text: str) -> Path:
    file = folder / "dedupaudit.toml"
    file.write_text(f'[database]\nurl = "sqlite:///{db}"\n{text}', encoding="utf-8")
    return file


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[tables.activities]\nkey = ["idd"]', ("tables.activities.key", "no column idd", "did you mean id?")),
        ('[tables.activities]\ntime = "created"', ("tables.activities.time", "did you mean created_at?")),
        ('[tables.activities]\nvolatile = ["x"]', ("tables.activities.volatile", "no column x", "it has seq")),
        ('[tables.activities]\nname = "activites"', ("tables.activities", "did you mean activities?")),
        ('[tables.activities]\nkye = ["id"]', ("tables.activities.kye", "did you mean `key`?")),
        ("[tables.activities]\nkey = 7", ("tables.activities.key", "expected a list")),
        ('[tables.activities]\ntimezone = "Asia/Shangai"', ("tables.activities.timezone", "Asia/Shanghai")),
        ('[options]\nfail_on = "hihg"', ("options.fail_on", "low, medium, high, none")),
        ('[options]\nfail-on = "high"', ("options.fail-on", "fail_on")),
        ("[option]\n", ("option", "options")),
        ("[tables.activities\n", ("not valid TOML", "line 3")),
    ],
)
def test_a_slip_in_the_configuration_is_2_and_names_file_key_and_what_is_right(
    run: Run, tmp_path: Path, duplicates: Path, text: str, words: tuple[str, ...]
) -> None:
    file = configured(tmp_path, duplicates, text)
    done = run("scan", "activities")
    assert done.code == 2
    assert done.out == b""
    message = said(done)
    assert str(file) in message
    assert [word for word in words if word not in message.replace("'", "`")] == []


@pytest.mark.parametrize(
    "condition",
    [
        "1; DROP TABLE activities",
        "1) OR (1",
        "1 -- ",
        "1 /* ",
        "id = 'a",
        "(SELECT 1 FROM nowhere)",
        "nowhere = 1",
        "load_extension('x')",
        "writefile('x', 'y')",
        "id = ?",
        "1 UNION SELECT 1",
        "id IN (DELETE FROM activities RETURNING id)",
    ],
)
def test_configured_sql_that_tries_to_escape_is_2_and_changes_nothing(
    run: Run, tmp_path: Path, sqlite_db: SqliteDb, condition: str
) -> None:
    db = sqlite_db("CREATE TABLE activities (id TEXT); INSERT INTO activities VALUES ('a')")
    before = db.read_bytes()
    configured(tmp_path, db, f'[tables.activities]\nwhere = "{condition}"')
    done = run("scan")
    assert done.code == 2, done.out
    assert "tables.activities.where" in said(done)
    assert db.read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["app.db", "dedupaudit.toml", "home"]


def test_a_view_is_scanned_and_what_guards_it_is_not_asked(run: Run, sqlite_db: SqliteDb) -> None:
    db = sqlite_db(
        "CREATE TABLE t (id TEXT); INSERT INTO t VALUES ('a'), ('a'); CREATE VIEW activities AS SELECT id FROM t"
    )
    done = run(*scan(db, "-f", "json"))
    report = report_of(done)
    assert done.code == 1
    assert report["complete"]
    assert report["summary"]["by_check"]["duplicate_ids"] == 1
    reasons = {row["check"]: row["reason"] for row in report["coverage"] if row["status"] == "skipped"}
    assert {"missing_unique", "redundant_index"} <= set(reasons)
    assert "view" in reasons["missing_unique"]


def test_a_table_without_a_primary_key_is_scanned(run: Run, duplicates: Path, sqlite_db: SqliteDb) -> None:
    db = sqlite_db("CREATE TABLE activities (id TEXT, x INT); INSERT INTO activities VALUES ('a', 1), ('a', 2)")
    report = report_of(run(*scan(db, "-f", "json")))
    found = next(finding for finding in report["findings"] if finding["check"] == "duplicate_ids")
    assert (found["count"], found["class"], found["differs"]) == (2, "conflicting", ["x"])


def test_a_table_whose_key_cannot_be_guessed_is_2_and_says_how_to_name_it(run: Run, sqlite_db: SqliteDb) -> None:
    done = run(*scan(sqlite_db("CREATE TABLE activities (a TEXT, b TEXT)")))
    assert done.code == 2
    assert "key = " in said(done)
    assert "it has a, b" in said(done)


# ---- options


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--findings", "all.txt"], ".jsonl, .csv or .parquet"),
        (["--findings", "all"], ".jsonl"),
        (["--findings", ""], "findings"),
        (["--max-findings", "-1"], "--max-findings"),
        (["--max-findings", "many"], "--max-findings"),
        (["--memory-limit", "nonsense"], "400MB"),
        (["--memory-limit", "-1MB"], "400MB"),
        (["--timeout", "nonsense"], "30s"),
        (["--timeout", "10"], "30s"),
        (["--stuck-after", "1 fortnight"], "7d"),
        (["--engine", "spark"], "spark"),
        (["-o", ""], "output"),
        (["-o", "nowhere/report.json"], "make the folder first"),
        (["-o", "."], "Is a directory"),
        (["--findings", "nowhere/all.csv"], "make the folder first"),
        (["--config", "nowhere.toml"], "nowhere.toml"),
        (["--config", "."], "folder"),
    ],
)
def test_a_wrong_value_is_2_before_anything_is_scanned(
    run: Run, tmp_path: Path, clean: Path, options: list[str], words: str
) -> None:
    before = sorted(tmp_path.iterdir())
    done = run(*scan(clean, *options))
    assert done.code == 2
    assert done.out == b""
    assert words in said(done)
    assert "hint:" in said(done)
    assert sorted(tmp_path.iterdir()) == before


def test_max_findings_0_counts_all_and_shows_none(run: Run, duplicates: Path) -> None:
    done = run(*scan(duplicates, "-f", "json", "--max-findings", "0"))
    report = report_of(done)
    assert done.code == 1
    assert report["findings"] == []
    assert report["truncated"]
    assert report["summary"]["findings"] == 2


def test_a_full_disk_behind_a_report_file_is_3(run: Run, clean: Path) -> None:
    done = run(*scan(clean, "-o", "/dev/full"))
    assert done.code == 3
    assert "/dev/full could not be written in full: No space left on device" in said(done)


def test_a_name_that_is_no_text_is_2(run: Run, clean: Path) -> None:
    done = run(*scan(clean, os.fsdecode(b"\xff\xfe")))
    assert done.code == 2
    assert "not UTF-8" in said(done)


def test_every_finding_goes_to_the_file_whatever_the_report_holds(run: Run, tmp_path: Path, incident: Path) -> None:
    more = ("--max-findings", "2", "-f", "json", "--findings", "all.jsonl")
    report: dict[str, Any] = report_of(run("scan", "--config", incident / "dedupaudit.toml", *more))
    lines = [strict_json(line) for line in (tmp_path / "all.jsonl").read_bytes().splitlines()]
    assert len(report["findings"]) == 2
    assert len(lines) == report["summary"]["findings"] > 2
    assert {line["fingerprint"] for line in report["findings"]} <= {line["fingerprint"] for line in lines}
