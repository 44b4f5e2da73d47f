"""The exit codes of the contract, each by what a user or a cron job does to get it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import ENDLESS
from tests.cli.launching import with_checkout
from tests.cli.reading import report_of, said, statuses
from tests.conftest import Run, SqliteDb


def url(path: Path) -> str:
    return f"sqlite:///{path}"


# ---- 0


def test_a_protected_table_without_damage_is_0(run: Run, clean: Path) -> None:
    done = run("scan", "--db", url(clean), "-f", "json")
    report = report_of(done)
    assert done.code == 0
    assert report["complete"]
    assert report["findings"] == []
    assert done.err == b""


def test_an_empty_table_with_a_constraint_is_0_and_has_no_finding(run: Run, sqlite_db: SqliteDb) -> None:
    db = sqlite_db("CREATE TABLE activities (id TEXT PRIMARY KEY NOT NULL)")
    done = run("scan", "--db", url(db), "-f", "json")
    assert done.code == 0
    assert report_of(done)["findings"] == []


def test_an_empty_table_without_a_constraint_is_0_and_in_grace(run: Run, sqlite_db: SqliteDb) -> None:
    db = sqlite_db("CREATE TABLE activities (id TEXT)")
    done = run("scan", "--db", url(db), "-f", "json")
    report = report_of(done)
    assert done.code == 0
    assert report["complete"]
    assert [(finding["check"], finding["verdict"]) for finding in report["findings"]] == [
        ("missing_unique", "in_grace")
    ]
    assert report["summary"]["tables"]["db.activities"]["rows"] == 0


@pytest.mark.parametrize("command", [["--help"], ["-h"], ["--version"], ["scan", "--help"], ["schema", "report"]])
def test_a_command_that_did_what_it_says_is_0(run: Run, command: list[str]) -> None:
    done = run(*command)
    assert done.code == 0
    assert done.out
    assert not done.err


# ---- 1, and what --fail-on and --exit-zero make of it


def test_findings_are_1(run: Run, duplicates: Path) -> None:
    done = run("scan", "--db", url(duplicates), "-f", "json")
    report = report_of(done)
    assert done.code == 1
    assert report["complete"]
    assert report["summary"]["by_severity"] == {"high": 1, "medium": 1, "low": 0}


@pytest.mark.parametrize(
    ("database", "fail_on", "code"),
    [
        ("redundant", "low", 1),
        ("redundant", "medium", 0),
        ("unprotected", "medium", 1),
        ("unprotected", "high", 0),
        ("duplicates", "high", 1),
        ("duplicates", "none", 0),
    ],
)
def test_fail_on_is_the_least_severity_that_fails(
    request: pytest.FixtureRequest, run: Run, database: str, fail_on: str, code: int
) -> None:
    db: Path = request.getfixturevalue(database)
    assert run("scan", "--db", url(db), "--fail-on", fail_on).code == code


def test_exit_zero_makes_findings_0(run: Run, duplicates: Path) -> None:
    done = run("scan", "--db", url(duplicates), "--exit-zero", "-f", "json")
    assert done.code == 0
    assert report_of(done)["summary"]["findings"] == 2


@pytest.mark.parametrize("option", [["--exit-zero"], ["--fail-on", "none"]])
def test_errors_fail_although_findings_may_not(run: Run, tmp_path: Path, option: list[str]) -> None:
    assert run("scan", "--db", url(tmp_path / "nowhere.db"), *option).code == 3


# ---- 2


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["scan", "--chek", "x"], "--check"),
        (["scann"], "scan"),
        (["scan", "activites"], "activities"),
        (["scan", "--check", "duplicate_id"], "duplicate_ids"),
        (["scan", "-f", "jsno"], "json"),
        (["scan", "--fail-on", "hihg"], "high"),
        (["scan", "--engine", "spark"], "auto"),
        (["schema", "reprot"], "report"),
        (["report"], "FILE"),
        (["report", "nowhere.json"], "dedupaudit scan -f json"),
        (["demo", "--rows", "-1"], "--rows"),
        (["scan", "--check", "null_ids", "--skip-check", "null_ids"], "--skip-check"),
    ],
)
def test_wrong_usage_is_2_and_names_what_is_right(run: Run, duplicates: Path, arguments: list[str], words: str) -> None:
    done = run(*arguments, env={"DEDUPAUDIT_DB": url(duplicates)})
    assert done.code == 2
    assert done.out == b""
    assert words in said(done)


def test_no_command_is_2_and_shows_the_help_on_stderr(run: Run) -> None:
    done = run()
    assert done.code == 2
    assert done.out == b""
    assert "Examples:" in said(done)


def test_several_databases_need_names(run: Run, clean: Path, duplicates: Path) -> None:
    done = run("scan", "--db", url(clean), "--db", url(duplicates))
    assert done.code == 2
    assert "NAME=URL" in said(done)


def test_no_database_at_all_is_2_and_names_the_ways_to_give_one(run: Run) -> None:
    done = run("scan")
    assert done.code == 2
    assert all(way in said(done) for way in ("--db", "DEDUPAUDIT_DB", "dedupaudit.toml"))


def test_a_broken_configuration_is_2(run: Run, tmp_path: Path, clean: Path) -> None:
    (tmp_path / "dedupaudit.toml").write_text("[database\n")
    done = run("scan", "--db", url(clean))
    assert done.code == 2
    assert "dedupaudit.toml" in said(done)


def test_a_wrong_table_in_one_database_is_2_whatever_the_other_has(
    run: Run, duplicates: Path, two_tables: Path
) -> None:
    done = run("scan", "screenshots", "--db", f"a={url(two_tables)}", "--db", f"b={url(duplicates)}")
    assert done.code == 2
    assert "database b has no table screenshots" in said(done)


# ---- 3


def test_a_database_that_is_not_there_is_3_and_the_report_says_so(run: Run, tmp_path: Path) -> None:
    done = run("scan", "--db", url(tmp_path / "nowhere.db"), "-f", "json")
    report = report_of(done)
    assert done.code == 3
    assert not report["complete"]
    assert report["summary"]["tables"] == {}
    assert statuses(report) == {"db.*.*": "failed"}
    assert "no such database file" in said(done)


def test_one_of_two_databases_unreachable_is_incomplete(run: Run, clean: Path, tmp_path: Path) -> None:
    done = run("scan", "--db", f"gone={url(tmp_path / 'no.db')}", "--db", f"here={url(clean)}", "-f", "json")
    report = report_of(done)
    assert done.code == 3
    assert not report["complete"]
    assert statuses(report)["gone.*.*"] == "failed"
    assert statuses(report)["here.activities.duplicate_ids"] == "checked"
    assert list(report["summary"]["tables"]) == ["here.activities"]


def test_findings_of_the_other_database_go_before_incomplete(run: Run, duplicates: Path, tmp_path: Path) -> None:
    databases = ("--db", f"gone={url(tmp_path / 'no.db')}", "--db", f"here={url(duplicates)}")
    done = run("scan", *databases, "-f", "json")
    report = report_of(done)
    assert done.code == 1
    assert not report["complete"]
    assert {finding["source"] for finding in report["findings"]} == {"here"}
    assert run("scan", *databases, "--fail-on", "none").code == 3
    assert run("scan", *databases, "--exit-zero").code == 3


def test_a_statement_over_its_timeout_is_3_and_the_rest_goes_on(run: Run, tmp_path: Path, two_tables: Path) -> None:
    (tmp_path / "dedupaudit.toml").write_text(
        f'[database]\nurl = "{url(two_tables)}"\n[tables.screenshots]\nwhere = "{ENDLESS}"\n[tables.activities]\n'
    )
    done = run("scan", "--timeout", "300ms", "-f", "json", "--fail-on", "none")
    report = report_of(done)
    assert done.code == 3
    assert not report["complete"]
    assert statuses(report)["db.screenshots.duplicate_ids"] == "stopped"
    assert statuses(report)["db.activities.duplicate_ids"] == "checked"
    assert "--timeout" in said(done)
    assert "300ms" in said(done)


# ---- 4, 5, 6


def test_no_default_table_is_4_and_says_what_to_do(run: Run, sqlite_db: SqliteDb) -> None:
    done = run("scan", "--db", url(sqlite_db("CREATE TABLE other (id TEXT)")))
    assert done.code == 4
    assert all(word in said(done) for word in ("activities", "screenshots", "processes", "dedupaudit init"))


def test_a_check_that_applies_to_no_table_is_4(run: Run, clean: Path) -> None:
    done = run("scan", "--db", url(clean), "--check", "illegal_state")
    assert done.code == 4
    assert "illegal_state" in said(done)
    assert "status column" in said(done)


def test_a_check_that_applies_beside_one_that_does_not_is_0(run: Run, clean: Path) -> None:
    done = run("scan", "--db", url(clean), "--check", "illegal_state", "--check", "duplicate_ids", "-f", "json")
    assert done.code == 0
    assert statuses(report_of(done)) == {
        "db.activities.illegal_state": "skipped",
        "db.activities.duplicate_ids": "checked",
    }


def test_the_demo_in_a_folder_of_somebody_elses_is_5(run: Run, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear")
    done = run("demo", "mine")
    assert done.code == 5
    assert "mine" in said(done)
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["letter.txt"]


def patched(folder: Path, code: str) -> Path:
    """Return a folder whose `sitecustomize`, which Python runs before the program, is this code."""
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(code)
    return folder


def test_a_demo_that_misses_its_truth_is_6_and_shows_the_report(
    run: Run, tmp_path: Path, clean_env: dict[str, str]
) -> None:
    folder = patched(
        tmp_path / "patch",
        "import dedupaudit.demo as demo\ndemo.disagreements = lambda *_: ['activity_1 is missing']\n",
    )
    done = run("demo", "-f", "json", env=with_checkout(clean_env, folder))
    assert done.code == 6
    assert report_of(done)["summary"]["findings"]
    assert "activity_1 is missing" in said(done)
    assert "truth.json" in said(done)


# ---- 70

CRASH = """
import os
import dedupaudit.scan

