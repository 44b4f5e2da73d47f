"""Foreign values become text in which everything can be seen, and nothing acts."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dedupaudit.display import csv_cell, escape, json_safe, to_ascii, visible

ANY_TEXT = st.text(st.characters(), max_size=400)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("activity_1766557428498", "activity_1766557428498"),
        ("\x1b[31mred", r"\x1b[31mred"),
        ("\x9b2J\x7f\x00", r"\x9b2J\x7f\x00"),
        ("a\nb\tc\r", r"a\nb\tc\r"),
        ("\u202eevil\u2066", r"\u202eevil\u2066"),
        ("a\u200bb\ufeff\u00ad", r"a\u200bb\ufeff\xad"),
        ("tag\U000e0041", r"tag\U000e0041"),
        ("filler\u3164 braille\u2800", r"filler\u3164 braille\u2800"),
        ("nbsp\u00a0", r"nbsp\xa0"),
        ("\ud800", r"\ud800"),
        ("\u0301mark", r"\u0301mark"),
        ("重新入队 é ａ 😀", "重新入队 é ａ 😀"),
        ("broken\ufffd", "broken\ufffd"),
        ("[bold]x[/bold]", "[bold]x[/bold]"),
        ("", '""'),
        ("   ", '"   "'),
        (" a", '" a"'),
        ("a ", '"a "'),
        (b"\x00\xff", "0x00ff"),
        (b"", "0x"),
        (None, "NULL"),
        (True, "true"),
        (-5, "-5"),
    ],
)
def test_what_cannot_be_seen_is_written_out(value: object, shown: str) -> None:
    assert visible(value) == shown


def test_a_long_value_keeps_both_ends_and_tells_its_length() -> None:
    shown = visible("start" + "x" * 5_000 + "end", limit=60)
    assert shown.startswith("startxx")
    assert "…" in shown
    assert shown.endswith("end (5,008 characters)")
    assert len(shown) <= 60


def test_long_bytes_are_cut_too() -> None:
    shown = visible(b"\x01" * 900, limit=60)
    assert shown.startswith("0x0101")
    assert shown.endswith("01 (900 bytes)")
    assert len(shown) <= 60


def test_a_long_value_with_a_space_at_its_end_is_quoted() -> None:
    assert '" (301 characters)' in visible("x" * 300 + " ")


@given(st.one_of(ANY_TEXT, st.binary(max_size=400), st.integers(), st.none()), st.integers(0, 200))
def test_every_value_is_one_printable_line_within_the_limit(value: object, limit: int) -> None:
    shown = visible(value, limit)
    assert shown.isprintable()
    assert len(shown) <= max(limit, 32)


@given(ANY_TEXT, st.integers(32, 200))
def test_showing_twice_changes_nothing(value: str, limit: int) -> None:
    once = visible(value, limit)
    assert visible(once, limit) == once


@given(ANY_TEXT)
def test_a_sentence_is_neither_cut_nor_quoted(text: str) -> None:
    escaped = escape(text)
    assert escaped.isprintable()
    assert len(escaped) >= len(text)
    assert escape(escaped) == escaped


@given(ANY_TEXT)
def test_ascii_is_ascii(text: str) -> None:
    assert to_ascii(visible(text)).isascii()


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n", "＝", "＠"])
def test_no_cell_begins_like_a_formula(start: str) -> None:
    assert csv_cell(start + "cmd").startswith("'")


@given(ANY_TEXT)
def test_a_cell_is_printable_and_no_formula_whatever_it_holds(text: str) -> None:
    cell = csv_cell(text)
    assert cell.isprintable()
    assert not cell.startswith(("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠"))
    assert csv_cell(cell) == cell


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=200))
def test_safe_json_is_the_same_document_and_one_line(text: str) -> None:
    safe = json_safe(json.dumps(text, ensure_ascii=False))
    assert json.loads(safe) == text
    assert len(safe.splitlines()) == 1
    assert not set(safe) & {chr(code) for code in [*range(0x20), *range(0x7F, 0xA0), *range(0x202A, 0x202F)]}
