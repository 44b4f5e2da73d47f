"""Room for two indexes and the quarantine."""

from __future__ import annotations

from dedupaudit.migrate.preflight.disk import index_bytes
from tests.migrate.preflight.recorded import POSTGRESQL, SQLITE, duplicates, only, told

CHECK = "disk"
INDEX = 5_000_000 * (22 + 24)


def test_an_index_is_estimated_from_the_longest_stored_key() -> None:
    assert index_bytes(POSTGRESQL) == INDEX


def test_enough_room_is_nothing_to_say() -> None:
    assert told(CHECK, POSTGRESQL, disk_free=2 * INDEX) == []


def test_room_for_one_index_alone_is_a_warning() -> None:
    concern = only(CHECK, POSTGRESQL, disk_free=2 * INDEX - 1)
    assert concern.level == "warning"
    assert "about 460 MB of disk (estimated), and 460 MB are free" in concern.message


def test_no_room_for_the_index_itself_is_refused() -> None:
    concern = only(CHECK, POSTGRESQL, disk_free=INDEX - 1)
    assert concern.level == "refusal"
    assert "make room first" in concern.hint


def test_quarantine_counts() -> None:
    moved = duplicates(groups=1, removed=1_000_000, rules={"earliest": 1})
    assert only(CHECK, POSTGRESQL, disk_free=INDEX + 1_000_000 * 220 - 1, **moved).level == "refusal"
    assert only(CHECK, POSTGRESQL, disk_free=INDEX + 1_000_000 * 220, **moved).level == "warning"


def test_what_nobody_can_see_is_told_where_it_is_much() -> None:
    concern = only(CHECK, POSTGRESQL, disk_free=None)
    assert concern.level == "note"
    assert "cannot see how much is free" in concern.message
    assert told(CHECK, SQLITE, disk_free=None) == []


def test_an_empty_table_needs_nothing() -> None:
    assert told(CHECK, POSTGRESQL, rows=0, table_bytes=8_192, disk_free=0) == []
