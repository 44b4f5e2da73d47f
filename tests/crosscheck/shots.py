"""A table of screenshots in each database, and objects in each store, for tests that hold one against the other."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import pytest

from dedupaudit.building import Outcome
from dedupaudit.config import DatabaseSettings, ObjectsSettings, Settings, TableSettings
from dedupaudit.crosscheck import crosscheck
from dedupaudit.interrupt import Interrupt
from dedupaudit.model import Finding
from dedupaudit.progress import SILENT
from dedupaudit.scan import ScanRequest
from dedupaudit.urls import parse_database_url
from tests.oss.server import DEFAULT, FakeOss
from tests.servers.fixtures import shared_mariadb, shared_postgresql

OLD = 1_766_563_200  # 24 December 2025, in seconds: older than any grace
CHECKS = (
    "missing_object", "orphan_object", "size_mismatch", "etag_mismatch", "shared_object", "unexpected_object",
    "misplaced_object", "multipart_leftover",
)  # fmt: skip


class Shot(NamedTuple):
    """One row. Times are seconds since the epoch."""

    id: str | None
    key: str | None = None
    status: str | None = "completed"
    url: str | None = None
    size: int | None = None
    etag: str | None = None
    at: float | None = OLD
    updated: float | None = None
    device: str | None = "d1"


COLUMNS = ("id", "oss_key", "status", "oss_url", "file_size", "etag", "created_at", "updated_at", "device_id")
Tables = Mapping[str, Sequence[Shot]]


class Database(Protocol):
    """One kind of database."""

    name: str
    folds_case: bool
    """Whether its usual collation takes `a` and `A` for one ID."""

    def create(self, folder: Path, tables: Tables, without: Sequence[str] = ()) -> str:
        """Create these tables, less some columns, in a database that has no others, and return its URL."""

    def execute(self, url: str, statement: str) -> None:
        """Run a statement beside the product."""


def _wanted(without: Sequence[str]) -> list[int]:
    return [place for place, name in enumerate(COLUMNS) if name not in without]


def _iso(seconds: float | None) -> str | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat(sep=" ").removesuffix("+00:00")


def _values(shot: Shot, wanted: Sequence[int]) -> list[Any]:
    whole = shot._replace(at=None, updated=None)
    times = {"created_at": _iso(shot.at), "updated_at": _iso(shot.updated)}
    return [times.get(COLUMNS[place], whole[place]) for place in wanted]


def _columns(wanted: Sequence[int], types: Mapping[str, str]) -> str:
    return ", ".join(f"{COLUMNS[place]} {types.get(COLUMNS[place], types['*'])}" for place in wanted)


class Sqlite:
    name = "sqlite"
    folds_case = False

    def create(self, folder: Path, tables: Tables, without: Sequence[str] = ()) -> str:
        path = folder / "app.db"
        path.unlink(missing_ok=True)
        wanted = _wanted(without)
        # Text by its bytes: some is no UTF-8, as the names of local files.
        marks = ", ".join("?" if COLUMNS[place] == "file_size" else "CAST(? AS TEXT)" for place in wanted)
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA synchronous = OFF")
            for table, shots in tables.items():
                columns = _columns(wanted, {"*": "TEXT", "file_size": "INTEGER"})
                connection.execute(f"CREATE TABLE {table} (pk INTEGER PRIMARY KEY, {columns})")
                names = ", ".join(COLUMNS[place] for place in wanted)
                for shot in shots:
                    values = [
                        value.encode("utf-8", "surrogateescape") if isinstance(value, str) else value
                        for value in _values(shot, wanted)
                    ]
                    connection.execute(f"INSERT INTO {table} ({names}) VALUES ({marks})", values)
            connection.commit()
        return f"sqlite:///{path}"

    def execute(self, url: str, statement: str) -> None:
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection:
            connection.execute(statement)
            connection.commit()


class Postgresql:
    name = "postgresql"
    folds_case = False
    _database = "crosscheck"
    _made: tuple[tuple[str, ...], tuple[str, ...]] | None = None
    """The tables that are there, and the columns that they lack: making them takes longer than emptying them."""

    def create(self, folder: Path, tables: Tables, without: Sequence[str] = ()) -> str:
        server = shared_postgresql()
        made = (tuple(tables), tuple(without))
        if self._made != made:
            self._made = None
            self._clean()
        wanted = _wanted(without)
        types = {"*": "text", "file_size": "bigint", "created_at": "timestamp", "updated_at": "timestamp"}
        for table, shots in tables.items():
            columns = _columns(wanted, types)
            if self._made == made:
                server.execute(f"DELETE FROM {table}", database=self._database)
            else:
                server.execute(
                    f"CREATE TABLE {table} (pk bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, {columns})",
                    database=self._database,
                )
            names, marks = ", ".join(COLUMNS[place] for place in wanted), ", ".join("%s" for _ in wanted)
            for shot in shots:
                server.execute(
                    f"INSERT INTO {table} ({names}) VALUES ({marks})", _values(shot, wanted), database=self._database
                )
        self._made = made
        return server.url(database=self._database)

    def _clean(self) -> None:
        server = shared_postgresql()
        if not server.execute("SELECT 1 FROM pg_database WHERE datname = %s", (self._database,)):
            server.create_database(self._database)
        known = server.execute(
            "SELECT quote_ident(tablename) FROM pg_tables WHERE schemaname = 'public'", database=self._database
        )
        for (table,) in known:
            server.execute(f"DROP TABLE {table}", database=self._database)

    def execute(self, url: str, statement: str) -> None:
        shared_postgresql().execute(statement.replace("%", "%%"), database=self._database)


class Mariadb:
    name = "mariadb"
    folds_case = True
    _database = "crosscheck"
    _made: tuple[tuple[str, ...], tuple[str, ...]] | None = None
    """The tables that are there, and the columns that they lack: making them takes longer than emptying them."""

    def create(self, folder: Path, tables: Tables, without: Sequence[str] = ()) -> str:
        server = shared_mariadb()
        made = (tuple(tables), tuple(without))
        if self._made != made:
            self._made = None
            server.create_database(self._database)
        wanted = _wanted(without)
        types = {
            "*": "varchar(200)",
            "oss_key": "varchar(1100)",
            "oss_url": "text",
            "file_size": "bigint",
            "created_at": "datetime(6)",
            "updated_at": "datetime(6)",
        }
        for table, shots in tables.items():
            columns = _columns(wanted, types)
            if self._made == made:
                server.execute(f"DELETE FROM {table}", database=self._database)
            else:
                server.execute(
                    f"CREATE TABLE {table} (pk bigint AUTO_INCREMENT PRIMARY KEY, {columns})", database=self._database
                )
            names, marks = ", ".join(COLUMNS[place] for place in wanted), ", ".join("%s" for _ in wanted)
            for shot in shots:
                server.execute(f"INSERT INTO {table} ({names}) VALUES ({marks})", _values(shot, wanted))
        self._made = made
        return server.url(database=self._database)

    def execute(self, url: str, statement: str) -> None:
        shared_mariadb().execute(statement, database=self._database)


DATABASES: tuple[Database, ...] = (Sqlite(), Postgresql(), Mariadb())


class Objects(Protocol):
    """One kind of store. Whole keys below `screenshots/` and others can be put into it."""

    name: str
    etags: bool
    """Whether it tells an MD5."""

    def put(self, key: str, content: bytes = b"picture", at: float = OLD) -> None:
        """Put an object."""

    def settings(self) -> dict[str, Any]:
        """Return what `[objects]` says of it."""


class Folder:
    name = "folder"
    etags = False

    def __init__(self, path: Path) -> None:
        path.mkdir()
        self.path = path

    def put(self, key: str, content: bytes = b"picture", at: float = OLD) -> None:
        target = self.path / key
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
        os.utime(target, (at, at))

    def settings(self) -> dict[str, Any]:
        return {"url": f"file://{self.path}"}


class Bucket:
    name = "oss"
    etags = True

    def __init__(self, server: FakeOss, monkeypatch: pytest.MonkeyPatch) -> None:
        self.server = server
        monkeypatch.setenv("OSS_ACCESS_KEY_ID", DEFAULT.key_id)
        monkeypatch.setenv("OSS_ACCESS_KEY_SECRET", DEFAULT.secret)

    def put(self, key: str, content: bytes = b"picture", at: float = OLD) -> None:
        self.server.bucket.put(key, content, int(at))

    def settings(self) -> dict[str, Any]:
        return {"url": "oss://pictures", "endpoint": self.server.endpoint, "region": self.server.region}


SCREENSHOTS = TableSettings(key=("id",))


def settings_of(url: str, objects: Mapping[str, Any], tables: Mapping[str, TableSettings] | None = None) -> Settings:
    """Return settings that distrust nothing: all objects of a small test may be missing."""
    return Settings(
        databases=(DatabaseSettings("db", parse_database_url(url)),),
        tables={"screenshots": SCREENSHOTS} if tables is None else tables,
        objects=ObjectsSettings(**{"max_missing": 1.0, **objects}),
    )


def checked(settings: Settings, *tables: str, checks: Iterable[str] = ()) -> Outcome:
    """Crosscheck in this process; every finding is in the report."""
    request = ScanRequest(tables=tables, checks=tuple(checks), command="crosscheck", max_findings=100_000)
    return crosscheck(settings, request, interrupt=Interrupt(), progress=SILENT)


def named(finding: Finding) -> Any:
    """Return the ID or the object key that a finding is about: as bytes where it is no UTF-8."""
    ((name, value),) = finding.key.items()
    return finding.key_raw[name].base64 if finding.key_raw else value


def verdicts(outcome: Outcome) -> dict[str, dict[Any, str]]:
    """Return what each check that found something says of which ID or key; no ID has two findings of one check."""
    found: dict[str, dict[Any, str]] = {}
    for finding in outcome.report.findings:
        same = found.setdefault(finding.check, {})
        assert named(finding) not in same, f"two findings of {finding.check} about {named(finding)!r}"
        same[named(finding)] = finding.verdict
    return found


def only(outcome: Outcome, check: str, name: str) -> Finding:
    """Return the only finding of a check about an ID or a key."""
    (found,) = [one for one in outcome.report.findings if one.check == check and named(one) == name]
    return found
