"""The rows of one ID, as `explain` asks for them: what the server's own equality says, whatever the ID is made of."""

from __future__ import annotations

from pathlib import Path

import pytest

from dedupaudit.checks.duplicates import key_rank
from dedupaudit.config import TableSettings
from dedupaudit.sources.tables.protocol import DuplicateRow
from tests.conformance.databases import DATABASES, Col, Database, Stored, Tab
from tests.sources.tables.opened import opened

HOSTILE = (
    "activity_1766557428498",
    "it's",
    'a "quoted" one',
    "back\\slash",
    "percent % and _",
    "{braces}",
    "naïve 截图 😀",
    "line\nbreak",
    "'; DROP TABLE t; --",
    "?1 :name $2",
)


def rows_of(url: str, key: tuple[str, ...], ident: str) -> list[DuplicateRow]:
    with opened(url, TableSettings(key=key), name="t") as (source, table):
        return list(source.rows_of(table, ident))


@pytest.fixture(params=DATABASES, ids=lambda database: str(database.name))
def database(request: pytest.FixtureRequest) -> Database:
    found: Database = request.param
    return found


def test_each_id_has_its_rows_and_no_others(database: Database, tmp_path: Path) -> None:
    column = Col("id", "text", database.exact)
    rows: list[tuple[Stored, ...]] = [
        (ident, number) for ident in HOSTILE for number in range(1 + HOSTILE.index(ident) % 3)
    ]
    url = database.create(tmp_path, Tab("t", (column, Col("created_at", "integer")), tuple(rows)), "plain")
    with opened(url, TableSettings(key=("id",)), name="t") as (source, table):
        for ident in HOSTILE:
            expected = 1 + HOSTILE.index(ident) % 3
            found = list(source.rows_of(table, ident))
            assert [(row.key, row.n) for row in found] == [((ident,), expected)] * expected, ident
        for unknown in ("", "activity_", "nul\0", "\ud800", "activity_1766557428498 and more"):
            assert list(source.rows_of(table, unknown)) == []


def test_an_id_that_is_a_number_is_found_by_its_text(database: Database, tmp_path: Path) -> None:
    columns = (Col("id", "integer"), Col("created_at", "integer"))
    url = database.create(tmp_path, Tab("t", columns, ((0, 1), (7, 2), (7, 3))), "plain")
    assert [row.key for row in rows_of(url, ("id",), "7")] == [(7,), (7,)]
    assert rows_of(url, ("id",), "activity_7") == []


def test_of_a_composite_key_any_part_may_be_the_id(database: Database, tmp_path: Path) -> None:
    columns = (Col("device", "text", database.exact), Col("id", "text", database.exact), Col("created_at", "integer"))
    rows = (("d1", "a", 1), ("d2", "a", 2), ("d1", "a", 3), ("a", "b", 4), ("d1", "c", 5))
    url = database.create(tmp_path, Tab("t", columns, rows), "plain")
    found = rows_of(url, ("device", "id"), "a")
    assert sorted((key_rank(row.key), row.n) for row in found) == sorted(
        [(key_rank(("d1", "a")), 2)] * 2 + [(key_rank(("d2", "a")), 1), (key_rank(("a", "b")), 1)]
    )


def test_a_condition_still_counts(database: Database, tmp_path: Path) -> None:
    columns = (Col("id", "text", database.exact), Col("created_at", "integer"))
    url = database.create(tmp_path, Tab("t", columns, (("a", 1), ("a", 2), ("b", 2))), "plain")
    with opened(url, TableSettings(key=("id",), where="created_at > 1"), name="t") as (source, table):
        assert len(list(source.rows_of(table, "a"))) == 1
