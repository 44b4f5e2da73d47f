"""Each claim is one statement on a real database: who may change a row, when, and by whose clock."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from functools import cache
from threading import Barrier, Thread
from typing import Any, TypeVar

import pymysql
import pytest
from sqlalchemy import Connection, Engine, create_engine, event

from dedupaudit.ingest import claims
from dedupaudit.ingest.clock import clock_of
from dedupaudit.ingest.errors import Unprotected
from dedupaudit.ingest.tables import SCREENSHOTS, Described, Dialect, Table, describe
from dedupaudit.ingest.transactions import in_transaction
from tests.ingest.databases import Database
from tests.servers.fixtures import shared_mariadb
from tests.servers.mariadb import program

T = TypeVar("T")
KEY = ("screenshot_1",)
LEASE = 60.0
OVER = {
    "postgresql": "clock_timestamp() - interval '90 seconds'",
    "mariadb": "NOW(6) - INTERVAL 90 SECOND",
    "sqlite": "strftime('%Y-%m-%d %H:%M:%f', 'now', '-90 seconds')",
}
"""A time that is further back than the lease."""

# The kinds of `updated_at` that can hold a lease, with whether their seconds are whole; and some that cannot.
KINDS = {
    "postgresql": {"timestamptz": False, "timestamp(3) with time zone": False, "timestamp(0)": True, "timestamp": False,
                   "bigint": False},
    "mariadb": {"timestamp(3)": False, "timestamp": True, "datetime(6)": False, "datetime": True, "bigint": False,
                "bigint unsigned": False},
    "sqlite": {"TEXT": False, "DATETIME": False, "INTEGER": False},
}  # fmt: skip
REFUSED = {
    "postgresql": ("date", "text", "double precision"),
    "mariadb": ("date", "varchar(40)", "int"),
    "sqlite": ("REAL", "BLOB"),
}


@dataclass
class Rows:
    """The rows of one table, changed and looked at in transactions of their own."""

    engine: Engine
    table: Described
    lease: float = LEASE

    def claim(self, key: tuple[str, ...] = KEY, lease: float | None = None) -> int | None:
        wanted = self.lease if lease is None else lease
        return self.do(lambda connection: claims.compare_and_swap(connection, self.table, key, wanted))

    def complete(self, token: int, **written: object) -> bool:
        return self.do(lambda connection: claims.complete(connection, self.table, KEY, token, written))

    def fail(self, token: int) -> bool:
        return self.do(lambda connection: claims.fail(connection, self.table, KEY, token))

    def renew(self, token: int) -> bool:
        return self.do(lambda connection: claims.renew(connection, self.table, KEY, token))

    def sweep(self, token: int) -> bool:
        return self.do(lambda connection: claims.sweep(connection, self.table, KEY, token, self.lease))

    def expired(self, limit: int = 10) -> list[tuple[tuple[object, ...], int]]:
        return self.do(lambda connection: claims.expired(connection, self.table, self.lease, limit))

    def look(self, *columns: str) -> claims.Seen:
        seen = self.do(lambda connection: claims.look(connection, self.table, KEY, self.lease, columns))
        assert seen is not None
        return seen

    def do(self, work: Callable[[Connection], T]) -> T:
        return in_transaction(self.engine, work)


def rows_of(database: Database, table: Table = SCREENSHOTS) -> Rows:
    engine = database.engine
    return Rows(engine, in_transaction(engine, lambda connection: describe(connection, table)))


def insert(database: Database, key: str = KEY[0], status: str = "pending", retry_count: str = "0") -> None:
    stamp = "`timestamp`" if database.name == "mariadb" else '"timestamp"'
    database.run(
        f"INSERT INTO screenshots (id, device_id, status, {stamp}, retry_count)"
        f" VALUES ('{key}', 'd', '{status}', 1, {retry_count})"
    )


def put_back(database: Database, status: str, *, over: bool, retry_count: str = "4") -> None:
    """Give the row this state, whatever it was."""
    when = OVER[database.name] if over else OVER[database.name].replace("90", "5")
    database.run(
        f"UPDATE screenshots SET status = '{status}', retry_count = {retry_count}, updated_at = {when}".replace(
            "%", "%%"
        )
        if database.name != "sqlite"
        else f"UPDATE screenshots SET status = '{status}', retry_count = {retry_count}, updated_at = {when}"
    )


def test_what_happens_in_each_state_is_what_the_table_of_transitions_says(database: Database) -> None:
    insert(database)
    rows = rows_of(database)
    # What each call says, and what the row says then, before all of it: status, lease over, and the call.
    happened: dict[tuple[str, bool, str], tuple[object, str, int]] = {}
    for status in ("pending", "uploading", "completed", "failed"):
        for over in (False, True):
            for call in (
                "claim",
                "renew 4",
                "renew 3",
                "complete 4",
                "complete 3",
                "fail 4",
                "fail 3",
                "sweep 4",
                "sweep 3",
            ):
                put_back(database, status, over=over)
                name, _, token = call.partition(" ")
                said = getattr(rows, name)(*([int(token)] if token else []))
                then = rows.look()
                happened[status, over, call] = (said, then.status, then.token)
    expected: dict[tuple[str, bool, str], tuple[object, str, int]] = {
        key: (None if key[2] == "claim" else False, key[0], 4) for key in happened
    }
    for over in (False, True):
        expected["pending", over, "claim"] = expected["failed", over, "claim"] = (4, "uploading", 4)
        expected["uploading", over, "renew 4"] = (True, "uploading", 4)
        expected["uploading", over, "complete 4"] = (True, "completed", 4)
        expected["uploading", over, "fail 4"] = (True, "failed", 5)
    expected["uploading", True, "claim"] = (5, "uploading", 5)
    expected["uploading", True, "sweep 4"] = (True, "failed", 5)
    assert happened == expected


def test_a_claim_and_a_renewal_begin_the_lease_and_all_else_tells_the_time_of_its_change(database: Database) -> None:
    insert(database)
    rows = rows_of(database)
    for status, call in (
        ("failed", "claim"),
        ("uploading", "claim"),
        ("uploading", "renew"),
    ):
        put_back(database, status, over=True)
        assert not rows.look().held
        assert rows.renew(4) if call == "renew" else rows.claim()
        assert rows.look().held
        assert rows.expired() == []
    put_back(database, "uploading", over=True)
    before = rows.look("updated_at").values["updated_at"]
    assert rows.fail(4)
    assert rows.look("updated_at").values["updated_at"] > before


def test_no_retry_count_counts_as_none(database: Database) -> None:
    insert(database, retry_count="NULL")
    rows = rows_of(database)
    assert rows.claim() == 0
    database.run("UPDATE screenshots SET retry_count = NULL")
    assert rows.fail(0)
    assert rows.look("retry_count").values["retry_count"] == 1


def test_a_row_that_is_not_there_is_nobodys(database: Database) -> None:
    rows = rows_of(database)
    assert rows.claim() is None
    assert not rows.renew(0) and not rows.complete(0) and not rows.fail(0) and not rows.sweep(0)
    assert rows.do(lambda connection: claims.look(connection, rows.table, KEY, LEASE, ())) is None


def test_one_of_eight_wins_each_claim_and_each_take_over(database: Database) -> None:
    rows = rows_of(database)
    rows.engine.dispose()
    keys = [(f"screenshot_{number}",) for number in range(12)]
    for (key,) in keys:
        insert(database, key)
    for expected in (0, 1):
        won: list[tuple[tuple[str, ...], int]] = []
        barrier = Barrier(8)

        def claim_all(won: list[tuple[tuple[str, ...], int]] = won, barrier: Barrier = barrier) -> None:
            barrier.wait()
            for key in keys:
                token = rows.claim(key)
                if token is not None:
                    won.append((key, token))

        threads = [Thread(target=claim_all) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(won) == sorted((key, expected) for key in keys)
        put_back(database, "uploading", over=True, retry_count="retry_count")


def test_what_completed_writes_reaches_its_columns_whatever_is_in_it(database: Database) -> None:
    insert(database)
    rows = rows_of(database)
    assert rows.claim() == 0
    hostile = "a'b\"c%s?:x\\\n\u202e$1"
    assert rows.complete(0, oss_key=hostile, oss_url="%(x)s", file_size=7)
    seen = rows.look("oss_key", "oss_url", "file_size")
    assert seen.values == {"oss_key": hostile, "oss_url": "%(x)s", "file_size": 7}


def test_columns_and_tables_of_any_name_and_a_version_that_counts(database: Database) -> None:
    quote = "`" if database.name == "mariadb" else '"'
    double = quote * 2
    odd = f"{quote}we {double}ird:%s?{quote}"
    types = {"postgresql": "timestamptz", "mariadb": "timestamp(3) NOT NULL DEFAULT NOW(3)", "sqlite": "TEXT"}
    database.run(
        f"CREATE TABLE {odd} (id varchar(40) PRIMARY KEY, {odd} varchar(20), tries int, {quote}at:%d{quote}"
        f" {types[database.name]}, v int)",
        f"INSERT INTO {odd} VALUES ('{KEY[0]}', 'pending', NULL, {OVER[database.name]}, 7)",
    )
    name = f"we {quote}ird:%s?"
    columns = {"status": name, "retry_count": "tries", "updated_at": "at:%d"}
    rows = rows_of(database, Table((name,), columns=columns, version="v"))
    assert rows.claim() == 0
    assert rows.renew(0)
    assert rows.fail(0)
    table = rows.table
    assert rows.do(lambda connection: claims.compare_and_swap(connection, table, KEY, LEASE, version=9)) is None
    assert rows.do(lambda connection: claims.compare_and_swap(connection, table, KEY, LEASE, version=10)) == 1
    assert rows.complete(1, id=KEY[0])
    assert rows.look("v").values == {"v": 12}


def test_expired_claims_are_found_up_to_a_limit_and_nothing_else_is(database: Database) -> None:
    rows = rows_of(database)
    for number in range(5):
        insert(database, f"screenshot_{number}")
    put_back(database, "uploading", over=True)
    database.run("UPDATE screenshots SET status = 'failed' WHERE id = 'screenshot_3'")
    assert rows.renew(4)
    assert sorted(rows.expired()) == [((f"screenshot_{number}",), 4) for number in (0, 2, 4)]
    assert len(rows.expired(limit=2)) == 2


# ---- the clock


def leases(database: Database, kind: str) -> Rows:
    """Make a table whose `updated_at` is of this kind, with one row that waits for its upload."""
    null = " NULL" if database.name == "mariadb" else ""
    database.run(
        "DROP TABLE IF EXISTS leases",
        "CREATE TABLE leases (id varchar(40) PRIMARY KEY, status varchar(20), retry_count int,"
        f" updated_at {kind}{null})",
        f"INSERT INTO leases VALUES ('{KEY[0]}', 'pending', 0, NULL)",
    )
    return rows_of(database, Table(("leases",)))


def in_zone(database: Database, zone: str) -> Engine:
    """Return an engine whose sessions are in this zone."""
    engine = database.new_engine()
    if database.name != "sqlite":
        setting = {"postgresql": "SET TIME ZONE", "mariadb": "SET time_zone ="}[database.name]

        @event.listens_for(engine, "connect")
        def set_zone(connection: Any, _record: object) -> None:
            cursor = connection.cursor()
            cursor.execute(f"{setting} '{zone}'")
            connection.commit()
            cursor.close()

    return engine


def test_a_lease_is_the_same_for_sessions_in_any_zone(database: Database) -> None:
    east, west = in_zone(database, "+09:00"), in_zone(database, "-05:00")
    for kind, whole in KINDS[database.name].items():
        table = leases(database, kind).table
        there, here = Rows(east, table), Rows(west, table)
        assert there.claim() == 0, kind
        # Less old than the lease, and older than a moment that is yet to come.
        assert here.look().held, kind
        assert here.claim() is None, kind
        assert here.renew(0), kind
        assert there.look().held, kind
        assert there.claim(lease=-5) == 1, kind
        assert here.expired() == [], kind
        here.lease = -5
        assert here.expired() == [(KEY, 1)], kind
        clock_of(table, 2.0 if whole else 0.1)
        if whole:
            with pytest.raises(Unprotected, match=r"whole seconds: no lease of 1.9 s fits"):
                clock_of(table, 1.9)
    east.dispose()
    west.dispose()


def test_a_claim_without_a_time_is_over(database: Database) -> None:
    rows = leases(database, next(iter(KINDS[database.name])))
    database.run("UPDATE leases SET status = 'uploading'")
    assert not rows.look().held
    assert rows.expired() == [(KEY, 0)]
    assert rows.claim() == 1
    assert rows.look().held


def test_what_can_hold_no_lease_is_refused(database: Database) -> None:
    for kind in REFUSED[database.name]:
        with pytest.raises(Unprotected, match=r"column updated_at of leases is .*: a lease cannot be kept in it"):
            leases(database, kind).claim()
    database.run("ALTER TABLE leases RENAME COLUMN updated_at TO changed_at")
    with pytest.raises(Unprotected, match="leases has no column updated_at: a lease needs a clock"):
        rows_of(database, Table(("leases",))).claim()


@cache
def know_berlin() -> None:
    """Teach the shared server one zone: it has none."""
    argv = [str(program("mariadb-tzinfo-to-sql")), "/usr/share/zoneinfo/Europe/Berlin", "Berlin"]
    script = subprocess.run(argv, check=True, capture_output=True, text=True).stdout
    # It locks tables, so the connection is its own.
    with closing(shared_mariadb().connect("mysql")) as connection, connection.cursor() as cursor:
        for statement in filter(str.strip, script.split(";\n")):
            cursor.execute(statement)


# 2026: clocks in Berlin leap at 1774746000 (29 March, 01:00 UTC) and repeat an hour from 1792890000 (25 October) on.
SPRING, AUTUMN = 1774746000, 1792890000


@pytest.mark.parametrize("database", ["mariadb"], indirect=True)
def test_neither_the_leap_in_spring_nor_the_hour_twice_in_autumn_ends_a_lease_or_makes_it_longer(
    database: Database,
) -> None:
    know_berlin()
    berlin = in_zone(database, "Berlin")
    # What MySQL stores in the hour that is there twice, MariaDB cannot show.
    tried: tuple[tuple[str, Dialect, tuple[int, ...]], ...] = (
        ("timestamp(3)", "mariadb", (SPRING, AUTUMN)),
        ("timestamp(3)", "mysql", (SPRING,)),
        ("datetime(3)", "mariadb", (SPRING, AUTUMN)),
        ("bigint", "mariadb", (SPRING, AUTUMN)),
    )
    for kind, dialect, changes in tried:
        table = replace(leases(database, kind).table, dialect=dialect)
        for change in changes:
            for claimed, looked in ((-10, 10), (-10, 60), (-3590, 20), (-3590, -3580), (3590, 3610), (3590, 3660)):
                with berlin.connect() as connection:
                    connection.exec_driver_sql("UPDATE leases SET status = 'pending'")
                    connection.exec_driver_sql(f"SET timestamp = {change + claimed}.5")
                    assert claims.compare_and_swap(connection, table, KEY, LEASE) is not None
                    connection.exec_driver_sql(f"SET timestamp = {change + looked}.25")
                    seen = claims.look(connection, table, KEY, LEASE, ())
                assert seen is not None
                assert seen.held == (looked - claimed < 60), (kind, dialect, change, claimed, looked)
    berlin.dispose()


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_a_trigger_that_writes_a_local_time_is_found_at_the_first_claim(database: Database) -> None:
    rows = leases(database, "timestamp")
    database.run(
        "CREATE FUNCTION local() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN NEW.updated_at := clock_timestamp() AT TIME ZONE 'Asia/Shanghai'; RETURN NEW; END $$",
        "CREATE TRIGGER local BEFORE UPDATE ON leases FOR EACH ROW EXECUTE FUNCTION local()",
    )
    with pytest.raises(Unprotected, match="updated_at of leases was set just now, and is -28800 s old"):
        rows.claim()
    assert database.ask("SELECT status FROM leases") == [("pending",)]


@pytest.mark.parametrize("database", ["mariadb"], indirect=True)
def test_a_driver_that_counts_changed_rows_does_not_lose_a_lease_within_one_tick(database: Database) -> None:
    def connect() -> Any:
        url = database.engine.url
        return pymysql.connect(host=url.host or "", port=url.port or 0, user=url.username, database=url.database)

    insert(database)
    table = rows_of(database).table
    engine = create_engine("mysql+pymysql://", creator=connect)
    with engine.connect() as connection:
        connection.exec_driver_sql(f"SET timestamp = {SPRING}")
        assert claims.compare_and_swap(connection, table, KEY, LEASE) == 0
        again = connection.exec_driver_sql("UPDATE screenshots SET updated_at = NOW(6)")
        assert again.rowcount == 0, "this driver counts found rows, and the test shows nothing"
        assert claims.renew(connection, table, KEY, 0)
        assert not claims.renew(connection, table, KEY, 1)
    engine.dispose()
