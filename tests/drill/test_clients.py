"""The clients against real processes: what is lost is sent again, what overlaps overlaps, zombies come back."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dedupaudit.config import ObjectsSettings
from dedupaudit.drill.clients import Clients, Observed
from dedupaudit.drill.messages import Job
from dedupaudit.drill.protocol import Event, Times
from dedupaudit.drill.scenario import Client, Fault, Plan
from dedupaudit.drill.workers import Nursery, Workers
from dedupaudit.errors import Cancelled, RunFailed
from dedupaudit.ingest.events import Activity, Screenshot
from dedupaudit.interrupt import Interrupt
from dedupaudit.progress import SILENT
from tests.drill.drilling import FAST
from tests.drill.scripted import NoScratch, journal

# A busy machine must not make a client time out that is not meant to.
PATIENT = replace(FAST, client_timeout=60.0)
HASTY = replace(FAST, client_timeout=0.6)
Send = Callable[..., Observed]


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    with Nursery(("tests.drill.scripted",)) as made:
        yield made


def job(folder: Path, backend: str = "tests.drill.scripted:make") -> Job:
    store = folder / "objects"
    store.mkdir(exist_ok=True)
    return Job(backend, NoScratch(), ObjectsSettings(url=store.as_uri()), str(folder), FAST)  # type: ignore[arg-type]


@pytest.fixture
def send(nursery: Nursery, tmp_path: Path) -> Send:
    def carry_out(
        *plans: Plan,
        backend: str = "tests.drill.scripted:make",
        interrupt: Interrupt | None = None,
        watch: Callable[[], None] = lambda: None,
        times: Times = PATIENT,
    ) -> Observed:
        workers = Workers(nursery, job(tmp_path, backend), 4)
        try:
            return Clients(
                plans, workers, times, interrupt=interrupt or Interrupt(), watch=watch, progress=SILENT
            ).run()
        finally:
            workers.close()

    return carry_out


def activity(name: str, script: str = "stored", seconds: float = 0.0) -> Activity:
    return Activity(name, "device", script, 0, seconds)


def shot(name: str) -> Screenshot:
    return Screenshot(name, "device", 0, b"picture")


def plan(*clients: Client, alone: bool = False) -> Plan:
    return Plan("plain", clients, alone)


def told(observed: Observed, event: Event) -> list[tuple[str, str | None]]:
    of = [one for one in observed.told if one.event == event]
    return [(one.ending, one.answer.said if one.answer else None) for one in of]


def noted(folder: Path, what: str, event: str) -> list[dict[str, Any]]:
    return [one for one in journal(folder) if (one["what"], one["id"]) == (what, event)]


def test_requests_flow_over_all_workers_and_each_client_is_told(send: Send, tmp_path: Path) -> None:
    plans = [plan(Client(activity(f"a{number}"))) for number in range(40)]
    observed = send(*plans)
    assert sorted(one.plan for one in observed.told) == list(range(40))
    assert {(one.ending, one.answer and one.answer.said) for one in observed.told} == {("told", "stored")}
    assert (observed.requests, len(observed.seconds), observed.unanswered) == (40, 40, 0)
    assert observed.per_second and observed.per_second > 0
    assert len({one["process"] for one in journal(tmp_path)}) == 4
    assert len(noted(tmp_path, "sweep", "")) == 1


def test_a_lost_answer_is_sent_again_after_the_timeout(send: Send, tmp_path: Path) -> None:
    event = activity("a", "stored duplicate")
    observed = send(plan(Client(event, Fault(answer_lost=True))), times=HASTY)
    assert [one["what"] for one in journal(tmp_path)][:4] == ["begin", "end", "begin", "end"]
    assert told(observed, event) == [("told", "duplicate")]


def test_those_who_go_together_overlap(send: Send, tmp_path: Path) -> None:
    event = activity("a", seconds=0.3)
    observed = send(plan(*[Client(event)] * 4, alone=True))
    begun, ended = noted(tmp_path, "begin", "a"), noted(tmp_path, "end", "a")
    assert len(begun) == 4
    assert max(one["at"] for one in begun) < min(one["at"] for one in ended)
    assert (observed.alone, observed.overlapped) == (1, 1)


def test_those_who_came_one_after_the_other_and_a_fault_without_an_upload_are_told(send: Send) -> None:
    first, second = Client(activity("a"), Fault(slow=True)), Client(activity("a"), after="answer")
    observed = send(plan(first, second, alone=True))
    assert (observed.alone, observed.overlapped, observed.missed) == (1, 0, 1)


def test_one_who_waits_for_an_answer_is_sent_after_it(send: Send, tmp_path: Path) -> None:
    first, second = activity("a", "collision"), replace(activity("a", "collision"), timestamp=1)
    observed = send(plan(Client(first), Client(second, after="answer")))
    assert [one["what"] for one in journal(tmp_path)] == ["begin", "end", "begin", "end", "sweep"]
    assert told(observed, first) == told(observed, second) == [("told", "collision")]


def test_busy_and_failed_are_sent_again_and_an_unexpected_error_counts_as_failed(send: Send) -> None:
    event = activity("a", "busy failed raise stored")
    observed = send(plan(Client(event)))
    assert told(observed, event) == [("told", "stored")]
    assert observed.requests == 4
    assert dict(observed.errors) == {"": 1, r"ValueError: an unexpected \x1b[31m error": 1}


def test_who_is_told_nothing_gives_up_after_its_patience(send: Send) -> None:
    event = activity("a", "busy")
    began = time.monotonic()
    observed = send(plan(Client(event)), times=HASTY)
    assert told(observed, event) == [("gave_up", None)]
    assert observed.requests >= 3
    assert time.monotonic() - began >= 2 * HASTY.client_timeout


def test_a_killed_backend_does_not_answer_and_another_one_takes_what_is_sent_again(send: Send, tmp_path: Path) -> None:
    event, gone = shot("s"), shot("gone")
    fault = Fault(then="kill")
    observed = send(plan(Client(event, fault)), plan(Client(gone, fault, leaves=True)), times=HASTY)
    first, second, *_ = noted(tmp_path, "begin", "s")
    assert first["process"] != second["process"]
    assert first["process"] not in [one["process"] for one in noted(tmp_path, "end", "s")]
    assert told(observed, event) == [("told", "stored")]
    # Who leaves sends once.
    assert told(observed, gone) == [("left", None)]
    assert len(noted(tmp_path, "begin", "gone")) == 1
    assert not (tmp_path / "objects" / "gone.jpg").exists()


def test_a_zombie_sleeps_until_the_others_were_answered_and_then_goes_on(send: Send, tmp_path: Path) -> None:
    event = shot("s")
    observed = send(plan(Client(event, Fault(then="pause")), *[Client(event, after="upload")] * 2))
    sleeper, *others = noted(tmp_path, "begin", "s")
    ended = noted(tmp_path, "end", "s")
    assert ended[-1]["process"] == sleeper["process"]
    assert {one["process"] for one in ended[:-1]} == {one["process"] for one in others}
    assert [one for one, _ in told(observed, event)] == ["told"] * 3
    # It was the last to write, and its upload had begun first.
    assert sum(put.written for put in observed.puts) == 3


def test_a_slow_upload_outlasts_the_lock_before_the_next_request_comes(send: Send, tmp_path: Path) -> None:
    event = shot("s")
    send(plan(Client(event, Fault(slow=True)), Client(event, after="upload")))
    first, second = noted(tmp_path, "begin", "s")
    (ended,) = [one for one in noted(tmp_path, "end", "s") if one["process"] == first["process"]]
    assert second["at"] - first["at"] >= FAST.lock
    assert ended["at"] - first["at"] >= FAST.slow_upload


def test_an_upload_that_is_to_fail_fails(send: Send, tmp_path: Path) -> None:
    event = shot("s")
    fault = Fault(then="pause", upload_fails=True)
    observed = send(plan(Client(event, fault, leaves=True), Client(event, after="upload")))
    assert told(observed, event) == [("told", "stored"), ("left", None)]
    assert [(put.written, put.failed) for put in observed.puts] == [(True, False), (False, True)]
    # What was ordered is no news.
    assert not observed.errors


def test_a_worker_that_cannot_start_ends_the_drill_with_its_reason(send: Send) -> None:
    with pytest.raises(RunFailed, match=r"a worker cannot start: ValueError: no backend \\x1b\[31m here"):
        send(plan(Client(activity("a"))), backend="tests.drill.seeded:broken_start")


def test_workers_that_die_are_replaced_but_not_for_ever(send: Send) -> None:
    event = activity("a", "exit stored")
    looks: list[None] = []
    observed = send(plan(Client(event)), watch=lambda: looks.append(None), times=HASTY)
    assert told(observed, event) == [("told", "stored")]
    assert looks  # is the database still there?
    with pytest.raises(RunFailed, match="end again and again"):
        send(*[plan(Client(activity(f"b{number}", "exit"))) for number in range(30)], times=HASTY)


def test_a_signal_is_noticed_while_everybody_waits(send: Send) -> None:
    interrupt = Interrupt()
    write = interrupt.wakeup_fd()
    before = signal.set_wakeup_fd(write, warn_on_full_buffer=False)

    def stop(signum: int, _frame: object) -> None:
        interrupt.signum = signum

    handler = signal.signal(signal.SIGALRM, stop)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        with pytest.raises(Cancelled):
            send(plan(Client(activity("a", seconds=60))), interrupt=interrupt)
    finally:
        signal.signal(signal.SIGALRM, handler)
        signal.set_wakeup_fd(before)
        assert interrupt.fd is not None
        os.close(interrupt.fd)
        os.close(write)


def test_a_nursery_takes_its_workers_along_stopped_ones_too(tmp_path: Path) -> None:
    with Nursery() as made:
        workers = Workers(made, job(tmp_path), 3)
        living = list(workers.all.values())
        workers.stop(living[0])
    # A pipe ends when its process has.
    for worker in living:
        while worker.hear() is not None:
            pass
        worker.pipe.close()
