"""One picture, one row, one object, whoever sends it and whatever happens meanwhile; on each database."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import replace
from functools import partial
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest

from dedupaudit.errors import SourceError, UsageError
from dedupaudit.ingest.errors import IdCollision, Rejected, StillUploading, UploadFailed
from dedupaudit.ingest.events import Uploaded
from dedupaudit.ingest.rows import RowWriter
from dedupaudit.ingest.screenshots import ScreenshotWriter, object_key
from dedupaudit.ingest.tables import Described
from tests.ingest.databases import Database
from tests.ingest.uploads import DONE, DUPLICATE, KEY, OTHER, SHOT, STORED, Row, Running, Uploads, until_told


@pytest.fixture
def uploads(database: Database, tmp_path: Path) -> Uploads:
    return Uploads(database, tmp_path)


def test_a_picture_is_a_row_and_an_object_and_sent_again_it_is_a_duplicate(uploads: Uploads) -> None:
    assert uploads.writer.write(SHOT) == STORED
    assert uploads.row() == DONE
    assert uploads.objects() == {KEY: SHOT.picture}
    assert uploads.writer.write(SHOT) == uploads.new_writer().write(SHOT) == DUPLICATE
    assert uploads.store.puts == [KEY]


def test_another_picture_under_the_same_id_is_a_collision_and_changes_nothing(uploads: Uploads) -> None:
    uploads.writer.write(SHOT)
    for other, differs in (
        (replace(SHOT, device_id="device_2"), "device_id"),
        (replace(SHOT, timestamp=1), "timestamp"),
        (replace(SHOT, picture=b"other"), "picture"),
        (OTHER, "picture"),
    ):
        with pytest.raises(IdCollision) as raised:
            uploads.writer.write(other)
        assert (raised.value.key, raised.value.differs) == ((SHOT.id,), (differs,))
    assert uploads.row() == DONE
    assert uploads.objects() == {KEY: SHOT.picture}


LONG: list[dict[str, Any]] = [{"id": "x" * 300}, {"device_id": "d" * 250, "id": "x" * 250}]
IMPOSSIBLE: list[dict[str, Any]] = [
    {"id": ""}, {"id": " \n"}, {"id": None}, {"id": "../../x"}, {"id": "a\ud800"}, {"id": "a\0b"}, {"id": 7},
    {"device_id": None}, {"device_id": ""}, {"device_id": ".."}, {"device_id": "a/b"}, {"device_id": b"a"},
    {"timestamp": 2**63}, {"timestamp": None}, {"timestamp": "1"}, {"picture": None}, {"picture": "text"},
    {"content_type": None},
]  # fmt: skip


def test_what_can_never_be_stored_is_rejected_before_anything_is_written(uploads: Uploads) -> None:
    # An SQLite TEXT has no length: there the folder says which name is too long.
    for changes in IMPOSSIBLE + (LONG if uploads.database.name != "sqlite" else LONG[:1]):
        with pytest.raises(Rejected) as refused:
            uploads.writer.write(replace(SHOT, **changes))
        assert refused.value.permanent
    assert uploads.database.ask("SELECT count(*) FROM screenshots") == [(0,)]
    assert uploads.objects() == {}


def test_a_key_that_only_the_store_refuses_is_rejected_and_leaves_a_failed_row(uploads: Uploads) -> None:
    uploads.store.raises = UsageError("no such key", "take another")
    with pytest.raises(Rejected, match="screenshot_1766557428498 cannot be an object: no such key") as refused:
        uploads.writer.write(SHOT)
    assert not refused.value.permanent, "what is there may be taken away"
    assert uploads.row() == Row("failed", 1, None, None, None)


def test_hostile_ids_are_stored_as_they_are(uploads: Uploads) -> None:
    for number, hostile in enumerate(("a'b\"c", "%s %(x)s :x ?", "\x1b[2J\n\u202e", "\\", "x`; --", "活动_1")):
        shot = replace(SHOT, id=hostile, device_id=hostile, picture=bytes([number]))
        stored = uploads.writer.write(shot)
        assert uploads.writer.write(shot) == replace(stored, duplicate=True)
        assert uploads.objects()[stored.object_key] == bytes([number])
        named = uploads.database.ask("SELECT id, device_id, oss_key FROM screenshots")
        assert (hostile, hostile, stored.object_key) in named


def test_eight_writers_send_thirty_pictures_and_each_is_uploaded_once(uploads: Uploads) -> None:
    shots = [replace(SHOT, id=f"screenshot_{number}", picture=b"%d" % number) for number in range(30)]
    engine = uploads.database.new_engine(pool_size=9)
    barrier = Barrier(8)

    def send(first: int) -> list[Uploaded]:
        writer = ScreenshotWriter(engine, uploads.store, wait=60)
        barrier.wait()
        # All begin with the same ones, and then go on at different places.
        return [writer.write(shot) for shot in shots[:10] + shots[first:] + shots[10:first]]

    running = [Running(partial(send, 10 + number)) for number in range(8)]
    answers = [answer for one in running for answer in one.result()]
    engine.dispose()
    assert Counter(uploads.store.puts) == Counter({object_key(shot): 1 for shot in shots})
    assert Counter(answer.id for answer in answers if not answer.duplicate) == Counter({shot.id: 1 for shot in shots})
    assert uploads.objects() == {object_key(shot): shot.picture for shot in shots}
    assert uploads.database.ask("SELECT DISTINCT status, retry_count FROM screenshots") == [("completed", 0)]


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_no_request_waits_until_another_has_looked_at_the_table(
    uploads: Uploads, monkeypatch: pytest.MonkeyPatch
) -> None:
    # While the database is down, each look takes half a minute: one after the other they would take minutes.
    both, look = Barrier(2), RowWriter._describe

    def together(self: RowWriter) -> Described:
        both.wait(60)
        return look(self)

    monkeypatch.setattr(RowWriter, "_describe", together)
    shots = [replace(SHOT, id=f"screenshot_{number}") for number in range(2)]
    running = [Running(partial(uploads.writer.write, shot)) for shot in shots]
    assert [one.result().duplicate for one in running] == [False, False]


def test_who_comes_during_an_upload_waits_for_its_url(uploads: Uploads) -> None:
    first = uploads.held_up()
    second = uploads.waiting()
    assert uploads.row() == Row("uploading", 0, None, None, None)
    uploads.store.go.set()
    assert (first.result(), second.result()) == (STORED, DUPLICATE)
    assert uploads.store.puts == [KEY]


def test_who_waits_with_another_picture_learns_that_the_id_is_taken(uploads: Uploads) -> None:
    first = uploads.held_up()
    second = uploads.waiting(OTHER)
    uploads.store.go.set()
    assert first.result() == STORED
    with pytest.raises(IdCollision):
        second.result()
    assert uploads.objects() == {KEY: SHOT.picture}


def test_a_wait_that_is_over_says_so_and_how_long_it_was(uploads: Uploads) -> None:
    first = uploads.held_up()
    for wait in (0, 0.06):
        with pytest.raises(StillUploading, match="another request uploads screenshot_1766557428498") as raised:
            uploads.new_writer(wait=wait).write(SHOT)
        assert raised.value.waited >= wait
    uploads.store.go.set()
    assert first.result() == STORED


def test_a_refused_upload_is_failed_and_counted_and_the_next_one_completes(uploads: Uploads) -> None:
    uploads.store.raises = SourceError("the bucket refuses: AccessDenied", "grant it")
    why = "could not be stored: the bucket refuses: AccessDenied"
    with until_told(f"the reason: the picture … {why}") as told, pytest.raises(UploadFailed, match=why) as failed:
        uploads.writer.write(SHOT)
    assert told.is_set()
    assert failed.value.hint == "send the picture again, which is safe; where it goes on: grant it"
    assert uploads.row() == Row("failed", 1, None, None, None)
    uploads.store.raises = None
    with until_told(f"[Retry] {SHOT.id} failed before, uploading again") as told:
        assert uploads.writer.write(SHOT) == STORED
    assert told.is_set()
    assert uploads.row() == DONE._replace(retry_count=1)


@pytest.mark.parametrize("raised", [KeyboardInterrupt, SystemExit, MemoryError])
def test_whatever_ends_an_upload_its_claim_is_given_back(uploads: Uploads, raised: type[BaseException]) -> None:
    uploads.store.raises = raised()
    with pytest.raises(raised):
        uploads.writer.write(SHOT)
    assert uploads.row() == Row("failed", 1, None, None, None)


def test_a_waiter_takes_a_failed_upload_up_at_once(uploads: Uploads) -> None:
    first = uploads.held_up()
    second = uploads.waiting()
    uploads.store.raises = SourceError("gone", "")
    uploads.store.go.set()
    with pytest.raises(UploadFailed):
        first.result()
    assert second.result() == STORED
    assert uploads.row() == DONE._replace(retry_count=1)


def test_the_row_of_a_writer_that_died_is_taken_over_when_its_lease_is_over(uploads: Uploads) -> None:
    for status in ("pending", "uploading"):
        shot = replace(SHOT, id=f"screenshot_{status}")
        uploads.writer.write(shot)
        # As a crash leaves it; that of `uploading` came after its PUT.
        uploads.database.run(
            f"UPDATE screenshots SET status = '{status}', oss_key = NULL, oss_url = NULL, file_size = NULL"
            f" WHERE id = '{shot.id}'"
        )
    dead = replace(SHOT, id="screenshot_uploading")
    with pytest.raises(StillUploading):
        uploads.new_writer(wait=0).write(dead)
    assert uploads.writer.write(replace(SHOT, id="screenshot_pending")).duplicate is False
    uploads.end_lease()
    with until_told(f"[Retry] {dead.id} failed before, uploading again") as told:
        assert uploads.writer.write(dead).duplicate is False
    assert told.is_set()
    row = uploads.row(dead)
    assert row is not None and (row.status, row.retry_count) == ("completed", 1)
    assert uploads.objects()[object_key(dead)] == SHOT.picture


def test_a_zombie_overwrites_nothing_and_answers_from_the_winners_row(uploads: Uploads) -> None:
    zombie = uploads.held_up()
    uploads.end_lease()
    assert uploads.new_writer().write(SHOT) == STORED
    winner = uploads.row()
    assert winner == DONE._replace(retry_count=1)
    uploads.store.go.set()
    assert zombie.result() == DUPLICATE
    assert uploads.row() == winner


def test_a_zombie_with_another_picture_is_told_and_overwrites_nothing(uploads: Uploads) -> None:
    zombie = uploads.held_up(OTHER)
    uploads.end_lease()
    assert uploads.new_writer().write(SHOT) == STORED
    uploads.store.go.set()
    with pytest.raises(IdCollision):
        zombie.result()
    assert uploads.row() == DONE._replace(retry_count=1)
    assert uploads.objects() == {KEY: SHOT.picture}


def test_who_lost_a_lease_claims_again_where_nobody_else_did(uploads: Uploads) -> None:
    slow = uploads.held_up(wait=0)
    uploads.end_lease()
    assert uploads.new_writer().sweep() == 1
    uploads.store.go.set()
    assert slow.result() == STORED
    assert uploads.row() == DONE._replace(retry_count=1)
    assert uploads.store.puts == [KEY, KEY], "the second PUT met the first one's object"


def test_who_loses_every_lease_gives_up(uploads: Uploads) -> None:
    put = uploads.store.put

    def slow(*args: Any, **options: Any) -> bool:
        uploads.end_lease()
        uploads.new_writer().sweep()
        return put(*args, **options)

    uploads.store.put = slow  # type: ignore[method-assign]
    with pytest.raises(StillUploading):
        uploads.writer.write(SHOT)
    assert uploads.row() == Row("failed", 3, None, None, None)


def test_a_lease_that_is_lost_in_mid_upload_is_told(uploads: Uploads) -> None:
    uploads.store.go.clear()
    with until_told(f"the lease of {SHOT.id} ended before its upload did") as told:
        zombie = Running(lambda: uploads.writer_of(uploads.store, lease=0.6, wait=0).write(SHOT))
        assert uploads.store.began.wait(60)
        # As if somebody had taken it over.
        uploads.database.run("UPDATE screenshots SET retry_count = 7")
        assert told.wait(60)
    uploads.database.run("UPDATE screenshots SET status = 'pending'")
    uploads.store.go.set()
    assert zombie.result() == STORED
    assert uploads.row() == DONE._replace(retry_count=7)


def test_an_upload_that_takes_longer_than_its_lease_keeps_it(uploads: Uploads) -> None:
    slow = uploads.held_up(lease=0.6)
    times: set[tuple[Any, ...]] = set()
    deadline = time.monotonic() + 60
    while len(times) < 5 and time.monotonic() < deadline:
        times.add(uploads.database.ask("SELECT updated_at FROM screenshots")[0])
        time.sleep(0.02)
    assert uploads.new_writer(lease=0.6).sweep() == 0
    uploads.store.go.set()
    assert slow.result() == STORED
    assert uploads.row() == DONE


def test_a_sweep_takes_back_what_is_over_and_nothing_else(uploads: Uploads) -> None:
    for number in range(5):
        uploads.writer.write(replace(SHOT, id=f"screenshot_{number}"))
    uploads.database.run(
        "UPDATE screenshots SET status = 'uploading', oss_key = NULL, oss_url = NULL, file_size = NULL"
        " WHERE id <> 'screenshot_4'"
    )
    uploads.end_lease()
    live = uploads.held_up()
    assert uploads.new_writer().sweep(limit=3) == 3
    with until_told("upload failed: screenshot_") as told:
        assert uploads.new_writer().sweep() == 1
    assert told.is_set()
    assert uploads.new_writer().sweep() == 0
    states = uploads.database.ask("SELECT status, retry_count, count(*) FROM screenshots GROUP BY 1, 2 ORDER BY 1")
    assert states == [("completed", 0, 1), ("failed", 1, 4), ("uploading", 0, 1)]
    uploads.store.go.set()
    assert live.result() == STORED
