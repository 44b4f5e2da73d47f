"""A report that cannot hold every finding holds the worst of each check."""

from __future__ import annotations

from collections import Counter
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dedupaudit.model import Finding, Severity, Verdict
from dedupaudit.worst import Worst

CHECKS: dict[str, Severity] = {"duplicate_ids": "high", "null_ids": "medium", "stuck_upload": "medium", "odd": "low"}
RANK = {"confirmed": 0, "unknown": 1, "in_grace": 2}

offered = st.lists(
    st.tuples(st.sampled_from(list(CHECKS)), st.sampled_from(list(RANK)), st.integers(1, 5)), max_size=150
)


def finding(number: int, check: str, verdict: Verdict, count: int) -> Finding:
    return Finding(
        fingerprint=str(number),
        check=check,
        severity=CHECKS[check],
        verdict=verdict,
        source="db",
        target="t",
        count=count,
        message="",
    )


def itself(one: Finding) -> Finding:
    return one


def kept(limit: int, findings: list[Finding]) -> tuple[Finding, ...]:
    worst = Worst(limit, list(CHECKS))
    for one in findings:
        worst.add(one.check, one.verdict, one.count, (int(one.fingerprint),), partial(itself, one))
    return worst.findings()


@given(offered, st.integers(0, 30))
def test_what_is_kept_is_the_worst_of_each_check_in_the_reports_order(
    offers: list[tuple[str, Verdict, int]], limit: int
) -> None:
    findings = [finding(number, *offer) for number, offer in enumerate(offers)]
    result = kept(limit, findings)
    assert len(result) == min(limit, len(findings))
    order = list(CHECKS)
    assert [order.index(one.check) for one in result] == sorted(order.index(one.check) for one in result)
    for check in CHECKS:
        ranked = sorted(
            (one for one in findings if one.check == check),
            key=lambda one: (RANK[one.verdict], -one.count, int(one.fingerprint)),
        )
        mine = [one for one in result if one.check == check]
        assert mine == ranked[: len(mine)]


@given(offered, st.integers(0, 30))
def test_each_check_has_its_share_or_all_it_needs(offers: list[tuple[str, Verdict, int]], limit: int) -> None:
    findings = [finding(number, *offer) for number, offer in enumerate(offers)]
    result = Counter(one.check for one in kept(limit, findings))
    for check, number in Counter(one.check for one in findings).items():
        assert result[check] >= min(number, limit // len(CHECKS))


@given(st.permutations(range(40)), st.integers(0, 30))
def test_the_same_ones_are_kept_in_whatever_order_they_are_found(order: list[int], limit: int) -> None:
    findings = [finding(number, "odd", "confirmed", number % 3) for number in range(40)]
    assert kept(limit, [findings[number] for number in order]) == kept(limit, findings)


def test_a_check_with_many_findings_does_not_push_out_one_with_a_single_one() -> None:
    many = [finding(number, "duplicate_ids", "confirmed", 9) for number in range(5_000)]
    result = kept(10, [*many, finding(5_000, "odd", "in_grace", 1)])
    assert Counter(one.check for one in result) == {"duplicate_ids": 9, "odd": 1}


def test_a_finding_that_stays_out_is_never_written() -> None:
    worst = Worst(1, list(CHECKS))
    written: list[int] = []

    def write(number: int) -> Finding:
        written.append(number)
        return finding(number, "duplicate_ids", "confirmed", number)

    for number in range(1_000):
        worst.add("duplicate_ids", "confirmed", number, (number,), partial(write, number))
    (one,) = worst.findings()
    assert one.count == 999
    assert written == [999]


@pytest.mark.parametrize("limit", [0, 1, 7])
def test_what_is_held_grows_with_the_limit_alone(limit: int) -> None:
    worst = Worst(limit, list(CHECKS))
    held = 0
    for number in range(10_000):
        worst.add("odd", "confirmed", 1, (number,), lambda: finding(0, "odd", "confirmed", 1))
        held = max(held, sum(map(len, worst._kept.values())))
        assert number < 200 or held < 150
