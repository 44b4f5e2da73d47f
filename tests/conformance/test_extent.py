"""The first and the last time of a table, on every database: what the rate of collisions is reckoned by."""

from __future__ import annotations

from pathlib import Path

import pytest

from dedupaudit.causes.collisions import birthday
from dedupaudit.config import TableSettings
from dedupaudit.times import parse_time
from tests.conformance.databases import DATABASES, Col, Database, Stored, Tab
from tests.sources.tables.opened import opened

START = 1_766_563_274_487  # milliseconds


@pytest.fixture(params=DATABASES, ids=lambda database: str(database.name))
def database(request: pytest.FixtureRequest) -> Database:
    found: Database = request.param
    return found


def extent(database: Database, folder: Path, kind: Col, *times: Stored, where: str = "") -> tuple[int, int] | None:
    rows = tuple((f"a_{number}", time) for number, time in enumerate(times))
    url = database.create(folder, Tab("t", (Col("id"), kind), rows), "plain")
    settings = TableSettings(key=("id",), time="created_at")
    if where:
        settings = settings.model_copy(update={"where": where})
    with opened(url, settings) as (source, table):
        return source.extent(table)


def test_epochs(database: Database, tmp_path: Path) -> None:
    column = Col("created_at", "integer")
    assert extent(database, tmp_path, column, START + 5, None, START, START + 9) == (START * 1000, (START + 9) * 1000)


def test_texts(database: Database, tmp_path: Path) -> None:
    first, last = "2025-12-24T08:01:14.487Z", "2025-12-25T08:01:14.487Z"
    column = Col("created_at", "text", database.exact)
    assert extent(database, tmp_path, column, last, first) == (parse_time(first), parse_time(last))


def test_only_audited_rows_count(database: Database, tmp_path: Path) -> None:
    column = Col("created_at", "integer")
    found = extent(database, tmp_path, column, START, START + 1, where=f"created_at > {START}")
    assert found == ((START + 1) * 1000, (START + 1) * 1000)


def test_no_time_is_none(database: Database, tmp_path: Path) -> None:
    assert extent(database, tmp_path, Col("created_at", "integer"), None, None) is None
    url = database.create(tmp_path, Tab("t", (Col("id"), Col("kind")), (("a", "b"),)), "plain")
    with opened(url, TableSettings(key=("id",))) as (source, table):
        assert source.extent(table) is None


def test_the_birthday_bound() -> None:
    assert birthday(1, 1000) == 0
    assert birthday(2, 1000) == pytest.approx(0.001)
    # A million events in a day: about 5,787 pairs.
    assert birthday(1_000_000, 86_400_000) == pytest.approx(5787, rel=0.001)
