"""A unique index is believed, unless the audit is told to distrust it; then a lying one is found."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dedupaudit.config import TableSettings
from tests.conformance.databases import DATABASES, Col, Database, Tab
from tests.conformance.running import agreed, findings_of
from tests.conformance.test_read_only import EACH

KEY = {"t": TableSettings(key=("device", "id"))}
ROWS = (("d1", "a", 1), ("d1", "a", 2), ("d1", "b", 3), ("d2", "a", 4), (None, "a", 5))
COLUMNS = (Col("device"), Col("id"), Col("n", "integer"))
FORGED = Tab("t", COLUMNS, ROWS, indexes=(("by key", ("device", "id")),))
HEALTHY = Tab("t", COLUMNS, ROWS[1:], unique=(("by key", ("device", "id")),))

forging = pytest.mark.parametrize(
    "database", [one for one in DATABASES if "forge" in one.abilities], ids=lambda database: database.name
)


@EACH
def test_a_unique_index_answers_without_reading_the_rows(database: Database, tmp_path: Path) -> None:
    report = agreed(database.engines, database.create(tmp_path, HEALTHY), KEY)
    covered = {row["check"]: row for row in report["coverage"]}
    assert covered["duplicate_ids"]["strategy"] == "catalog"
    assert covered["duplicate_ids"]["rows"] is None
    assert "by key" in covered["duplicate_ids"]["why"]
    assert covered["missing_unique"]["status"] == "checked"
    assert findings_of(report, "duplicate_ids", "missing_unique") == []


@EACH
def test_a_healthy_unique_index_that_is_distrusted_agrees(database: Database, tmp_path: Path) -> None:
    report = agreed(database.engines, database.create(tmp_path, HEALTHY), KEY, distrust_indexes=True)
    covered = {row["check"]: row for row in report["coverage"]}
    assert covered["duplicate_ids"]["strategy"] in ("pushdown", "snapshot")
    assert covered["index_disagrees"]["status"] == "checked"
    assert findings_of(report, "duplicate_ids", "index_disagrees") == []
    assert report["summary"]["tables"]["db.t"]["rows"] == 4
    assert report["summary"]["tables"]["db.t"]["distinct_ids"] == 3


@forging
def test_a_unique_index_that_lies_is_believed_until_it_is_distrusted(database: Database, tmp_path: Path) -> None:
    url = database.create(tmp_path, FORGED)
    database.forge_unique(url, "by key")
    believing = agreed(database.engines, url, KEY)
    assert findings_of(believing, "duplicate_ids", "index_disagrees") == []
    distrusting = agreed(database.engines, url, KEY, distrust_indexes=True)
    (duplicate,) = findings_of(distrusting, "duplicate_ids")
    assert (duplicate["key"], duplicate["count"]) == ({"device": "d1", "id": "a"}, 2)
    (lie,) = findings_of(distrusting, "index_disagrees")
    assert (lie["key"], lie["count"], lie["severity"]) == ({"index": "by key"}, 1, "high")
    assert distrusting["summary"]["tables"]["db.t"]["rows"] == 5
    assert distrusting["summary"]["tables"]["db.t"]["distinct_ids"] == 3


@forging
@pytest.mark.parametrize(
    "request_", [{"distrust_indexes": True, "checks": ("index_disagrees",)}, {"checks": ("index_disagrees",)}]
)
def test_index_disagrees_alone_reads_every_row_itself(
    database: Database, request_: dict[str, Any], tmp_path: Path
) -> None:
    url = database.create(tmp_path, FORGED)
    database.forge_unique(url, "by key")
    report = agreed(database.engines, url, KEY, **request_)
    assert [finding["count"] for finding in findings_of(report, "index_disagrees")] == [1]


@EACH
def test_without_a_unique_index_there_is_none_to_disagree(database: Database, tmp_path: Path) -> None:
    report = agreed(database.engines, database.create(tmp_path, FORGED), KEY, distrust_indexes=True)
    covered = {row["check"]: row for row in report["coverage"]}
    assert covered["index_disagrees"]["status"] == "skipped"
    assert findings_of(report, "index_disagrees") == []
