"""Pictures in tables of other shapes, in a real bucket, and before the project's own audit."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dedupaudit.errors import SourceError
from dedupaudit.ingest import telling
from dedupaudit.ingest.errors import IdCollision, StillUploading, Unprotected, UploadFailed
from dedupaudit.ingest.events import Uploaded
from dedupaudit.ingest.protections.optimistic import OptimisticVersion
from dedupaudit.ingest.screenshots import ScreenshotWriter, object_key
from dedupaudit.ingest.tables import Table
from dedupaudit.stores.oss import OssStore
from tests.conftest import Run
from tests.ingest.databases import Database, open_database
from tests.ingest.uploads import DONE, KEY, OTHER, SHOT, Row, Running, Uploads
from tests.oss import errors, faults
from tests.oss.server import FakeOss
from tests.sources.objects.asking import QUICK, be

CHECKS = ("duplicate_ids", "illegal_state", "incomplete_row", "missing_object", "orphan_object", "size_mismatch")


@pytest.fixture
def uploads(database: Database, tmp_path: Path) -> Uploads:
    return Uploads(database, tmp_path)


def test_a_table_with_names_of_its_own_and_a_version(uploads: Uploads) -> None:
    database = uploads.database
    stamp = {"postgresql": "timestamptz", "mariadb": "timestamp(3) NULL", "sqlite": "TEXT"}[database.name]
    database.run(
        "CREATE TABLE pictures (shot varchar(40) NOT NULL, device varchar(40) NOT NULL, taken bigint NOT NULL,"
        " place varchar(200), address varchar(200), state varchar(20) NOT NULL, tries int, changed "
        f"{stamp}, v bigint NOT NULL DEFAULT 0, PRIMARY KEY (device, shot))"
    )
    columns = {"id": "shot", "device_id": "device", "timestamp": "taken", "oss_key": "place", "oss_url": "address",
               "status": "state", "retry_count": "tries", "updated_at": "changed"}  # fmt: skip
    table = Table(("pictures",), ("device_id", "id"), columns, version="v")
    writer = ScreenshotWriter(database.engine, uploads.store, table=table, protection=OptimisticVersion())
    other = replace(SHOT, device_id="device_2", picture=b"two")
    assert [writer.write(shot).duplicate for shot in (SHOT, other, SHOT, other)] == [False, False, True, True]
    rows = database.ask("SELECT device, shot, place, state, tries, v FROM pictures ORDER BY device")
    assert rows == [(shot.device_id, shot.id, object_key(shot), "completed", 0, 2) for shot in (SHOT, other)]
    with pytest.raises(IdCollision):
        writer.write(replace(other, timestamp=5))


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_table_that_lacks_what_is_needed_is_refused_at_the_first_use(uploads: Uploads) -> None:
    database = uploads.database
    columns = "device_id TEXT, oss_key TEXT, oss_url TEXT, status TEXT, timestamp INTEGER, retry_count INTEGER"
    for made, why in (
        (f"id TEXT, {columns}, updated_at TEXT", "no unique constraint"),
        (f"id TEXT PRIMARY KEY, {columns}", "no column updated_at"),
        (f"id TEXT PRIMARY KEY, {columns}, updated_at REAL", "is real: a lease cannot be kept in it"),
        (f"id TEXT PRIMARY KEY, {columns}, updated_at TEXT NOT NULL", "updated_at of screenshots has no default"),
    ):
        database.run("DROP TABLE screenshots", f"CREATE TABLE screenshots ({made})")
        with pytest.raises(Unprotected, match=why):
            uploads.new_writer().write(SHOT)
        with pytest.raises(Unprotected, match=why):
            uploads.new_writer().sweep()
    assert uploads.objects() == {}


def test_a_lease_or_wait_that_makes_no_sense_is_a_mistake_of_the_caller(tmp_path: Path) -> None:
    database = open_database("sqlite", tmp_path)
    uploads = Uploads(database, tmp_path)
    nan = float("nan")
    mistakes: tuple[dict[str, Any], ...] = ({"lease": 0}, {"lease": 1e6}, {"lease": nan}, {"wait": -1}, {"wait": nan})
    for options in mistakes:
        with pytest.raises(ValueError, match="a lease is more than 0 s"):
            uploads.new_writer(**options)
    with pytest.raises(ValueError, match="belongs to the key"):
        uploads.new_writer(table=Table(("screenshots",), key=("device_id",)))
    with pytest.raises(ValueError, match="one claim at least"):
        uploads.writer.sweep(limit=0)
    database.engine.dispose()


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_bucket_that_refuses_and_then_takes_it(
    uploads: Uploads, oss: FakeOss, monkeypatch: pytest.MonkeyPatch
) -> None:
    be(monkeypatch)
    store = OssStore("oss://pictures", oss.endpoint, oss.region, None, QUICK)
    writer = uploads.writer_of(store)
    oss.misbehave(faults.fail(errors.access_denied), "put")
    with pytest.raises(UploadFailed, match="may not write to bucket pictures"):
        writer.write(SHOT)
    assert uploads.row() == Row("failed", 1, None, None, None)
    stored = writer.write(SHOT)
    assert (stored.object_key, stored.duplicate) == (KEY, False)
    assert uploads.row() == DONE._replace(retry_count=1, url=stored.url)
    with pytest.raises(IdCollision):
        writer.write(OTHER)
    assert store.holds(KEY, SHOT.picture)
    store.close()


def test_the_audit_finds_no_fault_in_what_a_writer_leaves_and_reads_what_it_logs(
    uploads: Uploads, run: Run, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "dedupaudit.ingest"):
        live = leave_every_state(uploads)
    lines = [telling.LogFormatter().format(record) for record in caplog.records]
    (tmp_path / "app.log").write_text("\n".join(lines))
    sources = [
        "--db",
        uploads.database.url,
        "--objects",
        f"file://{uploads.folder}",
        "--logs",
        str(tmp_path / "app.log"),
    ]
    audited = run("audit", *sources, "--grace", "0s", "--stuck-after", "1h", "-f", "json")
    summary = audited.json()["summary"]
    assert (audited.code, audited.json()["complete"]) == (1, True), audited
    # The client did send one picture three times, and another twice.
    assert {name: count for name, count in summary["by_check"].items() if count} == {"repeated_receive": 3}
    assert summary["by_check"].keys() >= set(CHECKS)
    assert summary["tables"]["db.screenshots"]["rows"] == 4
    assert {name: count for name, count in summary["logs"]["events"].items() if count} == {
        "receive": 7, "db_write": 4, "upload_done": 2, "upload_failed": 2, "idempotent_skip": 1, "concurrent_wait": 1,
        "retry": 1,
    }  # fmt: skip
    uploads.store.go.set()
    assert not live.result().duplicate


def leave_every_state(uploads: Uploads) -> Running[Uploaded]:
    uploads.writer.write(SHOT)
    uploads.writer.write(SHOT)
    uploads.store.raises = SourceError("gone", "")
    for name in ("screenshot_1", "screenshot_2"):
        with pytest.raises(UploadFailed):
            uploads.writer.write(replace(SHOT, id=name))
    uploads.store.raises = None
    uploads.writer.write(replace(SHOT, id="screenshot_2"))
    held = replace(SHOT, id="screenshot_3")
    live = uploads.held_up(held)
    with pytest.raises(StillUploading):
        uploads.new_writer(wait=0).write(held)
    return live
