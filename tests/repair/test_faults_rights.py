"""Rights, space and time: what the database or its administrator takes away before a run, and in the middle of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from tests.faults.standby import StandbyServer
from tests.repair.faults import CHUNK, Bed, make_bed
from tests.repair.killing_tables import MariadbPlace, PostgresqlPlace

ALL = ("sqlite", "postgresql", "mariadb")


@pytest.fixture(scope="module", params=ALL)
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bed]:
    yield from make_bed(request.param, tmp_path_factory.mktemp("faults"))


@pytest.fixture
def bed(made: Bed) -> Bed:
    made.place.restore()
    return made


only = pytest.mark.parametrize


@pytest.fixture
def limited(bed: Bed) -> Iterator[str]:
    """Give the URL of a role that may do what a repair needs, and no more."""
    place = bed.place
    if isinstance(place, PostgresqlPlace):
        bed.do(
            "DROP ROLE IF EXISTS limited",
            "CREATE ROLE limited LOGIN",
            "GRANT SELECT, INSERT, UPDATE, DELETE ON uploads, tags TO limited",
            "GRANT CREATE ON DATABASE faults TO limited",
        )
        yield place.server.url(user="limited", database="faults")
        bed.do("DROP OWNED BY limited CASCADE", "DROP ROLE limited")
    else:
        assert isinstance(place, MariadbPlace)
        bed.do("DROP USER IF EXISTS limited", "CREATE USER limited")
        bed.do("GRANT PROCESS ON *.* TO limited")
        for table in ("uploads", "tags"):
            bed.do(f"GRANT SELECT, INSERT, UPDATE, DELETE, TRIGGER ON faults.{table} TO limited")
        for own in (place.own.runs, place.own.journal, place.own.uploads, place.own.tags):
            bed.do(f"GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, INDEX, ALTER ON faults.{own} TO limited")
        yield place.server.url(user="limited", database="faults")
        bed.do("DROP USER limited")


@only("made", ["postgresql", "mariadb"], indirect=True)
def test_a_permission_that_is_revoked_in_mid_run_ends_it_with_6_and_given_again_it_goes_on(
    bed: Bed, limited: str
) -> None:
    with bed.stopped(bed.apply(url=limited), 1, CHUNK) as child:
        bed.do("REVOKE DELETE ON uploads FROM limited")
        child.go_on()
        done = child.completed()
    assert done.code == 6, done
    assert b"may not" in done.err
    (run,) = bed.state().runs
    assert run["state"] == "interrupted"
    assert 0 < run["rows_deleted"] < 12
    again = bed.run(bed.apply(url=limited))
    assert again.code == 5, again
    assert b"GRANT" in again.err
    bed.do("GRANT DELETE ON uploads TO limited")
    done = bed.run(bed.apply(url=limited))
    assert done.code == 0, done
    bed.holds("done")


@only("made", ["postgresql"], indirect=True)
def test_postgresql_where_no_writes_are_wanted_nothing_is_begun(bed: Bed) -> None:
    place = bed.place
    assert isinstance(place, PostgresqlPlace)
    place.server.execute("ALTER DATABASE faults SET default_transaction_read_only = on")
    try:
        done = bed.run(bed.apply())
    finally:
        place.server.execute("ALTER DATABASE faults RESET default_transaction_read_only")
    assert done.code == 5, done
    assert b"default_transaction_read_only" in done.err
    assert bed.is_untouched()
    assert not bed.state().runs


@only("made", ["mariadb"], indirect=True)
def test_mariadb_a_server_that_takes_no_writes_any_more_ends_a_run_and_refuses_the_next(bed: Bed, limited: str) -> None:
    with bed.stopped_after(1, bed.apply(url=limited)) as child:
        bed.do("SET GLOBAL read_only = ON")
        try:
            child.go_on()
            done = child.completed()
            again = bed.run(bed.apply(url=limited))
        finally:
            bed.do("SET GLOBAL read_only = OFF")
    assert done.code == 6, done
    assert b"takes no writes" in done.err
    assert again.code == 5, again
    assert b"takes no writes" in again.err
    done = bed.resumed(bed.apply(url=limited))
    assert done.code == 0, done
    bed.holds("done")


@only("made", ["postgresql"], indirect=True)
def test_postgresql_a_standby_is_refused(bed: Bed) -> None:
    place = bed.place
    assert isinstance(place, PostgresqlPlace)
    with StandbyServer(place.server) as standby:
        standby.caught_up()
        done = bed.run(bed.apply(url=standby.url(database="faults")))
    assert done.code == 5, done
    assert b"standby" in done.err
    assert bed.is_untouched()


# ---- the plan's table is another one


def test_a_column_added_since_the_plan_refuses_it(bed: Bed) -> None:
    bed.do("ALTER TABLE uploads ADD COLUMN added INTEGER")
    try:
        done = bed.run(bed.apply())
        assert done.code == 5, done
        assert b"is not as it was when the plan was made" in done.err
        assert bed.is_untouched()
        assert not bed.state().runs
    finally:
        bed.do("ALTER TABLE uploads DROP COLUMN added")


def test_a_column_added_in_mid_run_ends_it_and_undo_restores(bed: Bed) -> None:
    with bed.stopped_after(2, bed.apply()) as child:
        bed.do("ALTER TABLE uploads ADD COLUMN added INTEGER DEFAULT 7")
        child.go_on()
        done = child.completed()
    try:
        assert done.code == 6, done
        assert b"were changed while the repair ran" in done.err
        state = bed.state()
        (run,) = state.runs
        assert run["state"] == "failed"
        assert 0 < run["rows_deleted"] < 12
        again = bed.run(bed.apply())
        assert again.code == 5, again
        undone = bed.run(bed.undo())
        assert undone.code == 0, undone
        bed.holds("undone")
        assert bed.is_untouched()
        assert bed.ask("SELECT DISTINCT added FROM uploads") == [(7,)]
    finally:
        bed.do("ALTER TABLE uploads DROP COLUMN added")


# ---- time


@only(("by", "said"), [(timedelta(hours=2), b"from the future"), (timedelta(hours=-2), b"2 h old")])
def test_a_plan_of_another_time_is_refused(bed: Bed, by: timedelta, said: bytes) -> None:
    done = bed.run(bed.apply(plan=bed.redated(by)))
    assert done.code == 5, done
    assert said in done.err
    assert bed.is_untouched()
    assert not bed.state().runs


def test_an_old_plan_is_applied_where_that_is_asked_for_and_a_run_that_began_goes_on(bed: Bed) -> None:
    old = bed.redated(timedelta(hours=-2))
    order = bed.apply("--max-age", "3h", plan=old)
    with bed.stopped(order, 2, CHUNK):
        pass
    done = bed.resumed(bed.apply(plan=old))
    assert done.code == 0, done
    bed.holds("done")


# ---- space


@only("made", ["sqlite"], indirect=True)
@only("verb", ["apply", "undo"])
def test_sqlite_a_full_disk_ends_the_run_with_6_and_with_room_it_goes_on(bed: Bed, verb: str) -> None:
    bed.do("PRAGMA journal_mode = DELETE")
    order = bed.apply()
    if verb == "undo":
        assert bed.run(order).code == 0
        order = bed.undo()
    full = 0
    (pages,) = bed.ask("PRAGMA page_count")[0]
    for more in range(40):
        done = bed.run(replace(order, pragmas=(f"PRAGMA max_page_count = {pages + more}",)))
        if done.code == 0:
            break
        assert done.code in (3, 5, 6), done
        assert b"disk is full" in done.err
        full += 1
        assert not set(bed.state().uploads) & {row[0] for _role, row in bed.state().quarantined if _role == "victim"}
    assert full
    bed.holds("done" if verb == "apply" else "undone")
