"""Groups are read as a stream: totals are exact, evidence is bounded, and one event is never counted as surplus."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from random import Random
from weakref import WeakSet

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dedupaudit.checks.duplicates import GROUP_LIMIT, DuplicateGroup, Totals, key_rank, read_groups
from dedupaudit.sources.tables.protocol import DuplicateRow, Undecodable, Value
from tests.checks.tables import group_of, same, table_of

DAY = 86_400_000_000
TIMED = table_of(time=True, group=True)


def read(*groups: Iterator[DuplicateRow], evidence: int = 10) -> tuple[list[DuplicateGroup], Totals]:
    totals = Totals()
    return list(read_groups(chain(*groups), TIMED, same, totals, evidence)), totals


def test_the_evidence_is_the_earliest_rows_in_order() -> None:
    times = [(at * 7919) % 1000 for at in range(1000)]
    (group,), totals = read(group_of("a", [(at, "click") for at in times]), evidence=10)
    assert group.rows == 1000
    assert [row.at for row in group.sample] == list(range(10))
    assert (group.first_at, group.last_at) == (0, 999)
    assert (totals.ids, totals.rows) == (1, 1000)


def test_memory_does_not_grow_with_a_group() -> None:
    def rows() -> Iterator[DuplicateRow]:
        for number in range(5_000):
            row = DuplicateRow(5_000, ("a",), (number,), -number, None, (Witness(),))
            yield row
            del row
            assert len(alive) < 100

    alive: WeakSet[Witness] = WeakSet()

    class Witness(str):
        """A value that can be watched; all are equal."""

        def __init__(self) -> None:
            alive.add(self)

        __hash__ = object.__hash__

    (group,), _totals = read(rows(), evidence=3)
    assert len(group.sample) == 3
    assert group.first_at == -4_999


def test_groups_are_read_one_by_one() -> None:
    taken: list[int] = []

    def rows() -> Iterator[DuplicateRow]:
        for number in range(6):
            taken.append(number)
            yield DuplicateRow(2, (number // 2,), (number,), None, None, ())

    groups = read_groups(rows(), TIMED, same, Totals(), 10)
    assert taken == []
    assert next(groups).key == (0,)
    assert taken == [0, 1]


def test_a_row_without_a_time_is_never_taken_for_the_event() -> None:
    (group,), totals = read(group_of("a", [(None, "x"), (3 * DAY, "x"), (None, "x"), (DAY, "x")]))
    assert (group.first_at, group.last_at) == (DAY, 3 * DAY)
    assert [(one.day, one.surplus_rows) for one in totals.by_day()] == [("1970-01-04", 1), (None, 2)]


def test_without_any_time_the_surplus_has_no_day() -> None:
    (group,), totals = read(group_of("a", [(None, "x")] * 3))
    assert (group.first_at, group.last_at) == (None, None)
    assert [(one.day, one.surplus_rows) for one in totals.by_day()] == [(None, 2)]


def test_days_before_1970_are_days() -> None:
    _groups, totals = read(group_of("a", [(-DAY - 1, "x"), (-1, "x"), (0, "x")]))
    assert [(one.day, one.surplus_rows) for one in totals.by_day()] == [("1969-12-31", 1), ("1970-01-01", 1)]


def test_the_same_id_for_two_kinds_is_surplus_of_neither() -> None:
    _groups, totals = read(
        group_of("a", [(1, "click"), (2, "key")]), group_of("b", [(1, "click"), (2, "click"), (3, "key")])
    )
    assert dict(totals.groups) == {"click": 1}


def test_a_column_with_too_many_values_is_no_kind() -> None:
    groups = (group_of(number, [(1, f"kind {number}"), (2, f"kind {number}")]) for number in range(GROUP_LIMIT + 10))
    totals = Totals()
    for _group in read_groups(chain.from_iterable(groups), TIMED, same, totals, 10):
        pass
    assert totals.too_many_groups
    assert not totals.groups
    assert totals.ids == GROUP_LIMIT + 10


values = st.none() | st.integers() | st.floats() | st.text() | st.binary() | st.binary().map(Undecodable)


@given(st.lists(st.tuples(values, values)), st.randoms(use_true_random=False))
def test_keys_of_mixed_types_have_one_order(keys: list[tuple[Value, Value]], random: Random) -> None:
    ranked = sorted(map(key_rank, keys))
    random.shuffle(keys)
    assert sorted(map(key_rank, keys)) == ranked


@given(
    st.lists(
        st.lists(st.tuples(st.none() | st.integers(-3 * DAY, 3 * DAY), st.sampled_from(["x", "y", None])), min_size=2),
        max_size=8,
    )
)
def test_the_totals_are_those_of_counting_by_hand(groups: list[list[tuple[int | None, str | None]]]) -> None:
    found, totals = read(*(group_of(number, rows) for number, rows in enumerate(groups)))
    surplus = sum(len(rows) - 1 for rows in groups)
    assert totals.ids == len(groups) == len(found)
    assert totals.rows == sum(map(len, groups))
    assert sum(day.surplus_rows for day in totals.by_day()) == surplus
    for kind in ("x", "y", None):
        by_hand = sum(max(0, sum(one == kind for _at, one in rows) - 1) for rows in groups)
        assert totals.groups[kind] == by_hand


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0, 2)])
def test_which_spelling_names_a_group_does_not_depend_on_the_order(order: tuple[int, ...]) -> None:
    spellings = ("b", "A", "a")
    rows = (DuplicateRow(3, (spellings[number],), (number,), None, None, ()) for number in order)
    (group,), _totals = read(rows)
    assert group.key == ("A",)
