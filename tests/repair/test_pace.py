"""How fast a repair goes: chunk sizes, pauses for others, and the end of its time."""

from __future__ import annotations

import signal
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import cast

import psycopg2
import pytest

from dedupaudit.config import TableSettings
from dedupaudit.errors import Cancelled
from dedupaudit.interrupt import Interrupt
from dedupaudit.repair.databases.protocol import RepairDatabase
from dedupaudit.repair.errors import Busy
from dedupaudit.repair.pace import Kindness, Pace
from tests.repair.databases import Postgresql
from tests.repair.repairing import Repairing

SLEEP = "SELECT pg_sleep(1.5)"


class Load:
    """What a pace asks of a database: how many sessions work. Each answer is used once, the last for ever."""

    def __init__(self, *answers: int | None) -> None:
        self.answers = list(answers)

    def load(self) -> int | None:
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


def pace(
    kindness: Kindness, load: Load | None = None, lags: list[float | None] | None = None
) -> tuple[Pace, list[str]]:
    said: list[str] = []
    behind = lags if lags is not None else [None]

    def ask() -> float | None:
        return behind.pop(0) if len(behind) > 1 else behind[0]

    database = cast("RepairDatabase", load or Load(None))
    return Pace(database, kindness, Interrupt(), said.append, ask), said


def test_chunks_grow_towards_the_time_asked_for_and_shrink_beyond_it() -> None:
    found, _said = pace(Kindness(chunk_time=0.5))
    first = found.rows
    found.took(first, 0.25)
    assert found.rows == 2 * first
    found.took(found.rows, 0.001)
    assert found.rows == 4 * first  # never more than twice as many
    found.took(found.rows, 1.0)
    assert found.rows == 2 * first
    found.took(found.rows, 60.0)
    assert found.rows == first  # never less than half
    for _ in range(50):
        found.took(found.rows, 60.0)
    assert found.rows == 2
    for _ in range(50):
        found.took(found.rows, 0.001)
    assert found.rows == 10_000


def test_a_short_last_chunk_says_nothing_about_the_next() -> None:
    found, _said = pace(Kindness())
    before = found.rows
    found.took(3, 0.001)
    assert found.rows == before
    found.took(3, 5.0)
    assert found.rows < before


@pytest.mark.parametrize(
    ("kindness", "load", "lags", "word"),
    [
        (Kindness(max_load=5), Load(9, 7, 5), None, "7 sessions"),
        (Kindness(max_lag=2.0), None, [60.0, 3.0, 2.0], "a replica is"),
        (Kindness(max_lag=2.0), None, [float("inf"), 0.0], "a replica is"),
    ],
)
def test_it_waits_while_others_need_the_server_and_says_so_once(
    kindness: Kindness, load: Load | None, lags: list[float | None] | None, word: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dedupaudit.repair.pace._POLL", 0.01)
    found, said = pace(kindness, load, lags)
    found.wait_for_others()
    assert len(said) == 1
    assert said[0].startswith("waiting: ")
    assert word.split()[-1] in said[0]


@pytest.mark.parametrize(
    "kindness", [Kindness(), Kindness(max_load=5), Kindness(max_lag=2.0)], ids=["nothing", "load", "lag"]
)
def test_it_does_not_wait_where_nothing_is_asked_or_known(kindness: Kindness) -> None:
    found, said = pace(kindness, Load(None), [None])
    found.wait_for_others()
    assert not said


def test_the_time_that_a_run_may_take_ends_a_wait_too() -> None:
    found, _said = pace(Kindness(max_load=1, run_time=0.05), Load(9))
    assert not found.is_over
    found.wait_for_others()
    assert found.is_over


def test_a_signal_ends_a_wait_at_once() -> None:
    found, _said = pace(Kindness(sleep=3600))
    found._interrupt.signum = signal.SIGTERM
    with pytest.raises(Cancelled):
        found.wait_for_others()


def test_who_is_waited_for_is_said_at_the_first_attempt_alone() -> None:
    found, said = pace(Kindness())
    busy = Busy("the rows are locked", blocked_by="pid 7 (application billing)")
    found.back_off(1, busy)
    found.back_off(2, busy)
    assert len(said) == 1
    assert "pid 7 (application billing)" in said[0]


def test_postgresqls_sessions_at_work_are_waited_for(tmp_path: Path) -> None:
    database = Postgresql()
    repairing = Repairing(database, tmp_path, {"t": TableSettings(key=("k",))})
    database.run(
        "CREATE TABLE t (id int PRIMARY KEY, k text, created_at timestamp)",
        "INSERT INTO t VALUES (1, 'a', '2025-12-24'), (2, 'a', '2025-12-25')",
    )
    plan = repairing.plan()
    # The repair's own sessions do not count; these two, asleep, do.
    with closing(psycopg2.connect(repairing.url)) as one, closing(psycopg2.connect(repairing.url)) as two:
        sleepers = [threading.Thread(target=asleep.cursor().execute, args=(SLEEP,)) for asleep in (one, two)]
        for sleeper in sleepers:
            sleeper.start()
        while len(database.ask(f"SELECT 1 FROM pg_stat_activity WHERE state = 'active' AND query = '{SLEEP}'")) < 2:
            time.sleep(0.01)
        applied = repairing.apply(plan, kindness=Kindness(max_load=1))
        for sleeper in sleepers:
            sleeper.join()
    assert [text for text in repairing.said if "2 sessions are at work" in text]
    assert applied.exit_code == 0
    assert database.ask("SELECT id FROM t") == [(1,)]
