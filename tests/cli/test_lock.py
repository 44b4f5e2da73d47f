"""`--lock`: of two runs over one database the second ends at once with 75; a dead one holds nobody up."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.cli.conftest import ENDLESS
from tests.cli.launching import completed, started, with_checkout
from tests.cli.reading import said
from tests.conftest import Completed, Run


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.fixture
def env(clean_env: dict[str, str], state: Path) -> dict[str, str]:
    return with_checkout({**clean_env, "XDG_STATE_HOME": str(state)})


@pytest.fixture
def endless(tmp_path: Path, duplicates: Path) -> Path:
    """Return the configuration of an audit of `duplicates` that does not come to an end."""
    file = tmp_path / "endless.toml"
    file.write_text(
        f'[database]\nurl = "sqlite:///{duplicates}"\n[tables.activities]\nkey = "id"\nwhere = "{ENDLESS}"\n'
    )
    return file


@contextmanager
def at_work(endless: Path, env: dict[str, str], cwd: Path, state: Path) -> Iterator[int]:
    """Have an audit at work that holds the lock; yields its process's number."""
    with started(["scan", "--config", endless, "--lock"], env, cwd) as process:
        until = time.monotonic() + 30
        while not any(file.stat().st_size for file in state.glob("dedupaudit/locks/*")):
            assert process.poll() is None, completed(process)
            assert time.monotonic() < until, "no lock was taken"
            time.sleep(0.02)
        yield process.pid


def locked(done: Completed) -> str:
    text = said(done)
    assert done.code == 75, text
    assert not done.out
    return text


def test_the_second_run_ends_at_once_and_says_who_holds_the_lock(
    run: Run, env: dict[str, str], endless: Path, tmp_path: Path, state: Path, duplicates: Path
) -> None:
    report = tmp_path / "report.json"
    report.write_text("the old one")
    url = f"sqlite:///{duplicates}"
    with at_work(endless, env, tmp_path, state) as pid:
        text = locked(run("audit", "--db", url, "--lock", "-f", "json", "-o", report, env=env))
        free = run("scan", "--db", url, "--no-color", env=env)
    assert f"process {pid} on {os.uname().nodename}" in text
    assert "`scan`" in text
    assert "since 20" in text
    assert "hint: wait until it is done" in text
    assert report.read_text() == "the old one"
    assert free.code == 1, "who did not ask for the lock is not kept out"


def test_a_lock_is_another_database_s_own_business(
    run: Run, env: dict[str, str], endless: Path, tmp_path: Path, state: Path, clean: Path, duplicates: Path
) -> None:
    with at_work(endless, env, tmp_path, state):
        assert run("scan", "--db", f"sqlite:///{clean}", "--lock", env=env).code == 0
        shards = ["--db", f"a=sqlite:///{clean}", "--db", f"b=sqlite:///{duplicates}"]
        locked(run("scan", *shards, "--lock", env=env))


def test_one_database_by_another_name_is_the_same(
    run: Run, env: dict[str, str], endless: Path, tmp_path: Path, state: Path, duplicates: Path
) -> None:
    link = tmp_path / "link.db"
    link.symlink_to(duplicates)
    with at_work(endless, env, tmp_path, state):
        locked(run("scan", "--db", f"shard=sqlite:///{link}", "--lock", env=env))
        locked(run("scan", "--db", "sqlite:///link.db", "--lock", cwd=tmp_path, env=env))


def test_a_killed_run_holds_nobody_up(
    run: Run, env: dict[str, str], endless: Path, tmp_path: Path, state: Path, duplicates: Path
) -> None:
    with at_work(endless, env, tmp_path, state) as pid:
        os.kill(pid, signal.SIGKILL)
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        assert run("scan", "--db", f"sqlite:///{duplicates}", "--lock", env=env).code == 1


def test_the_lock_is_there_again_after_the_run(run: Run, env: dict[str, str], duplicates: Path) -> None:
    for _ in range(2):
        assert run("scan", "--db", f"sqlite:///{duplicates}", "--lock", env=env).code == 1


