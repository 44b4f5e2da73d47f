"""The class of a group: identical, mergeable where a rule settles every difference, conflicting otherwise."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from itertools import permutations
from pathlib import Path

import pytest

from dedupaudit.checks.rowclass import Comparison
from dedupaudit.config import TableSettings
from dedupaudit.sources.tables.protocol import Undecodable, Value
from dedupaudit.sources.tables.table import Table
from tests.checks.tables import UPLOAD_COLUMNS, same, table_of
from tests.conformance.running import Content, findings_of, report_of, scanned

LONG = "x" * 257


def compared(table: Table, rows: Sequence[tuple[Value, ...]]) -> Comparison:
    comparison = Comparison(table, same, rows[0])
    for row in rows[1:]:
        comparison.add(row)
    return comparison


@pytest.mark.parametrize(
    ("values", "differs"),
    [
        (("a", "a", "a"), False),
        ((None, None), False),
        ((b"\xff", b"\xff"), False),
        ((Undecodable(b"\xff"), Undecodable(b"\xff")), False),
        (("a", "a", "b"), True),
        ((None, ""), True),
        (("1", 1), True),
        (("a", b"a"), True),
        ((b"\xff", Undecodable(b"\xff")), True),
        (("a", "A"), True),
        (("a", "a "), True),
        (("\u00e9", "e\u0301"), True),
    ],
)
def test_values_are_compared_by_type_and_bytes_in_any_order(values: tuple[Value, ...], differs: bool) -> None:
    for order in permutations(values):
        comparison = compared(table_of("note"), [(value,) for value in order])
        assert comparison.differs == (("note",) if differs else ())
        assert comparison.row_class == ("conflicting" if differs else "identical")


def test_the_columns_that_differ_are_named_in_the_tables_order() -> None:
    rows = [("a", "b", "c"), ("a", "b", "X"), ("X", "b", "c")]
    assert compared(table_of("one", "two", "three"), rows).differs == ("one", "three")


def test_without_columns_to_compare_rows_are_identical() -> None:
    assert compared(table_of(), [(), ()]).row_class == "identical"


def upload(
    status: Value = "completed",
    key: Value = None,
    url: Value = None,
    size: Value = None,
    etag: Value = None,
    retry: Value = 0,
) -> tuple[Value, ...]:
    return (status, key, url, size, etag, retry)


@pytest.mark.parametrize(
    ("rows", "row_class"),
    [
        ([upload("pending"), upload("completed", "k", "u", 9, "e")], "mergeable"),
        ([upload("pending"), upload("uploading"), upload("failed", retry=3)], "mergeable"),
        ([upload("completed", "k"), upload("completed", "k", "u")], "mergeable"),
        ([upload("completed", "k"), upload("completed", None, "u")], "mergeable"),
        ([upload("completed", "k", retry=1), upload("completed", "k", retry=2)], "mergeable"),
        ([upload("failed", "old"), upload("completed", "new")], "mergeable"),
        ([upload("completed", "k1"), upload("completed", "k2")], "conflicting"),
        ([upload("completed", "k1"), upload("completed"), upload("completed", "k2")], "conflicting"),
        ([upload("completed", "k", size=1), upload("completed", "k", size=2)], "conflicting"),
        ([upload("completed", "k", etag="e"), upload("completed", "k", etag="f")], "conflicting"),
        ([upload("failed", "k1"), upload("failed", "k2")], "conflicting"),
        ([upload("uploading", "k1"), upload("failed", "k2"), upload("uploading", "k3")], "conflicting"),
        ([upload("done", "k"), upload("completed", "k")], "conflicting"),
        ([upload(None, "k"), upload("completed", "k")], "conflicting"),
        ([upload(0, "k"), upload("completed", "k")], "conflicting"),
        ([upload("Completed", "k"), upload("completed", "k")], "conflicting"),
        ([upload(Undecodable(b"\xff"), "k"), upload("completed", "k")], "conflicting"),
        ([upload("done", "k"), upload("done", "k")], "identical"),
        ([upload("completed", "k"), upload("completed", "k")], "identical"),
    ],
)
def test_uploads_merge_where_those_that_came_furthest_agree(rows: list[tuple[Value, ...]], row_class: str) -> None:
    for order in permutations(rows):
        assert compared(table_of(*UPLOAD_COLUMNS, upload=True), order).row_class == row_class


def test_an_upload_that_differs_elsewhere_is_conflicting() -> None:
    rows = [("pending", "x"), ("completed", "y")]
    assert compared(table_of("status", "note", upload=True), rows).row_class == "conflicting"


def test_an_upload_whose_status_is_volatile_is_merged_by_its_object_alone() -> None:
    assert compared(table_of("oss_key", upload=True), [("k",), (None,)]).row_class == "mergeable"
    assert compared(table_of("oss_key", upload=True), [("k",), ("l",)]).row_class == "conflicting"


def test_other_tables_have_no_merge_rules() -> None:
    assert compared(table_of("status"), [("pending",), ("completed",)]).row_class == "conflicting"


def classified(tmp_path: Path, declared: str, values: Sequence[object]) -> Content:
    """Store one value a row under one ID and return what a scan says of them."""
    path = tmp_path / "app.db"
    path.unlink(missing_ok=True)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"CREATE TABLE t (id TEXT, data {declared})")
        connection.executemany("INSERT INTO t VALUES ('a', ?)", [(value,) for value in values])
        connection.commit()
    report = report_of(scanned(f"sqlite:///{path}", {"t": TableSettings(key=("id",))}))
    (finding,) = findings_of(report, "duplicate_ids")
    return finding


JSON_PAIRS = [
    ('{"a":1,"b":2}', '{ "b": 2, "a": 1 }', "identical"),
    ("[1]", "[1.0]", "identical"),
    ("[100]", "[1e2]", "identical"),
    ("[0]", "[-0.0]", "identical"),
    ("[0.1]", "[0.10]", "identical"),
    ('["a"]', '["\\u0061"]', "identical"),
    ("[null]", "[ null ]", "identical"),
    (f'{{"a":"{LONG}"}}', f'{{ "a" : "{LONG}" }}', "identical"),
    (f'["a"{" " * 300}]', '["a"]', "identical"),
    ("[1,2]", "[2,1]", "conflicting"),
    ("[1]", '["1"]', "conflicting"),
    ("[1]", "[true]", "conflicting"),
    ("[0]", "[false]", "conflicting"),
    ("[null]", "[0]", "conflicting"),
    ("[]", "{}", "conflicting"),
    ("[9007199254740993]", "[9007199254740992]", "conflicting"),
    ("[0.1]", "[0.1000000000000000055511151231257827]", "conflicting"),
    ('{"a":1,"a":2}', '{"a":2}', "conflicting"),
    ('{"a":1,"a":1}', '{"a":1, "a":1}', "conflicting"),
    ("[NaN]", "[ NaN]", "conflicting"),
    ("[NaN]", "[NaN]", "identical"),
    ('{"a":', '{ "a":', "conflicting"),
    ('{"a":', '{"a":', "identical"),
    ('["\\ud800"]', '["\\udbff"]', "conflicting"),
    ("[" * 100_000, "[" * 100_000, "identical"),
    ("[" * 5_000 + "]" * 5_000, "[" * 5_000 + " " + "]" * 5_000, "conflicting"),
    (f'["{LONG}"]', f'["{LONG}y"]', "conflicting"),
    ("", " ", "conflicting"),
    (None, "null", "conflicting"),
]


@pytest.mark.parametrize(("first", "second", "row_class"), JSON_PAIRS, ids=range(len(JSON_PAIRS)))
def test_json_columns_are_compared_as_values(tmp_path: Path, first: str, second: str, row_class: str) -> None:
    for pair in ((first, second), (second, first)):
        assert classified(tmp_path, "JSON TEXT", pair)["class"] == row_class


@pytest.mark.parametrize(
    ("values", "row_class"),
    [
        ((LONG, LONG), "identical"),
        ((LONG, LONG[:-1]), "conflicting"),
        ((LONG, LONG + "x"), "conflicting"),
        ((LONG, LONG[:-1] + "y"), "conflicting"),
        ((LONG, LONG.encode()), "conflicting"),
        (("x" * 1_000_000, "x" * 1_000_000), "identical"),
        ((b"\xff" * 300, b"\xff" * 300), "identical"),
        ((b"\xff" * 300, b"\xff" * 299 + b"\xfe"), "conflicting"),
        (("x" * 255 + "\0" + LONG, "x" * 255 + "\0" + LONG + "y"), "conflicting"),
        (('{"a": 1}', '{"a":1}'), "conflicting"),
    ],
)
def test_long_values_of_other_columns_are_compared_byte_by_byte(
    tmp_path: Path, values: tuple[object, ...], row_class: str
) -> None:
    assert classified(tmp_path, "TEXT", values)["class"] == row_class


@pytest.mark.parametrize(
    ("values", "row_class"), [((1, 1.0), "identical"), ((1, "1"), "conflicting"), ((1.0, "1.0"), "conflicting")]
)
def test_a_column_without_a_type_tells_numbers_from_text_and_not_from_each_other(
    tmp_path: Path, values: tuple[object, ...], row_class: str
) -> None:
    assert classified(tmp_path, "", values)["class"] == row_class
