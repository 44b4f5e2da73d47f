"""A drill's scratch schema: made with a marker, of three shapes, used from several processes, and taken away."""

from __future__ import annotations

import pickle
import sqlite3
from collections.abc import Hashable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import inspect, text
from sqlalchemy.exc import IntegrityError

from dedupaudit.drill.protocol import Scratch, Shape
from dedupaudit.drill.scratch import open_scratch
from dedupaudit.drill.scratch.leftovers import leftovers
from dedupaudit.errors import Cancelled, SourceError
from dedupaudit.interrupt import Interrupt
from tests.drill.copying import scratch_of, settings_of
from tests.faults import pretenders
from tests.faults.pretenders import listening
from tests.faults.standby import StandbyServer
from tests.repair.databases import DATABASES, MARIADB, POSTGRESQL, SQLITE, Database
from tests.servers.mariadb import MariadbServer
from tests.servers.postgresql import PostgresqlServer

SHAPES: tuple[Shape, ...] = ("target", "versioned", "bare")


class Place:
    """An empty database of each kind, and the folder for temporary files."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.database = database
        self.settings = settings_of(database.fresh(folder))
        self.temporary = folder / "temporary"
        self.temporary.mkdir()

    def content(self) -> Hashable:
        """Return what changes with anything at all."""
        return self.database.content(), sorted(self.temporary.iterdir())


@pytest.fixture(params=DATABASES, ids=lambda database: str(database.name))
def place(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    made = Place(request.param, tmp_path)
    # Not before the worker's server is there, which makes its own folder.
    monkeypatch.setattr("tempfile.tempdir", str(made.temporary))
    return made


def fill(scratch: Scratch, identifier: str) -> int:
    """Insert one activity, and return how many there are."""
    engine = scratch.engine()
    name = ".".join(scratch.table("activities"))
    row = "(id, device_id, type, timestamp) VALUES (:id, 'd', 'click', 1)"
    try:
        with engine.begin() as connection:
            connection.execute(text(f"INSERT INTO {name} {row}"), {"id": identifier})
            return int(connection.execute(text(f"SELECT count(*) FROM {name}")).scalar_one())
    finally:
        engine.dispose()


def look(scratch: Scratch, table: str) -> tuple[dict[str, Any], list[Any]]:
    """Return a table's columns by name, and its indexes."""
    engine = scratch.engine()
    try:
        name = scratch.table(table)
        schema = name[0] if len(name) > 1 else None
        seen = inspect(engine)
        return (
            {column["name"]: column for column in seen.get_columns(table, schema=schema)},
            list(seen.get_indexes(table, schema=schema)),
        )
    finally:
        engine.dispose()


def test_each_shape_is_what_it_says_and_nothing_else_was_touched(place: Place) -> None:
    before = place.content()
    with scratch_of(place.settings) as scratch:
        for shape in SHAPES:
            scratch.create(shape)
            # Made in place of the last one, it is empty.
            assert fill(scratch, "activity_1") == 1
            if shape == "bare":
                assert fill(scratch, "activity_1") == 2
            else:
                with pytest.raises(IntegrityError):
                    fill(scratch, "activity_1")
            columns, indexes = look(scratch, "screenshots")
            assert ("version" in columns) == (shape == "versioned")
            assert list(columns)[:2] == (["row_id", "id"] if shape == "bare" else ["id", "device_id"])
            assert columns["id"]["nullable"] is False
            if shape == "bare":
                assert [bool(one["unique"]) for one in indexes if one["column_names"] == ["id"]] == [False]
    assert place.content() == before


def test_another_process_gets_the_address_and_not_the_lock(place: Place) -> None:
    with scratch_of(place.settings) as scratch:
        scratch.create("target")
        there: Scratch = pickle.loads(pickle.dumps(scratch))  # noqa: S301 (made a moment ago)
        assert (there.name, there.shown, there.database()) == (scratch.name, scratch.shown, scratch.database())
        assert fill(there, "activity_1") == 1
        assert fill(scratch, "activity_2") == 2
        del there
        assert leftovers(place.settings) == []


def test_taking_it_away_twice_is_no_error(place: Place) -> None:
    before = place.content()
    scratch = open_scratch(place.settings, Interrupt())
    scratch.create("target")
    scratch.drop()
    scratch.drop()
    pickle.loads(pickle.dumps(scratch)).drop()  # noqa: S301 (made a moment ago)
    assert place.content() == before


