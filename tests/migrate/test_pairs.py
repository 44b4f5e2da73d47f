"""Keys that only the collation makes equal, found in real databases."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dedupaudit.config import TableSettings
from dedupaudit.interrupt import Interrupt
from dedupaudit.migrate.facts import Pair
from dedupaudit.migrate.pairs import pairs
from dedupaudit.progress import SILENT
from dedupaudit.repair.opening import database_of
from dedupaudit.sources.tables import open_source
from dedupaudit.sources.tables.protocol import TableSource
from dedupaudit.sources.tables.resolve import resolve
from dedupaudit.sources.tables.table import Table
from tests.repair.databases import DATABASES, INSENSITIVE, Database
from tests.repair.repairing import Repairing

every_database = pytest.mark.parametrize("database", DATABASES, ids=lambda database: str(database.name))
ROWS = [
    (1, "d1", "activity_1"),
    (2, "d1", "Activity_1"),
    (3, "d1", "ACTIVITY_1"),
    (4, "d1", "activity_2"),
    (5, "d1", "activity_2"),
    (6, "d2", "activity_3"),
    (7, "d2", "Activity_3"),
    (8, "d2", None),
]


@contextmanager
def opened(
    database: Database, folder: Path, key: tuple[str, ...], collation: str
) -> Iterator[tuple[TableSource, Table]]:
    """Make the table, and open it as a plan does."""
    repairing = Repairing(database, folder, {"t": TableSettings(key=key)})
    columns = ["rid BIGINT NOT NULL PRIMARY KEY", f"device {database.text()}", f"id {database.text(collation)}"]
    database.run(database.table("t", columns))
    database.insert("t", ROWS)
    source = open_source(database_of(repairing.settings), Interrupt(), SILENT)
    try:
        yield source, resolve(source, "t", repairing.settings)
    finally:
        source.close()


def sets(found: tuple[Pair, ...]) -> list[set[tuple[str, ...]]]:
    """Return pairs without an order of their own."""
    return [{pair.first, pair.second} for pair in found]


@every_database
def test_one_pair_of_each_key_is_shown_and_identical_bytes_are_not(database: Database, tmp_path: Path) -> None:
    with opened(database, tmp_path, ("id",), INSENSITIVE) as (source, table):
        found = pairs(source, table)
        first, second = sorted(found, key=lambda pair: pair.first[0].lower())
        assert {key[0].lower() for key in (first.first, first.second)} == {"activity_1"}
        assert first.first != first.second
        assert {second.first, second.second} == {("activity_3",), ("Activity_3",)}


@every_database
def test_a_composite_key_is_shown_whole(database: Database, tmp_path: Path) -> None:
    with opened(database, tmp_path, ("device", "id"), INSENSITIVE) as (source, table):
        assert {("d2", "activity_3"), ("d2", "Activity_3")} in sets(pairs(source, table))


@every_database
def test_no_more_are_read_than_asked_for_and_the_source_goes_on(database: Database, tmp_path: Path) -> None:
    with opened(database, tmp_path, ("id",), INSENSITIVE) as (source, table):
        assert len(pairs(source, table, limit=1)) == 1
        assert source.survey(table, ("null_ids",)).suspects == {"null_ids": 1}
        assert len(pairs(source, table)) == 2


@every_database
def test_where_bytes_are_compared_the_database_is_asked_nothing(database: Database, tmp_path: Path) -> None:
    with opened(database, tmp_path, ("id",), "") as (source, table):
        source.close()
        assert pairs(source, table) == ()
