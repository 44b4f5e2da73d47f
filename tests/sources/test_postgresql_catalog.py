"""PostgreSQL's catalog rows as columns, types, indexes and a way to read: recorded facts, no server."""

from __future__ import annotations

from typing import Any

import pytest

from dedupaudit.errors import UsageError
from dedupaudit.sources.tables.catalog import Catalog, Column, shortfall
from dedupaudit.sources.tables.postgresql_catalog import Description, Relation, choose, read_columns, read_indexes
from dedupaudit.sources.tables.postgresql_sql import is_kind, literal, quote, token_of, value_literal
from dedupaudit.sources.tables.postgresql_strategy import SMALL, choose_way
from dedupaudit.sources.tables.postgresql_types import ColumnType, hash_call, is_bytewise, shown
from dedupaudit.sources.tables.protocol import Undecodable
from dedupaudit.sources.tables.table import Table

CITEXT = ("ext", "citext_hash_extended", "ext", "=")
TEXT = ("pg_catalog", "hashtextextended", "pg_catalog", "=")
INTEGER = ("pg_catalog", "hashint8extended", "pg_catalog", "=")
ROWS: list[tuple[Any, ...]] = [
    ("pk", "bigint", True, False, True, 20, "int8", "N", "b", "", True, *INTEGER),
    ("id", "character varying(255)", False, False, False, 1043, "varchar", "S", "b", "default", True, *TEXT),
    ("loose", "text", False, False, False, 25, "text", "S", "b", "ci", False, *TEXT),
    ("name", "citext", False, False, False, 16400, "citext", "S", "b", "default", True, *CITEXT),
    ("data", "json", False, False, False, 114, "json", "U", "b", "", True, None, None, None, None),
    ("raw", "bytea", False, False, False, 17, "bytea", "U", "b", "", True, None, None, "pg_catalog", "="),
]  # fmt: skip
COLUMNS, TYPES = read_columns(ROWS)
BY_NAME = {column.name: column for column in COLUMNS}


def index_row(
    name: str, column: str | None, *, unique: bool = True, primary: bool = False, valid: bool = True,
    ready: bool = True, partial: bool = False, collation: str = "", opclass: str = "", method: str = "btree",
) -> tuple[Any, ...]:  # fmt: skip
    return (name, method, unique, primary, valid, ready, partial, column, collation, opclass)


def description(rows: list[tuple[Any, ...]], key: str, estimate: int | None = 5_000_000) -> tuple[Description, Table]:
    indexes = read_indexes(rows, COLUMNS)
    primary = tuple(str(index.columns[0]) for index in indexes if index.primary)
    catalog = Catalog("t", '"public"."t"', "table", COLUMNS, primary, indexes, estimate)
    described = Description(
        Relation(1, "public", "t", "r", True, False),
        catalog,
        TYPES,
        frozenset(row[0] for row in rows if row[1] == "btree" and row[4]),
    )
    return described, Table("db", "t", catalog, (BY_NAME[key],), ())


def test_columns_say_what_equality_is() -> None:
    assert [column.name for column in COLUMNS if column.bytewise] == ["pk", "id", "raw"]
    assert BY_NAME["data"].json
    assert BY_NAME["pk"].auto_increment
    assert not BY_NAME["pk"].nullable


@pytest.mark.parametrize(
    ("oid", "exact", "expected"),
    [(25, True, True), (25, False, False), (1042, True, False), (1700, True, False), (2950, True, True)],
)
def test_padded_text_numbers_with_scales_and_loose_collations_are_not_bytewise(
    oid: int, exact: bool, expected: bool
) -> None:
    assert is_bytewise(oid, "b", deterministic=exact) is expected


@pytest.mark.parametrize(
    ("row", "column", "words"),
    [
        (index_row("i", "id", unique=False), "id", "not unique"),
        (index_row("i", "id", valid=False), "id", "not valid"),
        (index_row("i", "id", ready=False), "id", "not valid"),
        (index_row("i", "id", partial=True), "id", "partial"),
        (index_row("i", None), "id", "expression"),
        (index_row("i", "loose", collation="C"), "loose", "it compares loose by C"),
        (index_row("i", "name", collation="default", opclass="text_ops"), "name", "it compares name by"),
    ],
)
def test_an_index_that_protects_nothing_says_why(row: tuple[Any, ...], column: str, words: str) -> None:
    (index,) = read_indexes([row], COLUMNS)
    found = shortfall(index, (BY_NAME[column],))
    assert found is not None
    assert words in found