def test_a_signal_before_it_is_made_leaves_nothing(place: Place) -> None:
    before = place.content()
    with pytest.raises(Cancelled):
        open_scratch(place.settings, Interrupt(signum=2))
    assert place.content() == before


def test_a_failure_while_it_is_made_leaves_nothing(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    before = place.content()
    name = {"mariadb": "mysql"}.get(place.database.name, place.database.name)
    step = "_begin" if place.database is SQLITE else "_marked"

    def fail(*_given: object) -> list[str]:
        if place.database is SQLITE:
            raise SourceError("the disk is full")
        return ["SELECT 1 FROM nowhere"]

    monkeypatch.setattr(f"dedupaudit.drill.scratch.{name}.{step}", fail)
    with pytest.raises(SourceError):
        open_scratch(place.settings, Interrupt())
    assert place.content() == before


# ---- sessions that are still in it


@pytest.mark.parametrize("place", [POSTGRESQL, MARIADB], indirect=True, ids=lambda database: str(database.name))
def test_sessions_of_killed_workers_do_not_keep_it(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    scratch = open_scratch(place.settings, Interrupt())
    patience = "100ms" if place.database is POSTGRESQL else 1
    monkeypatch.setattr(f"{type(scratch).__module__}._PATIENCE", patience)
    scratch.create("target")
    stray = scratch.engine()
    with stray.connect() as connection:
        # It keeps the table locked: its transaction is open.
        connection.execute(text(f"SELECT count(*) FROM {'.'.join(scratch.table('activities'))}"))
        scratch.drop()
        connection.invalidate()
    stray.dispose()
    assert scratch.name not in str(place.content())


def test_somebody_elses_session_is_not_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = settings_of(POSTGRESQL.fresh(tmp_path))
    monkeypatch.setattr("dedupaudit.drill.scratch.postgresql._PATIENCE", "50ms")
    scratch = open_scratch(settings, Interrupt())
    scratch.create("target")
    POSTGRESQL.run("BEGIN", f"SELECT * FROM {scratch.name}.activities")
    try:
        with pytest.raises(SourceError, match="lock"):
            scratch.drop()
    finally:
        POSTGRESQL.run("COMMIT")
    scratch.drop()
    assert POSTGRESQL.ask("SELECT 1") == [(1,)]


# ---- places where none can be made


def test_postgresql_without_the_privilege_names_it(postgresql: PostgresqlServer, tmp_path: Path) -> None:
    url = POSTGRESQL.fresh(tmp_path)
    if not postgresql.execute("SELECT 1 FROM pg_roles WHERE rolname = 'may \"not'"):
        postgresql.execute('CREATE ROLE "may ""not" LOGIN PASSWORD \'Zq7-hunter2\'')
    before = POSTGRESQL.content()
    theirs = settings_of(url.replace("postgres@", "may%20%22not:Zq7-hunter2@"))
    with pytest.raises(SourceError, match="may not make a schema") as refused:
        open_scratch(theirs, Interrupt())
    assert refused.value.hint == 'GRANT CREATE ON DATABASE "repaired" TO "may ""not"'
    assert "hunter2" not in str(refused.value.message)
    assert POSTGRESQL.content() == before
    postgresql.execute(refused.value.hint)
    with scratch_of(theirs) as scratch:
        scratch.create("versioned")
        assert fill(scratch, "activity_1") == 1
    assert POSTGRESQL.content() == before
    postgresql.execute('REVOKE ALL ON DATABASE repaired FROM "may ""not"')


def test_mariadb_without_the_privilege_names_it(mariadb: MariadbServer, tmp_path: Path) -> None:
    url = MARIADB.fresh(tmp_path)
    mariadb.execute("DROP USER IF EXISTS maynot")
    mariadb.execute("CREATE USER maynot IDENTIFIED BY 'Zq7-hunter2'")
    mariadb.execute("GRANT SELECT ON repaired.* TO maynot")
    before = MARIADB.content()
    theirs = settings_of(url.replace("root@", "maynot:Zq7-hunter2@"))
    with pytest.raises(SourceError, match="may not make a database") as refused:
        open_scratch(theirs, Interrupt())
    # A database that could not be dropped again is not made either.
    mariadb.execute(r"GRANT CREATE, INSERT, SELECT ON `dedupaudit\_drill\_%`.* TO maynot")
    with pytest.raises(SourceError, match="not drop it again"):
        open_scratch(theirs, Interrupt())
    assert MARIADB.content() == before
    assert refused.value.hint.startswith(r"GRANT CREATE, DROP, ALTER, INDEX, TRIGGER,")
    mariadb.execute(refused.value.hint)
    with scratch_of(theirs) as scratch:
        for shape in SHAPES:
            scratch.create(shape)
            assert fill(scratch, "activity_1") == 1
    assert MARIADB.content() == before


def test_a_server_that_takes_no_writes_is_told(
    postgresql: PostgresqlServer, mariadb: MariadbServer, tmp_path: Path
) -> None:
    url = settings_of(
        POSTGRESQL.fresh(tmp_path).replace("repaired", "repaired?options=-cdefault_transaction_read_only%3Don")
    )
    with pytest.raises(SourceError, match="takes no writes"):
        open_scratch(url, Interrupt())
    other = settings_of(MARIADB.fresh(tmp_path))
    mariadb.execute("SET GLOBAL read_only = 1")
    try:
        with pytest.raises(SourceError, match="takes no writes"):
            open_scratch(other, Interrupt())
    finally:
        mariadb.execute("SET GLOBAL read_only = 0")


def test_a_database_that_publishes_every_table_is_not_drilled(tmp_path: Path) -> None:
    settings = settings_of(POSTGRESQL.fresh(tmp_path))
    POSTGRESQL.run("CREATE PUBLICATION everything FOR ALL TABLES WITH (publish = 'insert')")
    try:
        with pytest.raises(SourceError, match="publication everything"):
            open_scratch(settings, Interrupt())
    finally:
        POSTGRESQL.run("DROP PUBLICATION everything")
    with scratch_of(settings):
        pass


def test_a_pooler_that_hands_out_transactions_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = settings_of(POSTGRESQL.fresh(tmp_path))
    before = POSTGRESQL.content()
    monkeypatch.setattr(
        "dedupaudit.drill.scratch.postgresql.pooler_between", lambda _settings: "a pooler stands between"
    )
    with pytest.raises(SourceError, match="a pooler stands between"):
        open_scratch(settings, Interrupt())
    assert POSTGRESQL.content() == before


@pytest.mark.slow
def test_a_standby_is_told(postgresql: PostgresqlServer) -> None:
    with StandbyServer(postgresql) as standby, pytest.raises(SourceError, match="standby"):
        open_scratch(settings_of(standby.url()), Interrupt())


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("postgresql://u@127.0.0.1:{}/app", pretenders.old_postgresql("12.22")),
        ("mysql://u@127.0.0.1:{}/app", pretenders.old_mysql("5.7.44-log")),
        ("mariadb://u@127.0.0.1:{}/app", pretenders.old_mysql("5.5.5-10.5.29-MariaDB")),
    ],
    ids=["postgresql", "mysql", "mariadb"],
)
def test_an_old_server_is_refused(url: str, server: pretenders.Conversation) -> None:
    with listening(server) as port, pytest.raises(SourceError, match="is too old"):
        open_scratch(settings_of(url.format(port)), Interrupt())


# ---- SQLite


@pytest.mark.parametrize("mode", ["wal", "delete"])
def test_an_sqlite_scratch_has_the_journal_of_the_users_file(
    mode: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "app 1%.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA journal_mode = {mode}")
        connection.execute("CREATE TABLE mine (x)")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    before = path.read_bytes()
    with scratch_of(settings_of(f"sqlite:///{path}")) as scratch:
        scratch.create("target")
        engine = scratch.engine()
        with engine.connect() as connection_there:
            assert connection_there.exec_driver_sql("PRAGMA journal_mode").scalar_one() == mode
        engine.dispose()
        folder = tmp_path / scratch.name
        assert folder.stat().st_mode & 0o777 == 0o700
    assert path.read_bytes() == before
    assert [one.name for one in tmp_path.iterdir()] == [path.name]


def test_an_sqlite_file_that_is_not_there_or_no_folder_for_the_scratch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SourceError, match="no such database file"):
        open_scratch(settings_of(f"sqlite:///{tmp_path}/missing.db"), Interrupt())
    settings = settings_of(SQLITE.fresh(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "gone"))
    with pytest.raises(SourceError, match="no temporary folder") as refused:
        open_scratch(settings, Interrupt())
    assert "TMPDIR" in refused.value.hint
