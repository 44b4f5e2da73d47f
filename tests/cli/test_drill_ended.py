"""`drill`, ended in its middle: by a signal, by a server that goes away, by kill -9. What is left, and who tidies."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.cli.drilling import alive, descendants, schemas_of
from tests.cli.launching import completed, default_signals, started, with_checkout
from tests.cli.reading import said, strict_json
from tests.conftest import Completed, Run
from tests.crosscheck.scene import oss_arguments, oss_env
from tests.faults.targets import until
from tests.oss import errors, faults
from tests.oss.server import FakeOss
from tests.servers.postgresql import PostgresqlServer
from tests.servers.redis import RedisServer

SMALL = ("--strategy", "unique", "--writers", "8", "--ids", "60")


@dataclass
class Begun:
    """A drill under way, and the processes that it began."""

    process: subprocess.Popen[bytes]
    workers: set[int]

    def ended(self) -> Completed:
        """Wait for the end, and see that no process outlives it."""
        done = completed(self.process)
        until(lambda: not alive(self.workers), "the end of every worker")
        return done


@contextmanager
def drilling(words: Sequence[str], env: dict[str, str], temporary: Path) -> Iterator[Begun]:
    """Begin a drill, and go on when its writers are at work."""
    env = {**with_checkout(env), "TMPDIR": str(temporary)}
    arguments = ("drill", *words, "--log-json", "-f", "json")
    with started(arguments, env, temporary.parent, preexec_fn=default_signals) as process:
        assert process.stderr
        for line in process.stderr:
            told = json.loads(line)
            if told["id"].startswith("progress.") and told["total"]:
                break
        else:
            raise AssertionError(completed(process))
        # Eight writers, and the nursery that made them.
        until(lambda: len(descendants(process.pid)) > 8, "eight writers")
        yield Begun(process, descendants(process.pid))


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_it_and_nothing_is_left(
    postgresql: PostgresqlServer,
    redis: RedisServer,
    clean_env: dict[str, str],
    temporary: Path,
    signum: signal.Signals,
    code: int,
) -> None:
    url = postgresql.create_database("app")
    words = ("--db", url, "--redis", redis.url, *SMALL[2:], "--strategy", "redis-lock")
    with drilling(words, clean_env, temporary) as begun:
        assert len(schemas_of(postgresql, "app")) == 1
        begun.process.send_signal(signum)
        done = begun.ended()
    assert (done.code, done.out) == (code, b""), said(done)
    assert schemas_of(postgresql, "app") == []
    assert os.listdir(temporary) == []
    with closing(redis.client()) as client:
        assert client.keys("*") == []


def test_what_a_killed_drill_left_is_removed_by_clean_and_nothing_else(
    run: Run, postgresql: PostgresqlServer, oss: FakeOss, clean_env: dict[str, str], temporary: Path
) -> None:
    url = postgresql.create_database("app")
    store = oss_arguments(oss, "oss://pictures/drills/")
    oss.bucket.put("drills/kept.jpg", b"x")
    with drilling(("--db", url, *store, *SMALL), {**clean_env, **oss_env()}, temporary) as begun:
        # A drill that is at work is nobody's to remove.
        assert strict_json(run("drill", "--clean", "--db", url, "-f", "json").out) == {"removed": []}
        until(lambda: len(oss.bucket.keys) > 1, "the first picture")
        begun.process.kill()
        assert begun.ended().code == -signal.SIGKILL
    (left,) = schemas_of(postgresql, "app")
    cleaned = run("drill", "--clean", "--db", url, *store, env=oss_env())
    assert cleaned.code == 0, said(cleaned)
    assert left in " ".join(cleaned.out.decode().split())
    assert schemas_of(postgresql, "app") == []
    assert oss.bucket.keys == ["drills/kept.jpg"]


@pytest.mark.slow
@pytest.mark.parametrize("named", [True, False], ids=["--objects", "a temporary folder"])
def test_the_next_drill_tells_of_what_a_killed_one_left(
    run: Run, postgresql: PostgresqlServer, clean_env: dict[str, str], temporary: Path, named: bool
) -> None:
    url = postgresql.create_database("app")
    (temporary / "kept.jpg").touch()
    how = ("--db", url, *(("--objects", f"file://{temporary}") if named else ()))
    with drilling((*how, *SMALL), clean_env, temporary) as begun:
        (folder,) = temporary.glob("dedupaudit-drill-*")
        until(lambda: any(path.is_file() for path in folder.rglob("*")), "the first picture")
        begun.process.kill()
        begun.ended()
    (left,) = schemas_of(postgresql, "app")
    env = {"TMPDIR": str(temporary)}
    document = strict_json(run("drill", *how, *SMALL, "-f", "json", env=env).out)
    (told,) = document["leftovers"]
    assert left in told
    assert document["held"] is True
    assert schemas_of(postgresql, "app") == [left]
    assert strict_json(run("drill", "--clean", *how, "-f", "json", env=env).out) == {"removed": [left]}
    assert schemas_of(postgresql, "app") == []
    assert os.listdir(temporary) == ["kept.jpg"]
    assert run("drill", "--clean", *how).out == b"Nothing to remove: no drill left anything behind.\n"


def failed(done: Completed, *words: str) -> None:
    """See that a drill that failed in its middle says why, and prints no result."""
    last = json.loads(done.err.splitlines()[-1])
    assert (done.code, done.out) == (6, b""), last
    assert (last["id"], last["exit_code"]) == ("failed", 6)
    assert last["hint"]
    assert all(word in last["message"] for word in words), last


def test_a_redis_that_goes_away_is_6(postgresql: PostgresqlServer, clean_env: dict[str, str], temporary: Path) -> None:
    url = postgresql.create_database("app")
    with RedisServer() as redis:
        words = ("--db", url, "--redis", redis.url, *SMALL[2:], "--strategy", "redis-lock")
        with drilling(words, clean_env, temporary) as begun:
            redis.kill()
            done = begun.ended()
    failed(done, "Redis")
    assert schemas_of(postgresql, "app") == []
    assert os.listdir(temporary) == []


@pytest.mark.slow
def test_an_object_store_that_refuses_in_the_middle_is_6(
    postgresql: PostgresqlServer, oss: FakeOss, clean_env: dict[str, str], temporary: Path
) -> None:
    url = postgresql.create_database("app")
    words = ("--db", url, *oss_arguments(oss, "oss://pictures/drills/"), *SMALL)
    with drilling(words, {**clean_env, **oss_env()}, temporary) as begun:
        oss.misbehave(faults.Rule(faults.fail(errors.access_denied), method="PUT", times=None))
        done = begun.ended()
    failed(done)
    assert schemas_of(postgresql, "app") == []
    assert oss.bucket.keys == []


@pytest.mark.slow
def test_a_database_that_goes_away_is_6_and_what_is_left_is_named(
    run: Run, clean_env: dict[str, str], temporary: Path
) -> None:
    with PostgresqlServer() as server:
        url = server.create_database("app")
        with drilling(("--db", url, *SMALL), clean_env, temporary) as begun:
            server.kill()
            done = begun.ended()
        failed(done)
        server.start()
        for left in schemas_of(server, "app"):
            assert (
                left in json.loads(done.err.splitlines()[-1])["message"] + json.loads(done.err.splitlines()[-1])["hint"]
            )
        assert run("drill", "--clean", "--db", url).code == 0
        assert schemas_of(server, "app") == []
    assert os.listdir(temporary) == []


def test_a_scratch_that_cannot_be_removed_costs_no_result(run: Run, postgresql: PostgresqlServer) -> None:
    postgresql.create_database("shop")
    for statement in (
        "CREATE FUNCTION keep() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN"
        " IF EXISTS (SELECT FROM pg_event_trigger_dropped_objects() WHERE object_type = 'schema')"
        " THEN RAISE EXCEPTION 'nothing is dropped here'; END IF; END $$",
        "CREATE EVENT TRIGGER keep ON sql_drop EXECUTE FUNCTION keep()",
    ):
        postgresql.execute(statement, database="shop")
    asked = ("drill", "--db", postgresql.url(database="shop"), "-f", "json")
    done = run(*asked, "--strategy", "unique", "--writers", "2", "--ids", "1")
    assert done.code == 6, said(done)
    result = strict_json(done.out)
    assert result["held"] is True
    [remains] = result["remains"]
    assert "nothing is dropped here" in remains
    assert "could not be removed" in said(done)
    assert "drill --clean" in said(done)
    postgresql.execute("DROP EVENT TRIGGER keep", database="shop")
    [removed] = strict_json(run(*asked, "--clean").out)["removed"]
    assert removed in result["scratch"]
