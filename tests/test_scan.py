"""The conductor: which checks run, what a failure does to the report, and what the exit code says."""

from __future__ import annotations

import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest

from dedupaudit.building import Outcome
from dedupaudit.checks import TABLE_CHECKS
from dedupaudit.choosing import choose
from dedupaudit.config import DatabaseSettings, Settings, TableSettings
from dedupaudit.errors import NothingToCheck, SourceError, UsageError
from dedupaudit.interrupt import Interrupt
from dedupaudit.model import Finding, Report, Severity
from dedupaudit.progress import SILENT
from dedupaudit.scan import ScanRequest, scan
from dedupaudit.sources.tables.protocol import Survey
from dedupaudit.sources.tables.sqlite import SqliteSource
from dedupaudit.sources.tables.table import Table
from dedupaudit.urls import parse_database_url
from tests.conformance.running import configured, findings_of, report_of, scanned
from tests.conftest import SqliteDb

TWICE = "CREATE TABLE activities (id TEXT); INSERT INTO activities VALUES ('a'), ('a')"


def url_of(path: Path) -> str:
    return f"sqlite:///{path}"


def test_findings_are_complete_although_the_source_is_closed_when_they_are_written(sqlite_db: SqliteDb) -> None:
    report = report_of(scanned(url_of(sqlite_db(TWICE))))
    (finding,) = findings_of(report, "duplicate_ids")
    assert [row["where"] for row in finding["evidence"]] == ["db.activities rowid=1", "db.activities rowid=2"]


def test_every_finding_goes_to_the_sink_whatever_the_report_keeps(sqlite_db: SqliteDb) -> None:
    rows = ", ".join(f"('a{number}'), ('a{number}')" for number in range(20))
    written: list[Finding] = []
    outcome = scanned(
        url_of(sqlite_db(f"CREATE TABLE activities (id TEXT); INSERT INTO activities VALUES {rows}")),
        sink=written.append,
        max_findings=3,
    )
    assert len(outcome.report.findings) == 3
    assert outcome.report.truncated
    assert outcome.report.summary.findings == len(written) == 21
    assert len({finding.fingerprint for finding in written}) == 21
    assert all(finding in written for finding in outcome.report.findings)


def test_max_findings_0_keeps_totals_and_exit_code(sqlite_db: SqliteDb) -> None:
    outcome = scanned(url_of(sqlite_db(TWICE)), max_findings=0)
    assert outcome.report.findings == ()
    assert outcome.report.truncated
    assert outcome.report.summary.by_check["duplicate_ids"] == 1
    assert outcome.exit_code("high") == 1


def test_a_table_named_twice_is_scanned_once(sqlite_db: SqliteDb) -> None:
    report = report_of(scanned(url_of(sqlite_db(TWICE)), tables=("activities", "activities")))
    assert report["summary"]["by_check"]["duplicate_ids"] == 1
    assert len(report["coverage"]) == len(TABLE_CHECKS)


def with_stale_index(path: Path, change: str) -> None:
    """Change a table behind the back of its index, whose name is i."""
    hide, show = "DELETE FROM sqlite_master WHERE name = 'i'", "INSERT INTO sqlite_master VALUES (?, ?, ?, ?, ?)"
    with closing(sqlite3.connect(path)) as connection:
        index = connection.execute("SELECT * FROM sqlite_master WHERE name = 'i'").fetchone()
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute(hide)
        connection.commit()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(change)
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute(show, index)
        connection.commit()


STALE = (
    "CREATE TABLE activities (n INTEGER PRIMARY KEY, id TEXT, wide TEXT); CREATE INDEX i ON activities (id);"
    "INSERT INTO activities (id) VALUES ('a'), ('a'), ('b'), ('b'), (NULL);"
    "UPDATE activities SET wide = hex(zeroblob(2000))"
)


def test_a_plain_index_that_names_rows_which_are_gone_makes_the_check_fail_and_no_crash(sqlite_db: SqliteDb) -> None:
    path = sqlite_db(STALE)
    with_stale_index(path, "DELETE FROM activities WHERE n = 1")
    outcome = scanned(url_of(path), {"activities": TableSettings(key=("id",))}, checks=("duplicate_ids",))
    (covered,) = outcome.report.coverage
    assert covered.status == "failed"
    assert "corrupt" in str(covered.reason)
    assert outcome.report.summary.tables["db.activities"].duplicate_ids is None
    assert outcome.exit_code("low") == 3


