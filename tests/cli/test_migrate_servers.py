"""`migrate` on a server, while somebody else works: one run a table, stopped in the middle, gone on with, given up."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import Popen
from typing import Any

import pytest

from tests.cli.launching import completed, started, with_checkout
from tests.cli.reading import said, strict_json
from tests.conftest import Completed, Run
from tests.servers.postgresql import PostgresqlServer

ROWS = "SELECT g, 'activity_' || g % 900, 'click' FROM generate_series(1, 1000) AS g"
JSON = ("-f", "json")


@pytest.fixture
def server(postgresql: PostgresqlServer) -> PostgresqlServer:
    postgresql.create_database("app")
    for statement in (
        "CREATE TABLE activities (seq int PRIMARY KEY, id text, type text)",
        f"INSERT INTO activities {ROWS}",
    ):
        postgresql.execute(statement, database="app")
    return postgresql


@pytest.fixture
def url(server: PostgresqlServer) -> str:
    return server.url(database="app")


@pytest.fixture
def plan(run: Run, url: str, tmp_path: Path) -> Path:
    words = ("--strategy", "guarded", "--max-delete", "20%", "-o", "plan.jsonl", "--db", url)
    assert run("migrate", "plan", "activities", *words).code == 0
    return tmp_path / "plan.jsonl"


def apply(run: Run, url: str, plan: Path, *more: str) -> Completed:
    return run("migrate", "apply", plan, "--confirm", "activities", "--db", url, *more)


def status(run: Run, url: str) -> dict[str, Any]:
    (told,) = strict_json(run("migrate", "status", "activities", "--db", url, *JSON).out)["tables"]
    return dict(told)


def triggers(server: PostgresqlServer) -> int:
    found = server.execute("SELECT count(*) FROM pg_trigger WHERE tgrelid = 'activities'::regclass", database="app")
    return int(found[0][0])


@contextmanager
def cleaning(clean_env: dict[str, str], url: str, plan: Path, *more: str) -> Iterator[Popen[bytes]]:
    """Start an apply that sleeps in its clean step: the guard is there, and no row is gone yet."""
    words = ["migrate", "apply", str(plan), "--db", url, "--confirm", "activities", "--sleep", "60s", *more]
    with started(words, with_checkout(clean_env), plan.parent) as process:
        assert process.stderr
        while b"/9 clean: " not in (line := process.stderr.readline()):
            assert line, completed(process)
        yield process


def test_a_second_apply_is_75_and_status_says_that_one_runs(
    run: Run, clean_env: dict[str, str], url: str, plan: Path
) -> None:
    with cleaning(clean_env, url, plan) as process:
        done = apply(run, url, plan)
        assert (done.code, done.out) == (75, b""), said(done)
        assert f"process {process.pid}" in said(done)
        assert run("migrate", "rollback", "activities", "--confirm", "activities", "--db", url).code == 75
        done = run("migrate", "status", "activities", "--db", url)
        assert b"is being made unique right now" in b" ".join(done.out.split())
        found = status(run, url)
        assert (found["guard"], found["unfinished"]) == ("complete", False)


def test_a_signal_leaves_the_guard_says_so_and_the_same_command_goes_on(
    run: Run, clean_env: dict[str, str], server: PostgresqlServer, url: str, plan: Path
) -> None:
    with cleaning(clean_env, url, plan) as process:
        process.send_signal(signal.SIGTERM)
        done = completed(process)
    assert done.code == 143
    assert "the same command goes on" in " ".join(done.out.decode().split())
    assert triggers(server) > 0
    found = status(run, url)
    assert (found["guard"], found["unfinished"], found["runs"][0]["state"]) == ("complete", True, "interrupted")
    with pytest.raises(Exception, match="activities_id_key"):
        server.execute("INSERT INTO activities VALUES (2000, 'activity_500', 'click')", database="app")
    done = apply(run, url, plan, "--max-age", "0s", *JSON)
    assert done.code == 0, said(done)
    told = strict_json(done.out)
    assert (told["run"]["id"], told["evidence"]["rows_quarantined"]) == (found["runs"][0]["id"], 100)
    assert "goes on" in said(done)
    assert triggers(server) == 0
    assert status(run, url)["leftovers"] == []


def test_what_a_kill_left_is_named_and_rolled_back(
    run: Run, clean_env: dict[str, str], server: PostgresqlServer, url: str, plan: Path
) -> None:
    with cleaning(clean_env, url, plan) as process:
        process.kill()
    found = status(run, url)
    assert (found["runs"][0]["state"], found["unfinished"]) == ("interrupted", True)
    assert found["leftovers"]
    done = run("migrate", "rollback", "activities", "--confirm", "activities", "--db", url, *JSON)
    assert done.code == 0, said(done)
    assert set(strict_json(done.out)["removed"]) >= set(found["leftovers"])
    assert triggers(server) == 0
    found = status(run, url)
    assert (found["leftovers"], found["unfinished"], found["guard"]) == ([], False, "none")
    ((rows,),) = server.execute("SELECT count(*) FROM activities", database="app")
    assert rows == 1000


def test_a_lock_that_is_not_had_in_time_is_6_names_who_has_it_and_leaves_no_guard(
    run: Run, server: PostgresqlServer, url: str, plan: Path
) -> None:
    # An index that the guard can look through: its own would be built first, and wait for as long as the lock is held.
    server.execute("CREATE INDEX of_ids ON activities (id)", database="app")
    words = ("--strategy", "guarded", "--max-delete", "20%", "-o", plan, "--db", url)
    assert run("migrate", "plan", "activities", *words).code == 0
    with server.connect(database="app") as connection, connection.cursor() as cursor:
        cursor.execute("SET application_name = 'a report'")
        cursor.execute("BEGIN; LOCK TABLE activities IN ROW EXCLUSIVE MODE")
        done = apply(run, url, plan, "--wait", "2s")
        connection.rollback()
    assert done.code == 6, said(done)
    assert "a report" in said(done)
    assert "the same command again" in said(done)
    assert triggers(server) == 0
    assert apply(run, url, plan).code == 0


@pytest.mark.parametrize(("more", "left"), [((), False), (("--keep-guard",), True)])
def test_rows_that_need_a_person_stop_it_and_the_guard_goes_unless_it_is_kept(
    run: Run, server: PostgresqlServer, url: str, plan: Path, more: tuple[str, ...], left: bool
) -> None:
    server.execute("INSERT INTO activities VALUES (2000, 'activity_500', 'other')", database="app")
    done = apply(run, url, plan, *more)
    assert (done.code, done.out) == (5, b""), said(done)
    assert "activity_500" in said(done)
    assert ("no guard is left" in said(done)) is not left
    assert (triggers(server) > 0) is left
    server.execute("DELETE FROM activities WHERE seq = 2000", database="app")
    assert apply(run, url, plan).code == 0
    assert triggers(server) == 0
