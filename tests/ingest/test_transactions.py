"""Work is tried again where the database asks for it, at READ COMMITTED, and nobody else's session is changed."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from threading import Barrier, Thread
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError

from dedupaudit.ingest import ActivityWriter, Stored, Unavailable
from dedupaudit.ingest.transactions import in_transaction
from dedupaudit.ingest.violations import is_again, is_deadlock
from tests.ingest.databases import Database
from tests.ingest.events import activity, stored_ids
from tests.servers.launching import free_port
from tests.servers.proxy import Proxy

SERVERS = pytest.mark.parametrize("database", ["postgresql", "mariadb"], indirect=True)
LEVEL = {"postgresql": "SHOW transaction_isolation", "mariadb": "SELECT @@tx_isolation"}
KILL = {
    "postgresql": ("SELECT pg_backend_pid()", "SELECT pg_terminate_backend({})"),
    "mariadb": ("SELECT connection_id()", "KILL {}"),
}
ROWS = "INSERT INTO activities (id, device_id, type, timestamp) VALUES ('a', 'd', 'click', 0), ('b', 'd', 'click', 0)"


def touch(connection: Connection, event_id: str) -> None:
    connection.exec_driver_sql(f"UPDATE activities SET timestamp = timestamp + 1 WHERE id = '{event_id}'")


def test_work_is_committed_and_its_answer_returned(database: Database) -> None:
    database.run(ROWS)

    def work(connection: Connection) -> int:
        touch(connection, "a")
        return 7

    assert in_transaction(database.engine, work) == 7
    assert database.ask("SELECT timestamp FROM activities WHERE id = 'a'") == [(1,)]


def test_an_error_of_another_kind_is_raised_and_nothing_kept(database: Database) -> None:
    database.run(ROWS)
    tries = []

    def work(connection: Connection) -> None:
        tries.append(True)
        touch(connection, "a")
        connection.exec_driver_sql("SELECT * FROM nowhere")

    with pytest.raises(DBAPIError) as caught:
        in_transaction(database.engine, work)
    assert len(tries) == 1
    assert not is_again(caught.value)
    assert database.ask("SELECT timestamp FROM activities WHERE id = 'a'") == [(0,)]


@SERVERS
def test_a_deadlock_is_tried_again(database: Database) -> None:
    database.run(ROWS)
    barrier = Barrier(2)
    tries: list[str] = []
    deadlocks: list[bool] = []
    engine = database.new_engine()

    @event.listens_for(engine, "handle_error")
    def note(context: Any) -> None:
        deadlocks.append(is_deadlock(context.original_exception))

    def cross(first: str, second: str) -> None:
        def work(connection: Connection) -> None:
            tries.append(first)
            if database.name == "postgresql":
                connection.exec_driver_sql("SET LOCAL deadlock_timeout = '20ms'")
            touch(connection, first)
            if tries.count(first) == 1:
                barrier.wait(30)
            touch(connection, second)

        in_transaction(engine, work)

    other = Thread(target=cross, args=("b", "a"))
    other.start()
    cross("a", "b")
    other.join()
    engine.dispose()
    assert len(tries) > 2, "they did wait for each other"
    assert any(deadlocks)
    assert database.ask("SELECT timestamp FROM activities ORDER BY id") == [(2,), (2,)]


@SERVERS
@pytest.mark.parametrize("level", ["SERIALIZABLE", "REPEATABLE READ", "AUTOCOMMIT", "READ COMMITTED", None])
def test_the_work_is_at_read_committed_and_the_session_as_it_was(database: Database, level: str | None) -> None:
    options: dict[str, Any] = {"isolation_level": level} if level else {}
    engine = database.new_engine(**options, pool_size=1, max_overflow=0)

    def around() -> str:
        with engine.connect() as connection:
            return str(connection.get_isolation_level())

    before = around()
    asked = LEVEL[database.name]

    def work(connection: Connection) -> str:
        # MariaDB shows what SET SESSION said; what this transaction has, only its behaviour tells.
        connection.exec_driver_sql("SELECT count(*) FROM activities").fetchall()
        database.run(f"INSERT INTO activities (id, device_id, type, timestamp) VALUES ('{before}', 'd', 'click', 0)")
        seen = connection.exec_driver_sql("SELECT count(*) FROM activities").scalar()
        return f"{seen} {connection.exec_driver_sql(asked).scalar()}"

    for _ in range(2):
        database.run("DELETE FROM activities")
        said = in_transaction(engine, work)
        assert said.startswith("1 "), "what others committed meanwhile is seen"
        if database.name == "postgresql":
            assert said == "1 read committed"
        assert around() == before
    engine.dispose()


@SERVERS
def test_an_engine_in_autocommit_still_has_transactions(database: Database) -> None:
    database.run(ROWS)
    engine = database.new_engine(isolation_level="AUTOCOMMIT")

    def work(connection: Connection) -> None:
        touch(connection, "a")
        raise KeyError

    for _ in range(2):
        with pytest.raises(KeyError):
            in_transaction(engine, work)
    engine.dispose()
    assert database.ask("SELECT timestamp FROM activities WHERE id = 'a'") == [(0,)]


@SERVERS
def test_lock_timeouts_are_worth_another_try(database: Database) -> None:
    database.run(ROWS)
    with database.engine.connect() as holder:
        touch(holder, "a")
        with database.engine.connect() as waiting, pytest.raises(DBAPIError) as caught:
            waiting.exec_driver_sql("SELECT * FROM activities WHERE id = 'a' FOR UPDATE NOWAIT")
    assert is_again(caught.value)
    assert not is_deadlock(caught.value)


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_serialization_failures_are_worth_another_try(database: Database) -> None:
    database.run(ROWS)
    engine = database.new_engine(isolation_level="REPEATABLE READ")
    with engine.connect() as late, pytest.raises(DBAPIError) as caught:
        late.exec_driver_sql("SELECT 1 FROM activities")
        with engine.begin() as early:
            touch(early, "a")
        touch(late, "a")
    engine.dispose()
    assert is_again(caught.value)


@SERVERS
def test_a_session_that_is_killed_in_the_middle_is_tried_again(database: Database) -> None:
    database.run(ROWS)
    asked, end = KILL[database.name]
    tries = []

    def work(connection: Connection) -> None:
        tries.append(True)
        touch(connection, "a")
        if len(tries) == 1:
            database.ask_elsewhere(end.format(connection.exec_driver_sql(asked).scalar()))
        touch(connection, "b")

    in_transaction(database.engine, work)
    assert len(tries) == 2
    assert database.ask("SELECT timestamp FROM activities ORDER BY id") == [(1,), (1,)]


@SERVERS
def test_a_commit_that_was_done_but_never_answered_is_one_row(database: Database) -> None:
    """The very ambiguity that the incident is about, one level further down."""
    port = int(database.url.rpartition(":")[2].partition("/")[0])
    with Proxy(port) as proxy:
        engine = database.new_engine(proxy.port)
        writer = ActivityWriter(engine)
        writer.write(activity("warm-up"))
        cuts: list[bool] = []

        def cut_at_the_answer(*_told: Any) -> None:
            if not cuts:
                proxy.cut_after = proxy.forwarded

        # To PostgreSQL an INSERT by itself is a transaction; the others hear a COMMIT.
        event.listen(engine, "before_cursor_execute" if database.name == "postgresql" else "commit", cut_at_the_answer)

        @event.listens_for(engine, "handle_error")
        def mend(context: Any) -> None:
            proxy.cut_after = None
            cuts.append(is_again(context.sqlalchemy_exception))

        assert writer.write(activity("a")) == Stored("a", duplicate=True), "stored by the try that nobody heard of"
        assert cuts[0], "the first error was the cut; MySQL's next one says that the key is there"
        outcomes = writer.write_batch([activity("a"), activity("b")])
        assert outcomes == [Stored("a", duplicate=True), Stored("b", duplicate=False)]
        engine.dispose()
    assert stored_ids(database) == ["a", "b", "warm-up"]


@SERVERS
@pytest.mark.parametrize("level", ["AUTOCOMMIT", "SERIALIZABLE"])
def test_a_pooled_connection_that_died_is_replaced(database: Database, level: str) -> None:
    """The server is asked for the level beside SQLAlchemy's statements, and the driver's bare error came through."""
    engine = database.new_engine(isolation_level=level, pool_size=1, max_overflow=0)
    writer = ActivityWriter(engine)
    writer.write(activity("a"))
    ask, kill = KILL[database.name]
    with engine.connect() as connection:
        session = connection.exec_driver_sql(ask).scalar()
    database.ask_elsewhere(kill.format(session))
    assert writer.write(activity("b")) == Stored("b")
    with engine.connect() as connection:
        session = connection.exec_driver_sql(ask).scalar()
    database.ask_elsewhere(kill.format(session))
    assert writer.write_batch([activity("b"), activity("c")]) == [Stored("b", duplicate=True), Stored("c")]
    engine.dispose()


@pytest.mark.parametrize("database", ["mariadb"], indirect=True)
def test_a_session_that_dies_on_its_way_back_keeps_no_place_in_the_pool(database: Database) -> None:
    engine = database.new_engine(
        isolation_level="AUTOCOMMIT", pool_reset_on_return=None, pool_size=1, max_overflow=0, pool_timeout=1
    )
    writer = ActivityWriter(engine)
    writer.write_batch([activity("a"), activity("b")])
    killed: list[int] = []

    @event.listens_for(engine, "reset")
    def end(raw: Any, *_rest: Any) -> None:
        if not killed:
            killed.append(raw.thread_id())
            database.ask_elsewhere(f"KILL {raw.thread_id()}")

    assert writer.write_batch([activity("c"), activity("d")]) == [Stored("c"), Stored("d")]
    assert killed
    assert writer.write_batch([activity("d"), activity("e")]) == [Stored("d", duplicate=True), Stored("e")]
    engine.dispose()


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_a_server_that_goes_after_the_insert_takes_no_answer_along(database: Database) -> None:
    engine = database.new_engine(isolation_level="SERIALIZABLE")
    writer = ActivityWriter(engine)
    writer.write(activity("a"))

    @event.listens_for(engine, "after_cursor_execute")
    def end(connection: Connection, _cursor: Any, statement: str, *_rest: Any) -> None:
        raw: Any = connection.connection.dbapi_connection
        if statement.startswith("INSERT"):
            database.ask_elsewhere(f"SELECT pg_terminate_backend({raw.info.backend_pid}, 60000)")

    assert writer.write(activity("b")) == Stored("b")
    assert stored_ids(database) == ["a", "b"]
    engine.dispose()


@SERVERS
def test_what_cannot_be_reached_is_unavailable_and_no_secret_is_told(database: Database) -> None:
    port = free_port()
    scheme = "postgresql+psycopg2" if database.name == "postgresql" else "mysql+pymysql"
    engine = create_engine(f"{scheme}://somebody:hunter2@127.0.0.1:{port}/app")
    with pytest.raises(Unavailable, match="the database could not be written") as caught:
        in_transaction(engine, lambda connection: None, attempts=2)
    assert "hunter2" not in caught.value.message + caught.value.hint
    assert "\n" not in caught.value.message


def test_a_pool_without_a_connection_is_unavailable(database: Database) -> None:
    engine = database.new_engine(pool_size=1, max_overflow=0, pool_timeout=0.01)
    with engine.connect(), pytest.raises(Unavailable):
        in_transaction(engine, lambda connection: None)
    engine.dispose()


def busy(path: Path, seconds: float) -> Engine:
    return create_engine(f"sqlite+pysqlite:///{path}", connect_args={"timeout": seconds})


@pytest.fixture
def rollback_journal(tmp_path: Path) -> Path:
    """Give a file in the default journal mode, where readers and writers meet."""
    path = tmp_path / "busy.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE activities (id TEXT PRIMARY KEY, device_id, type TEXT, timestamp, data TEXT)")
        connection.commit()
    return path


def test_the_write_lock_is_taken_before_anything_is_read(rollback_journal: Path) -> None:
    """A transaction that reads first and writes later can only fail once somebody else wrote."""
    engine = busy(rollback_journal, 5)

    def work(connection: Connection) -> None:
        connection.exec_driver_sql("SELECT count(*) FROM activities").fetchall()
        with closing(sqlite3.connect(rollback_journal, timeout=0)) as other:
            other.execute("INSERT INTO activities (id) VALUES ('other')")

    with pytest.raises(sqlite3.OperationalError, match="locked"):
        in_transaction(engine, work)
    engine.dispose()


def test_a_busy_file_is_tried_again(rollback_journal: Path) -> None:
    engine = busy(rollback_journal, 0.001)
    tries = []
    with closing(sqlite3.connect(rollback_journal, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")

        @event.listens_for(engine, "handle_error")
        def release(context: Any) -> None:
            tries.append(is_again(context.sqlalchemy_exception))
            if len(tries) == 2:
                other.execute("ROLLBACK")

        assert not ActivityWriter(engine).write(activity()).duplicate
    assert tries == [True, True]
    engine.dispose()


def test_a_reader_that_holds_up_a_commit_leaves_no_open_transaction(rollback_journal: Path) -> None:
    """SQLAlchemy would give a connection back whose COMMIT failed; the next user would commit a stranger's row."""
    engine = busy(rollback_journal, 0.001)
    writer = ActivityWriter(engine)
    writer.write(activity("first"))
    with closing(sqlite3.connect(rollback_journal, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM activities").fetchall()
        with pytest.raises(Unavailable, match="locked"):
            in_transaction(
                engine,
                lambda connection: connection.exec_driver_sql("INSERT INTO activities (id) VALUES ('held up')"),
                attempts=2,
            )
        with engine.connect() as connection:
            raw: Any = connection.connection.dbapi_connection
            assert not raw.in_transaction
        reader.execute("COMMIT")
    assert not writer.write(activity("second")).duplicate
    with closing(sqlite3.connect(rollback_journal)) as looking:
        assert looking.execute("SELECT id FROM activities ORDER BY id").fetchall() == [("first",), ("second",)]
    engine.dispose()


def test_an_engine_that_begins_by_itself_works_as_well(rollback_journal: Path) -> None:
    """As SQLAlchemy's own page on SQLite advises."""
    engine = busy(rollback_journal, 5)

    @event.listens_for(engine, "connect")
    def by_hand(raw: Any, _record: Any) -> None:
        raw.isolation_level = None

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN")

    writer = ActivityWriter(engine)
    assert [writer.write(activity()).duplicate for _ in range(2)] == [False, True]
    engine.dispose()


def test_a_file_that_never_waits_is_made_to(rollback_journal: Path) -> None:
    engine = busy(rollback_journal, 0)
    waits = in_transaction(engine, lambda connection: connection.exec_driver_sql("PRAGMA busy_timeout").scalar())
    assert waits == 5000
    engine.dispose()
