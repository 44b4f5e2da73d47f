"""Which row of a key stays: by class, by named rules for uploads, by the policy; and what is always left as it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import permutations
from typing import Any

import pytest

from dedupaudit.checks.duplicates import DuplicateGroup, Totals, read_groups
from dedupaudit.errors import UsageError
from dedupaudit.repair.choose import Choice, Chooser, Taken, is_blank, read_policy
from dedupaudit.sources.tables.catalog import Column
from dedupaudit.sources.tables.protocol import DuplicateRow, Key, Undecodable, Value
from dedupaudit.sources.tables.table import Table
from tests.checks.tables import UPLOAD_COLUMNS, same, table_of
from tests.cli.reading import dangerous

UPLOADS = table_of(*UPLOAD_COLUMNS, time=True, upload=True)
EVENTS = table_of("note", "more", time=True)


def upload(status: Value = "completed", key: Value = None, url: Value = None, retry: Value = 0) -> tuple[Value, ...]:
    return (status, key, url, None, None, retry)


def group_of(
    table: Table,
    rows: Sequence[tuple[Value, ...]],
    *,
    key: Key = ("a",),
    ats: Sequence[int | None] = (),
    ranked: Sequence[Value] = (),
) -> DuplicateGroup:
    """Return the group of these rows, the earliest first."""
    told = (
        DuplicateRow(
            len(rows),
            key,
            (number,),
            ats[number] if ats else number,
            ranked[number] if ranked else None,
            values,
        )
        for number, values in enumerate(rows)
    )
    (group,) = read_groups(told, table, same, Totals(), 100)
    return group


def chosen(table: Table, rows: Sequence[tuple[Value, ...]], policy: str | None = None, **more: Any) -> Choice:
    cause = more.pop("cause", None)
    exists = more.pop("exists", None)
    return Chooser(table, policy, object_exists=exists).choose(group_of(table, rows, **more), cause)


# ---- what is always left


@pytest.mark.parametrize(
    "part", ["", " ", "\t\n", "\u00a0", "\u3000", "\u200a", b"", b" \n", None], ids=lambda part: ascii(part)
)
@pytest.mark.parametrize("policy", [None, "newest"])
def test_a_blank_key_is_never_merged(part: Value, policy: str | None) -> None:
    assert is_blank((part,))
    assert is_blank(("a", part))
    assert chosen(EVENTS, [("x", "y"), ("x", "y")], policy, key=(part,)) == Choice(None, "blank key")


@pytest.mark.parametrize("part", ["0", 0, 0.0, "\x00", "\u200b.", b"\x00", Undecodable(b"\xff"), Undecodable(b" ")])
def test_what_is_not_blank_is_merged(part: Value) -> None:
    assert not is_blank((part,))
    assert chosen(EVENTS, [("x", "y"), ("x", "y")], key=(part,)).survivor == 0


@pytest.mark.parametrize("policy", [None, "oldest", "newest", "most-complete"])
@pytest.mark.parametrize("second", [("x", "y"), ("other", "y")])
def test_an_id_that_stands_for_different_events_is_left_whatever_the_policy(
    policy: str | None, second: tuple[str, str]
) -> None:
    assert chosen(EVENTS, [("x", "y"), second], policy, cause="id_collision") == Choice(None, "id_collision")


def test_conflicting_rows_are_left_without_a_policy() -> None:
    assert chosen(EVENTS, [("x", "y"), ("z", "y")]) == Choice(None, "conflicting")


# ---- identical


@pytest.mark.parametrize("policy", [None, "newest", "most-complete"])
@pytest.mark.parametrize("ats", [(1, 2, 3), (None, None, None), (5, 5, 5)])
def test_of_identical_rows_the_earliest_stays_and_a_policy_is_not_asked(
    policy: str | None, ats: Sequence[int | None]
) -> None:
    assert chosen(EVENTS, [("x", "y")] * 3, policy, ats=ats) == Choice(0, "earliest")


# ---- uploads


@pytest.mark.parametrize(
    ("rows", "survivor", "taken"),
    [
        ([upload("pending"), upload("completed", "k", "u")], 1, ()),
        ([upload("completed", "k"), upload("pending")], 0, ()),
        ([upload("pending"), upload("uploading"), upload("failed")], 1, ()),
        ([upload("failed"), upload("pending")], 0, ()),
        # Of those that came as far the earliest, with what it lacks and the others know.
        ([upload("completed", "k"), upload("completed", "k", "u")], 0, (Taken("oss_url", "known", 1),)),
        (
            [upload("completed"), upload("completed", None, "u"), upload("completed", "k")],
            0,
            (Taken("oss_key", "known", 2), Taken("oss_url", "known", 1)),
        ),
        # A key that an upload had before it failed is not the object's.
        ([upload("completed"), upload("failed", "old")], 0, ()),
        # The greatest count of retries stays, whichever row has it.
        ([upload("completed", retry=1), upload("pending", retry=3)], 0, (Taken("retry_count", "max", 1),)),
        ([upload("completed", retry=3), upload("pending", retry=1)], 0, ()),
        ([upload("completed", retry=None), upload("pending", retry=0)], 0, (Taken("retry_count", "max", 1),)),
        ([upload("completed", retry="9"), upload("pending", retry="10")], 0, (Taken("retry_count", "max", 1),)),
        (
            [upload("pending", retry=7), upload("completed", retry=1), upload("failed", retry=7)],
            1,
            (Taken("retry_count", "max", 0),),
        ),
    ],
)
def test_of_an_uploads_rows_the_one_in_the_furthest_state_stays(
    rows: list[tuple[Value, ...]], survivor: int, taken: tuple[Taken, ...]
) -> None:
    assert chosen(UPLOADS, rows) == Choice(survivor, "furthest state", taken)


def test_the_state_decides_in_any_order() -> None:
    rows = [upload("completed", "k"), upload("pending"), upload("failed"), upload("uploading")]
    for order in permutations(rows):
        assert order[chosen(UPLOADS, order).survivor or 0][0] == "completed"


@pytest.mark.parametrize(
    ("there", "survivor"),
    [
        ({"k1": True, "k2": False}, 0),
        ({"k1": False, "k2": True}, 1),
        ({"k1": True, "k2": True}, None),
        ({"k1": False, "k2": False}, None),
        ({"k1": True, "k2": None}, None),
        ({"k1": None, "k2": True}, None),
    ],
)
def test_the_row_whose_object_alone_exists_wins(there: dict[str, bool | None], survivor: int | None) -> None:
    rows = [upload("completed", "k1", retry=1), upload("completed", "k2", retry=2)]
    choice = chosen(UPLOADS, rows, exists=lambda row: there[str(row.values[1])])
    assert choice.survivor == survivor
    assert choice.rule == ("object exists" if survivor is not None else "conflicting")
    # Never another row's key or URL: it is the other row's object that is gone.
    assert {one.column for one in choice.taken} <= {"retry_count"}


def test_a_survivor_whose_object_is_gone_takes_the_one_that_exists() -> None:
    rows = [upload("uploading", "k1", "u1"), upload("completed", "k2", "u2")]
    choice = chosen(UPLOADS, rows, exists=lambda row: row.values[1] == "k1")
    taken = {one.column: (one.rule, one.row) for one in choice.taken}
    assert choice.survivor == 1
    assert taken["oss_key"] == taken["oss_url"] == ("object", 0)
    assert chosen(UPLOADS, rows, exists=lambda row: row.values[1] == "k2").taken == ()
    assert chosen(UPLOADS, rows, exists=lambda _row: False) == Choice(1, "furthest state")


def test_no_object_is_looked_at_where_rows_name_the_same_one() -> None:
    def never(_row: DuplicateRow) -> bool:
        raise AssertionError("a request was paid for")

    assert chosen(UPLOADS, [upload("pending", "k"), upload("completed", "k")], exists=never).survivor == 1


def test_an_object_settles_nothing_where_rows_differ_elsewhere() -> None:
    table = table_of("status", "oss_key", "note", upload=True)
    rows = [("completed", "k1", "x"), ("completed", "k2", "y")]
    exists = Chooser(table, object_exists=lambda row: row.values[1] == "k1")
    assert exists.choose(group_of(table, rows), None) == Choice(None, "conflicting")


# ---- policies


@pytest.mark.parametrize(
    ("policy", "ats", "survivor"),
    [
        ("oldest", (1, 2, 3), 0),
        ("newest", (1, 2, 3), 2),
        ("newest", (1, 3, 3), 2),
        ("oldest", (None, 2, 1), 2),
        ("newest", (None, None, 1), 2),
        ("newest", (None, None, None), 2),
    ],
)
def test_the_oldest_and_the_newest_go_by_time(policy: str, ats: Sequence[int | None], survivor: int) -> None:
    group = group_of(EVENTS, [("x", "y"), ("z", "y"), ("w", "y")], ats=ats)
    choice = Chooser(EVENTS, policy).choose(group, None)
    # Rows without a time come last in a group, and are neither old nor new.
    assert choice.survivor is not None
    assert group.sample[choice.survivor].locator == (survivor,)
    assert choice.rule == f"policy {policy}"


@pytest.mark.parametrize(
    ("rows", "survivor"),
    [
        ([("x", None), ("x", "y")], 1),
        ([("x", ""), ("", "y"), ("x", "z")], 2),
        ([("x", "y"), ("z", "w")], 0),
        ([(None, None), ("", b"")], 0),
        ([(b"", "a"), (0, "a")], 1),
    ],
)
def test_the_most_complete_knows_most_values_and_of_equals_the_earliest(
    rows: list[tuple[Value, ...]], survivor: int
) -> None:
    assert chosen(EVENTS, rows, "most-complete") == Choice(survivor, "policy most-complete")


@pytest.mark.parametrize(
    ("values", "survivor"),
    [
        ((1, 2, 3), 2),
        ((3, 3, 1), 0),
        (("9", "10"), 1),
        ((None, 0), 1),
        ((None, None), 0),
        ((2.5, 2), 0),
        (("2025-12-24", "2025-12-25"), 1),
        (("a", "B"), 0),
        ((10**30, "1e29"), 0),
        (("Infinity", 10**30), 0),
        (("-Infinity", -5), 1),
        (("NaN", -5), 1),
        (("sNaN", None), 0),
        ((b"\x01", b"\x02"), 1),
        ((Undecodable(b"\xfe"), Undecodable(b"\xff")), 1),
        ((5, "text"), 1),
    ],
)
def test_the_greatest_value_of_a_column_stays_and_of_equals_the_earliest(
    values: Sequence[Value], survivor: int
) -> None:
    rows: list[tuple[Value, ...]] = [(f"x{number}", "y") for number in range(len(values))]
    group = group_of(EVENTS, rows, ranked=values)
    assert Chooser(EVENTS, "more:max").choose(group, None) == Choice(survivor, "policy more:max")


@pytest.mark.parametrize("policy", [None, "oldest", "newest", "most-complete"])
def test_policies_are_read(policy: str | None) -> None:
    assert read_policy(policy, EVENTS) is None


def test_a_policy_of_a_column_gives_the_column() -> None:
    assert read_policy("more:max", EVENTS) == Column("more", "TEXT")
    odd = replace(EVENTS, catalog=replace(EVENTS.catalog, columns=(Column("a:b", "TEXT"),)))
    assert read_policy("a:b:max", odd) == Column("a:b", "TEXT")


@pytest.mark.parametrize(
    "policy", ["", "newst", "NEWEST", "max", ":max", "more", "more:", "more:min", "gone:max", "x\x1b[5m:max", "a\nb"]
)
def test_what_is_no_policy_is_wrong_usage_and_says_what_is(policy: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_policy(policy, EVENTS)
    assert "oldest, newest, most-complete" in caught.value.hint
    assert "more" in caught.value.hint
    assert not dangerous(caught.value.message + caught.value.hint)


@pytest.mark.parametrize("policy", ["oldest", "newest"])
def test_oldest_and_newest_need_a_time(policy: str) -> None:
    with pytest.raises(UsageError, match="has no time column") as caught:
        read_policy(policy, table_of("note"))
    assert "time =" in caught.value.hint
