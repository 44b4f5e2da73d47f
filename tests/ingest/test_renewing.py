"""What renews the leases of one writer: one thread, whatever becomes of a single claim."""

from __future__ import annotations

from threading import Event, Thread

import pytest

from dedupaudit.ingest.protections.renewal import Renewal
from dedupaudit.ingest.renewing import Leases
from dedupaudit.ingest.tables import SCREENSHOTS, describe
from dedupaudit.ingest.transactions import in_transaction
from tests.ingest.databases import Database


def test_one_that_cannot_be_renewed_takes_no_turn_from_the_others() -> None:
    # As where somebody else has locked that row.
    renewed = Event()
    lost: list[str] = []

    def renew(name: str, _token: str) -> bool | None:
        if name == "locked":
            return None
        renewed.set()
        return True

    renewal = Renewal(0.05, renew, lost.append)
    renewal.add("locked", "1", "locked")
    renewal.add("other", "2", "other")
    assert renewed.wait(60)
    assert renewal.remove("1") and renewal.remove("2")
    assert lost == []


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_where_no_thread_can_be_started_nothing_is_left_behind(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def start(_thread: Thread) -> None:
        raise RuntimeError("can't start new thread")

    table = in_transaction(database.engine, lambda connection: describe(connection, SCREENSHOTS))
    leases = Leases(database.engine, table, 60)
    monkeypatch.setattr(Thread, "start", start)
    with pytest.raises(RuntimeError), leases.renewed(("screenshot_1",), 0):
        pass
    assert not leases._claims and not leases._renewal._held
