"""Names of tables and columns are data: whatever is in them, the scan finds the table and says its name."""

from __future__ import annotations

from pathlib import Path

import pytest

from dedupaudit.config import TableSettings
from tests.conformance.databases import DATABASES, Col, Database, Tab
from tests.conformance.running import agreed, findings_of
from tests.conformance.test_read_only import EACH

ROWS = (
    ("a", "x", 1_766_577_600_000),
    ("a", "x", 1_766_577_660_000),
    ("A", "y", None),
    (None, "x", None),
    ("", "x", None),
)


STORED = ("plain", "primary key", "without rowid", "view")
STORAGES = [(database, variant) for database in DATABASES for variant in STORED if variant in database.variants]


@pytest.mark.parametrize(
    ("database", "variant", "name"),
    [
        pytest.param(database, variant, name, id=f"{database.name}-{variant}-{name}")
        for database, variant in STORAGES
        for name in database.names
    ],
)
def test_a_table_and_its_columns_may_have_any_name(database: Database, variant: str, name: str, tmp_path: Path) -> None:
    columns = (
        Col(name, collation=database.exact),
        Col(f"{name} kind", collation=database.collations(variant)[-1]),
        Col(f"{name} at", "integer"),
    )
    url = database.create(tmp_path, Tab(name, columns, ROWS, indexes=((f"{name} index", (name,)),)), variant)
    settings = TableSettings(name=(name,), key=(name,), group=f"{name} kind", time=f"{name} at")
    for distrust in (False, True):
        report = agreed(database.engines, url, {name: settings}, distrust_indexes=distrust)
        assert report["complete"], report["coverage"]
        (duplicate,) = findings_of(report, "duplicate_ids")
        assert duplicate["target"] == name
        assert duplicate["key"] == {name: "a"}
        assert duplicate["gap_seconds"] == 60.0
        assert duplicate["differs"] == [f"{name} at"]
        assert [finding["count"] for finding in findings_of(report, "near_equal_ids")] == [2]
        table = report["summary"]["tables"][f"db.{name}"]
        assert (table["rows"], table["null_ids"], table["blank_ids"]) == (5, 1, 1)
        assert table["by_group"] == [{"group": "x", "rows": 4, "distinct_ids": 2, "inflation": 0.5}]


@pytest.mark.parametrize(
    ("database", "variant"), [pytest.param(*one, id=f"{one[0].name}-{one[1]}") for one in STORAGES]
)
@pytest.mark.parametrize(
    "taken", [("rowid",), ("rowid", "_rowid_"), ("rowid", "_rowid_", "oid"), ("OID", "RowID", "_ROWID_")]
)
def test_columns_that_hide_the_rowid_hide_no_duplicate(
    database: Database, variant: str, taken: tuple[str, ...], tmp_path: Path
) -> None:
    columns = (Col("id"), *(Col(name) for name in taken))
    rows = tuple((key, *(f"same {name}" for name in taken)) for key in ("a", "a", "b", "c", "c", "c"))
    url = database.create(tmp_path, Tab("t", columns, rows), variant)
    report = agreed(database.engines, url, {"t": TableSettings(key=("id",))})
    assert report["complete"]
    assert sorted((finding["key"]["id"], finding["count"]) for finding in findings_of(report, "duplicate_ids")) == [
        ("a", 2),
        ("c", 3),
    ]
    by_the_hidden = agreed(database.engines, url, {"t": TableSettings(key=(taken[0],))})
    assert [finding["count"] for finding in findings_of(by_the_hidden, "duplicate_ids")] == [6]


@EACH
def test_composite_keys_are_compared_part_by_part(database: Database, tmp_path: Path) -> None:
    rows = [("x||y", "z"), ("x", "y||z"), ("x", "y"), ("xy", ""), ("", "xy"), ("x", "y"), ("x\ty", ""), ("x", "\ty")]
    if "NUL in text" in database.abilities:
        rows += [("a\0", "b"), ("a", "\0b")]
    url = database.create(tmp_path, Tab("t", (Col("one"), Col("two")), tuple(rows)))
    report = agreed(database.engines, url, {"t": TableSettings(key=("one", "two"))})
    assert [finding["key"] for finding in findings_of(report, "duplicate_ids")] == [{"one": "x", "two": "y"}]
