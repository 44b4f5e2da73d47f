"""One folding says which keys are nearly equal: white space at the edges, case, width and composition go."""

from __future__ import annotations

import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dedupaudit.sources.tables.folding import WHITE_SPACE, fold

# Case folding these after NFKC leaves text that is not NFKC any more; how it was written must not matter all the same.
UNDONE = [
    character
    for character in map(chr, range(sys.maxunicode))
    if not unicodedata.is_normalized("NFKC", unicodedata.normalize("NFKC", character).casefold())
]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("a", "A"),
        ("a", " a\t\r\n"),
        ("a", "\u00a0a\u3000"),
        ("a", "\uff41"),
        ("caf\u00e9", "cafe\u0301"),
        ("\u00df", "SS"),
        ("\ufb01", "FI"),
        ("\u2460", "1"),
        ("\u017f", "S"),
        ("\u03c3", "\u03c2"),
        ("\ud55c", "\u1112\u1161\u11ab"),
    ],
)
def test_nearly_equal(one: str, other: str) -> None:
    assert fold(one) == fold(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [("a", "b"), ("a b", "ab"), ("e", "\u00e9"), ("a", "a\u200b"), ("a", "a\0"), ("1", "01"), ("", "\0")],
)
def test_not_even_nearly(one: str, other: str) -> None:
    assert fold(one) != fold(other)


def test_there_are_characters_that_case_folding_takes_out_of_nfkc_and_they_are_put_back() -> None:
    assert UNDONE
    for character in UNDONE:
        assert unicodedata.is_normalized("NFKC", fold(character))
        assert fold(character) == fold(unicodedata.normalize("NFD", character))


@given(st.text())
def test_white_space_and_case_at_the_edges_never_matter(text: str) -> None:
    assert fold(f" {text}\u3000") == fold(text)
    assert fold(text.strip()) == fold(text)
    assert fold(text.lower()) == fold(text.lower().strip())


def test_white_space_is_all_that_python_strips() -> None:
    assert set(WHITE_SPACE) == {character for character in map(chr, range(sys.maxunicode + 1)) if character.isspace()}
