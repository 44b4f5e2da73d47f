"""Databases that many tests of the command line share: each is made once and only read."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from dedupaudit.demo import build
from tests.ordinary_user import open_folder

# Runs for an hour, unless it is stopped: the server counts to a number that is too large.
ENDLESS = "(WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1e11) SELECT COUNT(*) FROM n) > 0"

DUPLICATES = """
CREATE TABLE activities (seq INTEGER PRIMARY KEY, id TEXT, device_id TEXT, type TEXT, created_at TEXT);
INSERT INTO activities (id, device_id, type, created_at) VALUES
  ('activity_1', 'd1', 'click', '2025-12-24T08:01:14Z'),
  ('activity_1', 'd1', 'click', '2025-12-24T08:02:14Z'),
  ('activity_1', 'd1', 'click', '2025-12-24T08:03:14Z'),
  ('activity_2', 'd1', 'key', '2025-12-24T08:04:14Z');
"""
CLEAN = """
CREATE TABLE activities (id TEXT PRIMARY KEY NOT NULL, type TEXT);
INSERT INTO activities VALUES ('activity_1', 'click'), ('activity_2', 'key');
"""
# A medium finding and no high one.
UNPROTECTED = """
CREATE TABLE activities (id TEXT, type TEXT);
INSERT INTO activities VALUES ('activity_1', 'click');
"""
# A low finding and nothing else: a unique index that repeats the primary key.
REDUNDANT = """
CREATE TABLE activities (id TEXT PRIMARY KEY NOT NULL, type TEXT);
CREATE UNIQUE INDEX again ON activities (id);
INSERT INTO activities VALUES ('activity_1', 'click');
"""
SCREENSHOTS = """
CREATE TABLE screenshots (id TEXT, status TEXT, oss_key TEXT, oss_url TEXT);
INSERT INTO screenshots VALUES ('screenshot_1', 'completed', 'k', 'u');
"""


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("shared")


def _made(path: Path, script: str) -> Path:
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(script)
    return path


@pytest.fixture(scope="session")
def duplicates(shared: Path) -> Path:
    return _made(shared / "duplicates.db", DUPLICATES)


@pytest.fixture(scope="session")
def clean(shared: Path) -> Path:
    return _made(shared / "clean.db", CLEAN)


@pytest.fixture(scope="session")
def unprotected(shared: Path) -> Path:
    return _made(shared / "unprotected.db", UNPROTECTED)


@pytest.fixture(scope="session")
def redundant(shared: Path) -> Path:
    return _made(shared / "redundant.db", REDUNDANT)


@pytest.fixture(scope="session")
def two_tables(shared: Path) -> Path:
    """Return duplicates in `activities`, and a table `screenshots`."""
    return _made(shared / "two_tables.db", DUPLICATES + SCREENSHOTS)


def _many(rows: int) -> Iterable[tuple[str]]:
    return ((f"activity_{1766557428498 + number // 2 * 7919 % 49999:020d}",) for number in range(rows))


@pytest.fixture(scope="session")
def large(shared: Path) -> Path:
    """Return 100,000 rows of 29 bytes, nearly all duplicates: their sort does not fit into SQLite's cache of 2 MB."""
    path = shared / "large.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE activities (id TEXT)")
        connection.executemany("INSERT INTO activities VALUES (?)", _many(100_000))
        connection.commit()
    return path


@pytest.fixture(scope="session")
def incident(shared: Path) -> Path:
    """Return the demo's folder."""
    folder = shared / "incident"
    build(folder, rows=300, seed=1)
    return folder


@pytest.fixture
def public() -> Iterator[Path]:
    """Return a folder that every user may enter and read."""
    with open_folder() as folder:
        yield folder


@pytest.fixture
def temporary(tmp_path: Path) -> Path:
    """Return an empty folder for TMPDIR."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    return folder