def test_an_index_of_several_columns_is_one() -> None:
    (index,) = read_indexes([index_row("i", "id"), index_row("i", "pk")], COLUMNS)
    assert index.columns == ("id", "pk")


def test_an_index_of_a_parent_does_not_hold_the_rows_of_tables_that_inherit() -> None:
    (index,) = read_indexes([index_row("i", "id")], COLUMNS, covers_all=False)
    assert "partial" in (shortfall(index, (BY_NAME["id"],)) or "")


def test_names_are_found_exactly_first_and_then_by_case() -> None:
    lower = Relation(1, "public", "t", "r", True, False)
    upper = Relation(2, "public", "T", "r", True, False)
    hidden = Relation(3, "app", "t", "r", False, False)
    assert choose([lower, upper], "T", False) is upper
    assert choose([upper], "t", False) is upper
    assert choose([lower, hidden], "t", False) is lower
    assert choose([hidden], "t", False) is hidden
    assert choose([], "t", False) is None


def test_a_table_of_several_schemas_that_none_searches_must_be_named_whole() -> None:
    found = [Relation(1, "a", "t", "r", False, False), Relation(2, "b", "t", "r", False, False)]
    with pytest.raises(UsageError, match="in several schemas"):
        choose(found, "t", False)


def test_no_name_and_no_value_leaves_its_quotes() -> None:
    assert quote('a"b') == '"a""b"'
    assert literal("it's \\") == "'it''s \\'"
    assert value_literal(b"\x00'") == "'\\x0027'::pg_catalog.bytea"
    assert value_literal(Undecodable(b"\xff'")) == "'\udcff'''"
    assert is_kind("k", None) == "(k) IS NULL"


def test_tokens_are_made_by_the_hash_of_the_types_own_index() -> None:
    _described, table = description([], "name")
    assert token_of(table, TYPES) == '"ext"."citext_hash_extended"("public"."t"."name", 0)'
    assert hash_call('"raw"', TYPES["raw"], "0") == "pg_catalog.hashtextextended(pg_catalog.encode(\"raw\", 'hex'), 0)"
    assert hash_call('"data"', TYPES["data"], "0") is None
    assert shown('"n"', ColumnType(1700, "numeric", None, "=")) == 'pg_catalog.trim_scale("n")::pg_catalog.text'


PK = index_row("t_pkey", "pk", primary=True)
BY_ID = index_row("by_id", "id", unique=False)


@pytest.mark.parametrize(
    ("rows", "estimate", "version", "expected"),
    [
        ([PK], 5_000_000, 150_018, "snapshot"),
        ([PK], SMALL - 1, 150_018, "pushdown"),
        ([PK], None, 150_018, "snapshot"),
        ([PK, BY_ID], 5_000_000, 150_018, "pushdown"),
        ([PK, index_row("by_id", "id", method="hash", unique=False)], 5_000_000, 150_018, "snapshot"),
        ([PK, index_row("by_id", "id", partial=True)], 5_000_000, 150_018, "snapshot"),
        ([PK], 5_000_000, 130_020, "snapshot"),
        ([], 5_000_000, 130_020, "pushdown"),
    ],
)
def test_auto_chooses_by_index_size_and_version(
    rows: list[tuple[Any, ...]], estimate: int | None, version: int, expected: str
) -> None:
    described, table = description(rows, "id", estimate)
    way = choose_way(table, described, "auto", version)
    assert way.strategy == expected
    assert way.why


def test_a_key_without_a_hash_is_grouped_by_the_server_and_the_report_says_so() -> None:
    described, table = description([PK], "data")
    way = choose_way(table, described, "snapshot", 150_018)
    assert way.strategy == "pushdown"
    assert "no hash function" in way.why


def test_the_engine_that_was_asked_for_is_taken() -> None:
    described, table = description([PK, BY_ID], "id")
    assert choose_way(table, described, "snapshot", 150_018).strategy == "snapshot"
    assert choose_way(table, described, "pushdown", 150_018).strategy == "pushdown"


def test_a_column_is_what_the_catalog_calls_it() -> None:
    assert BY_NAME["id"] == Column("id", "character varying(255)", collation="default")
