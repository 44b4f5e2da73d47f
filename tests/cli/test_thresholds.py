"""Thresholds as a user configures them: what they spare the exit code, and what they never hide."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import DUPLICATES
from tests.cli.reading import report_of, said
from tests.conftest import Completed, Run, SqliteDb

LOG = """2025-12-24T08:00:00.000Z 发送 activity_1
2025-12-24T08:00:30.000Z 超时（30秒），重新入队 activity_1
"""


@pytest.fixture
def scan(run: Run, sqlite_db: SqliteDb, tmp_path: Path) -> Any:
    sqlite_db(DUPLICATES)

    def scan_with(thresholds: str, *args: str, check: str = "duplicate_ids") -> Completed:
        (tmp_path / "dedupaudit.toml").write_text(
            f'[database]\nurl = "sqlite:///app.db"\n[tables.activities]\n[tables.activities.thresholds]\n{thresholds}\n'
        )
        return run("scan", "-f", "json", "--check", check, *args)

    return scan_with


@pytest.mark.parametrize(
    ("limit", "code"), [("0", 1), ("1", 1), ("2", 0), ("9", 0), ('"50%"', 0), ('"49.9%"', 1), ('" 50 % "', 0)]
)
def test_two_surplus_rows_of_four_fail_when_they_are_too_many(scan: Any, limit: str, code: int) -> None:
    done = scan(f"duplicate_ids = {limit}")
    assert done.code == code, said(done)
    report = report_of(done)
    (threshold,) = report["summary"]["thresholds"]
    assert threshold == {
        "source": "db",
        "target": "activities",
        "check": "duplicate_ids",
        "limit": limit.strip('"').replace(" ", ""),
        "rows": 2,
        "exceeded": code == 1,
    }
    assert report["summary"]["by_check"] == {"duplicate_ids": 1}, "a threshold hides no finding"


def test_a_tolerated_finding_is_shown_with_its_threshold(scan: Any, run: Run) -> None:
    assert scan("duplicate_ids = 2").code == 0
    done = run("scan", "--check", "duplicate_ids")
    assert done.code == 0
    text = done.out.decode()
    assert "activity_1" in text
    assert "FOUND: 1 finding" in text
    assert "db.activities duplicate_ids: 2 of at most 2" in text


def test_another_check_of_the_table_fails_all_the_same(scan: Any) -> None:
    assert scan("duplicate_ids = 2", check="missing_unique").code == 1


def test_fail_on_goes_on_counting_by_severity(scan: Any) -> None:
    assert scan("duplicate_ids = 1", "--fail-on", "none").code == 0
    assert scan("duplicate_ids = 1", "--fail-on", "high").code == 1
    assert scan("missing_unique = 0", "--fail-on", "high", check="missing_unique").code == 0


def test_a_cut_report_does_not_hide_what_is_over_the_limit(scan: Any) -> None:
    done = scan("duplicate_ids = 1", "--max-findings", "0")
    assert done.code == 1
    assert report_of(done)["findings"] == []


def test_an_incomplete_run_is_no_clean_one_under_any_threshold(scan: Any, tmp_path: Path) -> None:
    done = scan("duplicate_ids = 100", "--db", f"one=sqlite:///{tmp_path}/app.db", "--db", "two=sqlite:///missing.db")
    assert done.code == 3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("duplicate_idz = 1", "there is no check duplicate_idz here"),
        ("duplicate_ids = -1", "expected a number of rows"),
        ('duplicate_ids = "101%"', "expected a number of rows"),
        ('duplicate_ids = "5"', "expected a number of rows"),
        ("duplicate_ids = true", "expected a number of rows"),
    ],
)
def test_a_threshold_that_means_nothing_is_refused_before_anything_is_read(scan: Any, text: str, message: str) -> None:
    done = scan(text)
    assert done.code == 2
    assert message in said(done)
    assert done.out == b""


def test_logs_and_objects_have_thresholds_of_their_own(run: Run, sqlite_db: SqliteDb, tmp_path: Path) -> None:
    sqlite_db(
        "CREATE TABLE screenshots (id TEXT PRIMARY KEY NOT NULL, status TEXT, oss_key TEXT);"
        "INSERT INTO screenshots VALUES ('screenshot_1', 'completed', 'there.jpg');"
    )
    (tmp_path / "objects").mkdir()
    for name in ("there.jpg", "stray.jpg"):
        path = tmp_path / "objects" / name
        path.write_bytes(b"x")
        os.utime(path, (1_766_563_200, 1_766_563_200))
    (tmp_path / "app.log").write_text(LOG)
    text = '[database]\nurl = "sqlite:///app.db"\n[objects]\nurl = "file:objects"\n[logs]\nfiles = ["app.log"]\n'

    def codes(thresholds: str) -> tuple[int, int]:
        (tmp_path / "dedupaudit.toml").write_text(text + thresholds)
        crosschecked, read = run("crosscheck", "--check", "orphan_object"), run("logs", "--check", "requeue")
        return crosschecked.code, read.code

    assert codes("") == (1, 1)
    assert codes("[objects.thresholds]\norphan_object = 1\n[logs.thresholds]\nrequeue = 1\n") == (0, 0)
    assert codes('[objects.thresholds]\norphan_object = "50%"\n') == (0, 1)
    assert codes('[objects.thresholds]\norphan_object = "49%"\n[logs.thresholds]\nrequeue = 0\n') == (1, 1)
