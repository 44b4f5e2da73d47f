"""A connection that is lost in the middle of a chunk, and a tool that is killed while its statement goes on."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from dataclasses import replace
from threading import Thread

import pytest

from tests.repair.faults import CHUNK, Bed, make_bed, wait_for
from tests.repair.killing_tables import MariadbPlace, PostgresqlPlace
from tests.repair.writers import Change
from tests.servers.proxy import Proxy

SERVERS = ("postgresql", "mariadb")


@pytest.fixture(scope="module", params=SERVERS)
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bed]:
    yield from make_bed(request.param, tmp_path_factory.mktemp("faults"))


@pytest.fixture
def bed(made: Bed) -> Bed:
    made.place.restore()
    return made


@pytest.fixture
def proxy(bed: Bed) -> Iterator[Proxy]:
    with Proxy(port_of(bed)) as proxy:
        yield proxy


def port_of(bed: Bed) -> int:
    assert isinstance(bed.place, PostgresqlPlace | MariadbPlace)
    return bed.place.server.port


def through(proxy: Proxy, bed: Bed) -> str:
    return bed.place.url.replace(f":{port_of(bed)}/", f":{proxy.port}/")


def waiting(bed: Bed) -> bool:
    """Say whether the tool waits for a lock."""
    if bed.place.name == "postgresql":
        return bool(
            bed.ask("SELECT 1 FROM pg_stat_activity WHERE application_name = 'dedupaudit' AND wait_event_type = 'Lock'")
        )
    return bool(bed.ask("SELECT 1 FROM information_schema.innodb_trx WHERE trx_state = 'LOCK WAIT'"))


@pytest.mark.parametrize("verb", ["apply", "undo"])
@pytest.mark.parametrize("how", ["ended by the server", "cut on the way"])
def test_a_connection_lost_in_a_chunk_ends_the_run_with_6_and_the_same_command_goes_on(
    bed: Bed, proxy: Proxy, verb: str, how: str
) -> None:
    url = through(proxy, bed)
    order, point = bed.apply(url=url), CHUNK
    if verb == "undo":
        assert bed.run(bed.apply()).code == 0
        order, point = bed.undo(url=url), r"^INSERT INTO \S*\.\W?uploads\W"
    with bed.stopped(order, 2, point) as child:
        if how == "cut on the way":
            proxy.cut()
        else:
            bed.end_sessions()
        child.go_on()
        done = child.completed()
    assert done.code == 6, done
    assert b"stopped" in done.err
    assert b"the same command again" in done.err
    before = bed.state()
    assert before.runs[0]["state"] == ("running" if verb == "apply" else "undoing")
    chunks = {entry["chunk"] for entry in before.journal if entry["action"] in ("deleted", "restored")}
    assert chunks, "nothing was committed before"
    done = bed.resumed(bed.apply() if verb == "apply" else bed.undo())
    assert done.code == 0, done
    bed.holds("done" if verb == "apply" else "undone")


def test_a_commit_whose_answer_never_came_is_not_done_twice(bed: Bed, proxy: Proxy) -> None:
    with bed.stopped(bed.apply(url=through(proxy, bed)), 3, "^before COMMIT") as child:
        before = len(bed.state().journal)
        # The third or so is a chunk's: go on to the first that changes the journal.
        proxy.stalled = True
        child.go_on()
        committed = before
        for _ in range(50):
            committed = len(bed.state().journal)
            if committed != before:
                break
        proxy.stalled = False
        proxy.cut()
        done = child.completed()
    assert done.code in (3, 6), done
    done = bed.resumed(bed.apply())
    assert done.code == 0, done
    bed.holds("done")


def test_a_tool_killed_while_its_statement_waits_in_the_server_changes_nothing_later(bed: Bed) -> None:
    with bed.session() as other:
        other.ask("BEGIN")
        before = other.ask("SELECT * FROM uploads WHERE seq = 101 FOR UPDATE")[0]
        child = bed.runner.start(bed.apply())
        try:
            wait_for(lambda: waiting(bed))
            child.signal(signal.SIGKILL)
            assert child.completed().code == -signal.SIGKILL
        finally:
            child.end()
        # The server does not know yet that nobody waits for the answer; it gets the lock when this one commits.
        other.ask("UPDATE uploads SET note = 'changed' WHERE seq = 101")
        other.ask("COMMIT")
        after = other.ask("SELECT * FROM uploads WHERE seq = 101")[0]
    done = bed.resumed(bed.apply())
    assert done.code == 3, done
    found = bed.holds("done", [Change("uploads", before, after)])
    assert (found.done, found.skipped) == (7, 1)


def test_what_a_dead_tool_left_in_the_server_is_rolled_back_before_another_goes_on(bed: Bed) -> None:
    with bed.stopped(bed.apply(), 1, CHUNK) as child:
        # Its rows are deleted and not committed; the second one waits for its lock, and never sees them half done.
        child.signal(signal.SIGKILL)
    seen: list[int] = []
    thread = Thread(target=lambda: seen.append(bed.resumed(replace(bed.undo())).code))
    thread.start()
    thread.join(60)
    assert seen == [0]
    assert bed.is_untouched()