def scan(*_arguments, **_named):
    raise RuntimeError("boom\\x1b[31m " + os.environ["DEDUPAUDIT_PASSWORD"])

dedupaudit.scan.scan = scan
"""


def test_a_crash_is_70_one_line_and_a_hint(run: Run, tmp_path: Path, clean_env: dict[str, str], clean: Path) -> None:
    env = {**with_checkout(clean_env, patched(tmp_path / "patch", CRASH)), "DEDUPAUDIT_PASSWORD": "hunter2hunter2"}
    done = run("scan", "--db", url(clean), env=env)
    assert done.code == 70
    assert done.out == b""
    lines = said(done).splitlines()
    assert lines[0] == r"dedupaudit: a defect in dedupaudit: RuntimeError: boom\x1b[31m ***"
    assert lines[1:] == ["  hint: run again with -v for the traceback, and report it"]


def test_a_crash_with_v_has_a_traceback_without_secrets(
    run: Run, tmp_path: Path, clean_env: dict[str, str], clean: Path
) -> None:
    env = {**with_checkout(clean_env, patched(tmp_path / "patch", CRASH)), "DEDUPAUDIT_PASSWORD": "hunter2hunter2"}
    done = run("scan", "--db", url(clean), "-v", env=env)
    assert done.code == 70
    assert done.out == b""
    assert b"Traceback" in done.err
    assert b"in scan" in done.err
    assert b"hunter2" not in done.err
    assert b"\x1b" not in done.err
