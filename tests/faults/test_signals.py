"""Signals while a statement runs on a server: the code, a report of what was seen, and nothing left behind anywhere."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest

from tests.cli.launching import completed, default_signals, started
from tests.cli.reading import report_of, statuses
from tests.faults.targets import BURNING, AnyTarget, Postgresql, configuration, fill_many, gone, running, until, url

SIGNALS = [(signal.SIGINT, 130), (signal.SIGTERM, 143)]


@pytest.mark.parametrize("engine", ["pushdown", "snapshot"])
@pytest.mark.parametrize(("number", "code"), SIGNALS, ids=["SIGINT", "SIGTERM"])
def test_a_signal_ends_the_statement_on_the_server_and_reports_what_was_seen(
    env: dict[str, str],
    tmp_path: Path,
    spill: Path,
    target: AnyTarget,
    engine: str,
    number: signal.Signals,
    code: int,
) -> None:
    tables = {"activities": None, "screenshots": target.endless}
    (tmp_path / "dedupaudit.toml").write_text(configuration(url(target), tables))
    arguments = ["scan", "-f", "json", "--engine", engine]
    with started(arguments, {**env, "TMPDIR": str(spill)}, tmp_path, preexec_fn=default_signals) as process:
        running(target, BURNING, process)
        process.send_signal(number)
        done = completed(process)
    gone(target)
    report = report_of(done)
    assert done.code == code, done.err
    assert report["complete"] is False
    became = statuses(report)
    assert became["db.activities.duplicate_ids"] == "checked"
    assert became["db.screenshots.duplicate_ids"] == "stopped"
    assert {status for name, status in became.items() if "screenshots" in name} <= {"stopped", "skipped", "checked"}
    assert report["summary"]["tables"]["db.activities"]["surplus_rows"] == 2
    assert report["summary"]["tables"]["db.screenshots"]["rows"] is None
    assert b"Traceback" not in done.err
    assert list(spill.iterdir()) == []


def test_a_signal_while_keys_stream_out_leaves_no_session_and_no_file(
    env: dict[str, str], tmp_path: Path, spill: Path, target: AnyTarget
) -> None:
    fill_many(target, "activities", 400_000)
    arguments = ["scan", "activities", "-f", "json", "--engine", "snapshot", "--db", url(target)]
    with started(arguments, {**env, "TMPDIR": str(spill)}, tmp_path, preexec_fn=default_signals) as process:
        until(lambda: list(spill.glob("dedupaudit-*")) or process.poll() is not None, "the folder of the snapshot")
        process.terminate()
        done = completed(process)
    gone(target)
    report = report_of(done)
    assert done.code == 143, done.err
    assert report["complete"] is False
    assert list(spill.iterdir()) == []


def test_a_signal_while_a_lock_is_waited_for(env: dict[str, str], tmp_path: Path, target: AnyTarget) -> None:
    with target.connection() as other, other.cursor() as cursor:
        if target.scheme == "postgresql":
            cursor.execute("LOCK TABLE activities IN ACCESS EXCLUSIVE MODE")
        else:
            cursor.execute("LOCK TABLES activities WRITE")
        arguments = ["scan", "activities", "-f", "json", "--db", url(target)]
        with started(arguments, env, tmp_path, preexec_fn=default_signals) as process:
            running(target, "activities", process)
            process.send_signal(signal.SIGINT)
            done = completed(process)
    gone(target)
    assert done.code == 130, done.err
    assert b"Traceback" not in done.err


def test_an_impatient_user_leaves_no_statement_either(env: dict[str, str], tmp_path: Path, target: AnyTarget) -> None:
    (tmp_path / "dedupaudit.toml").write_text(configuration(url(target), {"activities": target.endless}))
    with started(["scan", "-f", "json"], env, tmp_path, preexec_fn=default_signals) as process:
        running(target, BURNING, process)
        for _ in range(5):
            process.send_signal(signal.SIGINT)
            time.sleep(0.02)
        done = completed(process)
    gone(target)
    # A signal while Python itself ends kills the process, which is 130 to a shell too.
    assert done.code in (130, -signal.SIGINT), done.err
    assert b"Traceback" not in done.err


def test_a_killed_audit_leaves_no_statement_for_long(env: dict[str, str], tmp_path: Path, postgres: Postgresql) -> None:
    """Nobody is left to cancel it: PostgreSQL 14+ itself notices that the client is gone. MariaDB cannot."""
    (tmp_path / "dedupaudit.toml").write_text(configuration(url(postgres), {"activities": postgres.endless}))
    with started(["scan", "-f", "json"], env, tmp_path) as process:
        running(postgres, BURNING, process)
        process.kill()
        completed(process)
    gone(postgres)
