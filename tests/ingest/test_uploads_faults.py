"""Processes that are killed or paused in mid-upload, servers that go away, and connections that are cut."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from dedupaudit.ingest.errors import StillUploading, Unavailable
from dedupaudit.ingest.screenshots import ScreenshotWriter
from tests.conftest import ROOT
from tests.ingest.databases import Database
from tests.ingest.uploads import DONE, DUPLICATE, KEY, SHOT, STORED, Row, Running, Uploads, until_told
from tests.servers.proxy import Proxy

SERVERS = ("postgresql", "mariadb")
SLOW = pytest.mark.slow
Start = Callable[[float], "Upload"]


class Upload:
    """A process in mid-upload: it has the claim, and its PUT has begun."""

    def __init__(self, uploads: Uploads, lease: float) -> None:
        url = uploads.database.engine.url.render_as_string(hide_password=False)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.ingest.one_upload", url, str(uploads.folder), str(lease)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.line() == "putting"

    def line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def send(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def finish(self) -> str:
        """Let the PUT go on, and return the answer."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return self.line()

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()


@pytest.fixture
def uploads(database: Database, tmp_path: Path) -> Uploads:
    return Uploads(database, tmp_path)


@pytest.fixture
def begun(uploads: Uploads) -> Iterator[Start]:
    """Return what starts a process that is in mid-upload."""
    started: list[Upload] = []

    def start(lease: float = 3600.0) -> Upload:
        started.append(Upload(uploads, lease))
        return started[-1]

    yield start
    for one in started:
        one.close()


@pytest.mark.parametrize("database", ["sqlite", *(pytest.param(name, marks=SLOW) for name in SERVERS)], indirect=True)
def test_a_killed_writers_claim_is_taken_over_once_its_lease_is_over(uploads: Uploads, begun: Start) -> None:
    dead = begun(3600.0)
    dead.send(signal.SIGKILL)
    dead.close()
    assert uploads.row() == Row("uploading", 0, None, None, None)
    with pytest.raises(StillUploading):
        uploads.new_writer(wait=0).write(SHOT)
    uploads.end_lease()
    assert uploads.writer.write(SHOT) == STORED
    assert uploads.row() == DONE._replace(retry_count=1)
    assert uploads.objects() == {KEY: SHOT.picture}


@SLOW
def test_a_waiting_request_takes_over_from_a_killed_one_by_itself(uploads: Uploads, begun: Start) -> None:
    dead = begun(1.0)
    dead.send(signal.SIGKILL)
    dead.close()
    assert uploads.new_writer(lease=1.0).write(SHOT) == STORED
    assert uploads.row() == DONE._replace(retry_count=1)


@pytest.mark.parametrize("database", [*SERVERS, pytest.param("sqlite", marks=SLOW)], indirect=True)
def test_a_paused_writer_that_wakes_as_a_zombie_changes_nothing_that_the_winner_wrote(
    uploads: Uploads, begun: Start
) -> None:
    zombie = begun(1.0)
    zombie.send(signal.SIGSTOP)
    assert uploads.new_writer(lease=1.0).write(SHOT) == STORED
    winners = uploads.database.ask("SELECT * FROM screenshots")
    zombie.send(signal.SIGCONT)
    assert zombie.finish() == "duplicate"
    assert uploads.database.ask("SELECT * FROM screenshots") == winners
    assert uploads.row() == DONE._replace(retry_count=1)
    assert uploads.objects() == {KEY: SHOT.picture}


@SLOW
def test_a_zombie_that_wakes_while_the_winner_still_uploads_leaves_it_alone(uploads: Uploads, begun: Start) -> None:
    zombie = begun(3600.0)
    zombie.send(signal.SIGSTOP)
    uploads.end_lease()
    winner = uploads.held_up()
    zombie.send(signal.SIGCONT)
    # Its PUT is done, its row is not: the picture may be there, but who is to say so holds another token.
    assert zombie.finish() == "StillUploading"
    assert uploads.row() == Row("uploading", 1, None, None, None)
    uploads.store.go.set()
    assert winner.result() == STORED
    assert uploads.row() == DONE._replace(retry_count=1)
    assert uploads.objects() == {KEY: SHOT.picture}


@pytest.mark.parametrize("database", SERVERS, indirect=True)
def test_a_network_that_breaks_during_an_upload_is_a_short_delay(uploads: Uploads) -> None:
    port = uploads.database.engine.url.port
    assert port is not None
    with Proxy(port) as proxy:
        engine = uploads.database.new_engine(proxy.port)
        writer = ScreenshotWriter(engine, uploads.store, lease=3600)
        writer.write(replace(SHOT, id="screenshot_0"))
        uploads.store.go.clear()
        uploads.store.began.clear()
        upload = Running(lambda: writer.write(SHOT))
        assert uploads.store.began.wait(60)
        proxy.cut()
        uploads.store.go.set()
        assert upload.result() == STORED
        assert uploads.row() == DONE
        engine.dispose()


@pytest.mark.parametrize("database", ["mariadb", pytest.param("postgresql", marks=SLOW)], indirect=True)
def test_a_database_that_is_gone_when_the_picture_is_there_leaves_the_claim_to_its_lease(uploads: Uploads) -> None:
    port = uploads.database.engine.url.port
    assert port is not None
    proxy = Proxy(port)
    engine = uploads.database.new_engine(proxy.port)
    uploads.store.go.clear()
    upload = Running(lambda: ScreenshotWriter(engine, uploads.store, lease=3.0).write(SHOT))
    assert uploads.store.began.wait(60)
    with until_told(f"the lease of {SHOT.id} could not be renewed") as told:
        proxy.close()
        assert told.wait(60)
    uploads.store.go.set()
    with pytest.raises(Unavailable):
        upload.result()
    assert uploads.row() == Row("uploading", 0, None, None, None)
    assert uploads.objects() == {KEY: SHOT.picture}
    uploads.end_lease()
    assert uploads.new_writer().write(SHOT) == STORED
    assert uploads.row() == DONE._replace(retry_count=1)
    engine.dispose()


@SLOW
def test_killed_one_after_the_other_somebody_stores_it_in_the_end(uploads: Uploads, begun: Start) -> None:
    for retries in range(2):
        one = begun(0.5)
        assert uploads.row() == Row("uploading", retries, None, None, None)
        one.send(signal.SIGKILL)
        one.close()
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and uploads.new_writer(lease=0.5).sweep() == 0:
            time.sleep(0.05)
    assert uploads.writer.write(SHOT) == STORED
    assert uploads.writer.write(SHOT) == DUPLICATE
    assert uploads.row() == DONE._replace(retry_count=2)
