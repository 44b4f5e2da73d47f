"""The small writer of commented TOML: whatever text goes in, a reader of TOML gets it back, and a comment stays one."""

from __future__ import annotations

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dedupaudit.commands.toml_text import header, prose, setting, toml_key, toml_string

TEXT = st.text(st.characters(exclude_categories=["Cs"])) | st.text(
    st.sampled_from("\"'\\\n\r\t\x00\x1b\x7f\u2028#[]= a.é")
)


@given(TEXT, TEXT, st.lists(TEXT))
def test_what_is_written_is_read_back(table: str, key: str, values: list[str]) -> None:
    text = "\n".join([header("tables", table), setting(key, values, "a remark")])
    assert tomllib.loads(text) == {"tables": {table: {key: values}}}


@given(TEXT)
def test_a_string_is_one_line_of_what_can_be_seen(text: str) -> None:
    assert toml_string(text).isprintable()


@given(TEXT)
def test_prose_is_comment_and_nothing_else(text: str) -> None:
    lines = prose(text)
    assert all(line.startswith("# ") and line.isprintable() for line in lines)
    assert tomllib.loads("\n".join(lines)) == {}


def test_a_setting_is_switched_off_by_its_first_character() -> None:
    assert setting("key", ["id"], off=True) == '#key = ["id"]'
    assert header("tables", "a b", off=True) == '#[tables."a b"]'


def test_only_what_needs_quotes_has_them() -> None:
    assert [toml_key(key) for key in ("a-b_1", "", "a.b", "é")] == ["a-b_1", '""', '"a.b"', '"é"']


def test_half_a_surrogate_pair_is_refused() -> None:
    with pytest.raises(UnicodeEncodeError):
        toml_string("\ud800")
