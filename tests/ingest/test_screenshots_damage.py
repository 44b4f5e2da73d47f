"""A picture whose row or object somebody else changed, or whose COMMIT was never answered."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event

from dedupaudit.ingest.errors import IdCollision, StillUploading, UploadFailed
from dedupaudit.ingest.events import Uploaded
from dedupaudit.ingest.screenshots import ScreenshotWriter, object_key
from tests.ingest.databases import Database
from tests.ingest.uploads import DONE, DUPLICATE, KEY, OTHER, SHOT, STORED, Row, Uploads


@pytest.fixture
def uploads(database: Database, tmp_path: Path) -> Uploads:
    return Uploads(database, tmp_path)


def test_an_object_that_is_gone_is_put_again_where_the_row_knows_its_size(uploads: Uploads) -> None:
    uploads.writer.write(SHOT)
    (uploads.folder / KEY).unlink()
    with pytest.raises(IdCollision):
        uploads.writer.write(replace(SHOT, picture=b"of another size"))
    assert uploads.objects() == {}
    assert uploads.writer.write(SHOT) == DUPLICATE
    assert uploads.objects() == {KEY: SHOT.picture}
    assert uploads.row() == DONE


def test_a_completed_row_that_proves_nothing_is_no_success(uploads: Uploads) -> None:
    uploads.writer.write(SHOT)
    (uploads.folder / KEY).unlink()
    uploads.database.run("UPDATE screenshots SET file_size = NULL")
    with pytest.raises(UploadFailed, match="is completed and its object is gone"):
        uploads.writer.write(SHOT)
    for blank in ("NULL", "''"):
        uploads.database.run(f"UPDATE screenshots SET oss_key = {blank}")
        with pytest.raises(UploadFailed, match="is completed and names no object"):
            uploads.writer.write(SHOT)
    assert uploads.objects() == {}
    # As the hint says.
    uploads.database.run("UPDATE screenshots SET status = 'failed'")
    assert uploads.writer.write(SHOT) == STORED
    assert uploads.row() == DONE


def test_a_completed_row_answers_with_the_key_that_it_has(uploads: Uploads) -> None:
    uploads.writer.write(SHOT)
    (uploads.folder / "old.jpg").write_bytes(SHOT.picture)
    (uploads.folder / KEY).unlink()
    uploads.database.run("UPDATE screenshots SET oss_key = 'old.jpg', oss_url = 'https://old/old.jpg'")
    assert uploads.writer.write(SHOT) == Uploaded(SHOT.id, "old.jpg", "https://old/old.jpg", duplicate=True)
    assert uploads.objects() == {"old.jpg": SHOT.picture}


def test_a_status_of_somebody_elses_is_left_alone(uploads: Uploads) -> None:
    uploads.writer.write(SHOT)
    uploads.database.run("UPDATE screenshots SET status = 'archived'")
    with pytest.raises(UploadFailed, match="has status archived, which no upload begins from"):
        uploads.writer.write(SHOT)
    assert uploads.row() == DONE._replace(status="archived")


def test_an_object_that_is_there_already_is_never_overwritten(uploads: Uploads) -> None:
    (uploads.folder / KEY).parent.mkdir(parents=True)
    (uploads.folder / KEY).write_bytes(OTHER.picture)
    with pytest.raises(IdCollision) as raised:
        uploads.writer.write(SHOT)
    assert raised.value.differs == ("picture",)
    assert uploads.row() == Row("failed", 1, None, None, None)
    assert uploads.objects() == {KEY: OTHER.picture}
    assert uploads.writer.write(OTHER) == STORED
    assert uploads.row() == DONE._replace(retry_count=1, size=len(OTHER.picture))


def test_a_store_that_took_a_picture_and_has_it_not_is_no_success(uploads: Uploads) -> None:
    uploads.store.put = lambda *_args, **_options: True  # type: ignore[method-assign]
    with pytest.raises(UploadFailed, match="took it, and has it not"):
        uploads.writer.write(SHOT)
    assert uploads.row() == Row("failed", 1, None, None, None)


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_folder_that_is_a_link_out_of_the_store_is_a_failed_upload(uploads: Uploads, tmp_path: Path) -> None:
    (tmp_path / "larger disk").mkdir()
    (uploads.folder / "screenshots").symlink_to(tmp_path / "larger disk")
    with pytest.raises(UploadFailed, match="could not be stored: .* leads out of it") as told:
        uploads.writer.write(SHOT)
    assert told.value.hint.endswith("put a folder in the link's place")
    assert uploads.row() is None


REFUSED = {
    "postgresql": "ALTER TABLE screenshots ADD CONSTRAINT kept CHECK (id <> 'screenshot_0' OR status <> 'failed')",
    "sqlite": "CREATE TRIGGER kept BEFORE UPDATE ON screenshots WHEN NEW.id = 'screenshot_0' AND NEW.status = 'failed'"
    " BEGIN SELECT RAISE(ABORT, 'CONSTRAINT kept'); END",
}
REFUSED["mariadb"] = REFUSED["postgresql"]


def test_a_row_that_cannot_be_swept_keeps_no_other_from_it(uploads: Uploads, caplog: pytest.LogCaptureFixture) -> None:
    for number in range(3):
        uploads.writer.write(replace(SHOT, id=f"screenshot_{number}"))
    uploads.database.run(REFUSED[uploads.database.name], "UPDATE screenshots SET status = 'uploading'")
    uploads.end_lease()
    assert uploads.new_writer().sweep() == 2
    assert uploads.database.ask("SELECT id FROM screenshots WHERE status = 'uploading'") == [("screenshot_0",)]
    told = [record.getMessage() for record in caplog.records]
    assert told[0] == "the claim of screenshot_0 could not be swept"
    assert told[1].startswith("the reason: ") and "kept" in told[1] and "screenshot_0" not in told[1]


def test_a_store_that_took_a_picture_and_has_something_else_is_no_collision(uploads: Uploads) -> None:
    put = uploads.store.put

    def damaged(key: str, content: bytes, **options: Any) -> bool:
        is_mine = put(key, content, **options)
        (uploads.folder / KEY).write_bytes(OTHER.picture)
        return is_mine

    uploads.store.put = damaged  # type: ignore[method-assign]
    with pytest.raises(UploadFailed, match="took it, and has something else"):
        uploads.writer.write(SHOT)
    assert uploads.row() == Row("failed", 1, None, None, None)
    with pytest.raises(IdCollision):
        uploads.writer.write(SHOT)


def test_a_row_that_is_deleted_under_an_upload_is_inserted_again(uploads: Uploads) -> None:
    first = uploads.held_up()
    uploads.database.run("DELETE FROM screenshots")
    uploads.store.go.set()
    assert first.result() == STORED
    assert uploads.row() == DONE


@pytest.mark.parametrize("database", ["postgresql", "mariadb"], indirect=True)
def test_a_row_that_the_database_will_not_complete_is_failed(uploads: Uploads) -> None:
    uploads.database.run("ALTER TABLE screenshots ADD CONSTRAINT small CHECK (file_size < 3)")
    with pytest.raises(UploadFailed, match="could not be completed: the database refuses it"):
        uploads.writer.write(SHOT)
    assert uploads.row() == Row("failed", 1, None, None, None)


def lose_answers(engine: Engine, *, of: int) -> list[int]:
    """Commit the nth transaction, and lose the connection before anybody hears of it."""
    commits = [0]

    @event.listens_for(engine, "commit")
    def lose(connection: Any) -> None:
        commits[0] += 1
        if commits[0] == of:
            raw = connection.connection.dbapi_connection
            raw.commit()
            raw.close()

    return commits


@pytest.mark.parametrize("database", ["postgresql", "mariadb"], indirect=True)
def test_an_unanswered_commit_loses_and_repeats_nothing(uploads: Uploads) -> None:
    uploads.writer.write(replace(SHOT, id="screenshot_0"))  # all tables are described
    for number, (lost, answer) in enumerate((("insert", False), ("claim", None), ("complete", False)), start=1):
        shot = replace(SHOT, id=f"screenshot_{number}")
        engine = uploads.database.new_engine()
        writer = ScreenshotWriter(engine, uploads.store, lease=3600, wait=0)
        writer.write(replace(SHOT, id="screenshot_0"))
        commits = lose_answers(engine, of={"insert": 1, "claim": 2, "complete": 3}[lost])
        if answer is None:
            # Whose claim it is cannot be told: it is another's until its lease is over.
            with pytest.raises(StillUploading):
                writer.write(shot)
            uploads.end_lease()
            assert writer.write(shot).duplicate is False
        else:
            assert writer.write(shot).duplicate is answer
        assert commits[0] > 3, lost
        row = uploads.row(shot)
        assert row is not None and (row.status, row.retry_count) == ("completed", int(answer is None))
        engine.dispose()
    assert Counter(uploads.store.puts) == Counter(
        {object_key(replace(SHOT, id=f"screenshot_{n}")): 1 for n in range(4)}
    )
