"""A database in WAL mode that nobody has open is read without leaving a file beside it, and never half of a change."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from dedupaudit.errors import SourceError
from dedupaudit.sources.tables.sqlite_guard import Stillness, is_sleeping_wal
from tests.conftest import Run, SqliteDb

WAL = "PRAGMA journal_mode = WAL; CREATE TABLE activities(id TEXT); INSERT INTO activities VALUES ('a'), ('a');"


def test_a_sleeping_database_is_scanned_and_no_file_is_left(run: Run, sqlite_db: SqliteDb) -> None:
    path = sqlite_db(WAL)
    assert [file.name for file in path.parent.glob("app.db*")] == ["app.db"]

    done = run("scan", "--db", "sqlite:///app.db", "-f", "json")

    assert done.code == 1
    assert done.json()["summary"]["by_check"]["duplicate_ids"] == 1
    assert [file.name for file in path.parent.glob("app.db*")] == ["app.db"]


def test_a_database_in_use_is_read_with_what_its_wal_holds(run: Run, sqlite_db: SqliteDb) -> None:
    path = sqlite_db(WAL)
    writer = sqlite3.connect(path)
    writer.execute("INSERT INTO activities VALUES ('b'), ('b')")
    writer.commit()
    assert not is_sleeping_wal(path)

    done = run("scan", "--db", "sqlite:///app.db", "-f", "json")

    writer.close()
    assert done.json()["summary"]["by_check"]["duplicate_ids"] == 2


def test_what_changes_while_it_is_read_without_locks_is_an_error(sqlite_db: SqliteDb) -> None:
    path = sqlite_db(WAL)
    assert is_sleeping_wal(path)
    stillness = Stillness(path)
    stillness.check()

    writer = sqlite3.connect(path)
    writer.execute("INSERT INTO activities SELECT printf('%01000d', value) FROM json_each('[1,2,3,4,5,6,7,8,9]')")
    writer.commit()
    writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    writer.close()

    with pytest.raises(SourceError, match="written to while it was read"):
        stillness.check()


def test_a_file_that_is_gone_is_an_error(sqlite_db: SqliteDb) -> None:
    path: Path = sqlite_db(WAL)
    stillness = Stillness(path)
    path.unlink()
    with pytest.raises(SourceError, match="written to while it was read"):
        stillness.check()


def test_a_database_in_rollback_mode_is_read_with_its_locks(sqlite_db: SqliteDb) -> None:
    assert not is_sleeping_wal(sqlite_db("CREATE TABLE activities(id TEXT)"))
