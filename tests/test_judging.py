"""Thresholds and baselines: which findings make a run fail, and what is said of each threshold."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dedupaudit.config import LogsSettings, ObjectsSettings, Settings, TableSettings
from dedupaudit.errors import UsageError
from dedupaudit.judging import Tally, has_thresholds, tolerances
from dedupaudit.model import Finding, ObjectsSummary, Report, Tolerance
from tests.reports.samples import STORE, covered, duplicate, finding, report, table


def settings(tables: dict[str, dict[str, Any]] | None = None, **sections: dict[str, Any]) -> Settings:
    objects, logs = sections.get("objects"), sections.get("logs")
    return Settings(
        tables={
            name: TableSettings.model_validate({"thresholds": thresholds})
            for name, thresholds in (tables or {}).items()
        },
        objects=ObjectsSettings.model_validate({"thresholds": objects}) if objects else None,
        logs=LogsSettings.model_validate({"thresholds": logs}) if logs else None,
    )


def activities(**thresholds: Any) -> Settings:
    return settings({"activities": thresholds})


def found(findings: Iterable[dict[str, Any]]) -> Tally:
    tally = Tally()
    for one in findings:
        tally.add(Finding.model_validate(one))
    return tally


def held(configured: Settings, made: Report, *findings: dict[str, Any]) -> Tolerance:
    (only,) = tolerances(configured, made, found(findings))
    return only


def scanned(rows: int | None = 1_000, duplicates: int = 0, **changes: Any) -> Report:
    return report(
        tables={"db.activities": table(rows, duplicates, **changes)}, coverage=covered("activities", rows=rows)
    )


# ---- what is compared


def test_duplicates_are_held_by_their_surplus_rows_not_by_their_ids() -> None:
    one = held(activities(duplicate_ids=3), scanned(duplicates=2), duplicate(0), duplicate(1))
    assert (one.source, one.target, one.check, one.limit) == ("db", "activities", "duplicate_ids", "3")
    assert (one.rows, one.exceeded) == (4, True)


@pytest.mark.parametrize(("limit", "exceeded"), [(0, True), (3, True), (4, False), (5, False)])
def test_as_many_as_the_limit_are_tolerated(limit: int, exceeded: bool) -> None:
    assert held(activities(duplicate_ids=limit), scanned(duplicates=2), duplicate()).exceeded == exceeded


@pytest.mark.parametrize("check", ["null_ids", "blank_ids"])
def test_null_and_blank_ids_are_held_by_their_rows(check: str) -> None:
    one = held(activities(**{check: 10}), scanned(**{check: 11}), finding(check, key={}, count=11))
    assert (one.rows, one.exceeded) == (11, True)


def test_other_checks_are_held_by_their_findings() -> None:
    several = [finding("near_equal_ids", count=5) for _ in range(3)]
    one = held(activities(near_equal_ids=3), scanned(), *several)
    assert (one.rows, one.exceeded) == (3, False)


def test_what_is_in_grace_or_unknown_is_not_counted() -> None:
    several = [finding("near_equal_ids", verdict=verdict) for verdict in ("in_grace", "unknown", "confirmed")]
    assert held(activities(near_equal_ids=1), scanned(), *several).rows == 1


# ---- per cent


@pytest.mark.parametrize(
    ("limit", "rows", "exceeded"),
    [
        ("0.4%", 1_000, False),
        ("0.39%", 1_000, True),
        ("100%", 4, False),
        ("0%", 1_000, True),
        ("0.000001%", 10**9, False),
    ],
)
def test_a_share_is_of_all_rows_of_the_table(limit: str, rows: int, exceeded: bool) -> None:
    made = scanned(rows, surplus_rows=4)
    assert held(activities(duplicate_ids=limit), made, duplicate()).exceeded == exceeded


@given(tenths=st.integers(0, 1000), hundreds=st.integers(1, 10_000))
def test_exactly_the_share_is_tolerated_and_one_row_more_is_not(tenths: int, hundreds: int) -> None:
    """Guard against floating point: 0.7 / 100 * 1,000 is less than 7."""
    rows, limit = hundreds * 1_000, f"{tenths / 10}%"
    exactly = tenths * hundreds
    for surplus, exceeded in ((exactly, False), (exactly + 1, True)):
        one = held(activities(duplicate_ids=limit), scanned(rows, surplus_rows=surplus), duplicate())
        assert one.exceeded == exceeded


def test_nothing_found_exceeds_no_share_although_the_rows_were_not_counted() -> None:
    """Guard: of a key that the catalog proves unique the rows are not counted, and 0 is a zero all the same."""
    looked_up = report(
        tables={"db.activities": {"surplus_rows": 0}},
        coverage=covered("activities", ("duplicate_ids",), strategy="catalog", rows=None),
    )
    one = held(activities(duplicate_ids="1%"), looked_up)
    assert (one.rows, one.exceeded) == (0, False)


def test_something_found_in_rows_that_nobody_counted_is_not_tolerated() -> None:
    made = report(tables={}, coverage=covered("activities", rows=None))
    assert held(activities(missing_unique="50%"), made, finding("missing_unique")).exceeded


def test_a_crosscheck_alone_takes_a_share_of_the_rows_that_it_read_of_this_table() -> None:
    """Guard: the store's rows are those of all tables, and a share of them would tolerate too much."""
    made = report(
        tables={},
        coverage=[
            *covered("screenshots", ("missing_object",), rows=100),
            *covered("thumbnails", ("missing_object",), rows=10_000),
        ],
    )
    summary = made.summary.model_copy(update={"objects": {STORE: ObjectsSummary(rows=10_100)}})
    made = made.model_copy(update={"summary": summary})
    lost = [finding("missing_object", target="screenshots", key={"id": str(number)}) for number in range(2)]
    (one,) = (
        one
        for one in tolerances(settings({"screenshots": {"missing_object": "1%"}}), made, found(lost))
        if one.target == "screenshots"
    )
    assert (one.rows, one.exceeded) == (2, True)


