"""The textbook backends: each works while it is alone, and has the hole that it is shown for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from threading import Barrier
from typing import Any, cast
from uuid import uuid4

import pytest
from sqlalchemy import text

from dedupaudit.drill.broken import check_then_act, for_update_bare, redis_textbook, states_textbook
from dedupaudit.drill.broken.textbook import Textbook
from dedupaudit.drill.protocol import Answer, Backend, Place, Shape, Times
from dedupaudit.errors import SourceError
from dedupaudit.ingest.events import Activity, Screenshot
from tests.drill.places import KINDS, Asked, HeldStore, Kind, place_of
from tests.faults.targets import until

Make = Callable[[Place], Backend]
Placed = Callable[..., Place]

BACKENDS: tuple[tuple[Make, Shape], ...] = (
    (check_then_act.make, "bare"),
    (redis_textbook.make, "bare"),
    (for_update_bare.make, "bare"),
    (states_textbook.make, "target"),
)
PICTURE = b"\xff\xd8 a picture"


@pytest.fixture
def placed(tmp_path: Path) -> Iterator[Placed]:
    places: list[Place] = []

    def make(kind: Kind, shape: Shape, **options: Any) -> Place:
        places.append(place_of(kind, shape, tmp_path, **options))
        return places[-1]

    yield make
    for place in places:
        place.redis.close()


def activity() -> Activity:
    return Activity(f"activity_{uuid4().hex}", "device 'one'", "click", 1766557428498, {"x": 1, "text": "it's"})


def screenshot() -> Screenshot:
    return Screenshot(f"screenshot_{uuid4().hex}", "device", 1766557428498, PICTURE)


def store_of(place: Place) -> HeldStore:
    return cast(HeldStore, place.store)


def rows(place: Place, table: str, event_id: str) -> list[Any]:
    with place.engine.connect() as connection:
        return list(connection.execute(text(f"SELECT * FROM {table} WHERE id = :id"), {"id": event_id}).mappings())


def side_by_side(make: Make, place: Place, ask: Callable[[Backend], Answer]) -> list[Answer]:
    """Ask twice at once; neither acts before both have looked."""
    both = Barrier(2, timeout=60)
    asked = []
    for _ in range(2):
        backend = cast(Textbook, make(place))
        backend.hesitate = both.wait  # type: ignore[method-assign,assignment]
        asked.append(Asked(lambda backend=backend: ask(backend)))  # type: ignore[misc]
    return [one.answer() for one in asked]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("make", "shape"), BACKENDS)
def test_alone_it_works(placed: Placed, make: Make, shape: Shape, kind: Kind) -> None:
    place = placed(kind, shape)
    backend = make(place)
    event, shot = activity(), screenshot()
    assert [backend.activity(event), backend.activity(event)] == [Answer("stored"), Answer("duplicate")]
    assert len(rows(place, "activities", event.id)) == 1

    url = place.store.url(f"screenshots/device/{shot.id}.jpg")
    assert [backend.screenshot(shot), backend.screenshot(shot)] == [Answer("stored", url), Answer("duplicate", url)]
    assert [row["status"] for row in rows(place, "screenshots", shot.id)] == ["completed"]
    assert place.store.holds(f"screenshots/device/{shot.id}.jpg", PICTURE)
    assert not list(place.redis.scan_iter(f"{place.redis_prefix}*"))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("make", "shape"), BACKENDS)
def test_another_payload_of_the_same_id_is_called_a_duplicate_and_lost(
    placed: Placed, make: Make, shape: Shape, kind: Kind
) -> None:
    backend = make(placed(kind, shape))
    event = activity()
    assert backend.activity(event).said == "stored"
    assert backend.activity(replace(event, data={"x": 2})) == Answer("duplicate")


@pytest.mark.parametrize("kind", KINDS)
def test_check_then_act_stores_twice_where_both_look_first(placed: Placed, kind: Kind) -> None:
    place, event, shot = placed(kind, "bare"), activity(), screenshot()
    said = side_by_side(check_then_act.make, place, lambda backend: backend.activity(event))
    assert [one.said for one in said] == ["stored", "stored"]
    assert len(rows(place, "activities", event.id)) == 2

    said = side_by_side(check_then_act.make, place, lambda backend: backend.screenshot(shot))
    assert [one.said for one in said] == ["stored", "stored"]
    assert len(rows(place, "screenshots", shot.id)) == len(store_of(place).puts) == 2


@pytest.mark.parametrize(
    ("kind", "isolation"), [("postgresql", None), ("postgresql", "REPEATABLE READ"), ("mariadb", "READ COMMITTED")]
)
def test_for_update_locks_nothing_where_no_row_is_there(placed: Placed, kind: Kind, isolation: str | None) -> None:
    place, event, shot = placed(kind, "bare", isolation=isolation), activity(), screenshot()
    said = side_by_side(for_update_bare.make, place, lambda backend: backend.activity(event))
    assert [one.said for one in said] == ["stored", "stored"]
    assert len(rows(place, "activities", event.id)) == 2

    said = side_by_side(for_update_bare.make, place, lambda backend: backend.screenshot(shot))
    assert [one.said for one in said] == ["stored", "stored"]
    assert len(rows(place, "screenshots", shot.id)) == len(store_of(place).puts) == 2


def test_for_update_deadlocks_on_the_gap_in_innodb_after_both_have_put_the_object(placed: Placed) -> None:
    place, shot = placed("mariadb", "bare"), screenshot()
    said = side_by_side(for_update_bare.make, place, lambda backend: backend.screenshot(shot))
    assert sorted(one.said for one in said) == ["failed", "stored"]
    assert [one for one in said if one.said == "failed"][0].error.startswith("OperationalError: (1213,")
    assert len(rows(place, "screenshots", shot.id)) == 1
    assert len(store_of(place).puts) == 2


def test_the_lock_of_a_slow_upload_expires_and_its_del_releases_somebody_elses(placed: Placed) -> None:
    first = placed("postgresql", "bare", times=Times(lock=0.05))
    slow, other = store_of(first), HeldStore(Path(store_of(first).shown.removeprefix("file://")))
    second = replace(first, store=other, times=Times(lock=60))
    shot = screenshot()
    lock = f"{first.redis_prefix}lock:{shot.id}"

    slow.go.clear()
    other.go.clear()
    one = Asked(lambda: redis_textbook.make(first).screenshot(shot))
    assert slow.began.wait(60)
    until(lambda: not first.redis.exists(lock), "the lock to expire")
    two = Asked(lambda: redis_textbook.make(second).screenshot(shot))
    assert other.began.wait(60)
    assert first.redis.pttl(lock) > 1000
    slow.go.set()
    assert one.answer().said == "stored"
    assert not first.redis.exists(lock)
    other.go.set()
    assert two.answer().said == "stored"
    assert len(rows(first, "screenshots", shot.id)) == 2


def test_who_does_not_get_the_lock_is_told_to_ask_again_or_finds_the_row(placed: Placed) -> None:
    place = placed("postgresql", "bare", times=Times(lock=60))
    store, shot = store_of(place), screenshot()
    store.go.clear()
    holder = Asked(lambda: redis_textbook.make(place).screenshot(shot))
    assert store.began.wait(60)
    assert redis_textbook.make(replace(place, times=Times(lock=0.05))).screenshot(shot) == Answer("busy")
    waiter = Asked(lambda: redis_textbook.make(place).screenshot(shot))
    store.go.set()
    assert holder.answer().said == "stored"
    assert waiter.answer().said == "duplicate"


@pytest.mark.parametrize("kind", KINDS)
def test_a_second_request_that_finds_pending_uploads_too(placed: Placed, kind: Kind) -> None:
    place, shot = placed(kind, "target"), screenshot()
    said = side_by_side(states_textbook.make, place, lambda backend: backend.screenshot(shot))
    assert [one.said for one in said] == ["stored", "stored"]
    assert len(rows(place, "screenshots", shot.id)) == 1
    assert len(store_of(place).puts) == 2


@pytest.mark.parametrize("kind", KINDS)
def test_a_crash_leaves_uploading_for_ever(placed: Placed, kind: Kind) -> None:
    place, shot = placed(kind, "target", times=Times(wait=0.05)), screenshot()
    store_of(place).raises = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        states_textbook.make(place).screenshot(shot)
    store_of(place).raises = None
    assert [states_textbook.make(place).screenshot(shot) for _ in range(2)] == [Answer("busy")] * 2
    assert [row["status"] for row in rows(place, "screenshots", shot.id)] == ["uploading"]


def test_a_failed_upload_is_counted_and_tried_again(placed: Placed) -> None:
    place, shot = placed("sqlite", "target"), screenshot()
    store_of(place).raises = SourceError("the store refuses\x1b[31m", "")
    said = states_textbook.make(place).screenshot(shot)
    assert said.said == "failed"
    assert said.error == r"SourceError: the store refuses\x1b[31m"
    store_of(place).raises = None
    assert states_textbook.make(place).screenshot(shot).said == "stored"
    assert [(row["status"], row["retry_count"]) for row in rows(place, "screenshots", shot.id)] == [("completed", 1)]


def test_an_error_of_postgresql_is_told_with_its_code(placed: Placed) -> None:
    place = placed("postgresql", "target")
    said = states_textbook.make(place).activity(replace(activity(), type="x" * 51))
    assert said.said == "failed"
    assert said.error.startswith("22001 ")
