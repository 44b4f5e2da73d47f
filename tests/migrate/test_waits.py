"""A build that blocks nobody may wait for a forgotten session: who it is is told, and the wait has an end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from dedupaudit.config import TableSettings
from dedupaudit.errors import RunFailed
from dedupaudit.migrate.databases.postgresql_waiting import Waiting
from dedupaudit.migrate.databases.protocol import Patience
from tests.migrate.migrating import Migrating
from tests.repair.databases import Postgresql
from tests.servers.fixtures import shared_postgresql


@pytest.fixture
def work(tmp_path: Path) -> Migrating:
    work = Migrating(Postgresql(), tmp_path, {"t": TableSettings(key=("k",))})
    work.database.run(
        "CREATE TABLE t (n int PRIMARY KEY, k text)",
        "INSERT INTO t SELECT i, 'k' || i % 100 FROM generate_series(1, 110) AS i",
    )
    return work


@pytest.fixture
def forgotten(work: Migrating) -> Iterator[Any]:
    """Return a session that wrote, and never ended its transaction."""
    assert work
    with closing(shared_postgresql().connect("repaired")) as connection, connection.cursor() as cursor:
        cursor.execute("SET application_name = 'forgotten'; BEGIN; INSERT INTO t VALUES (-1, 'z')")
        yield cursor


def test_a_build_that_waits_too_long_is_ended_and_names_whom_it_waited_for(work: Migrating, forgotten: Any) -> None:
    plan = work.plan(strategy="guarded")
    with pytest.raises(RunFailed, match=r"longer than 3 s for pid \d+ \(application forgotten") as failed:
        work.apply(plan, wait=3.0)
    assert "--wait" in failed.value.hint
    assert any("waiting, which blocks nobody, for pid" in said for said in work.said)
    # The session stands in the way of the removal too: what is left is named.
    assert "lookup index" in failed.value.message
    forgotten.execute("ROLLBACK")
    assert work.apply(plan).exit_code == 0
    (status,) = work.status()
    assert (status.protecting, status.standing.leftovers) == ("t_k_key", ())


def test_only_waiting_counts() -> None:
    said: list[str] = []
    asked = iter(["", "pid 1", "", "pid 2", ""])
    waiting = Waiting(lambda: next(asked), Patience(0.0001, said.append))
    # Whoever has just begun to wait has not waited: each look at somebody else begins anew.
    assert [waiting.too_long() for _ in range(5)] == [None] * 5
    assert said == []


def test_without_patience_nobody_is_asked() -> None:
    def ask() -> str:
        raise AssertionError("asked")

    assert Waiting(ask, None).too_long() is None
