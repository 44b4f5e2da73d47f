"""The PostgreSQL connection that writes: what it refuses, its statements, whom it waits for, and the run's lock."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing, suppress
from threading import Thread

import psycopg2
import pytest

from dedupaudit.config import DatabaseSettings
from dedupaudit.errors import ExitCode, Locked, Refused, SourceError, StatementStopped
from dedupaudit.repair.databases import open_database
from dedupaudit.repair.databases.postgresql import PostgresqlRepair
from dedupaudit.repair.databases.protocol import RepairDatabase, digest_of
from dedupaudit.repair.errors import Busy, Violation
from dedupaudit.sources.tables.catalog import Catalog, Column
from dedupaudit.sources.tables.protocol import Key
from dedupaudit.urls import parse_database_url
from tests.faults.standby import StandbyServer
from tests.servers.postgresql import PostgresqlServer
from tests.sources.tables.opened import opened

NAME = "repair_session"
LONG = 5.0


@pytest.fixture
def database(postgresql: PostgresqlServer) -> Iterator[str]:
    yield postgresql.create_database(NAME)
    postgresql.drop_database(NAME)


def do(server: PostgresqlServer, *statements: str) -> None:
    for statement in statements:
        server.execute(statement, database=NAME)


def repair(url: str, timeout: float | None = None) -> PostgresqlRepair:
    return PostgresqlRepair(DatabaseSettings("db", parse_database_url(url), timeout))


def texts(database: RepairDatabase, statement: str) -> list[object]:
    return [row[0] for row in database.fetch((), ["v"], f"FROM ({statement}) AS t (v)")]


# ---- opening


def test_it_is_opened_by_its_url_and_named_without_the_password(postgresql: PostgresqlServer, database: str) -> None:
    url = postgresql.url(database=NAME, password="geheim")
    with closing(open_database(DatabaseSettings("db", parse_database_url(url)))) as session:
        said = f"{session.name} {session.place}"
        assert f"127.0.0.1:{postgresql.port}/{NAME}" in said
        assert "geheim" not in said
        names = postgresql.execute("SELECT application_name FROM pg_stat_activity WHERE datname = %s", (NAME,))
        assert ("dedupaudit",) in names


@pytest.mark.parametrize(
    ("level", "override"), [(f"DATABASE {NAME}", "default_transaction_read_only%3Doff"), ("ROLE wary", "")]
)
def test_where_somebody_wants_no_writes_there_are_none_unless_the_url_says_so(
    postgresql: PostgresqlServer, database: str, level: str, override: str
) -> None:
    do(postgresql, "DROP ROLE IF EXISTS wary", "CREATE ROLE wary LOGIN")
    try:
        do(postgresql, f"ALTER {level} SET default_transaction_read_only = on")
        url = postgresql.url(user="wary", database=NAME)
        with pytest.raises(Refused, match="default_transaction_read_only is on") as error:
            repair(url)
        assert error.value.exit_code == ExitCode.REFUSED
        if override:
            assert override in error.value.hint
            repair(f"{url}?options=-c%20{override}").close()
    finally:
        do(postgresql, f"ALTER DATABASE {NAME} RESET ALL", "DROP ROLE wary")


def test_a_standby_is_the_same_database_and_is_refused(postgresql: PostgresqlServer, database: str) -> None:
    do(postgresql, "CREATE TABLE t (id text)")
    with StandbyServer(postgresql) as standby, closing(repair(database)) as session:
        standby.caught_up()
        with opened(standby.url(database=NAME)) as (source, _table):
            assert source.identity() == session.identity()
        with pytest.raises(Refused, match="is a standby") as error:
            repair(standby.url(database=NAME))
        assert "target_session_attrs=read-write" in error.value.hint
        lag = session.lag()
        assert lag is not None
        assert lag >= 0


def test_foreign_keys_that_are_switched_off_are_a_refusal(postgresql: PostgresqlServer, database: str) -> None:
    with pytest.raises(Refused, match="session_replication_role is replica"):
        repair(f"{database}?options=-c%20session_replication_role%3Dreplica")


def test_what_a_role_or_a_database_sets_does_not_matter(postgresql: PostgresqlServer, database: str) -> None:
    for setting in ("default_transaction_isolation = serializable", "statement_timeout = 1", "lock_timeout = 1",
                    "idle_in_transaction_session_timeout = 1", "standard_conforming_strings = off"):  # fmt: skip
        do(postgresql, f"ALTER DATABASE {NAME} SET {setting}")
    do(postgresql, "CREATE TABLE t (v text)")
    with closing(repair(database)) as session:
        with session.transaction():
            assert texts(session, "SHOW transaction_isolation".replace("SHOW ", "SELECT current_setting('") + "')") == [
                "read committed"
            ]
            time.sleep(0.05)
            assert session.execute(f"INSERT INTO t VALUES ({session.literal(chr(92) + chr(39))})") == 1
        assert texts(session, "SELECT v FROM t") == ["\\'"]


# ---- statements


def test_a_transaction_is_committed_as_a_whole_or_not_at_all(postgresql: PostgresqlServer, database: str) -> None:
    do(postgresql, "CREATE TABLE t (v int)")
    with closing(repair(database)) as session:
        with session.transaction():
            assert session.execute("INSERT INTO t VALUES (1), (2)") == 2
        with pytest.raises(KeyError), session.transaction():
            session.execute("INSERT INTO t VALUES (3)")
            raise KeyError("somebody else's mistake")
        # Committed one by one outside.
        session.execute("INSERT INTO t VALUES (4)")
        assert session.execute("UPDATE t SET v = v WHERE v < 3") == 2
    assert postgresql.execute("SELECT v FROM t ORDER BY v", database=NAME) == [(1,), (2,), (4,)]


@pytest.mark.parametrize("encoding", ["UTF8", "SQL_ASCII", "EUC_CN"])
def test_what_is_inserted_is_what_is_read_in_every_encoding(postgresql: PostgresqlServer, encoding: str) -> None:
    locale = "C.UTF-8" if encoding == "UTF8" else "C"
    postgresql.execute(f"CREATE DATABASE {NAME} ENCODING '{encoding}' LOCALE '{locale}' TEMPLATE template0")
    values = ["", "\\N", "\\", "\t\n\r\v\b", "图", "NULL", "\\.", "'", " a ", "1"]
    try:
        with closing(repair(postgresql.url(database=NAME))) as session:
            session.execute("CREATE TABLE own (n int, v text, w text)")
            with session.transaction():
                session.insert("own", ("n", "v", "w"), [(number, v, None) for number, v in enumerate(values)])
            assert texts(session, "SELECT v FROM own ORDER BY n") == values
            assert texts(session, "SELECT count(w) FROM own") == ["0"]
            count, digest = session.digest("v", "FROM own AS t WHERE v IN ('1', 'NULL', ' a ') ORDER BY n", lock=True)
            assert (count, digest) == (3, digest_of(sorted([" a ", "1", "NULL"])))
    finally:
        postgresql.drop_database(NAME)


def test_a_swallowed_error_is_not_taken_for_a_commit(postgresql: PostgresqlServer, database: str) -> None:
    do(postgresql, "CREATE TABLE t (v int PRIMARY KEY)")
    with closing(repair(database)) as session:
        with pytest.raises(SourceError, match="rolled the transaction back"), session.transaction():
            session.execute("INSERT INTO t VALUES (1)")
            with suppress(Violation):
                session.execute("INSERT INTO t VALUES (1)")
        assert texts(session, "SELECT count(*) FROM t") == ["0"]


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("DELETE FROM p WHERE id = 1", "foreign key"),
        ("INSERT INTO p VALUES (1)", "duplicate key"),
        ("UPDATE c SET v = NULL", "not-null"),
        ("UPDATE c SET v = -1", "check constraint"),
        ("DELETE FROM guarded", "hands off"),
        ("UPDATE guarded SET v = 0", "division by zero"),
    ],
)
def test_what_a_constraint_or_a_trigger_refuses_is_a_violation_and_the_session_goes_on(
    postgresql: PostgresqlServer, database: str, statement: str, said: str
) -> None:
    do(
        postgresql,
        "CREATE TABLE p (id int PRIMARY KEY)",
        "CREATE TABLE c (id int REFERENCES p, v int NOT NULL CHECK (v > 0))",
        "INSERT INTO p VALUES (1)",
        "INSERT INTO c VALUES (1, 1)",
        "CREATE TABLE guarded (v int)",
        "INSERT INTO guarded VALUES (1)",
        "CREATE FUNCTION guard() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF TG_OP = 'DELETE' THEN"
        " RAISE EXCEPTION 'hands off' USING ERRCODE = '45000'; END IF; NEW.v := 1 / NEW.v; RETURN NEW; END $$",
        "CREATE TRIGGER guard BEFORE DELETE OR UPDATE ON guarded FOR EACH ROW EXECUTE FUNCTION guard()",
    )
    with closing(repair(database)) as session:
        with pytest.raises(Violation, match=said), session.transaction():
            session.execute(statement)
        assert texts(session, "SELECT v FROM guarded") == ["1"]
        # One's own mistake is none.
        with pytest.raises(SourceError):
            session.execute("SELECT 1 / 0")


def test_a_deferred_constraint_is_a_violation_at_the_commit(postgresql: PostgresqlServer, database: str) -> None:
    do(
        postgresql,
        "CREATE TABLE p (id int PRIMARY KEY)",
        "CREATE TABLE c (id int REFERENCES p DEFERRABLE INITIALLY DEFERRED)",
        "INSERT INTO p VALUES (1)",
        "INSERT INTO c VALUES (1)",
    )
    with closing(repair(database)) as session:
        with pytest.raises(Violation, match="foreign key"), session.transaction():
            session.execute("DELETE FROM p")
        assert texts(session, "SELECT count(*) FROM p") == ["1"]


def test_a_row_that_somebody_else_holds_is_busy_and_he_is_named(postgresql: PostgresqlServer, database: str) -> None:
    do(postgresql, "CREATE TABLE t (v int)", "INSERT INTO t VALUES (1)")
    other = psycopg2.connect(
        host=str(postgresql.folder),
        port=postgresql.port,
        user="postgres",
        dbname=NAME,
        application_name="billing\x1b[1m",
    )
    with closing(other), closing(repair(database)) as session:
        other.cursor().execute("UPDATE t SET v = 2 /* the monthly\x1b[1m bill */")
        with pytest.raises(Busy) as error, session.transaction():
            session.fetch((), ["v"], "FROM t AS t" + session.locking)
        assert "billing" in error.value.blocked_by
        assert r"the monthly\x1b[1m bill" in error.value.blocked_by
        assert f"pid {other.info.backend_pid}" in error.value.blocked_by
        assert "\x1b" not in error.value.blocked_by + error.value.message
        # Nobody was cut off, and the session goes on.
        other.commit()
        assert session.execute("UPDATE t SET v = 3") == 1


def test_a_table_that_somebody_else_locks_is_busy_also_for_a_role_that_sees_little(
    postgresql: PostgresqlServer, database: str
) -> None:
    do(postgresql, "DROP ROLE IF EXISTS plain", "CREATE ROLE plain LOGIN", "CREATE TABLE t (v int)",
       "GRANT SELECT, UPDATE ON t TO plain")  # fmt: skip
    other = postgresql.connect(NAME)
    try:
        with closing(other), closing(repair(postgresql.url(user="plain", database=NAME))) as session:
            other.autocommit = False
            other.cursor().execute("LOCK TABLE t")
            with pytest.raises(Busy) as error:
                session.execute("UPDATE t SET v = 3")
            assert f"pid {other.info.backend_pid}" in error.value.blocked_by
            assert session.load() is None
            assert session.lag() is None
    finally:
        do(postgresql, "DROP OWNED BY plain", "DROP ROLE plain")


def test_a_deadlock_is_busy(postgresql: PostgresqlServer, database: str) -> None:
    do(postgresql, "CREATE TABLE t (id int, v int)", "INSERT INTO t VALUES (1, 1), (2, 1)")
    with closing(repair(database)) as first, closing(postgresql.connect(NAME)) as second:
        cursor = second.cursor()
        # The other one looks for a deadlock last, so that it is the repair that finds it.
        cursor.execute("SET deadlock_timeout = '30s'; BEGIN; UPDATE t SET v = 2 WHERE id = 2")
        crossing = Thread(target=lambda: cursor.execute("UPDATE t SET v = 2 WHERE id = 1"))
        with pytest.raises(Busy) as error, first.transaction():
            first.execute("UPDATE t SET v = 3 WHERE id = 1")
            crossing.start()
            time.sleep(0.3)
            first.execute("UPDATE t SET v = 3 WHERE id = 2")
        crossing.join(10)
        assert "deadlock" in error.value.message


def test_a_statement_that_takes_too_long_is_busy_only_where_somebody_is_in_the_way(
    postgresql: PostgresqlServer, database: str
) -> None:
    do(postgresql, "CREATE TABLE t (v int)", "INSERT INTO t VALUES (1)")
    with closing(postgresql.connect(NAME)) as other, closing(repair(database, timeout=1.5)) as session:
        with pytest.raises(StatementStopped, match="--timeout"):
            session.execute("SELECT pg_sleep(60)")
        other.cursor().execute("BEGIN; UPDATE t SET v = 2")
        with pytest.raises(Busy) as error:
            session.execute("UPDATE t SET v = 3")
        assert error.value.blocked_by


def test_a_lost_connection_is_told_and_is_never_made_anew(postgresql: PostgresqlServer, database: str) -> None:
    do(postgresql, "CREATE TABLE t (v int)")
    with closing(repair(database)) as session:
        assert session.acquire("run t")
        with pytest.raises(SourceError, match="connection to the server is lost"), session.transaction():
            session.execute("INSERT INTO t VALUES (1)")
            postgresql.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s"
                               " AND application_name = 'dedupaudit'", (NAME,))  # fmt: skip
            session.execute("INSERT INTO t VALUES (2)")
        with pytest.raises(SourceError, match="lost"):
            session.execute("INSERT INTO t VALUES (3)")
        with pytest.raises(SourceError, match="lost"), session.transaction():
            session.execute("INSERT INTO t VALUES (4)")
    assert postgresql.execute("SELECT count(*) FROM t", database=NAME) == [(0,)]


# ---- the run's lock


def test_one_session_has_the_lock_until_it_ends_or_dies(postgresql: PostgresqlServer, database: str) -> None:
    with closing(repair(database)) as first, closing(repair(database)) as second:
        assert not first.is_held("run public.t")
        assert first.acquire("run public.t")
        assert second.is_held("run public.t")
        assert not second.acquire("run public.t")
        assert second.acquire("run public.u")
        first.renew_lock("run public.t")
        with pytest.raises(Locked) as error:
            second.renew_lock("run public.t")
        assert error.value.exit_code == ExitCode.LOCKED
        first.close()
        waited = time.monotonic() + LONG
        while second.is_held("run public.t") and time.monotonic() < waited:
            time.sleep(0.02)
        assert second.acquire("run public.t")


def test_a_session_that_is_killed_leaves_no_lock(postgresql: PostgresqlServer, database: str) -> None:
    with closing(repair(database)) as first, closing(repair(database)) as second:
        assert first.acquire("run")
        assert first.acquire("run")
        pid = texts(first, "SELECT pg_backend_pid()")[0]
        postgresql.execute("SELECT pg_terminate_backend(%s, 5000)", (int(str(pid)),))
        assert not second.is_held("run")
        assert second.acquire("run")


def test_a_lock_that_is_gone_is_noticed(postgresql: PostgresqlServer, database: str) -> None:
    with closing(repair(database)) as session:
        assert session.acquire("run")
        # As after a pooler has given the next transaction to another session.
        session.execute("SELECT pg_advisory_unlock_all()")
        with pytest.raises(Locked), session.transaction():
            session.renew_lock("run")


def test_a_lock_of_another_database_is_not_this_ones(postgresql: PostgresqlServer, database: str) -> None:
    with closing(repair(postgresql.url())) as elsewhere, closing(repair(database)) as session:
        assert elsewhere.acquire("run")
        assert not session.is_held("run")
        assert session.acquire("run")


# ---- being kind


def test_load_counts_other_clients_that_work(postgresql: PostgresqlServer, database: str) -> None:
    with closing(repair(database)) as session, closing(postgresql.connect(NAME)) as other:
        before = session.load()
        assert before is not None

        def work() -> None:
            with suppress(psycopg2.Error):
                other.cursor().execute("SELECT pg_sleep(20)")

        working = Thread(target=work)
        working.start()
        waited = time.monotonic() + LONG
        while session.load() != before + 1 and time.monotonic() < waited:
            time.sleep(0.02)
        assert session.load() == before + 1
        other.cancel()
        working.join(10)
        assert session.lag() is None


# ---- finding rows


def explained(session: PostgresqlRepair, statement: str) -> str:
    return "\n".join(str(row[0]) for row in session.connection.rows(f"EXPLAIN {statement}"))


def plan(session: PostgresqlRepair, tail: str) -> str:
    return explained(session, f"SELECT 1 {tail}")


def test_a_thousand_keys_are_found_by_the_primary_key(postgresql: PostgresqlServer, database: str) -> None:
    # A small table of narrow rows may be read whole: that is as fast, and no other row is locked.
    do(
        postgresql,
        "CREATE TABLE one (id bigint PRIMARY KEY, v text)",
        "CREATE TABLE named (id varchar(40) PRIMARY KEY, v text)",
        "CREATE TABLE two (a int, b text, v text, PRIMARY KEY (a, b))",
        "CREATE TABLE none (id text, v text)",
        "INSERT INTO one SELECT i, repeat('x', 200) FROM generate_series(1, 50000) i",
        "INSERT INTO named SELECT 'k' || i, repeat('x', 200) FROM generate_series(1, 50000) i",
        "INSERT INTO two SELECT i % 50, 'k' || i, repeat('x', 200) FROM generate_series(1, 50000) i",
        "INSERT INTO none SELECT 'k' || i % 25000, repeat('x', 200) FROM generate_series(1, 50000) i",
    )
    numbers = range(7, 50_000, 50)
    kinds: dict[str, tuple[list[str], list[Key]]] = {
        "one": (["t.id"], [(n,) for n in numbers]),
        "named": (["t.id"], [(f"k{n}",) for n in numbers]),
        "two": (["t.a", "t.b"], [(n % 50, f"k{n}") for n in numbers]),
        "none": (["t.id"], [(f"k{n}",) for n in numbers if n < 25_000]),
    }
    with closing(repair(database)) as session:
        for analyzed in (False, True):
            if analyzed:
                do(postgresql, "ANALYZE")
            for name, (columns, keys) in kinds.items():
                tail = f"FROM {name} AS t WHERE {session.is_in(columns, keys)}"
                with session.transaction():
                    found = session.fetch((), ["1"], tail + session.locking)
                assert len(found) == 1000
                assert ("Index" in plan(session, tail + session.locking)) == (name != "none")
                if name != "none":
                    deleting = plan(
                        session, f"WHERE FALSE; EXPLAIN DELETE FROM {name} AS t WHERE {session.is_in(columns, keys)}"
                    )
                    assert "Index Scan" in deleting


def test_rows_without_a_key_are_found_by_their_place(postgresql: PostgresqlServer, database: str) -> None:
    do(
        postgresql,
        "CREATE TABLE t (id text, v text)",
        "INSERT INTO t SELECT 'k' || i, repeat('x', 600) FROM generate_series(1, 50000) i",
        "ANALYZE",
    )
    catalog = Catalog("t", '"public"."t"', "table", (Column("id", "text"), Column("v", "text")))
    with closing(repair(database)) as session:
        (handle,) = session.handle(catalog)
        assert handle.name == "ctid"
        name = f"t.{session.quote(handle.name)}"
        places = session.fetch([(handle, name)], ["t.id"], "FROM t AS t WHERE id < 'k11' ORDER BY t.ctid")
        condition = session.is_in([name], [row[:1] for row in places])
        with session.transaction():
            again = session.fetch(
                [(handle, name)], ["t.id"], f"FROM t AS t WHERE {condition} ORDER BY t.ctid FOR UPDATE"
            )
            assert again == places
            assert len(places) > 1000
            assert session.execute(f"DELETE FROM t AS t WHERE {condition}") == len(places)
        assert "Tid Scan" in plan(
            session, f"FROM t AS t WHERE {session.is_in([name], [row[:1] for row in places[:100]])}"
        )


def test_a_table_changed_by_ddl_has_another_shape(postgresql: PostgresqlServer, database: str) -> None:
    do(postgresql, "CREATE TABLE t (id int PRIMARY KEY, v text)", "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql"
       " AS 'BEGIN RETURN NULL; END'")  # fmt: skip
    with opened(database) as (_source, table):
        catalog = table.catalog
    changes = (
        "INSERT INTO t VALUES (1, 'x')",
        "ALTER TABLE t ADD w int",
        "ALTER TABLE t ALTER v TYPE varchar(9)",
        "ALTER TABLE t ALTER v SET NOT NULL",
        "CREATE TABLE c (id int REFERENCES t ON DELETE CASCADE)",
        "CREATE TRIGGER f AFTER DELETE ON t EXECUTE FUNCTION f()",
        "ALTER TABLE t DISABLE TRIGGER f",
        "CREATE RULE r AS ON DELETE TO t DO ALSO NOTHING",
    )
    with closing(repair(database)) as session:
        shapes = []
        for change in changes:
            shapes.append(session.shape(catalog))
            do(postgresql, change)
        with session.transaction():
            shapes.append(session.shape(catalog))
            # Nobody changes the table between the look and the change.
            with closing(postgresql.connect(NAME)) as other, pytest.raises(psycopg2.errors.LockNotAvailable):
                other.cursor().execute("SET lock_timeout = '200ms'; ALTER TABLE t ADD x int")
        assert shapes[0] == shapes[1]
        assert len(set(shapes)) == len(changes)
        do(postgresql, "DROP TABLE c", "DROP TABLE t")
        assert session.shape(catalog) == ""
