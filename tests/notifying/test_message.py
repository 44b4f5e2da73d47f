"""What receivers read: short, with everything that matters, and nothing in it that a chat would act upon."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dedupaudit.display import escape
from dedupaudit.history.memory import News, Problem, Unlooked
from dedupaudit.model import Base64, KeyValue, Run
from dedupaudit.notifying.message import Message, message_of

RUN = Run(
    id="20251224T080100Z-0a1b2c3d",
    command="audit",
    started_at="2025-12-24T08:01:00Z",
    finished_at="2025-12-24T08:02:00Z",
)
PROBLEM = Problem("duplicate_ids", "high", "db", "activities", {"id": "activity_1"}, "2025-12-24T08:01:00Z")
BROKEN = Unlooked("objects", "oss://bucket/shots/", "missing_object", "no answer from host", "2025-12-24T08:01:00Z")


def told(**news: Any) -> Message:
    return message_of(News(**news), RUN)


def problems(number: int, **changes: Any) -> tuple[Problem, ...]:
    return tuple(replace(PROBLEM, key={"id": f"activity_{at}"}, **changes) for at in range(number))


def test_a_new_problem_is_told_with_what_where_since_when_and_what_to_type_next() -> None:
    message = told(opened=1, opened_by_severity={"high": 1}, opened_first=(PROBLEM,))
    assert message.kind == "warning"
    assert message.title == "dedupaudit: 1 new problem (1 high)"
    assert "- high: duplicate_ids on db.activities: activity_1 (since 2025-12-24 08:01 UTC)" in message.body
    assert "dedupaudit history show 20251224T080100Z-0a1b2c3d" in message.body
    assert "dedupaudit explain activity_1" in message.body


def test_of_many_the_first_five_ids_stand_there_and_the_rest_is_counted() -> None:
    message = told(opened=1000, opened_by_severity={"high": 1000}, opened_first=problems(60))
    assert "activity_4 and 55 more" in message.body
    assert "activity_5" not in message.body
    assert "- and 940 others" in message.body


def test_severity_check_and_table_have_a_line_each_the_worst_first() -> None:
    low = replace(PROBLEM, severity="low", check="near_equal_ids")
    other = replace(PROBLEM, target="processes")
    body = told(opened=3, opened_by_severity={"high": 2, "low": 1}, opened_first=(low, other, PROBLEM)).body
    lines = [line for line in body.splitlines() if line.startswith("- ")]
    assert [line.split(":")[1].strip() for line in lines] == [
        "duplicate_ids on db.activities",
        "duplicate_ids on db.processes",
        "near_equal_ids on db.activities",
    ]


def test_what_is_gone_is_good_news() -> None:
    message = told(closed=1, closed_first=(PROBLEM,))
    assert message.kind == "success"
    assert message.title == "dedupaudit: 1 gone"
    assert "GONE\n- high: duplicate_ids on db.activities: activity_1" in message.body
    assert "explain" not in message.body


def test_what_could_not_be_looked_at_is_told_with_its_reason_and_when_it_can_again() -> None:
    message = told(unlooked=(BROKEN,))
    assert message.title == "dedupaudit: 1 place not checked"
    assert message.kind == "warning"
    assert "NOT CHECKED" in message.body
    assert "no answer from host" in message.body
    again = told(looked_again=(BROKEN,))
    assert again.title == "dedupaudit: 1 place checked again"
    assert again.kind == "success"


def test_many_new_problems_do_not_push_out_what_was_not_looked_at_and_what_is_gone() -> None:
    opened = tuple(replace(PROBLEM, target=f"a_table_with_a_long_name_{at}") for at in range(60))
    body = told(opened=60, opened_first=opened, unlooked=(BROKEN,), closed=1, closed_first=(PROBLEM,)).body
    assert "does not fit here" in body
    assert "no answer from host" in body
    assert "GONE\n- high: duplicate_ids on db.activities: activity_1" in body


@pytest.mark.parametrize("ident", ["-x", "$(id)", "a b", "a;b", "", "a\nb", "masked:0011", "é"])
def test_no_command_is_offered_with_an_id_that_a_shell_would_not_take_as_it_is(ident: str) -> None:
    assert "explain" not in told(opened=1, opened_first=(replace(PROBLEM, key={"id": ident}),)).body


@pytest.mark.parametrize(
    "value",
    ["<!channel>", "@all", "<b>x</b>", "[a](http://evil)", "http://evil.example", "`x`", "*x*", "~x~", "a|b", "#1"],
)
def test_no_value_mentions_links_or_formats(value: str) -> None:
    body = told(opened=1, opened_first=(replace(PROBLEM, key={"id": value}, target=value),)).body
    body = body.replace("`audit`", "")
    assert not re.search(r"[<>@#*`~|\[\]]|://", body)


VALUES = st.one_of(st.text(max_size=300), st.integers(), st.none(), st.builds(Base64, base64=st.just("AP8=")))
PROBLEMS = st.builds(
    Problem,
    check=st.text(max_size=80),
    severity=st.sampled_from(["high", "medium", "low"]),
    source=st.text(max_size=200),
    target=st.text(max_size=200),
    key=st.dictionaries(st.text(max_size=20), VALUES, max_size=3),
    since=st.text(max_size=40),
)
UNLOOKED = st.builds(
    Unlooked,
    source=st.text(max_size=200),
    target=st.text(max_size=200),
    check=st.text(max_size=80),
    reason=st.text(max_size=1000),
    since=st.text(max_size=40),
)
MANY = st.lists(PROBLEMS, max_size=60).map(tuple)


@given(MANY, MANY, st.lists(UNLOOKED, max_size=10).map(tuple), st.lists(UNLOOKED, max_size=10).map(tuple))
def test_it_fits_into_the_smallest_receiver_and_shows_everything_as_plain_text(
    opened: tuple[Problem, ...],
    closed: tuple[Problem, ...],
    unlooked: tuple[Unlooked, ...],
    again: tuple[Unlooked, ...],
) -> None:
    message = message_of(News(len(opened), {"high": len(opened)}, opened, len(closed), closed, unlooked, again), RUN)
    assert len(message.title.encode()) + len(message.body.encode()) <= 1500
    assert "history show 20251224T080100Z-0a1b2c3d" in message.body
    assert all(line == escape(line) for line in [message.title, *message.body.splitlines()])


def test_a_key_of_several_parts_is_told_whole() -> None:
    key: dict[str, KeyValue] = {"device": "d1", "number": 7, "raw": Base64(base64="AP8="), "none": None}
    assert "d1 7 base64:AP8= NULL" in told(opened=1, opened_first=(replace(PROBLEM, key=key),)).body