def test_no_answer_comes_from_an_index_that_is_distrusted(sqlite_db: SqliteDb) -> None:
    path = sqlite_db(STALE)
    with_stale_index(path, "DELETE FROM activities WHERE n = 1 OR id IS NULL")
    report = report_of(scanned(url_of(path), {"activities": TableSettings(key=("id",))}, distrust_indexes=True))
    assert [finding["key"] for finding in findings_of(report, "duplicate_ids")] == [{"id": "b"}]
    assert findings_of(report, "null_ids") == []
    table = report["summary"]["tables"]["db.activities"]
    assert (table["rows"], table["distinct_ids"], table["null_ids"]) == (3, 2, 0)


def test_a_view_over_a_column_with_a_looser_collation_counts_each_kind_by_its_bytes(sqlite_db: SqliteDb) -> None:
    path = sqlite_db(
        "CREATE TABLE held (id TEXT, type TEXT COLLATE NOCASE, device TEXT);"
        "INSERT INTO held VALUES ('a', 'click', 'x'), ('a', 'CLICK', 'x'), ('a', 'click', 'x');"
        "CREATE VIEW activities AS SELECT id, type FROM held WHERE device = 'x'"
    )
    table = report_of(scanned(url_of(path)))["summary"]["tables"]["db.activities"]
    assert table["by_group"] == [{"group": "click", "rows": 2, "distinct_ids": 1, "inflation": 1.0}]


def test_a_collation_that_only_the_application_knows_fails_only_what_compares_by_it(tmp_path: Path) -> None:
    path = tmp_path / "app.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.create_collation("house", lambda one, other: (one > other) - (one < other))
        connection.executescript(
            "CREATE TABLE activities (id TEXT, note TEXT COLLATE house);"
            "INSERT INTO activities VALUES ('a', 'x'), ('a', 'x');"
            "CREATE TABLE screenshots (id TEXT COLLATE house); INSERT INTO screenshots VALUES ('a'), ('a')"
        )
    report = report_of(scanned(url_of(path)))
    covered = {(row["target"], row["check"]): row for row in report["coverage"]}
    assert covered["activities", "duplicate_ids"]["status"] == "checked"
    assert covered["screenshots", "duplicate_ids"]["status"] == "failed"
    assert "collation that only its own application knows" in covered["screenshots", "duplicate_ids"]["reason"]
    assert report["summary"]["tables"]["db.screenshots"]["duplicate_ids"] is None
    assert not report["complete"]


def test_a_source_that_cannot_be_opened_is_covered_as_failed_and_the_others_are_scanned(
    sqlite_db: SqliteDb, tmp_path: Path
) -> None:
    databases = (
        DatabaseSettings("gone", parse_database_url(url_of(tmp_path / "gone.db"))),
        DatabaseSettings("here", parse_database_url(url_of(sqlite_db(TWICE)))),
    )
    outcome = scan(Settings(databases=databases), ScanRequest(), interrupt=Interrupt(), progress=SILENT)
    assert outcome.report.coverage[0].source == "gone"
    assert outcome.report.coverage[0].status == "failed"
    assert not outcome.report.complete
    assert list(outcome.report.summary.tables) == ["here.activities"]
    assert outcome.exit_code("low") == 1
    assert outcome.exit_code("none") == 3


def test_one_id_in_two_shards_is_two_findings(sqlite_db: SqliteDb) -> None:
    path = sqlite_db(TWICE)
    databases = tuple(DatabaseSettings(name, parse_database_url(url_of(path))) for name in ("one", "two"))
    outcome = scan(Settings(databases=databases), ScanRequest(), interrupt=Interrupt(), progress=SILENT)
    fingerprints = {finding.fingerprint for finding in outcome.report.findings}
    assert len(fingerprints) == len(outcome.report.findings) == 4


def test_a_signal_stops_the_run_and_what_was_not_checked_says_so(sqlite_db: SqliteDb) -> None:
    rows = "WITH RECURSIVE n (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n LIMIT 100000) SELECT x % 50000 FROM n"
    path = sqlite_db(f"CREATE TABLE activities (id); INSERT INTO activities {rows}")
    interrupt = Interrupt(signum=15)
    outcome = scan(configured(url_of(path)), ScanRequest(), interrupt=interrupt, progress=SILENT)
    assert outcome.exit_code("low") == 128 + 15
    assert {row.status for row in outcome.report.coverage} == {"stopped"}
    assert outcome.report.summary.tables["db.activities"].duplicate_ids is None
    assert not outcome.report.complete


