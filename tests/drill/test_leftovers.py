"""What a killed drill leaves is found by its marker and its dead owner, and nothing else is ever dropped."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from dedupaudit.config import DatabaseSettings
from dedupaudit.drill.scratch import open_scratch
from dedupaudit.drill.scratch.leftovers import clean, leftovers
from dedupaudit.drill.scratch.owner import COLUMNS, is_name
from dedupaudit.interrupt import Interrupt
from tests.conftest import ROOT
from tests.drill.copying import scratch_of, settings_of
from tests.repair.databases import DATABASES, MARIADB, POSTGRESQL, SQLITE, Database

_DRILL = """
import os, signal, sys, tempfile
tempfile.tempdir = sys.argv[2]
from dedupaudit.config import DatabaseSettings
from dedupaudit.drill.scratch import open_scratch
from dedupaudit.interrupt import Interrupt
from dedupaudit.urls import parse_database_url
scratch = open_scratch(DatabaseSettings("db", parse_database_url(sys.argv[1])), Interrupt())
scratch.create("target")
print(scratch.name, flush=True)
sys.stdin.read()
"""


@pytest.fixture(params=DATABASES, ids=lambda database: str(database.name))
def place(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[Database, DatabaseSettings]:
    """Return an empty database of each kind."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    database: Database = request.param
    settings = settings_of(database.fresh(tmp_path))
    # Not before the worker's server is there, which makes its own folder.
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    return database, settings


