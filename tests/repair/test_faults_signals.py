"""Two at once, one that stands still, and signals: a run is one process's, and ends where nothing is half done."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.repair.faults import CHUNK, COMMITTED, Bed, make_bed
from tests.repair.killing import Point

ALL = ("sqlite", "postgresql", "mariadb")


@pytest.fixture(scope="module", params=ALL)
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bed]:
    yield from make_bed(request.param, tmp_path_factory.mktemp("faults"))


@pytest.fixture
def bed(made: Bed) -> Bed:
    made.place.restore()
    return made


only = pytest.mark.parametrize


@only("made", ["postgresql", "mariadb"], indirect=True)
def test_a_second_one_is_told_who_works_and_goes_on_when_the_first_is_gone(bed: Bed) -> None:
    with bed.stopped(bed.apply(), 2, CHUNK) as first:
        second = bed.run(bed.apply())
        assert second.code == 75, second
        assert f"process {first.pid}".encode() in second.err
        assert b"@" in second.err
        undo = bed.run(bed.undo())
        assert undo.code == 75, undo
        first.signal(signal.SIGKILL)
        assert first.completed().code == -signal.SIGKILL
    done = bed.resumed(bed.apply())
    assert done.code == 0, done
    bed.holds("done")


@only("made", ["sqlite"], indirect=True)
def test_sqlite_a_second_one_is_told_who_works_between_two_chunks(bed: Bed) -> None:
    with bed.stopped_after(2, bed.apply()) as first:
        second = bed.run(bed.apply())
        assert second.code == 75, second
        assert f"process {first.pid}".encode() in second.err
        assert bed.run(bed.undo()).code == 75
    done = bed.run(bed.apply())
    assert done.code == 0, done
    bed.holds("done")


@only("made", ["sqlite"], indirect=True)
@only("successor", ["apply", "undo"])
def test_one_that_stood_still_while_another_took_over_changes_nothing_when_it_wakes(bed: Bed, successor: str) -> None:
    with bed.stopped_after(2, bed.apply()) as old:
        assert 0 < sum(entry["action"] == "deleted" for entry in bed.state().journal) < 12
        bed.do("UPDATE dedupaudit_locks SET expires = 0")
        taken = bed.run(bed.apply() if successor == "apply" else bed.undo())
        assert taken.code == 0, taken
        before = bed.state()
        old.go_on()
        woken = old.completed()
    assert woken.code == 75, woken
    assert b"took" in woken.err
    assert bed.state() == before
    bed.holds("done" if successor == "apply" else "undone")


@only("made", ["sqlite"], indirect=True)
@only("mode", ["DELETE", "WAL"])
def test_an_undo_that_stood_still_while_another_took_over_changes_nothing_when_it_wakes(bed: Bed, mode: str) -> None:
    bed.do(f"PRAGMA journal_mode = {mode}")
    assert bed.run(bed.apply()).code == 0
    with bed.stopped(bed.undo(), 4, COMMITTED) as old:
        bed.do("UPDATE dedupaudit_locks SET expires = 0")
        taken = bed.run(bed.undo())
        assert taken.code == 0, taken
        before = bed.state()
        old.go_on()
        woken = old.completed()
    assert woken.code == 75, woken
    assert bed.state() == before
    bed.holds("undone")


@only("made", ["postgresql", "mariadb"], indirect=True)
def test_one_whose_session_was_ended_while_it_stood_still_changes_nothing_when_it_wakes(bed: Bed) -> None:
    with bed.stopped(bed.apply(), 2, CHUNK) as old:
        bed.end_sessions()
        taken = bed.resumed(bed.apply())
        assert taken.code == 0, taken
        before = bed.state()
        old.go_on()
        woken = old.completed()
    assert woken.code == 6, woken
    assert bed.state() == before
    bed.holds("done")


@only("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_lets_the_chunk_finish_and_the_same_command_goes_on(bed: Bed, number: signal.Signals) -> None:
    done = bed.run(replace(bed.apply(), point=Point(2, CHUNK, number)))
    assert done.code == 128 + number, done
    assert b"a signal" in done.out
    state = bed.state()
    (run,) = state.runs
    assert run["state"] == "interrupted"
    # The chunk in which the signal came is whole, and no other was begun.
    assert {entry["chunk"] for entry in state.journal} == {1, 2}
    assert run["rows_deleted"] == sum(role == "victim" for role, _row in state.quarantined)
    done = bed.run(bed.apply())
    assert done.code == 0, done
    bed.holds("done")


def test_a_second_signal_ends_it_at_once_and_nothing_is_half_done(bed: Bed) -> None:
    with bed.stopped(bed.apply(), 2, CHUNK) as child:
        child.signal(signal.SIGINT)
        child.go_on()
        # Both may come before Python looks: then the second is the first.
        child.signal(signal.SIGINT)
        done = child.completed()
    assert done.code == 130, done
    assert {entry["chunk"] for entry in bed.state().journal} in ({1}, {1, 2})
    done = bed.resumed(bed.apply())
    assert done.code == 0, done
    bed.holds("done")


def test_a_signal_lets_an_undo_finish_its_chunk_and_the_same_command_goes_on(bed: Bed) -> None:
    assert bed.run(bed.apply()).code == 0
    done = bed.run(replace(bed.undo(), point=Point(2, r"^INSERT INTO \S*\.\W?uploads\W", signal.SIGINT)))
    assert done.code == 130, done
    assert bed.state().runs[0]["state"] == "undoing"
    refused = bed.run(bed.apply())
    assert refused.code == 5, refused
    assert b"is being taken back" in refused.err
    assert bed.run(bed.undo()).code == 0
    bed.holds("undone")
    assert bed.is_untouched()


def test_run_time_stops_between_two_chunks_with_3_and_the_same_command_goes_on(bed: Bed) -> None:
    with bed.stopped(bed.apply("--run-time", "500ms"), 1, CHUNK) as child:
        time.sleep(0.6)
        child.go_on()
        done = child.completed()
    assert done.code == 3, done
    assert b"--run-time is over" in done.out
    state = bed.state()
    assert state.runs[0]["state"] == "interrupted"
    assert {entry["chunk"] for entry in state.journal} == {1}
    assert bed.run(bed.apply()).code == 0
    bed.holds("done")


def test_a_run_whose_process_is_gone_is_shown_as_interrupted(bed: Bed) -> None:
    with bed.stopped(bed.apply(), 2, CHUNK):
        pass
    until = time.monotonic() + 30
    shown = replace(bed.apply(), arguments=("repair", "runs", "--db", bed.place.url))
    while b"interrupted" not in (done := bed.run(shown)).out:
        assert time.monotonic() < until, done
        time.sleep(0.1)
    assert done.code == 0
    assert bed.run(bed.undo()).code == 0
    assert bed.is_untouched()
