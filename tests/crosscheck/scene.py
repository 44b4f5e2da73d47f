"""A table of screenshots and a store of pictures for the tests of crosscheck: the truth is what was put there."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from dedupaudit.building import Outcome
from dedupaudit.config import load_settings
from dedupaudit.crosscheck import crosscheck
from dedupaudit.interrupt import Interrupt
from dedupaudit.progress import SILENT
from dedupaudit.scan import ScanRequest
from tests.oss.server import DEFAULT, FakeOss
from tests.oss.signatures import Credentials

OLD = "2025-12-24T08:00:00Z"
OLD_SECONDS = 1_767_225_600  # 1 January 2026
CONTENT = b"a picture"
TABLE = (
    "CREATE TABLE IF NOT EXISTS {} (id TEXT PRIMARY KEY NOT NULL, device_id TEXT, status TEXT, oss_key TEXT,"
    " oss_url TEXT, file_size INTEGER, etag TEXT, created_at TEXT)"
)


class Row(NamedTuple):
    """One row of `screenshots`."""

    id: str
    key: str | None = None
    status: str | None = "completed"
    url: str | None = None
    size: int | None = None
    etag: str | None = None
    at: str | None = OLD
    device: str = "d1"


def picture(number: int) -> str:
    """Return the key of a picture."""
    return f"screenshots/{number:05}.jpg"


def rows(*numbers: int) -> list[Row]:
    """Return completed rows, each with its picture."""
    return [Row(f"s{number:05}", picture(number)) for number in numbers]


def database(path: Path, rows: Iterable[Row], table: str = "screenshots") -> Path:
    """Write rows into a table of an SQLite file, and return its path."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(TABLE.format(table))
        connection.executemany(
            f"INSERT INTO {table} (id, oss_key, status, oss_url, file_size, etag, created_at, device_id)"  # noqa: S608
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            rows,
        )
        connection.commit()
    return path


class Pictures(Protocol):
    """A store of objects that a test fills."""

    shown: str

    def put(self, key: str, content: bytes = CONTENT) -> None:
        """Store an object that is old."""

    def arguments(self) -> list[str]:
        """Return the flags that name the store."""

    def env(self) -> dict[str, str]:
        """Return what the environment needs."""


class Folder:
    """Pictures in a local folder."""

    def __init__(self, path: Path) -> None:
        path.mkdir()
        self.path = path
        self.shown = f"file://{path}"

    def put(self, key: str, content: bytes = CONTENT) -> None:
        target = self.path / key
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
        os.utime(target, (OLD_SECONDS, OLD_SECONDS))

    def arguments(self) -> list[str]:
        return ["--objects", self.shown]

    def env(self) -> dict[str, str]:
        return {}


class OssBucket:
    """Pictures in a bucket of the fake OSS."""

    def __init__(self, server: FakeOss) -> None:
        self.server = server
        self.shown = "oss://pictures/screenshots/"

    def put(self, key: str, content: bytes = CONTENT) -> None:
        self.server.bucket.put(key, content, OLD_SECONDS)

    def arguments(self) -> list[str]:
        return oss_arguments(self.server)

    def env(self) -> dict[str, str]:
        return oss_env()


def oss_arguments(server: FakeOss, url: str = "oss://pictures/screenshots/") -> list[str]:
    """Return the flags that name the fake OSS."""
    return ["--objects", url, "--oss-endpoint", server.endpoint, "--oss-region", server.region]


def oss_env(credentials: Credentials = DEFAULT) -> dict[str, str]:
    """Return the environment of one who may ask the fake OSS."""
    token = {"OSS_SESSION_TOKEN": credentials.token} if credentials.token else {}
    return {"OSS_ACCESS_KEY_ID": credentials.key_id, "OSS_ACCESS_KEY_SECRET": credentials.secret, **token}


def hold(
    db: Path, objects: Mapping[str, Any], checks: Sequence[str] = (), environ: Mapping[str, str] | None = None
) -> Outcome:
    """Crosscheck in this process; `objects` is what `[objects]` says."""
    settings = load_settings(None, cwd=db.parent, environ=environ or {}, db=(f"sqlite:///{db}",), objects=objects)
    request = ScanRequest(checks=tuple(checks), command="crosscheck")
    return crosscheck(settings, request, interrupt=Interrupt(), progress=SILENT)


def oss_objects(server: FakeOss, **more: Any) -> dict[str, Any]:
    """Return what `[objects]` says of the fake OSS."""
    return {"url": "oss://pictures/screenshots/", "endpoint": server.endpoint, "region": server.region, **more}


def found(report: Mapping[str, Any], check: str, verdict: str = "confirmed") -> set[str]:
    """Return the IDs or object keys that a check of a JSON report found."""
    return {
        next(iter(one["key"].values()))
        for one in report["findings"]
        if one["check"] == check and one["verdict"] == verdict
    }


def found_in(outcome: Outcome, check: str, verdict: str = "confirmed") -> set[object]:
    """Return the IDs or object keys that a check found, of a run in this process."""
    return {
        next(iter(one.key.values())) for one in outcome.report.findings if one.check == check and one.verdict == verdict
    }
