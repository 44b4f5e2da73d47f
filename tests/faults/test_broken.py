"""Servers and networks that fail in the middle: exit 3, what was seen is reported, what was not is never clean."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.launching import completed, started
from tests.cli.reading import report_of, statuses
from tests.conftest import Completed, Run
from tests.faults.targets import BURNING, AnyTarget, Postgresql, configuration, fill_many, gone, running, url
from tests.servers.proxy import Proxy

ENGINES = ["pushdown", "snapshot"]


def broken_off(
    env: dict[str, str], folder: Path, target: AnyTarget, engine: str, fault: Callable[[], None], port: int
) -> Completed:
    """Scan a table, and then one that takes for ever; have the fault happen while it does."""
    text = configuration(url(target, port=port), {"activities": None, "screenshots": target.endless, "processes": None})
    (folder / "dedupaudit.toml").write_text(text)
    with started(["scan", "-f", "json", "--engine", engine], env, folder) as process:
        running(target, BURNING, process)
        fault()
        return completed(process)


def assert_incomplete(done: Completed) -> dict[str, Any]:
    report = report_of(done)
    assert done.code == 1, "what was found until then goes first"
    assert report["complete"] is False
    became = statuses(report)
    assert became["db.activities.duplicate_ids"] == "checked"
    assert became["db.screenshots.duplicate_ids"] == "failed"
    assert became["db.processes.duplicate_ids"] == "failed"
    assert report["summary"]["tables"]["db.activities"]["surplus_rows"] == 2
    for table in ("screenshots", "processes"):
        assert report["summary"]["tables"][f"db.{table}"]["rows"] is None
        assert report["summary"]["tables"][f"db.{table}"]["duplicate_ids"] is None
    assert b"Traceback" not in done.err
    assert b"connection to the server" in done.err
    assert b"lost" in done.err
    return report


@pytest.mark.parametrize("engine", ENGINES)
def test_a_server_that_dies_in_mid_scan(
    env: dict[str, str], tmp_path: Path, spill: Path, mortal: AnyTarget, engine: str
) -> None:
    done = broken_off({**env, "TMPDIR": str(spill)}, tmp_path, mortal, engine, mortal.kill, mortal.port)
    assert_incomplete(done)
    assert list(spill.iterdir()) == []


@pytest.mark.parametrize("engine", ENGINES)
def test_a_connection_that_is_cut_in_mid_scan(
    env: dict[str, str], tmp_path: Path, spill: Path, target: AnyTarget, engine: str
) -> None:
    with Proxy(target.port) as proxy:
        done = broken_off({**env, "TMPDIR": str(spill)}, tmp_path, target, engine, proxy.cut, proxy.port)
        gone(target)
    assert_incomplete(done)
    assert list(spill.iterdir()) == []


@pytest.mark.parametrize("engine", ENGINES)
def test_a_session_that_an_administrator_ends_in_mid_scan(
    env: dict[str, str], tmp_path: Path, target: AnyTarget, engine: str
) -> None:
    def end_session() -> None:
        number = next(number for number, text in target.sessions() if BURNING in text)
        ending = f"SELECT pg_terminate_backend({number})" if isinstance(target, Postgresql) else f"KILL {number}"
        target.execute(ending)

    assert_incomplete(broken_off(env, tmp_path, target, engine, end_session, target.port))
    gone(target)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_statement_that_an_administrator_cancels_is_not_clean_and_the_rest_goes_on(
    env: dict[str, str], tmp_path: Path, target: AnyTarget, engine: str
) -> None:
    def cancel() -> None:
        number = next(number for number, text in target.sessions() if BURNING in text)
        ending = f"SELECT pg_cancel_backend({number})" if isinstance(target, Postgresql) else f"KILL QUERY {number}"
        target.execute(ending)

    text = configuration(url(target), {"screenshots": target.endless, "processes": None})
    (tmp_path / "dedupaudit.toml").write_text(text)
    arguments = ["scan", "-f", "json", "--engine", engine, "--check", "duplicate_ids"]
    with started(arguments, env, tmp_path) as process:
        running(target, BURNING, process)
        while process.poll() is None and any(BURNING in words for _, words in target.sessions()):
            cancel()
            break
        done = completed(process)
    report = report_of(done)
    assert done.code == 1
    assert statuses(report)["db.screenshots.duplicate_ids"] in ("failed", "stopped")
    assert statuses(report)["db.processes.duplicate_ids"] == "checked"
    assert b"cancelled" in done.err


@pytest.mark.parametrize("engine", ENGINES)
def test_a_stream_that_is_cut_is_never_taken_for_its_end(
    run: Run, tmp_path: Path, spill: Path, target: AnyTarget, engine: str
) -> None:
    """What came until then holds no duplicate yet, and looks like a whole clean table."""
    target.execute("DELETE FROM activities")
    fill_many(target, "activities", 60_000)
    arguments = ("scan", "activities", "--check", "duplicate_ids", "-f", "json", "--engine", engine)
    with Proxy(target.port) as proxy:
        whole = run(*arguments, "--db", url(target, port=proxy.port), "-o", tmp_path / "whole.json")
        assert whole.code == 1
        everything = proxy.forwarded
    for share in (0.3, 0.6, 0.95):
        with Proxy(target.port) as proxy:
            proxy.cut_after = int(everything * share)
            done = run(*arguments, "--db", url(target, port=proxy.port), env={"TMPDIR": str(spill)})
        report = report_of(done)
        assert report["complete"] is False
        assert done.code in (1, 3), done.err
        assert (done.code == 1) == bool(report["findings"])
        assert list(spill.iterdir()) == []
    gone(target)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_slow_network_gives_the_same_report(run: Run, target: AnyTarget, engine: str) -> None:
    fill_many(target, "activities", 2_000)
    arguments = ("scan", "-f", "json", "--engine", engine, "--db")
    fast = report_of(run(*arguments, url(target)))
    with Proxy(target.port) as proxy:
        proxy.delay = 0.01
        proxy.rate = 200_000
        slow = report_of(run(*arguments, url(target, port=proxy.port)))
    assert slow["complete"]
    assert slow["findings"] == fast["findings"]
    assert slow["summary"] == fast["summary"]
