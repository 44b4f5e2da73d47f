"""What truly keeps a key unique, told from the catalogs of PostgreSQL, MySQL and SQLite as they were recorded."""

from __future__ import annotations

import pytest

from dedupaudit.sources.tables.catalog import Catalog, Column, Index, guard, shortfall
from tests.checks.tables import index_of

ID = Column("id", "varchar(255)", collation="BINARY")
DEVICE = Column("device_id", "varchar(255)", collation="BINARY")
# MySQL's default: the column itself compares without case.
LOOSE = Column("id", "varchar(255)", collation="utf8mb4_0900_ai_ci", bytewise=False)


@pytest.mark.parametrize(
    ("index", "key", "words"),
    [
        (index_of("id", unique=False), (ID,), "not unique"),
        # PostgreSQL: CREATE UNIQUE INDEX CONCURRENTLY that failed in its first or second pass, or still runs.
        (index_of("id", valid=False, ready=False), (ID,), "not valid"),
        (index_of("id", valid=False), (ID,), "not valid"),
        (index_of("id", ready=False), (ID,), "not valid"),
        # PostgreSQL and SQLite: CREATE UNIQUE INDEX … WHERE deleted_at IS NULL.
        (index_of("id", partial=True), (ID,), "partial"),
        # CREATE UNIQUE INDEX ON (lower(id)); MySQL's ((lower(id))).
        (index_of(None), (ID,), "expression"),
        (index_of("id", None), (ID,), "expression"),
        # MySQL: UNIQUE (id(10)).
        (index_of("id", prefix=True), (ID,), "first characters"),
        (index_of("id", "device_id"), (ID,), "device_id"),
        (index_of("device_id"), (ID,), "device_id"),
        (index_of("id", "device_id", "n"), (ID, DEVICE), "holds n"),
        # The index tells a from A, the column does not.
        (index_of("id", collations=("utf8mb4_bin",)), (LOOSE,), "utf8mb4_bin"),
        (index_of("id", collations=("BINARY",)), (Column("id", "TEXT", collation="NOCASE", bytewise=False),), "NOCASE"),
    ],
)
def test_an_index_that_does_not_keep_the_key_unique(index: Index, key: tuple[Column, ...], words: str) -> None:
    assert words in str(shortfall(index, key))
    assert guard(Catalog("t", "t", "table", key, indexes=(index,)), key) is None


@pytest.mark.parametrize(
    ("index", "key"),
    [
        (index_of("id"), (ID,)),
        (index_of("id", primary=True), (ID,)),
        (index_of("id"), (DEVICE, ID)),
        (index_of("device_id", "id"), (ID, DEVICE)),
        (index_of("id", collations=("utf8mb4_0900_ai_ci",)), (LOOSE,)),
        # What is unique without regard to case is unique by its bytes.
        (index_of("id", collations=("NOCASE",)), (ID,)),
    ],
)
def test_an_index_that_does(index: Index, key: tuple[Column, ...]) -> None:
    assert shortfall(index, key) is None
    assert guard(Catalog("t", "t", "table", key, indexes=(index,)), key) is index


def test_of_several_guards_the_primary_key_is_named_then_the_narrowest() -> None:
    wide = index_of("id", "device_id", name="a wide one")
    narrow = index_of("id", name="narrow")
    primary = index_of("id", "device_id", name="z primary", primary=True)
    key = (ID, DEVICE)
    assert guard(Catalog("t", "t", "table", key, indexes=(wide, narrow, primary)), key) is primary
    assert guard(Catalog("t", "t", "table", key, indexes=(wide, narrow)), key) is narrow


def test_a_table_without_an_index_has_no_guard() -> None:
    assert guard(Catalog("t", "t", "table", (ID,)), (ID,)) is None


@pytest.mark.parametrize(
    ("asked", "found"), [("id", "id"), ("ID", "ID"), ("Id", None), ("device", "Device"), ("x", None)]
)
def test_a_column_is_found_by_its_exact_name_or_the_only_one_that_differs_in_case(
    asked: str, found: str | None
) -> None:
    catalog = Catalog("t", "t", "table", tuple(Column(name, "text") for name in ("id", "ID", "Device")))
    column = catalog.column(asked)
    assert (column.name if column else None) == found
