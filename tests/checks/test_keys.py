"""A key keeps its type in the report and in the fingerprint, whatever it looks like."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from itertools import permutations
from pathlib import Path
from typing import Any

from dedupaudit.config import TableSettings
from tests.conformance.running import findings_of, report_of, scanned

# SQL of values that are all different keys in a column without a type, and look alike.
ALIKE = (
    "1.5", "'1.5'", "1", "'1'", "x'31'", "'\ufffd'", "CAST(x'ff' AS TEXT)", "CAST(x'fe' AS TEXT)", "x'ff'", "x'fe'",
    "''", "x''", "'NULL'", "'{\"base64\": \"/w==\"}'", "1e300", "'1e+300'", "9e999", "'inf'",
    "9223372036854775807", "9223372036854775808.0",
)  # fmt: skip


def duplicates_of(tmp_path: Path, *values: str) -> list[dict[str, Any]]:
    path = tmp_path / "app.db"
    path.unlink(missing_ok=True)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE t (id)")
        for value in values:
            connection.execute(f"INSERT INTO t VALUES ({value})")
        connection.commit()
    return findings_of(report_of(scanned(f"sqlite:///{path}", {"t": TableSettings(key=("id",))})), "duplicate_ids")


def test_keys_that_look_alike_are_findings_of_their_own(tmp_path: Path) -> None:
    found = duplicates_of(tmp_path, *ALIKE, *ALIKE)
    assert [finding["count"] for finding in found] == [2] * len(ALIKE)
    assert len({finding["fingerprint"] for finding in found}) == len(ALIKE)


def test_the_key_in_json(tmp_path: Path) -> None:
    found = duplicates_of(tmp_path, *(2 * ["2", "'2'", "0.5", "x'00ff'", "CAST(x'61ff' AS TEXT)"]))
    assert [(finding["key"]["id"], finding["key_raw"]) for finding in found] == [
        ("0.5", None),
        (2, None),
        ("2", None),
        ("a\ufffd", {"id": {"base64": "Yf8="}}),
        ({"base64": "AP8="}, None),
    ]


def test_one_key_in_two_types_has_one_name_and_fingerprint_in_any_order(tmp_path: Path) -> None:
    found = [duplicates_of(tmp_path, *values) for values in permutations(("7", "7.0", "7"))]
    assert {(finding["key"]["id"], finding["count"]) for (finding,) in found} == {(7, 3)}
    assert len({finding["fingerprint"] for (finding,) in found}) == 1
