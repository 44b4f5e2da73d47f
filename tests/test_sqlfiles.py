"""The SQL files: each can be read by a person, is filled once, and has no placeholder that nobody fills."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from dedupaudit.sources.tables.catalog import Catalog, Column
from dedupaudit.sources.tables.sqlite_sql import fragments
from dedupaudit.sources.tables.table import Table
from dedupaudit.sqlfiles import fill, sql_root, sql_text

FILES = sorted((Path(__file__).parent.parent / "sql").rglob("*.sql"))
# Filled by each query for itself.
PER_QUERY = {"counts", "condition", "rowids", "columns", "select"}


def test_there_are_sql_files_and_the_program_finds_them() -> None:
    assert FILES
    assert sql_root() == Path(__file__).parent.parent / "sql"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_each_file_says_in_its_header_what_it_is_for(path: Path) -> None:
    assert re.match(r"-- [A-Z0-9].*\S", path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_the_header_is_not_sent_to_the_server_and_the_statement_is_one(path: Path) -> None:
    text = sql_text(path.relative_to(sql_root()).as_posix())
    assert text
    assert "--" not in text
    if path.parent == sql_root() / "schema":
        # A person runs the whole file; so its last statement is ended too.
        assert text.endswith(";")
    else:
        assert ";" not in outside_bodies(text)


def outside_bodies(text: str) -> str:
    """Return a statement without the bodies of functions and triggers, which hold statements of their own."""
    dollars = re.sub(r"(\$[\w{}]*\$).*?\1", "", text, flags=re.DOTALL)
    body = r"\bBEGIN\b.*\bEND\Z|\bIF\b.*\bEND IF\Z"
    return re.sub(body, "", dollars, flags=re.DOTALL) if "CREATE TRIGGER" in text else dollars


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("SELECT 1; SELECT 2", "SELECT 1; SELECT 2"),
        ("AS $$ a; b $$ x; y", "AS  x; y"),
        ("AS ${tag}$ a; $$ b; ${tag}$", "AS "),
        ("CREATE TRIGGER t BEGIN a; END", "CREATE TRIGGER t "),
        ("CREATE TRIGGER t BEGIN a; END; SELECT 1", "CREATE TRIGGER t BEGIN a; END; SELECT 1"),
        ("CREATE TRIGGER t FOR EACH ROW\nIF a THEN\n b;\nEND IF", "CREATE TRIGGER t FOR EACH ROW\n"),
        ("CREATE TRIGGER t IF a THEN b; END IF; SELECT 1", "CREATE TRIGGER t IF a THEN b; END IF; SELECT 1"),
        ("BEGIN; SELECT 1; END", "BEGIN; SELECT 1; END"),
    ],
)
def test_only_a_body_may_hold_several_statements(text: str, left: str) -> None:
    assert outside_bodies(text) == left


@pytest.mark.parametrize("path", sorted((sql_root() / "scan" / "sqlite").rglob("*.sql")), ids=lambda path: path.name)
def test_every_placeholder_is_one_that_the_source_fills(path: Path) -> None:
    column = Column("id", "TEXT")
    table = Table("db", "t", Catalog("t", '"t"', "table", (column,)), (column,), (column,))
    known = set(fragments(table, "rowid", ("rowid",)))
    assert set(re.findall(r"\{(\w+)\}", sql_text(path.relative_to(sql_root()).as_posix()))) <= known | PER_QUERY


def test_what_is_filled_in_is_not_filled_again() -> None:
    assert fill("{one} {two}", {"one": "{two} {three}", "two": r"\1 {one}"}) == r"{two} {three} \1 {one}"


def test_a_placeholder_that_nobody_fills_is_an_error() -> None:
    with pytest.raises(KeyError):
        fill("{one}", {})
