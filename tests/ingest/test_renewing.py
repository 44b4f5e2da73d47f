"""What renews the leases of one writer: one thread, whatever becomes of a single claim."""

from __future__ import annotations

from threading import Event

from dedupaudit.ingest.protections.renewal import Renewal


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
