"""What every test may use: the program run as a user runs it, an SQLite file, and hypothesis's profiles."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol

import pytest
from hypothesis import HealthCheck, settings

from tests.oss.fixtures import oss
from tests.servers.fixtures import mariadb, postgresql, redis
from tests.warm import WarmStarter

__all__ = ["mariadb", "oss", "postgresql", "redis"]

# The same cases in every run, and none refused for being slow: a busy machine must not turn a test red.
settings.register_profile(
    "ci",
    derandomize=True,
    max_examples=60,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
# Many cases, and others in every run: what it finds is printed with the line that repeats it. Where CI is set they
# are the same until a test changes, so that no change is refused for what another one broke.
settings.register_profile(
    "slow",
    settings.get_profile("ci"),
    derandomize=bool(os.environ.get("CI")),
    max_examples=1000,
    print_blob=True,
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))

ROOT = Path(__file__).parent.parent
_CHECKOUT = {"PYTHONPATH": str(ROOT)}

# Tests that call the program's functions in this very process must not reach the developer's own history.
_STATE = TemporaryDirectory(prefix="dedupaudit-tests-")
os.environ["XDG_STATE_HOME"] = _STATE.name

# What a developer's shell may hold, and what would change what the program does.
_FOREIGN = ("DEDUPAUDIT_", "XDG_", "OSS_", "PG", "MYSQL_")
_FOREIGN_NAMES = (
    "NO_COLOR",
    "FORCE_COLOR",
    "CLICOLOR",
    "CLICOLOR_FORCE",
    "TERM",
    "COLUMNS",
    "LINES",
    "PYTHONWARNINGS",
    "PYTHONPATH",
)


@dataclass(frozen=True)
class Completed:
    """A finished run: its exit code (negative for a signal that killed it) and both streams as bytes."""

    code: int
    out: bytes
    err: bytes

    def json(self) -> Any:
        """Return stdout read as one JSON document; a run that printed none fails with what it said instead."""
        try:
            return json.loads(self.out)
        except ValueError as error:
            raise AssertionError(f"no JSON on stdout (exit {self.code}): {self.out!r}\nstderr: {self.err!r}") from error


class Run(Protocol):
    """Runs `dedupaudit ARGS`; by default in the test's own folder, with nothing on stdin."""

    def __call__(
        self,
        *args: str | os.PathLike[str],
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        stdin: bytes = b"",
        timeout: float = 60,
    ) -> Completed: ...


class SqliteDb(Protocol):
    """Makes an SQLite file from a script, or from statements that are run one by one, and returns its path."""

    def __call__(self, sql: str | Iterable[str], name: str = "app.db") -> Path: ...


def _own_env() -> dict[str, str]:
    env = {
        name: value
        for name, value in os.environ.items()
        if name not in _FOREIGN_NAMES and not name.startswith(_FOREIGN)
    }
    return env | {"LC_ALL": "C.UTF-8", "TZ": "UTC"}


@pytest.fixture
def clean_env(tmp_path: Path) -> dict[str, str]:
    """Return an environment without settings of this program, and with homes that are empty."""
    home = tmp_path / "home"
    home.mkdir(exist_ok=True)
    folders = {"XDG_CONFIG_HOME": str(home / ".config"), "XDG_STATE_HOME": str(home / ".local/state")}
    return _own_env() | {"HOME": str(home)} | folders


@pytest.fixture(scope="session")
def warm() -> Iterator[WarmStarter]:
    """Return what starts this checkout's program, and not whichever this Python has an editable install of."""
    starter = WarmStarter(_own_env() | _CHECKOUT)
    yield starter
    starter.close()


@pytest.fixture
def run(tmp_path: Path, clean_env: dict[str, str], warm: WarmStarter) -> Run:
    """Return a function that runs this checkout's program in a process of its own.

    `env` is added to a clean environment.
    """

    def run_program(
        *args: str | os.PathLike[str],
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        stdin: bytes = b"",
        timeout: float = 60,
    ) -> Completed:
        arguments = [os.fspath(argument) for argument in args]
        wanted = {**clean_env, **_CHECKOUT, **(env or {})}
        if warm.can(wanted):
            done = warm.run(arguments, wanted, cwd or tmp_path, stdin, timeout)
        else:
            done = subprocess.run(
                [sys.executable, "-m", "dedupaudit", *arguments],
                cwd=cwd or tmp_path,
                env=wanted,
                input=stdin,
                capture_output=True,
                timeout=timeout,
                check=False,
            )
        return Completed(done.returncode, done.stdout, done.stderr)

    return run_program


@pytest.fixture
def sqlite_db(tmp_path: Path) -> SqliteDb:
    """Return a function that makes an SQLite file in the test's own folder."""

    def make(sql: str | Iterable[str], name: str = "app.db") -> Path:
        path = tmp_path / name
        with closing(sqlite3.connect(path)) as connection:
            if isinstance(sql, str):
                connection.executescript(sql)
            else:
                for statement in sql:
                    connection.execute(statement)
            connection.commit()
        return path

    return make
