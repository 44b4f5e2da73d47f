"""JSON is compared as the value it stands for, and only where every reader would agree on that value."""

from __future__ import annotations

import json
from decimal import Decimal
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dedupaudit.sources.tables.payload import PayloadHash, canonical_json

numbers = (
    st.integers() | st.integers(-3, 3) | st.sampled_from(["1.0", "1e0", "10e-1", "0.1", "-0", "-0.0", "1e2", "100"])
)
scalars = st.none() | st.booleans() | numbers.map(lambda number: Decimal(str(number))) | st.text(max_size=4)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=3),
    max_leaves=8,
)


def equal(first: Any, second: Any) -> bool:
    """Compare two values naively: by kind, then part by part."""
    if type(first) is not type(second):
        return False
    if isinstance(first, list):
        return len(first) == len(second) and all(map(equal, first, second))
    if isinstance(first, dict):
        return first.keys() == second.keys() and all(equal(first[name], second[name]) for name in first)
    return bool(first == second)


def write(value: Any, random: Random) -> str:
    """Write a value in one of the many ways that JSON has."""
    space = random.choice(["", " ", "\n\t"])
    if isinstance(value, Decimal):
        return random.choice([str(value), f"{value:e}"]).replace("E", random.choice("eE"))
    if isinstance(value, list):
        return f"[{space}" + f"{space},".join(write(one, random) for one in value) + f"{space}]"
    if isinstance(value, dict):
        names = list(value)
        random.shuffle(names)
        pairs = [f"{json.dumps(name)}{space}:{space}{write(value[name], random)}" for name in names]
        return "{" + space + f",{space}".join(pairs) + space + "}"
    return json.dumps(value, ensure_ascii=random.choice([True, False]))


@given(values, values, st.randoms(use_true_random=False))
def test_texts_are_equal_just_when_the_values_are(first: Any, second: Any, random: Random) -> None:
    one, other = canonical_json(write(first, random)), canonical_json(write(second, random))
    assert one is not None
    assert other is not None
    assert (one == other) == equal(first, second)


@given(values, st.randoms(use_true_random=False))
def test_every_way_of_writing_a_value_gives_one_text_and_one_hash(value: Any, random: Random) -> None:
    one, other = write(value, random), write(value, random)
    assert canonical_json(one) == canonical_json(other)
    hashing = PayloadHash()
    assert hashing.of_json(one) == hashing.of_json(other)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "NaN",
        "[Infinity]",
        "[-Infinity]",
        '{"a":1,"a":1}',
        '[{"a":1,"\\u0061":2}]',
        "\ufeff1",
        "1 2",
        "'a'",
        "[1,]",
        "01",
        "[" * 100_000,
        "[" * 100_000 + "]" * 100_000,
        "1e" + "9" * 40,
    ],
)
def test_what_readers_do_not_agree_on_has_no_value(text: str) -> None:
    assert canonical_json(text) is None


def test_what_has_no_value_is_compared_as_text() -> None:
    hashing = PayloadHash()
    assert hashing.of_json("{") == hashing.of_json("{")
    assert hashing.of_json("{") != hashing.of_json("{ ")
    assert hashing.of_json('{"a":1,"a":2}') != hashing.of_json('{"a":2}')


def test_a_number_keeps_every_digit() -> None:
    assert canonical_json("9007199254740993") != canonical_json("9007199254740992")
    assert canonical_json("1" * 5_000) == canonical_json("1" * 5_000 + ".0")
    assert canonical_json("1e400") != canonical_json("1e401")


def test_a_hash_is_of_one_run_and_of_one_kind() -> None:
    one, other = PayloadHash(), PayloadHash()
    assert one.of_bytes("text", b"x") == one.of_bytes("text", b"x")
    assert one.of_bytes("text", b"x") != one.of_bytes("blob", b"x")
    assert one.of_bytes("text", b"x") != other.of_bytes("text", b"x")
    assert one.of_json('"a"') != one.of_bytes("text", b'"a"')
    assert len(one.of_json("[]")) == 32


def test_a_lone_surrogate_is_a_value_like_any_other() -> None:
    assert canonical_json('"\\ud800"') == canonical_json('"\\uD800"')
    assert canonical_json('"\\ud800"') != canonical_json('"\\ud801"')
    assert PayloadHash().of_json('"\\ud800"')
    assert PayloadHash().of_json("\ud800")
