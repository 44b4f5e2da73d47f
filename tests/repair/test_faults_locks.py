"""Locks of others: a deadlock, a row and a table that stay locked. The tool waits, tells who, and ends nobody."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from threading import Thread

import pytest

from tests.repair.faults import Bed, make_bed, wait_for
from tests.repair.killing_tables import Refused, Session
from tests.repair.test_faults_connection import waiting
from tests.repair.writers import Change


@pytest.fixture(scope="module", params=("sqlite", "postgresql", "mariadb"))
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bed]:
    yield from make_bed(request.param, tmp_path_factory.mktemp("faults"))


@pytest.fixture
def bed(made: Bed) -> Bed:
    made.place.restore()
    return made


def named(bed: Bed, session: Session) -> bytes:
    """Give the session a name by which it must be told, and return it."""
    if bed.place.name == "postgresql":
        session.ask("SET application_name = 'billing'")
        return b"billing"
    (number,) = session.ask("SELECT CONNECTION_ID()")[0]
    return str(number).encode()


@pytest.mark.parametrize("made", ["postgresql", "mariadb"], indirect=True)
def test_a_deadlock_costs_a_chunk_and_not_a_row(bed: Bed) -> None:
    with bed.session() as other:
        other.ask("BEGIN")
        other.ask("SELECT * FROM uploads WHERE seq = 142 FOR UPDATE")
        child = bed.runner.start(replace(bed.apply(), rows=100))
        told: list[str] = []

        def close_the_circle() -> None:
            try:
                # The tool locked what comes before 142, and waits for that.
                other.ask("UPDATE uploads SET note = 'other' WHERE seq = 141")
                other.ask("ROLLBACK")
            except Refused as error:
                told.append(str(error))
                other.ask("ROLLBACK")

        try:
            wait_for(lambda: waiting(bed))
            thread = Thread(target=close_the_circle)
            thread.start()
            thread.join(60)
            done = child.completed()
        finally:
            child.end()
    assert done.code == 0, done
    assert b"deadlock" in done.err or "eadlock" in "".join(told)
    bed.holds("done")


@pytest.mark.slow
@pytest.mark.parametrize("made", ["postgresql", "mariadb"], indirect=True)
def test_a_row_that_stays_locked_is_left_its_holder_is_told_and_not_ended(bed: Bed) -> None:
    with bed.session() as other:
        name = named(bed, other)
        other.ask("BEGIN")
        before = other.ask("SELECT * FROM uploads WHERE seq = 102 FOR UPDATE")[0]
        done = bed.run(replace(bed.apply(), attempts=2))
        # Its session and its lock are still there.
        other.ask("UPDATE uploads SET note = 'mine' WHERE seq = 102")
        other.ask("COMMIT")
        after = other.ask("SELECT * FROM uploads WHERE seq = 102")[0]
    assert done.code == 3, done
    assert name in done.err
    assert b"stayed locked" in done.out
    assert name in done.out
    found = bed.holds("done", [Change("uploads", before, after)])
    assert (found.done, found.skipped) == (7, 1)


@pytest.mark.slow
def test_a_table_that_is_locked_for_all_ends_the_run_with_6_and_unlocked_it_goes_on(bed: Bed) -> None:
    with bed.session() as other:
        with bed.stopped_after(1, replace(bed.apply(), attempts=2, rows=2)) as child:
            match bed.place.name:
                case "postgresql":
                    other.ask("BEGIN")
                    other.ask("LOCK TABLE uploads IN ACCESS EXCLUSIVE MODE")
                case "mariadb":
                    other.ask("LOCK TABLES uploads WRITE")
                case _:
                    other.ask("BEGIN IMMEDIATE")
            child.go_on()
            done = child.completed()
        other.ask("UNLOCK TABLES" if bed.place.name == "mariadb" else "ROLLBACK")
    assert done.code == 6, done
    assert b"lock" in done.err
    assert b"the same command again" in done.err
    state = bed.state()
    assert {entry["chunk"] for entry in state.journal if entry["action"] == "deleted"} == {1}
    skipped = len({entry["line"] for entry in state.journal if entry["action"] == "skipped"})
    done = bed.run(bed.apply())
    assert done.code == (3 if skipped else 0), done
    assert bed.holds("done").skipped == skipped
