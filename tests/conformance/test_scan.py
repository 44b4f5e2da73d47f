"""What the scan says of hostile tables is what a brute-force oracle says, on every database and storage."""

from __future__ import annotations

import json
import random
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conformance.databases import DATABASES, Database
from tests.conformance.oracle import Expected, Group, Question, Row, expect
from tests.conformance.running import Content, agreed, findings_of, report_of, scanned
from tests.conformance.strategies import Case, cases


def storages(of_servers: bool) -> list[Any]:
    return [
        pytest.param(database, variant, id=f"{database.name}-{variant}")
        for database in DATABASES
        if (len(database.engines) > 1) == of_servers
        for variant in database.variants
    ]


COUNTED = ("duplicate_ids", "near_equal_ids", "null_ids", "blank_ids")


def expected_of(database: Database, case: Case, url: str) -> Expected:
    names = [column.name for column in case.table.columns]
    rows: list[Row] = [dict(zip(names, row, strict=True)) for row in database.stored(url, case.table, case.variant)]
    if case.where:
        rows = [row for row in rows if row["shown"] == 1]
    return expect(Question(database, case.variant, case.key, case.compared), rows)


def totals_of(report: Content) -> dict[str, Any]:
    totals: dict[str, Any] = dict(report["summary"]["tables"]["db.t"])
    # Without logs no cause is counted.
    assert totals.pop("causes") is None and totals.pop("collisions") is None
    totals["by_group"] = {
        json.dumps(row["group"]): (row["rows"], row["distinct_ids"], row["inflation"]) for row in totals["by_group"]
    }
    totals["by_day"] = {row["day"]: row["surplus_rows"] for row in totals["by_day"]}
    return totals


def match(findings: list[Content], expected: list[Group], facts: tuple[str, ...]) -> None:
    """Assert that each finding is one of the expected groups, and each group one finding."""
    left = list(expected)
    for finding in findings:
        key = json.dumps([finding["key"], finding["key_raw"]], sort_keys=True)
        said = tuple(tuple(value) if isinstance(value := finding[name], list) else value for name in facts)
        fitting = [group for group in left if key in group.keys and group.facts == said]
        assert fitting, f"{key} {said} is none of {left}"
        left.remove(fitting[0])
    assert not left, f"not found: {left}"


def assert_agrees(report: Content, expected: Expected) -> None:
    assert report["complete"]
    assert totals_of(report) == expected.totals
    totals = expected.totals
    assert totals["rows"] == totals["distinct_ids"] + totals["surplus_rows"] + totals["null_ids"]
    facts = ("count", "class", "differs", "first_at", "last_at", "gap_seconds")
    match(findings_of(report, "duplicate_ids"), expected.duplicates, facts)
    match(findings_of(report, "near_equal_ids"), expected.near, ("count",))
    for check in ("null_ids", "blank_ids"):
        assert [finding["count"] for finding in findings_of(report, check)] == [totals[check]] * bool(totals[check])
    fingerprints = [finding["fingerprint"] for finding in report["findings"]]
    assert len(set(fingerprints)) == len(fingerprints)


def check_case(database: Database, case: Case, seed: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        url = database.create(Path(folder), case.table, case.variant)
        report = agreed(database.engines, url, {"t": case.settings})
        assert_agrees(report, expected_of(database, case, url))

        distrusting = report_of(scanned(url, {"t": case.settings}, distrust_indexes=True, engine=database.engines[0]))
        assert totals_of(distrusting) == totals_of(report)
        assert fingerprints_of(distrusting, *COUNTED) == fingerprints_of(report, *COUNTED)
        assert findings_of(distrusting, "index_disagrees") == []

        rows = list(case.table.rows)
        random.Random(seed).shuffle(rows)  # noqa: S311 (an order, no secret)
        url = database.create(Path(folder), replace(case.table, rows=tuple(rows)), case.variant)
        shuffled = report_of(scanned(url, {"t": case.settings}, engine=database.engines[-1]))
        assert fingerprints_of(shuffled, *COUNTED) == fingerprints_of(report, *COUNTED)
        assert totals_of(shuffled) == totals_of(report)


def fingerprints_of(report: Content, *checks: str) -> set[str]:
    return {finding["fingerprint"] for finding in findings_of(report, *checks)}


@pytest.mark.parametrize(("database", "variant"), storages(of_servers=False))
@settings(max_examples=40)
@given(data=st.data(), seed=st.integers(0, 999))
def test_the_scan_agrees_with_the_oracle(database: Database, variant: str, data: st.DataObject, seed: int) -> None:
    check_case(database, data.draw(cases(database, variant)), seed)


# A scan of a server takes ten times as long: there are two ways to read, and all that goes over the wire.
@pytest.mark.parametrize(("database", "variant"), storages(of_servers=True))
@settings(max_examples=12)
@given(data=st.data(), seed=st.integers(0, 999))
def test_the_scan_of_a_server_agrees_with_the_oracle(
    database: Database, variant: str, data: st.DataObject, seed: int
) -> None:
    check_case(database, data.draw(cases(database, variant)), seed)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize(("database", "variant"), storages(of_servers=False))
@settings(max_examples=400)
@given(data=st.data(), seed=st.integers(0, 999))
def test_the_scan_agrees_with_the_oracle_on_many_tables(
    database: Database, variant: str, data: st.DataObject, seed: int
) -> None:
    check_case(database, data.draw(cases(database, variant)), seed)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize(("database", "variant"), storages(of_servers=True))
@settings(max_examples=80)
@given(data=st.data(), seed=st.integers(0, 999))
def test_the_scan_of_a_server_agrees_with_the_oracle_on_many_tables(
    database: Database, variant: str, data: st.DataObject, seed: int
) -> None:
    check_case(database, data.draw(cases(database, variant)), seed)