def test_a_statement_beyond_its_timeout_is_stopped_and_the_rest_goes_on(sqlite_db: SqliteDb) -> None:
    rows = "WITH RECURSIVE n (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n LIMIT 100000) SELECT x % 50000 FROM n"
    path = sqlite_db(f"CREATE TABLE activities (id); INSERT INTO activities {rows}")
    outcome = scanned(url_of(path), timeout=1e-9)
    status = {row.check: row.status for row in outcome.report.coverage}
    assert status["duplicate_ids"] == status["null_ids"] == "stopped"
    assert status["missing_unique"] == "checked"
    assert outcome.exit_code("none") == 3


def test_the_chosen_checks_are_in_the_registrys_order() -> None:
    names = [check.name for check in choose(TABLE_CHECKS, ("missing_unique", "duplicate_ids"), (), "scan")]
    assert names == ["duplicate_ids", "missing_unique"]


def test_a_skipped_check_does_not_run() -> None:
    names = [check.name for check in choose(TABLE_CHECKS, (), ("duplicate_ids",), "scan")]
    assert names == [check.name for check in TABLE_CHECKS if check.name != "duplicate_ids"]


def test_an_unknown_check_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(UsageError) as caught:
        choose(TABLE_CHECKS, ("duplicate_id",), (), "scan")
    assert "duplicate_id" in caught.value.message
    assert "duplicate_ids" in caught.value.hint


def test_skipping_every_check_is_refused() -> None:
    with pytest.raises(UsageError, match="every check is skipped"):
        choose(TABLE_CHECKS, ("null_ids",), ("null_ids",), "scan")


def test_a_database_without_any_default_table_is_nothing_to_check(sqlite_db: SqliteDb) -> None:
    with pytest.raises(NothingToCheck) as caught:
        scanned(url_of(sqlite_db("CREATE TABLE other (id)")))
    assert "activities, screenshots, processes" in caught.value.message


def test_a_named_check_that_applies_to_no_table_is_nothing_to_check(sqlite_db: SqliteDb) -> None:
    with pytest.raises(NothingToCheck) as caught:
        scanned(url_of(sqlite_db(TWICE)), checks=("stuck_upload",))
    assert "no upload status column" in caught.value.hint


def test_an_empty_table_is_clean_and_complete(sqlite_db: SqliteDb) -> None:
    outcome = scanned(url_of(sqlite_db("CREATE TABLE activities (id TEXT)")))
    assert outcome.exit_code("low") == 0
    assert outcome.report.complete
    table = outcome.report.summary.tables["db.activities"]
    assert (table.rows, table.distinct_ids, table.duplicate_ids, table.inflation) == (0, 0, 0, 0.0)


@pytest.mark.parametrize(
    ("found", "fail_on", "exit_zero", "complete", "code"),
    [
        ((), "low", False, True, 0),
        ((), "low", False, False, 3),
        (("low",), "low", False, True, 1),
        (("low",), "medium", False, True, 0),
        (("low",), "medium", False, False, 3),
        (("medium",), "medium", False, False, 1),
        (("high",), "medium", False, True, 1),
        (("medium",), "high", False, True, 0),
        (("high",), "none", False, True, 0),
        (("high",), "none", False, False, 3),
        (("high",), "low", True, True, 0),
        (("high",), "low", True, False, 3),
    ],
)
def test_exit_codes(
    sqlite_db: SqliteDb, found: tuple[Severity, ...], fail_on: str, exit_zero: bool, complete: bool, code: int
) -> None:
    clean = scanned(url_of(sqlite_db("CREATE TABLE activities (id TEXT PRIMARY KEY)"))).report
    report = Report.model_validate(clean.model_copy(update={"complete": complete}).model_dump(by_alias=True))
    outcome = Outcome(report, Counter(found))
    assert outcome.exit_code(fail_on, exit_zero=exit_zero) == code
    assert Outcome(report, Counter(found), signum=2).exit_code(fail_on, exit_zero=exit_zero) == 130


def test_a_pass_that_failed_is_not_tried_again_by_every_check(
    sqlite_db: SqliteDb, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def survey(_source: object, table: Table, *_more: object) -> Survey:
        asked.append(table.name)
        raise SourceError("the disk is gone", "look for it")

    monkeypatch.setattr(SqliteSource, "survey", survey)
    path = sqlite_db(TWICE + "; CREATE TABLE screenshots (id TEXT, status TEXT, oss_key TEXT)")
    outcome = scanned(url_of(path), skipped_checks=("duplicate_ids",))
    assert asked == ["activities", "screenshots"]
    failed = {(row.target, row.check) for row in outcome.report.coverage if row.status == "failed"}
    assert {("activities", "null_ids"), ("activities", "blank_ids"), ("screenshots", "stuck_upload")} <= failed
    assert {row.reason for row in outcome.report.coverage if row.status == "failed"} == {
        "the disk is gone; look for it"
    }
