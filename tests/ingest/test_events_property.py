"""Any sequence of writes and batches equals a dict: the first payload wins, equal is a duplicate, other a collision."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dedupaudit.ingest import Activity, ActivityWriter, IdCollision, Stored
from tests.ingest.databases import NAMES, Database, open_database

HOSTILE = [
    "activity_1", "Activity_1", "activity_1 ", " activity_1", "a'b", 'a"b', "a`b", "a\\", "%s", "%(id)s", "?", ":id",
    "$1", "x' for key 'PRIMARY", "a\nb", "\x1b[31m", "\u202eabc", "é", "e\u0301", "ａ", "😀", "0", "00", "1e3", "NULL",
    "x" * 255, "😀" * 255, "../etc", "a;DROP TABLE activities", "--", "/*", "{}",
]  # fmt: skip
# NUL has its own test: PostgreSQL takes none.
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=255)
IDS = st.sampled_from(HOSTILE) | TEXTS.filter(lambda text: bool(text) and not text.isspace())
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=5,
)
# Few IDs and payloads, so that they meet.
SOME = st.tuples(st.lists(IDS, min_size=1, max_size=4), st.lists(JSON, min_size=1, max_size=3))


@st.composite
def steps(draw: st.DrawFn) -> list[list[Activity]]:
    """Draw calls; one of a single event is a write."""
    ids, payloads = draw(SOME)
    events = st.builds(
        Activity,
        st.sampled_from(ids),
        st.sampled_from(["d1", "d'2"]),
        st.sampled_from(["click", "key"]),
        st.sampled_from([0, -(2**63), 2**63 - 1]),
        st.sampled_from(payloads),
    )
    return draw(st.lists(st.lists(events, min_size=1, max_size=6), min_size=1, max_size=6))


def same(one: Any, other: Any) -> bool:
    """Say whether two JSON values are one: numbers by their value, and true is no number."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, int | float) and isinstance(other, int | float):
        return one == other
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(value, other[key]) for key, value in one.items())
    return type(one) is type(other) and bool(one == other)


def expected(model: dict[str, Activity], event: Activity) -> str:
    """Change the model as the event should change the table, and say what the writer should answer."""
    if event.id not in model:
        model[event.id] = event
        return "stored"
    first = model[event.id]
    plain = (first.device_id, first.type, first.timestamp) == (event.device_id, event.type, event.timestamp)
    return "duplicate" if plain and same(first.data, event.data) else "collision"


def answers(writer: ActivityWriter, call: list[Activity]) -> list[str]:
    """Write, and say what the writer answered."""
    outcomes: list[object] = []
    if len(call) == 1:
        try:
            outcomes = [writer.write(call[0])]
        except IdCollision as error:
            outcomes = [error]
    else:
        outcomes = list(writer.write_batch(call))
    said = []
    for outcome in outcomes:
        if isinstance(outcome, Stored):
            said.append("duplicate" if outcome.duplicate else "stored")
        else:
            assert isinstance(outcome, IdCollision), outcome
            said.append("collision")
    return said


@pytest.fixture(scope="module", params=NAMES)
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """Give a database for all cases; each empties the table."""
    opened = open_database(request.param, Path(tmp_path_factory.mktemp("property")))
    yield opened
    opened.engine.dispose()


@settings(max_examples=25)
@given(calls=steps())
def test_writes_and_batches_equal_a_dict(place: Database, calls: list[list[Activity]]) -> None:
    check(place, calls)


@pytest.mark.slow
@settings(max_examples=300)
@given(calls=steps())
def test_many_writes_and_batches_equal_a_dict(place: Database, calls: list[list[Activity]]) -> None:
    check(place, calls)


def check(place: Database, calls: list[list[Activity]]) -> None:
    place.run("DELETE FROM activities")
    writer = ActivityWriter(place.engine)
    model: dict[str, Activity] = {}
    for call in calls:
        wanted = [expected(model, event) for event in call]
        assert answers(writer, call) == wanted
    rows = place.ask("SELECT id, device_id, type, timestamp FROM activities")
    assert sorted(rows) == sorted((one.id, one.device_id, one.type, one.timestamp) for one in model.values())