def test_the_environment_and_the_configuration_ask_for_it_too(
    run: Run, env: dict[str, str], endless: Path, tmp_path: Path, state: Path, duplicates: Path
) -> None:
    file = tmp_path / "locked.toml"
    file.write_text(f'[database]\nurl = "sqlite:///{duplicates}"\n[options]\nlock = true\n')
    with at_work(endless, env, tmp_path, state):
        locked(run("scan", "--config", file, env=env))
        locked(run("scan", "--db", f"sqlite:///{duplicates}", env={**env, "DEDUPAUDIT_LOCK": "1"}))


def test_nobody_else_reads_the_lock_and_no_secret_is_in_it(run: Run, env: dict[str, str], state: Path) -> None:
    done = run("scan", "--db", "postgresql://auditor:hunter2@127.0.0.1:1/app", "--lock", env=env)
    assert done.code == 3
    (file,) = state.glob("dedupaudit/locks/*")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert all(stat.S_IMODE(folder.stat().st_mode) == 0o700 for folder in (file.parent, file.parent.parent))
    assert set(json.loads(file.read_bytes())) == {"pid", "host", "command", "since"}
    assert b"hunter2" not in file.read_bytes()


def test_before_any_source_is_opened(run: Run, env: dict[str, str], state: Path) -> None:
    url = "postgresql://auditor@127.0.0.1:1/app"
    assert run("scan", "--db", url, "--lock", env=env).code == 3
    (file,) = state.glob("dedupaudit/locks/*")
    with file.open("r+") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        text = locked(run("scan", "--db", f"a={url}?sslmode=prefer", "--lock", env=env))
        assert "another run (`scan`" in text
        for words in (b"", b"[]", b'{"pid": "\\u001b[2J", "host": "\\n", "command": "x", "since": 1}', b"\xff\xfe"):
            stream.truncate(0)
            os.pwrite(stream.fileno(), words, 0)
            assert "looks at the same sources" in locked(run("scan", "--db", url, "--lock", env=env))


def test_a_folder_that_cannot_be_is_wrong_usage(run: Run, env: dict[str, str], tmp_path: Path, clean: Path) -> None:
    (tmp_path / "file").write_text("")
    done = run("scan", "--db", f"sqlite:///{clean}", "--lock", env={**env, "XDG_STATE_HOME": str(tmp_path / "file")})
    assert done.code == 2
    assert "--lock: cannot lock" in said(done)
    assert "XDG_STATE_HOME" in said(done)


def test_a_link_in_the_lock_s_place_is_not_followed(run: Run, env: dict[str, str], state: Path, clean: Path) -> None:
    assert run("scan", "--db", f"sqlite:///{clean}", "--lock", env=env).code == 0
    (file,) = state.glob("dedupaudit/locks/*")
    other = state / "precious"
    other.write_text("precious")
    file.unlink()
    file.symlink_to(other)
    assert run("scan", "--db", f"sqlite:///{clean}", "--lock", env=env).code == 2
    assert other.read_text() == "precious"


def test_of_two_runs_at_one_moment_one_gets_the_lock(env: dict[str, str], tmp_path: Path, duplicates: Path) -> None:
    """Guards against locks that are tried for in turn, so that each keeps the other out."""
    command = ["scan", "--db", f"sqlite:///{duplicates}", "--lock", "-f", "json"]
    with started(command, env, tmp_path) as first, started(command, env, tmp_path) as second:
        codes = sorted(done.code for done in (completed(first), completed(second)))
    assert codes in ([1, 1], [1, 75])


def test_crosscheck_and_logs_hold_it_too(
    run: Run, env: dict[str, str], endless: Path, tmp_path: Path, state: Path, duplicates: Path, incident: Path
) -> None:
    with at_work(endless, env, tmp_path, state):
        objects = f"file://{incident / 'objects'}"
        locked(run("crosscheck", "--db", f"sqlite:///{duplicates}", "--objects", objects, "--lock", env=env))
    assert run("logs", "--logs", incident / "logs" / "*.log*", "--lock", env=env).code == 1
