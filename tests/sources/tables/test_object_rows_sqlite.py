"""What SQLite's rows say of their objects: columns of any type, text that does not decode, keys found by an index."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from itertools import combinations
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dedupaudit.config import TableSettings
from dedupaudit.sources.tables.catalog import Catalog, Column
from dedupaudit.sources.tables.object_rows import BATCH, KEYS, bytes_of
from dedupaudit.sources.tables.protocol import Undecodable, Value
from dedupaudit.sources.tables.sqlite_objects import token_maker
from dedupaudit.sources.tables.table import Table
from tests.conformance.sqlite import Sqlite
from tests.conformance.strategies import OF_TYPE
from tests.conformance.tables import Col, RawText, Stored
from tests.conftest import SqliteDb
from tests.sources.tables.opened import all_rows, opened

HOSTILE: tuple[Stored, ...] = (
    *("", " ", "\t \n", "\u3000", "\u00a0a", " a", "\u2009", "\x1f", "\x7f", "!", "a", "A", "a ", "a\0", "a\0b"),
    *("a\0c", "it's", '"', "\\", "a\nb", "%", "+", "a//b", "../x", "😀", "é", "e\u0301", "\u1680k", "\u205f"),
    *("k" * 1023, "\ufeff", "0", "1", "1.0", "-5", "1e0", "\x85", "\x86", "Z", "~", "\U0010ffff"),
    *(None, 0, 1, 1.0, -5, 2.5, float("inf"), b"", b"a", b"\xff", b"   "),
    *(RawText(b"\xff"), RawText(b"a\xff"), RawText(b"\xed\xa0\x80"), RawText(b" \xff"), RawText(b"\xe3\x80")),
)  # fmt: skip
KEYS_ASKED = (
    *(value for value in HOSTILE if isinstance(value, str)),
    *("\udcff", "a\udcff", "\ud800", "\udced\udca0\udc80", " \udcff", "missing"),
)


def made(folder: Path, declared: str, values: list[Stored], *, index: bool, encoding: str = "UTF-8") -> str:
    path = folder / "app.db"
    path.unlink(missing_ok=True)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA encoding = '{encoding}'")
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute(f"CREATE TABLE t (id INTEGER PRIMARY KEY, oss_key {declared})")
        for value in values:
            mark = "CAST(? AS TEXT)" if isinstance(value, RawText) else "?"
            raw = value.raw if isinstance(value, RawText) else value
            connection.execute(f"INSERT INTO t (oss_key) VALUES ({mark})", (raw,))
        if index:
            connection.execute("CREATE INDEX i ON t (oss_key)")
        connection.commit()
    return f"sqlite:///{path}"


def is_wanted(value: Value, keys: frozenset[bytes]) -> bool:
    """Say whether a row must be found: its key is one of these byte for byte, or it has none."""
    if isinstance(value, Undecodable):
        return value.raw in keys
    if not isinstance(value, str):
        return True
    return not value.strip() or value.encode("utf-8", "surrogatepass") in keys


@given(
    values=st.lists(st.sampled_from(HOSTILE), max_size=20),
    keys=st.lists(st.sampled_from(KEYS_ASKED), max_size=12),
    declared=st.sampled_from(["TEXT", "TEXT COLLATE NOCASE", "TEXT COLLATE RTRIM", "", "INTEGER", "REAL", "BLOB"]),
    index=st.booleans(),
    encoding=st.sampled_from(["UTF-8", "UTF-8", "UTF-16le", "UTF-16be"]),
)
def test_rows_with_certain_keys_and_those_without_any_are_found_once_each(
    values: list[Stored], keys: list[str], declared: str, index: bool, encoding: str
) -> None:
    if encoding != "UTF-8":
        values = [value for value in values if not isinstance(value, RawText)]
    with TemporaryDirectory() as folder:
        url = made(Path(folder), declared, values, index=index, encoding=encoding)
        with opened(url) as (source, table):
            everything = all_rows(source, table)
            found = all_rows(source, table, keys=keys)
    raw = frozenset(one for key in keys if (one := bytes_of(key)) is not None)
    assert len(everything) == len(values)
    assert {row for row in everything if is_wanted(row.object_key, raw)} == set(found)
    assert len(found) == len({row.key for row in found})


@pytest.mark.parametrize("declared", ["TEXT", "TEXT COLLATE NOCASE", "TEXT COLLATE RTRIM", "VARCHAR(9)", ""])
def test_few_keys_are_looked_up_in_an_index(tmp_path: Path, declared: str) -> None:
    url = made(tmp_path, declared, [*HOSTILE, *(f"key {number}" for number in range(300))], index=True)
    statements: list[str] = []
    with opened(url) as (source, table):
        connection = source._connection  # type: ignore[attr-defined]  # the source's own
        connection.set_trace_callback(statements.append)
        all_rows(source, table, keys=["key 7", "missing"])
        connection.set_trace_callback(None)
    statement = next(text for text in statements if "oss_key" in text and " IN " in text)
    with closing(sqlite3.connect(tmp_path / "app.db")) as connection:
        plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}")]
    assert not [step for step in plan if step.startswith("SCAN")]
    assert [step for step in plan if "INDEX i " in step]


def test_more_keys_than_a_statement_takes_repeat_no_row(tmp_path: Path) -> None:
    keys = [f"{letter}{number}" for number in range(KEYS) for letter in "kK"]
    url = made(tmp_path, "TEXT COLLATE NOCASE", [*keys, None, "", " ", b"x", " k"], index=True)
    with opened(url) as (source, table):
        found = all_rows(source, table, keys=[*keys, *keys, " k"])
    assert sorted(row.key for row in found) == [(number,) for number in range(1, 2 * KEYS + 6)]


def test_text_that_does_not_decode_far_down_neither_loses_nor_repeats_a_row(tmp_path: Path) -> None:
    values: list[Stored] = [f"key {number}" for number in range(BATCH * 2)]
    values[BATCH + 7] = RawText(b"a\xff")
    with opened(made(tmp_path, "TEXT", values, index=False)) as (source, table):
        batches = source.object_rows(table)
        first = next(batches)
        # The first batch was read in another way than the next: what is asked between them is not confused.
        assert source.is_empty(table) is False
        rows = [*first, *(row for batch in batches for row in batch)]
    assert [row.key for row in rows] == [(number + 1,) for number in range(BATCH * 2)]
    assert rows[BATCH + 7].object_key == Undecodable(b"a\xff")
    assert rows[BATCH + 8].object_key == f"key {BATCH + 8}"


def test_each_column_has_its_place_and_what_the_table_lacks_is_none(sqlite_db: SqliteDb) -> None:
    path = sqlite_db(
        "CREATE TABLE t (id TEXT, part INTEGER, device_id TEXT, status TEXT, oss_url TEXT, file_size, etag BLOB,"
        " created_at, updated_at TEXT, shown INTEGER, PRIMARY KEY (part, id)) WITHOUT ROWID;"
        "INSERT INTO t VALUES ('a', 1, 'd1', 'completed', 'http://x/y', 12, x'00ff', 1766557428498, '2025-12-24', 1);"
        "INSERT INTO t VALUES ('b', 2, NULL, NULL, NULL, '12 kB', NULL, '0000-00-00', NULL, NULL);"
    )
    settings = TableSettings(key=("id", "part"), where="shown = 1")
    with opened(f"sqlite:///{path}", settings) as (source, table):
        first, second = sorted(all_rows(source, table, ("device_id", "part")), key=lambda row: row.key[0] == "b")
    assert first == (
        *(True, None, ("a", 1), (1, "a"), "completed", None, "http://x/y", 12, b"\x00\xff"),
        *(1766557428498, "2025-12-24", ("d1", 1)),
    )  # fmt: skip
    assert second == (
        *(False, None, ("b", 2), (2, "b"), None, None, None, "12 kB", None, "0000-00-00", None, (None, 2)),
    )  # fmt: skip


def test_a_view_has_no_locator(sqlite_db: SqliteDb) -> None:
    path = sqlite_db(
        "CREATE TABLE h (id TEXT, oss_key TEXT); INSERT INTO h VALUES ('a', 'k'); CREATE VIEW t AS SELECT * FROM h"
    )
    with opened(f"sqlite:///{path}") as (source, table):
        [row] = all_rows(source, table)
        assert (row.locator, row.object_key) == ((), "k")
        assert all_rows(source, table, keys=["k"]) == [row]


@pytest.mark.parametrize("declared", ["TEXT", "VARCHAR(20)", "INTEGER", "BIGINT"])
def test_where_the_bytes_tell_no_token_is_made(declared: str) -> None:
    assert token_maker(table_of(("id", declared, "BINARY"))) is None


def test_of_a_collation_that_only_the_application_knows_no_token_is_made() -> None:
    assert token_maker(table_of(("id", "TEXT", "PINYIN"))) is None


def table_of(*columns: tuple[str, str, str]) -> Table:
    key = tuple(Column(name, declared, collation=collation) for name, declared, collation in columns)
    return Table("db", "t", Catalog("t", '"t"', "table", key), key, key)


@pytest.mark.parametrize(
    ("kind", "declared"), [("any", ""), ("text", "TEXT"), ("real", "REAL"), ("bytes", "BLOB")], ids=str
)
@pytest.mark.parametrize("collation", ["", "NOCASE", "RTRIM"])
def test_tokens_are_equal_where_a_unique_index_says_equal(kind: str, declared: str, collation: str) -> None:
    column = Col("id", kind, collation)  # type: ignore[arg-type]  # one of its literals
    token = token_maker(table_of(("id", declared, collation or "BINARY")))
    values = [*OF_TYPE[column.type], *(HOSTILE if kind == "any" else ())]
    distinct = {(type(value), repr(value)): value for value in values if value is not None}
    for first, second in combinations(distinct.values(), 2):
        if token is None:
            assert not Sqlite().equal([column], [first], [second], "plain")
            continue
        same = token((shown(first),)) == token((shown(second),))
        assert same == Sqlite().equal([column], [first], [second], "plain"), (first, second)


def test_a_token_of_two_columns_keeps_them_apart_and_null_has_none() -> None:
    token = token_maker(table_of(("a", "TEXT", "NOCASE"), ("b", "TEXT", "BINARY")))
    assert token is not None
    assert token(("a", "bc")) != token(("ab", "c"))
    assert token(("A", "b")) == token(("a", "b")) != token(("a", "B"))
    assert token(("a", None)) is None


def shown(value: Stored) -> Value:
    if isinstance(value, RawText):
        return Undecodable(value.raw)
    return value
