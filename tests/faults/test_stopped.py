"""Limits and locks: --timeout, a lock that somebody holds, DDL in mid-scan, and sessions that wait behind the audit."""

from __future__ import annotations

from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from tests.cli.launching import completed, started
from tests.cli.reading import report_of, said, statuses
from tests.conftest import Run
from tests.faults.targets import BURNING, LOGIN, PATIENCE, AnyTarget, Mariadb, configuration, gone, running, until, url

ENGINES = ["pushdown", "snapshot"]


@pytest.mark.parametrize("engine", ENGINES)
def test_a_statement_over_the_timeout_is_stopped_and_the_rest_goes_on(
    run: Run, tmp_path: Path, target: AnyTarget, engine: str
) -> None:
    text = configuration(url(target), {"screenshots": target.endless, "activities": None})
    (tmp_path / "dedupaudit.toml").write_text(text)
    arguments = ("scan", "-f", "json", "--timeout", "1s", "--engine", engine)
    done = run(*arguments)
    report = report_of(done)
    assert done.code == 1
    assert report["complete"] is False
    became = statuses(report)
    assert became["db.screenshots.duplicate_ids"] == "stopped"
    assert became["db.screenshots.null_ids"] == "stopped"
    assert became["db.screenshots.invalid_index"] == "checked"
    assert {status for name, status in became.items() if "activities" in name} <= {"checked", "skipped"}
    assert report["summary"]["tables"]["db.activities"]["surplus_rows"] == 2
    assert "longer than --timeout" in said(done)
    assert run(*arguments, "--fail-on", "none").code == 3
    gone(target)


def test_a_lock_that_somebody_holds_is_waited_for_a_few_seconds_and_then_explained(run: Run, target: AnyTarget) -> None:
    with target.connection() as other, other.cursor() as cursor:
        if isinstance(target, Mariadb):
            cursor.execute("LOCK TABLES screenshots WRITE")
        else:
            cursor.execute("LOCK TABLE screenshots IN ACCESS EXCLUSIVE MODE")
        done = run("scan", "-f", "json", "--db", url(target))
    report = report_of(done)
    assert done.code == 1
    assert report["complete"] is False
    assert "failed" in {status for name, status in statuses(report).items() if "screenshots" in name}
    assert statuses(report)["db.activities.duplicate_ids"] == "checked"
    assert "lock" in said(done)
    assert "gave way" not in said(done), "the audit itself is who waits"


@pytest.mark.parametrize("engine", ENGINES)
def test_an_alter_that_waits_for_the_audit_gets_through_and_the_report_says_so(
    env: dict[str, str], tmp_path: Path, target: AnyTarget, engine: str
) -> None:
    text = configuration(url(target), {"activities": None, "screenshots": target.endless, "processes": None})
    (tmp_path / "dedupaudit.toml").write_text(text)
    altered: list[str] = []

    def alter() -> None:
        with target.connection() as connection, connection.cursor() as cursor:
            cursor.execute("ALTER TABLE screenshots ADD COLUMN note varchar(10)")
            connection.commit()
            altered.append("done")

    with started(["scan", "-f", "json", "--engine", engine], env, tmp_path) as process:
        running(target, BURNING, process)
        application = Thread(target=alter, daemon=True)
        application.start()
        until(lambda: altered, "the ALTER that waits behind the audit")
        done = completed(process)
        application.join(PATIENCE)
    report = report_of(done)
    assert done.code == 1
    assert report["complete"] is False
    became = statuses(report)
    assert became["db.activities.duplicate_ids"] == "checked"
    assert became["db.screenshots.duplicate_ids"] in ("failed", "stopped")
    assert became["db.processes.duplicate_ids"] in ("failed", "stopped")
    assert "gave way" in said(done)
    assert "screenshots" in said(done)
    gone(target)


@pytest.mark.parametrize("engine", ENGINES)
def test_rights_that_are_taken_away_between_two_tables(
    env: dict[str, str], tmp_path: Path, target: AnyTarget, engine: str
) -> None:
    """The catalog was read when all was well."""
    text = configuration(url(target), {"activities": target.endless, "screenshots": None, "processes": None})
    (tmp_path / "dedupaudit.toml").write_text(text)
    arguments = ["scan", "-f", "json", "--engine", engine, "--timeout", "5s", "--check", "duplicate_ids"]
    with started(arguments, env, tmp_path) as process:
        running(target, BURNING, process)
        target.execute(f"REVOKE SELECT ON screenshots FROM {LOGIN}")
        done = completed(process)
    report = report_of(done)
    assert report["complete"] is False
    became = statuses(report)
    assert became["db.activities.duplicate_ids"] == "stopped"
    assert became["db.screenshots.duplicate_ids"] == "failed"
    assert became["db.processes.duplicate_ids"] == "checked"
    assert "GRANT SELECT" in said(done)


def test_a_table_that_ddl_changed_after_the_snapshot_is_incomplete(
    env: dict[str, str], tmp_path: Path, maria: Mariadb
) -> None:
    """InnoDB refuses (1412) what is older than the table's definition; PostgreSQL's lock keeps DDL away meanwhile."""
    text = configuration(url(maria), {"activities": maria.endless, "screenshots": None, "processes": None})
    (tmp_path / "dedupaudit.toml").write_text(text)
    arguments = ["scan", "-f", "json", "--timeout", "5s", "--check", "duplicate_ids"]
    with started(arguments, env, tmp_path) as process:
        running(maria, BURNING, process)
        maria.execute("ALTER TABLE screenshots ADD COLUMN note varchar(10), ALGORITHM=COPY")
        done = completed(process)
    report = report_of(done)
    assert report["complete"] is False
    became = statuses(report)
    assert became["db.screenshots.duplicate_ids"] == "failed"
    assert became["db.processes.duplicate_ids"] == "checked"
    assert "changed" in said(done)
    gone(maria)


def test_a_table_that_is_dropped_after_the_catalog_was_read(
    env: dict[str, str], tmp_path: Path, target: AnyTarget
) -> None:
    text = configuration(url(target), {"activities": target.endless, "screenshots": None, "processes": None})
    (tmp_path / "dedupaudit.toml").write_text(text)
    arguments = ["scan", "-f", "json", "--timeout", "5s", "--check", "duplicate_ids"]
    with started(arguments, env, tmp_path) as process:
        running(target, BURNING, process)
        drop: Any = Thread(target=target.execute, args=("DROP TABLE screenshots",), daemon=True)
        drop.start()
        done = completed(process)
        drop.join(PATIENCE)
    report = report_of(done)
    assert report["complete"] is False
    assert statuses(report)["db.screenshots.duplicate_ids"] in ("failed", "stopped")
    assert b"defect" not in done.err
    gone(target)
