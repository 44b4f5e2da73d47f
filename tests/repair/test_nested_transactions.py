"""A transaction within a transaction is a savepoint of it, however deep; what is rolled back is what was inside."""

from __future__ import annotations

from pathlib import Path

import pytest

from dedupaudit.config import DatabaseSettings
from dedupaudit.repair.databases import open_database
from dedupaudit.urls import parse_database_url
from tests.repair.databases import Database, Postgresql, Sqlite


class _Wanted(Exception):
    pass


@pytest.mark.parametrize("database", [Sqlite(), Postgresql()], ids=lambda one: one.name)
def test_each_level_rolls_back_what_was_done_within_it(database: Database, tmp_path: Path) -> None:
    url = database.fresh(tmp_path)
    database.run("CREATE TABLE t (n int)")
    repair = open_database(DatabaseSettings("db", parse_database_url(url)))
    try:
        with repair.transaction():
            repair.execute("INSERT INTO t VALUES (1)")
            with pytest.raises(_Wanted), repair.transaction():
                repair.execute("INSERT INTO t VALUES (2)")
                with pytest.raises(_Wanted), repair.transaction():
                    repair.execute("INSERT INTO t VALUES (3)")
                    raise _Wanted
                repair.execute("INSERT INTO t VALUES (4)")
                raise _Wanted
            with repair.transaction():
                repair.execute("INSERT INTO t VALUES (5)")
    finally:
        repair.close()
    assert sorted(database.ask("SELECT n FROM t")) == [(1,), (5,)]


@pytest.mark.parametrize("database", [Sqlite(), Postgresql()], ids=lambda one: one.name)
def test_an_outer_rollback_takes_all_of_it_back(database: Database, tmp_path: Path) -> None:
    url = database.fresh(tmp_path)
    database.run("CREATE TABLE t (n int)")
    repair = open_database(DatabaseSettings("db", parse_database_url(url)))
    try:
        with pytest.raises(_Wanted), repair.transaction():
            with repair.transaction():
                repair.execute("INSERT INTO t VALUES (1)")
            raise _Wanted
    finally:
        repair.close()
    assert database.ask("SELECT n FROM t") == []
