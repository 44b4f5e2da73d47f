"""A drill's scratch schema: made with a marker, of three shapes, used from several processes, and taken away."""

from __future__ import annotations

import pickle
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import inspect, text
from sqlalchemy.exc import IntegrityError

from dedupaudit.config import DatabaseSettings
from dedupaudit.drill.protocol import Scratch, Shape
from dedupaudit.drill.scratch import open_scratch
from dedupaudit.drill.scratch.leftovers import leftovers
from dedupaudit.interrupt import Interrupt
from dedupaudit.urls import parse_database_url

DIALECTS = ("postgresql", "mariadb", "sqlite")


def settings_of(url: str) -> DatabaseSettings:
    return DatabaseSettings("db", parse_database_url(url))


@contextmanager
def scratch_of(database: DatabaseSettings) -> Iterator[Scratch]:
    scratch = open_scratch(database, Interrupt())
    try:
        yield scratch
    finally:
        scratch.drop()


@pytest.fixture(params=DIALECTS)
def database(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DatabaseSettings:
    """Return a database of each kind, with a table of the user's own."""
    table = "CREATE TABLE activities (id varchar(64), v int)"
    if request.param == "sqlite":
        monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
        path = tmp_path / "app.db"
        with closing(sqlite3.connect(path)) as connection:
            connection.execute(table)
        return settings_of(f"sqlite:///{path}")
    server: Any = request.getfixturevalue(request.param)
    url = server.create_database("drill_scratch")
    server.execute(table, database="drill_scratch")
    return settings_of(url)


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


def columns_of(scratch: Scratch, table: str) -> dict[str, Any]:
    engine = scratch.engine()
    try:
        name = scratch.table(table)
        schema = name[0] if len(name) > 1 else None
        return {column["name"]: column for column in inspect(engine).get_columns(table, schema=schema)}
    finally:
        engine.dispose()


def test_target_shape_has_the_constraint(database: DatabaseSettings) -> None:
    with scratch_of(database) as scratch:
        scratch.create("target")
        assert fill(scratch, "activity_1") == 1
        with pytest.raises(IntegrityError):
            fill(scratch, "activity_1")
        assert "version" not in columns_of(scratch, "screenshots")


def test_versioned_shape_counts_from_nought(database: DatabaseSettings) -> None:
    with scratch_of(database) as scratch:
        scratch.create("versioned")
        assert "version" in columns_of(scratch, "screenshots")
        assert columns_of(scratch, "screenshots")["version"]["nullable"] is False
        with pytest.raises(IntegrityError):
            fill(scratch, "activity_1") and fill(scratch, "activity_1")


def test_bare_shape_takes_every_id_twice(database: DatabaseSettings) -> None:
    with scratch_of(database) as scratch:
        scratch.create("bare")
        assert [fill(scratch, "activity_1"), fill(scratch, "activity_1")] == [1, 2]
        assert list(columns_of(scratch, "screenshots"))[:2] == ["row_id", "id"]
        engine = scratch.engine()
        name = scratch.table("activities")
        indexes = inspect(engine).get_indexes("activities", schema=name[0] if len(name) > 1 else None)
        engine.dispose()
        assert [one["unique"] for one in indexes if one["column_names"] == ["id"]] in ([False], [0])


@pytest.mark.parametrize("shape", ["target", "bare"])
def test_made_again_it_is_empty(database: DatabaseSettings, shape: Shape) -> None:
    with scratch_of(database) as scratch:
        scratch.create("target")
        assert fill(scratch, "activity_1") == 1
        scratch.create(shape)
        assert fill(scratch, "activity_1") == 1


def test_another_process_gets_the_address_and_not_the_lock(database: DatabaseSettings) -> None:
    with scratch_of(database) as scratch:
        scratch.create("target")
        there: Scratch = pickle.loads(pickle.dumps(scratch))  # noqa: S301 (made a moment ago)
        assert (there.name, there.shown) == (scratch.name, scratch.shown)
        assert fill(there, "activity_1") == 1
        assert fill(scratch, "activity_2") == 2
        del there
        assert leftovers(database) == []


def test_taking_it_away_twice_is_no_error(database: DatabaseSettings) -> None:
    scratch = open_scratch(database, Interrupt())
    scratch.create("target")
    scratch.drop()
    scratch.drop()
    pickle.loads(pickle.dumps(scratch)).drop()  # noqa: S301
