"""Faults on order: what a driver says of a connection that is lost after its COMMIT, and what is counted."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, NullPool, create_engine, text
from sqlalchemy.exc import DBAPIError, OperationalError

from dedupaudit.drill.faults import FaultyEngine, FaultyStore
from dedupaudit.drill.scenario import ENOUGH_IDS, NO_FAULT, Fault, scenario
from dedupaudit.drill.shipped import unique
from dedupaudit.errors import SourceError
from dedupaudit.ingest.events import Activity, Screenshot
from dedupaudit.stores.local import LocalStore
from tests.drill.drilling import FAST
from tests.drill.places import Kind, place_of
from tests.servers.mariadb import MariadbServer
from tests.servers.postgresql import PostgresqlServer

DEADLOCKS = {
    "postgresql": "DO $$ BEGIN RAISE EXCEPTION 'd' USING ERRCODE = '40P01'; END $$",
    "mariadb": "SIGNAL SQLSTATE '40001' SET MYSQL_ERRNO = 1213",
}


@pytest.fixture(params=DEADLOCKS)
def engine(
    request: pytest.FixtureRequest, postgresql: PostgresqlServer, mariadb: MariadbServer
) -> Iterator[tuple[str, Engine]]:
    url = (postgresql if request.param == "postgresql" else mariadb).create_database("faults")
    made = create_engine(
        url.replace("mariadb:", "mysql+pymysql:").replace("postgresql:", "postgresql+psycopg2:"), poolclass=NullPool
    )
    with made.begin() as connection:
        connection.execute(text("CREATE TABLE t (a int)"))
    yield request.param, made
    made.dispose()


def insert(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO t VALUES (1)"))


def rows(engine: Engine) -> int:
    with engine.connect() as connection:
        return int(connection.execute(text("SELECT count(*) FROM t")).scalar_one())


def test_a_connection_that_breaks_after_its_commit_has_committed(engine: tuple[str, Engine]) -> None:
    _, made = engine
    faulty = FaultyEngine(made)
    faulty.begin(Fault(dropped_after=2))
    insert(made)
    with pytest.raises(OperationalError) as caught:
        insert(made)
    assert caught.value.connection_invalidated
    assert rows(made) == 2
    assert not faulty.missed
    # Once for each request, and not where it is not ordered.
    insert(made)
    faulty.begin(NO_FAULT)
    insert(made)
    assert rows(made) == 4
    # A look commits as well, and stores nothing: who looked at the catalog first would not lose the answer to its row.
    faulty.begin(Fault(dropped_after=1))
    with made.begin() as connection:
        connection.execute(text("SELECT 1"))
    assert faulty.missed
    with pytest.raises(OperationalError):
        insert(made)
    assert (faulty.missed, rows(made)) == (False, 5)


def test_deadlocks_are_counted_and_other_errors_are_not(engine: tuple[str, Engine]) -> None:
    kind, made = engine
    faulty = FaultyEngine(made)
    faulty.begin(NO_FAULT)
    for statement in (DEADLOCKS[kind], "SELECT nothing", DEADLOCKS[kind]):
        with pytest.raises(DBAPIError), made.begin() as connection:
            connection.execute(text(statement))
    assert faulty.deadlocks == 2
    faulty.begin(NO_FAULT)
    assert faulty.deadlocks == 0


@pytest.mark.parametrize("kind", ["postgresql", "mariadb"])
def test_a_writer_whose_commit_was_lost_finds_its_own_row(kind: Kind, tmp_path: Path) -> None:
    place = place_of(kind, "target", tmp_path, times=FAST)
    faulty = FaultyEngine(place.engine)
    backend = unique(place)
    for plan in scenario(ENOUGH_IDS, 4, 1)[:8]:
        take: Any = backend.activity if isinstance(plan.clients[0].event, Activity) else backend.screenshot
        take(plan.clients[0].event)
    for number in range(1, 4):
        shot = Screenshot(f"lost_{number}", "device", number, b"picture")
        faulty.begin(Fault(dropped_after=number))
        answer = backend.screenshot(shot)
        assert not faulty.missed, "the connection was never lost"
        assert answer.said in ("stored", "duplicate")
        assert place.store.holds(f"screenshots/device/lost_{number}.jpg", b"picture")
        assert backend.screenshot(shot).said == "duplicate"


def test_sqlite_has_no_connection_to_lose(tmp_path: Path) -> None:
    made = create_engine(f"sqlite:///{tmp_path}/app.db")
    with made.begin() as connection:
        connection.execute(text("CREATE TABLE t (a int)"))
    faulty = FaultyEngine(made)
    faulty.begin(Fault(dropped_after=1))
    insert(made)
    assert (rows(made), faulty.missed) == (1, False)
    made.dispose()


def test_the_first_upload_of_a_request_suffers_and_every_one_is_noted(tmp_path: Path) -> None:
    said: list[str] = []
    store = FaultyStore(
        LocalStore(tmp_path.as_uri()), 0.0, lambda: said.append("uploading"), lambda: said.append("waited")
    )
    store.begin(Fault(then="pause", upload_fails=True))
    assert store.missed
    with pytest.raises(SourceError, match="as the drill had it"):
        store.put("a", b"1")
    assert not store.missed
    assert store.put("a", b"1")
    assert not store.put("a", b"1")
    assert not store.put("a", b"2")
    assert store.holds("a", b"1")
    assert said == ["uploading", "waited"]
    assert [(put.key, put.written, put.failed) for put in store.puts()] == [
        ("a", False, True),
        ("a", True, False),
        ("a", False, False),
        ("a", False, True),
    ]
    store.begin(NO_FAULT)
    assert store.put("a", b"3", overwrite=True)
    assert len(store.puts()) == 1