def beginning(database: Database, tmp_path: Path) -> tuple[subprocess.Popen[str], str]:
    """Begin a drill in a process of its own, and return the name of its scratch."""
    process = subprocess.Popen(
        [sys.executable, "-c", _DRILL, database.fresh(tmp_path), str(tmp_path / "temporary")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    assert process.stdout is not None
    return process, process.stdout.readline().strip()


def kill(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGKILL)
    process.communicate()


def test_what_a_killed_drill_left_is_found_and_cleaned_once(
    place: tuple[Database, DatabaseSettings], tmp_path: Path
) -> None:
    database, settings = place
    process, name = beginning(database, tmp_path)
    try:
        assert is_name(name)
        assert leftovers(settings) == []
        assert clean(settings) == []
    finally:
        kill(process)
    with scratch_of(settings) as alive:
        [left] = leftovers(settings)
        assert left.name == name
        assert f"process {process.pid} on " in left.shown
        assert clean(settings) == [left]
        assert leftovers(settings) == clean(settings) == []
        # The one that is at work is as it was.
        alive.create("bare")


def names_of(database: Database) -> list[str]:
    if database is SQLITE:
        return []
    table = "pg_namespace" if database is POSTGRESQL else "information_schema.schemata"
    column = "nspname" if database is POSTGRESQL else "schema_name"
    return [name for (name,) in database.ask(f"SELECT {column} FROM {table} WHERE {column} LIKE 'dedupaudit%'")]


@pytest.mark.parametrize("database", [POSTGRESQL, MARIADB], ids=lambda database: str(database.name))
def test_what_has_no_marker_is_left_alone_whatever_its_name(database: Database, tmp_path: Path) -> None:
    settings = settings_of(database.fresh(tmp_path))
    columns = ", ".join(f"{column} VARCHAR(99)" for column in COLUMNS)
    row = "('elsewhere', '1', '7', '2026-01-01T00:00:00Z', '0')"
    made = {
        "dedupaudit_drill_00000001": [],
        "dedupaudit_drill_00000002": ["CREATE TABLE {}.dedupaudit_drill (host VARCHAR(9), mine INT)"],
        "dedupaudit_drill_00000003": [f"CREATE TABLE {{}}.dedupaudit_drill ({columns})"],
        "dedupaudit_drill_of_mine": [
            f"CREATE TABLE {{}}.dedupaudit_drill ({columns})",
            f"INSERT INTO {{}}.dedupaudit_drill VALUES {row}",
        ],
        "dedupaudit_drill_0000000a": [
            f"CREATE TABLE {{}}.dedupaudit_drill ({columns})",
            f"INSERT INTO {{}}.dedupaudit_drill VALUES {row}",
        ],
    }
    try:
        for name, statements in made.items():
            database.run(f"CREATE SCHEMA {name}", *(statement.format(name) for statement in statements))
        assert [left.name for left in clean(settings)] == ["dedupaudit_drill_0000000a"]
        assert sorted(names_of(database)) == sorted(set(made) - {"dedupaudit_drill_0000000a"})
    finally:
        for name in made:
            database.run(f"DROP SCHEMA IF EXISTS {name}{' CASCADE' if database is POSTGRESQL else ''}")


def test_a_folder_of_another_user_or_without_a_marker_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    settings = settings_of(SQLITE.fresh(tmp_path))
    with scratch_of(settings) as alive:
        real = tmp_path / alive.name
        (tmp_path / "dedupaudit_drill_00000001").mkdir()
        (tmp_path / "dedupaudit_drill_00000002").symlink_to(real)
        (tmp_path / "dedupaudit_drill_00000003").write_text("a file")
        forged = tmp_path / "dedupaudit_drill_00000004"
        forged.mkdir()
        (forged / "app.db").write_bytes((real / "app.db").read_bytes())
        if os.getuid() == 0:
            os.chown(forged, 65534, 65534)
        assert clean(settings) == []
        assert sorted(path.name for path in tmp_path.glob("dedupaudit_drill_0000000*")) == [
            f"dedupaudit_drill_0000000{number}" for number in range(1, 5)
        ]


def test_a_lost_lock_does_not_make_a_living_drill_a_leftover(tmp_path: Path) -> None:
    settings = settings_of(POSTGRESQL.fresh(tmp_path))
    with scratch_of(settings) as scratch:
        POSTGRESQL.run(
            "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND pid <> pg_backend_pid()"
        )
        assert leftovers(settings) == []
        assert clean(settings) == []
        scratch.create("target")


def test_in_a_cluster_the_drills_of_other_hosts_are_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = settings_of(MARIADB.fresh(tmp_path))
    name = "dedupaudit_drill_000000c1"
    columns = ", ".join(f"{column} VARCHAR(99)" for column in COLUMNS)
    MARIADB.run(
        f"CREATE SCHEMA {name}",
        f"CREATE TABLE {name}.dedupaudit_drill ({columns})",
        f"INSERT INTO {name}.dedupaudit_drill VALUES ('elsewhere', '1', '7', '2026-01-01T00:00:00Z', '0')",
    )
    try:
        assert [left.name for left in leftovers(settings)] == [name]
        # What a cluster says of itself; there is none here.
        monkeypatch.setattr("dedupaudit.drill.scratch.mysql.Session.sees_every_lock", lambda _session: False)
        assert clean(settings) == []
        MARIADB.run(f"UPDATE {name}.dedupaudit_drill SET host = '{socket.gethostname()}'")
        assert [left.name for left in clean(settings)] == [name]
    finally:
        MARIADB.run(f"DROP SCHEMA IF EXISTS {name}")


def test_a_name_that_is_there_already_is_passed_over(
    place: tuple[Database, DatabaseSettings], monkeypatch: pytest.MonkeyPatch
) -> None:
    _database, settings = place
    with scratch_of(settings) as first:
        names = iter([first.name, first.name, "dedupaudit_drill_0badcafe"])
        module = type(first).__module__
        monkeypatch.setattr(f"{module}.new_name", lambda: next(names))
        if module.endswith("mysql"):
            monkeypatch.setattr(f"{module}._refuse_what_cannot_end", lambda _opened: None)
        second = open_scratch(settings, Interrupt())
        try:
            assert second.name == "dedupaudit_drill_0badcafe"
            first.create("target")
        finally:
            second.drop()
        first.create("target")
