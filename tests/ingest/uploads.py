"""What tests of pictures share: a writer beside its store, and leases that end when a test says so."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from threading import Event, Thread
from typing import Any, Generic, NamedTuple, TypeVar

from dedupaudit.ingest.events import Screenshot, Uploaded
from dedupaudit.ingest.screenshots import ScreenshotWriter
from dedupaudit.stores.protocol import ObjectStore
from tests.drill.places import HeldStore
from tests.ingest.databases import Database

T = TypeVar("T")

SHOT = Screenshot("screenshot_1766557428498", "device_1", 1766557428498, b"\xff\xd8 a picture")
KEY = "screenshots/device_1/screenshot_1766557428498.jpg"
AGO = {
    "postgresql": "clock_timestamp() - interval '1 day'",
    "mariadb": "NOW(6) - INTERVAL 1 DAY",
    "sqlite": "strftime('%Y-%m-%d %H:%M:%f', 'now', '-1 day')",
}


STORED = Uploaded(SHOT.id, KEY, f"/{KEY}")
DUPLICATE = replace(STORED, duplicate=True)
OTHER = replace(SHOT, picture=b"\xff\xd8 b picture")
"""Of the same size."""


class Row(NamedTuple):
    """What matters of a picture's row."""

    status: str
    retry_count: int | None
    key: str | None
    url: str | None
    size: int | None


DONE = Row("completed", 0, KEY, f"/{KEY}", len(SHOT.picture))


class Running(Generic[T]):
    """Work in a thread of its own; `result` waits for it, and raises what it raised."""

    def __init__(self, work: Callable[[], T]) -> None:
        self._outcome: list[T] = []
        self._error: BaseException | None = None

        def run() -> None:
            try:
                self._outcome.append(work())
            except BaseException as error:
                self._error = error

        self._thread = Thread(target=run, daemon=True)
        self._thread.start()

    def result(self) -> T:
        self._thread.join(60)
        if self._error is not None:
            raise self._error
        return self._outcome[0]


@contextmanager
def until_told(words: str) -> Iterator[Event]:
    """Give an event that is set once the ingest's log has a line with these words."""
    told = Event()

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if words in record.getMessage():
                told.set()

    logger, listener = logging.getLogger("dedupaudit.ingest"), Listener()
    level = logger.level
    logger.setLevel(logging.INFO)
    logger.addHandler(listener)
    try:
        yield told
    finally:
        logger.removeHandler(listener)
        logger.setLevel(level)


class Uploads:
    """A database, a folder as a store, and a writer for both. Leases end when `end_lease` says so."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.database = database
        self.folder = folder / "objects"
        self.folder.mkdir()
        self.store = HeldStore(self.folder)
        self.writer = self.writer_of(self.store)

    def new_writer(self, **options: Any) -> ScreenshotWriter:
        """Return a writer of another process, as it were: what holds this store up does not hold its own."""
        return self.writer_of(HeldStore(self.folder), **options)

    def writer_of(self, store: ObjectStore, **options: Any) -> ScreenshotWriter:
        return ScreenshotWriter(self.database.engine, store, **{"lease": 3600.0, "wait": 60.0, **options})

    def held_up(self, shot: Screenshot = SHOT, **options: Any) -> Running[Uploaded]:
        """Return an upload whose PUT has begun, and goes on when `store.go` is set."""
        self.store.go.clear()
        self.store.began.clear()
        running = Running(lambda: self.writer_of(self.store, **options).write(shot))
        assert self.store.began.wait(60)
        return running

    def waiting(self, shot: Screenshot = SHOT) -> Running[Uploaded]:
        """Return a request that waits for another's upload."""
        with until_told("[Concurrent]") as told:
            running = Running(lambda: self.new_writer().write(shot))
            assert told.wait(60)
        return running

    def row(self, shot: Screenshot = SHOT) -> Row | None:
        found = self.database.ask(
            f"SELECT status, retry_count, oss_key, oss_url, file_size FROM screenshots WHERE id = '{shot.id}'"
        )
        return Row(*found[0]) if found else None

    def objects(self) -> dict[str, bytes]:
        files = (path for path in self.folder.rglob("*") if path.is_file())
        return {str(path.relative_to(self.folder)): path.read_bytes() for path in files}

    def end_lease(self) -> None:
        self.database.run(f"UPDATE screenshots SET updated_at = {AGO[self.database.name]}")