def test_a_share_of_a_store_is_of_its_objects() -> None:
    made = report(tables={}, coverage=covered(STORE, ("orphan_object",), source="objects", rows=200))
    orphans = [finding("orphan_object", source="objects", target=STORE, key={"object_key": str(n)}) for n in range(2)]
    assert not held(settings(objects={"orphan_object": "1%"}), made, *orphans).exceeded
    assert held(settings(objects={"orphan_object": "0.9%"}), made, *orphans).exceeded


# ---- what was not looked at


def test_a_check_that_did_not_get_to_its_end_is_not_tolerated() -> None:
    made = report(coverage=covered("activities", ("near_equal_ids",), status="failed", reason="the server is gone"))
    one = held(activities(near_equal_ids=10), made, finding("near_equal_ids"))
    assert (one.rows, one.exceeded) == (None, True)


def test_of_a_check_that_was_skipped_nothing_is_said() -> None:
    made = report(coverage=covered("activities", ("near_equal_ids",), status="skipped", reason="not asked for"))
    assert tolerances(activities(near_equal_ids=10), made, Tally()) == ()


def test_each_shard_is_held_against_the_threshold_by_itself() -> None:
    made = report(
        tables={"eu.activities": table(100, 1), "us.activities": table(100, 3)},
        coverage=[*covered("activities", source="eu"), *covered("activities", source="us")],
    )
    several = [duplicate(source="eu"), *(duplicate(number, source="us") for number in range(3))]
    eu, us = tolerances(activities(duplicate_ids=4), made, found(several))
    assert (eu.source, eu.rows, eu.exceeded) == ("eu", 2, False)
    assert (us.source, us.rows, us.exceeded) == ("us", 6, True)


# ---- which findings fail


def test_tolerated_findings_do_not_fail_and_others_do() -> None:
    several = [finding("near_equal_ids"), duplicate(), finding("null_ids")]
    tally = found(several)
    spared = tolerances(activities(near_equal_ids=1), scanned(), tally)
    assert tally.failing(spared, only_new=False) == {"high": 1, "medium": 1}


def test_over_its_limit_a_check_fails_with_all_its_findings() -> None:
    tally = found([finding("near_equal_ids"), finding("near_equal_ids")])
    assert tally.failing(tolerances(activities(near_equal_ids=1), scanned(), tally), only_new=False) == {"low": 2}


def test_a_threshold_of_one_table_spares_no_other() -> None:
    tally = found([finding("near_equal_ids"), finding("near_equal_ids", target="screenshots")])
    made = report(coverage=[*covered("activities"), *covered("screenshots")])
    assert tally.failing(tolerances(activities(near_equal_ids=1), made, tally), only_new=False) == {"low": 1}


def test_with_a_baseline_only_new_findings_fail_and_known_ones_still_count_against_the_limit() -> None:
    several = [finding("near_equal_ids", news=news) for news in ("known", "known", "new")]
    tally = found(several)
    over = tolerances(activities(near_equal_ids=2), scanned(), tally)
    assert (over[0].rows, over[0].exceeded) == (3, True)
    assert tally.failing(over, only_new=True) == {"low": 1}
    under = tolerances(activities(near_equal_ids=3), scanned(), tally)
    assert not +tally.failing(under, only_new=True)


def test_without_thresholds_every_confirmed_finding_fails() -> None:
    assert found([duplicate(), finding("null_ids")]).failing((), only_new=False) == {"high": 1, "medium": 1}


# ---- what is configured


@pytest.mark.parametrize(
    "configured",
    [
        activities(duplicate_ids=1),
        settings({"screenshots": {"missing_object": "1%"}}),
        settings(objects={"orphan_object": 1}),
        settings(logs={"requeue": 1}),
    ],
)
def test_thresholds_are_found_in_each_section(configured: Settings) -> None:
    assert has_thresholds(configured)


def test_a_configuration_without_one_has_none() -> None:
    assert not has_thresholds(settings({"activities": {}}))


@pytest.mark.parametrize(
    ("configured", "message", "hint"),
    [
        (activities(duplicate_id=1), "tables.activities.thresholds: there is no check duplicate_id", "duplicate_ids"),
        (activities(requeue=1), "there is no check requeue here", "the checks are"),
        (settings(objects={"duplicate_ids": 1}), "objects.thresholds: there is no check duplicate_ids here", ""),
        (settings(logs={"null_ids": 1}), "logs.thresholds: there is no check null_ids here", "requeue"),
        (settings(logs={"requeue": "1%"}), "logs.thresholds.requeue: 1% of what? Logs have no rows", "requeue = 10"),
    ],
)
def test_a_threshold_of_no_such_check_is_refused(configured: Settings, message: str, hint: str) -> None:
    with pytest.raises(UsageError) as refused:
        has_thresholds(configured)
    assert message in refused.value.message
    assert hint in refused.value.hint
