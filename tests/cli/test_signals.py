"""Signals in the middle of a query: the code, and a report that says what was seen and what was not."""

from __future__ import annotations

import signal
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.cli.conftest import ENDLESS
from tests.cli.launching import burn, completed, default_signals, started, with_checkout
from tests.cli.reading import report_of, statuses, strict_json, valid_report


@pytest.fixture
def env(clean_env: dict[str, str]) -> dict[str, str]:
    return with_checkout(clean_env)


@pytest.fixture
def endless(tmp_path: Path, two_tables: Path) -> Path:
    """Return a folder whose configuration scans `activities` at once and `screenshots` for ever."""
    folder = tmp_path / "endless"
    folder.mkdir()
    (folder / "dedupaudit.toml").write_text(
        f'[database]\nurl = "sqlite:///{two_tables}"\n[tables.activities]\n[tables.screenshots]\nwhere = "{ENDLESS}"\n'
    )
    return folder


@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)],
    ids=lambda value: str(value),
)
def test_a_signal_in_a_query_ends_it_with_a_partial_report(
    env: dict[str, str], endless: Path, number: signal.Signals, code: int
) -> None:
    with started(["scan", "-f", "json"], env, endless, preexec_fn=default_signals) as process:
        burn(process, 1.0)
        process.send_signal(number)
        done = completed(process)

    report = report_of(done)
    assert done.code == code
    assert report["complete"] is False
    became = statuses(report)
    assert became["db.activities.duplicate_ids"] == "checked"
    assert {status for name, status in became.items() if "screenshots" in name} <= {"stopped", "skipped"}
    assert became["db.screenshots.duplicate_ids"] == "stopped"
    assert report["summary"]["by_check"]["duplicate_ids"] == 1
    assert report["summary"]["tables"]["db.activities"]["surplus_rows"] == 2
    assert report["summary"]["tables"]["db.screenshots"]["rows"] is None
    assert b"Traceback" not in done.err


def test_what_was_not_begun_is_stopped_too(env: dict[str, str], tmp_path: Path, two_tables: Path) -> None:
    url = f'url = "sqlite:///{two_tables}"\n'
    (tmp_path / "dedupaudit.toml").write_text(
        f'[databases.a]\n{url}[databases.b]\n{url}[tables.screenshots]\nwhere = "{ENDLESS}"\n[tables.activities]\n'
    )
    with started(["scan", "-f", "json"], env, tmp_path, preexec_fn=default_signals) as process:
        burn(process, 1.0)
        process.terminate()
        became = statuses(report_of(completed(process)))
    assert became["a.screenshots.duplicate_ids"] == "stopped"
    assert {status for name, status in became.items() if name.startswith("a.activities.")} == {"stopped"}
    assert {name: status for name, status in became.items() if name.startswith("b.")} == {"b.*.*": "stopped"}


def test_a_signal_beats_findings_and_no_file_is_left_behind(env: dict[str, str], endless: Path) -> None:
    """The report takes the old one's place, whole and with `complete: false`: that is what is known now."""
    (endless / "report.json").write_text("the last report")
    arguments = ["scan", "-f", "json", "-o", "report.json", "--findings", "all.jsonl"]
    with started(arguments, env, endless, preexec_fn=default_signals) as process:
        burn(process, 1.0)
        process.send_signal(signal.SIGINT)
        done = completed(process)

    assert done.code == 130
    assert done.out == b""
    report = valid_report((endless / "report.json").read_bytes())
    assert report["complete"] is False
    assert report["findings"]
    for line in (endless / "all.jsonl").read_bytes().splitlines():
        assert strict_json(line)["source"] == "db"
    assert sorted(path.name for path in endless.iterdir()) == ["all.jsonl", "dedupaudit.toml", "report.json"]


def test_kill_leaves_the_old_report_as_it_was(env: dict[str, str], endless: Path) -> None:
    (endless / "report.json").write_text("the last report")
    with started(["scan", "-f", "json", "-o", "report.json"], env, endless) as process:
        burn(process, 1.0)
        process.kill()
        assert completed(process).code == -signal.SIGKILL
    assert (endless / "report.json").read_text() == "the last report"


def test_nohup_is_obeyed(env: dict[str, str], endless: Path) -> None:
    def nohup() -> None:
        default_signals()
        signal.signal(signal.SIGHUP, signal.SIG_IGN)

    with started(["scan", "-f", "json"], env, endless, preexec_fn=nohup) as process:
        burn(process, 1.0)
        process.send_signal(signal.SIGHUP)
        burn(process, 0.5)
        assert process.poll() is None
        process.terminate()
        assert completed(process).code == 143


def test_an_interrupt_reaches_a_program_that_a_script_started_in_the_background(
    env: dict[str, str], endless: Path
) -> None:
    """A shell without job control has SIGINT ignored for what it starts with `&`."""

    def in_background() -> None:
        default_signals()
        signal.signal(signal.SIGINT, signal.SIG_IGN)

    with started(["scan", "-f", "json"], env, endless, preexec_fn=in_background) as process:
        burn(process, 1.0)
        process.send_signal(signal.SIGINT)
        assert completed(process).code == 130


@pytest.mark.slow
def test_a_signal_in_a_big_sort_leaves_no_temporary_file(env: dict[str, str], tmp_path: Path) -> None:
    spill = tmp_path / "spill"
    spill.mkdir()
    # Every row is compared with every other: no index, and no end in sight.
    view = tmp_path / "pairs.db"
    with closing(sqlite3.connect(view)) as connection:
        connection.executescript(
            "CREATE TABLE n (id TEXT); WITH RECURSIVE i(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM i WHERE x < 9000)"
            " INSERT INTO n SELECT printf('activity_%020d', x) FROM i;"
            " CREATE VIEW activities AS SELECT a.id || b.id AS id FROM n AS a, n AS b"
        )
    arguments = ["scan", "--db", f"sqlite:///{view}", "--check", "duplicate_ids", "-f", "json"]
    with started(arguments, {**env, "SQLITE_TMPDIR": str(spill)}, tmp_path, preexec_fn=default_signals) as process:
        burn(process, 2.0)
        process.terminate()
        done = completed(process)
    assert done.code == 143
    assert statuses(report_of(done)) == {"db.activities.duplicate_ids": "stopped"}
    assert list(spill.iterdir()) == []
