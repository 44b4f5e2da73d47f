"""What passes the fence stays inside the parentheses that it is put into, however it is quoted."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from dedupaudit.errors import UsageError
from dedupaudit.sources.tables.fence import fence_condition

PIECES = (
    "'", '"', "`", "[", "]", "(", ")", ";", "--", "-", "/*", "*/", "#", "?", ":", "::", "@", "$", "\\", "\0", "\n",
    " ", "a", "id", "1", "=", "OR", "''", '""', "'x'", "SELECT 1", "UNION", "--\n", "/", "*", "\u00a0", "\u2019",
    "$$", "E'", "0x",
)  # fmt: skip
conditions = st.lists(st.sampled_from(PIECES), max_size=12).map("".join) | st.text(max_size=20)


def passes(condition: str) -> bool:
    try:
        fence_condition(condition, "tables.t.where")
    except UsageError:
        return False
    return True


def depths(condition: str) -> list[int] | None:
    """Return the depth after each character outside quotes, read one character at a time; None if a quote is open."""
    closing_of = {"'": "'", '"': '"', "`": "`", "[": "]"}
    depth, until, found = 0, "", [0]
    for character in condition:
        if until:
            until = "" if character == until else until
        elif character in closing_of:
            until = closing_of[character]
        else:
            depth += (character == "(") - (character == ")")
            found.append(depth)
    return None if until else found


@given(conditions)
@example("'a''b'")
@example("']' = [ ) ]")
@settings(max_examples=300)
def test_what_passes_never_leaves_its_parentheses(condition: str) -> None:
    assume(passes(condition))
    # A doubled quote ends one quotation and begins the next: the reading above needs no rule for it.
    found = depths(condition)
    assert found is not None
    assert min(found) == 0 == found[-1]


@given(conditions)
@settings(max_examples=300)
def test_what_passes_is_one_condition_to_sqlite_or_nothing(condition: str) -> None:
    assume(passes(condition))
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("CREATE TABLE t (id, a)")
        connection.execute("CREATE TABLE secret (word)")
        connection.execute("INSERT INTO secret VALUES ('word')")
        try:
            rows = connection.execute(f"SELECT 'mine' FROM t WHERE FALSE AND (\n{condition}\n) AND TRUE").fetchall()
        except (sqlite3.Error, sqlite3.Warning, UnicodeEncodeError):
            return
        # A condition that got out could make the statement say more than an empty table has.
        assert rows == []
        assert connection.total_changes == 1


@pytest.mark.parametrize(
    "condition",
    [
        "created_at >= '2025-12-01'",
        "note <> 'one; two'",
        "note <> ')'",
        "note NOT LIKE '%(%'",
        "note <> 'it''s'",
        "note <> 'a -- b' AND note <> '/* c */' AND note <> '#'",
        "note <> '? :name @name $1'",
        "created_at >= '2025-12-01'::date",
        "(data::jsonb)::text <> ''",
        '"odd "" name" = 1',
        "`odd `` name` = 1",
        "[odd (name] = 1",
        "tags[1] = 'x'",
        "id - -1 > 0",
        "a / b * c > 0",
        "id IN (SELECT id FROM other WHERE (x) = (y))",
        "\n  id = 1\n",
        "id = 'ｎｏｔ ASCII 😀'",
    ],
)
def test_conditions_that_must_pass(condition: str) -> None:
    assert passes(condition)


@pytest.mark.parametrize(
    ("condition", "words"),
    [
        ("", "empty"),
        (" \n\t", "empty"),
        ("1 = 1)", "closes a parenthesis"),
        (") OR (", "closes a parenthesis"),
        ("(1 = 1", "not closed"),
        ("1; DROP TABLE t", "';'"),
        ("1 -- x", "comments"),
        ("1 /* x */", "comments"),
        ("1 */", "comments"),
        ("1 # x", "comments"),
        ("a = 'x", "does not end"),
        ('a = "x', "does not end"),
        ("a = `x", "does not end"),
        ("a = [x", "does not end"),
        ("a = '''", "does not end"),
        ("a = ?", "parameter"),
        ("a = :b", "parameter"),
        ("a ::: b", "parameter"),
        ("a = @b", "parameter"),
        ("a = $1", "parameter"),
        ("a = $$x$$", "parameter"),
        ("a = 'x\\'", "backslash"),
        ("a = 'x\0'", "NUL"),
    ],
)
def test_conditions_that_are_refused_say_where_why_and_what_to_write(condition: str, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        fence_condition(condition, "dedupaudit.toml: tables.t.where")
    assert caught.value.message.startswith("dedupaudit.toml: tables.t.where: ")
    assert words in caught.value.message
    assert "one plain SQL condition" in caught.value.hint
    assert caught.value.exit_code == 2
