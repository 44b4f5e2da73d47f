"""Opening an SQLite file: what is no database is said plainly, and never taken for an empty one."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from dedupaudit.errors import SourceError
from dedupaudit.sources.tables.sqlite_guard import connect, explain
from tests.conftest import SqliteDb


@pytest.mark.parametrize("content", [b"x", b"\0", b"SQLite format 2\0", b"SQLite format 3", b"\n" * 99, b"PK" * 9000])
def test_a_file_that_is_no_database_however_short(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "app.db"
    path.write_bytes(content)
    with pytest.raises(SourceError, match="not an SQLite database"):
        connect(path)


def test_an_empty_file_is_an_empty_database(tmp_path: Path) -> None:
    path = tmp_path / "app.db"
    path.touch()
    connection = connect(path)
    assert connection.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,)
    connection.close()


def test_a_file_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no such database file"):
        connect(tmp_path / "app.db")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_is_no_database(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="is a folder"):
        connect(tmp_path)


@pytest.mark.parametrize("name", ["a?mode=rwc", "a#b", "a%20b", "a b", "a'b", "ä😀", "a\nb", "a&immutable=1"])
def test_no_file_name_changes_how_it_is_opened(sqlite_db: SqliteDb, name: str) -> None:
    connection = connect(sqlite_db("CREATE TABLE t (id)", name))
    assert connection.execute("SELECT name FROM sqlite_master").fetchone() == ("t",)
    with pytest.raises(sqlite3.DatabaseError):
        connection.execute("INSERT INTO t VALUES (1)")
    connection.close()


def test_a_hostile_path_or_message_is_shown_and_not_obeyed() -> None:
    error = explain(sqlite3.OperationalError("near \x1b[2J"), Path("\x1b[31m\n.db"))
    assert "\x1b" not in error.message
    assert "\n" not in error.message
