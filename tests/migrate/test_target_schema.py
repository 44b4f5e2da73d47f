"""The target schema in words is the one in `sql/schema/`, and a difference of each kind is seen. No database."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dedupaudit.migrate.target import Difference, compare_table
from dedupaudit.migrate.target_create import statements
from dedupaudit.migrate.target_live import Live
from dedupaudit.migrate.target_schema import TARGET, affinity, plain_default
from dedupaudit.sources.tables.catalog import Catalog, Column, Index

SCREENSHOTS, ACTIVITIES, PROCESSES = TARGET
PRIMARY = Index("PRIMARY", ("id",), unique=True, primary=True)
CATALOG = Catalog(
    "activities",
    "`db`.`activities`",
    "table",
    (
        Column("id", "varchar(255)", nullable=False),
        Column("device_id", "varchar(255)", nullable=False),
        Column("type", "varchar(50)", nullable=False),
        Column("timestamp", "bigint(20)", nullable=False),
        Column("data", "longtext", json=True),
        Column("created_at", "datetime(3)"),
    ),
    ("id",),
    (PRIMARY, Index("by_device", ("device_id", "type")), Index("by_time", ("timestamp",))),
)
LIVE = Live(CATALOG, {"created_at": "current_timestamp(3)"})


def differences(live: Live) -> list[Difference]:
    return list(compare_table(ACTIVITIES, "activities", live, "mysql").differences)


def with_column(name: str, /, **changes: object) -> Live:
    columns = [replace(one, **changes) if one.name == name else one for one in CATALOG.columns]  # type: ignore[arg-type]
    return replace(LIVE, catalog=replace(CATALOG, columns=tuple(columns)))


def with_indexes(*indexes: Index) -> Live:
    return replace(LIVE, catalog=replace(CATALOG, indexes=indexes))


def test_a_table_as_the_target_has_it_differs_in_nothing() -> None:
    assert differences(LIVE) == []


def test_what_is_not_there_is_missing() -> None:
    assert compare_table(ACTIVITIES, "acts", None, "mysql").exists is False
    without = tuple(one for one in CATALOG.columns if one.name not in ("data", "device_id"))
    assert differences(replace(LIVE, catalog=replace(CATALOG, columns=without))) == [
        Difference("column", "device_id", None, "varchar(255)"),
        Difference("column", "data", None, "json"),
    ]


def test_a_view_is_no_table() -> None:
    assert differences(replace(LIVE, catalog=replace(CATALOG, kind="view"))) == [
        Difference("table", "activities", "view", "table")
    ]


@pytest.mark.parametrize(
    ("name", "changes", "difference"),
    [
        ("id", {"declared": "int(11)"}, Difference("type", "id", "int(11)", "varchar(255)")),
        ("id", {"declared": "varchar(2550)"}, Difference("type", "id", "varchar(2550)", "varchar(255)")),
        (
            "timestamp",
            {"declared": "bigint(20) unsigned"},
            Difference("type", "timestamp", "bigint(20) unsigned", "bigint"),
        ),
        ("data", {"json": False}, Difference("type", "data", "longtext", "json")),
        ("created_at", {"declared": "date"}, Difference("type", "created_at", "date", "timestamp")),
        ("type", {"nullable": True}, Difference("null", "type", "NULL", "NOT NULL")),
        ("data", {"nullable": False}, Difference("null", "data", "NOT NULL", "NULL")),
        ("timestamp", {"auto_increment": True}, Difference("default", "timestamp", "auto-increment", None)),
        ("type", {"generated": True}, Difference("default", "type", "generated", None)),
    ],
)
def test_a_column_that_is_otherwise(name: str, changes: dict[str, object], difference: Difference) -> None:
    assert differences(with_column(name, **changes)) == [difference]


def test_a_name_in_other_letters_is_the_same_column() -> None:
    assert differences(with_column("device_id", name="Device_ID")) == []


def test_defaults() -> None:
    assert differences(Live(CATALOG)) == [Difference("default", "created_at", None, "CURRENT_TIMESTAMP")]
    more = replace(LIVE, defaults={**LIVE.defaults, "type": "'click'", "data": "NULL"})
    assert differences(more) == [Difference("default", "type", "'click'", None)]


@pytest.mark.parametrize(
    ("written", "plain"),
    [
        (None, None),
        ("NULL", None),
        ("NULL::character varying", None),
        ("0", "0"),
        ("'0'", "0"),
        ("'-1'::integer", "-1"),
        ("(0)", "0"),
        ("((0))", "0"),
        ("(1) + (2)", "(1) + (2)"),
        ("now()", "CURRENT_TIMESTAMP"),
        ("now", "now"),
        ("CURRENT_TIMESTAMP(3)", "CURRENT_TIMESTAMP"),
        ("current_timestamp()", "CURRENT_TIMESTAMP"),
        ("datetime('now')", "CURRENT_TIMESTAMP"),
        ("(strftime('%Y', 'now'))", "CURRENT_TIMESTAMP"),
        ("'pending'::character varying", "'pending'"),
        ("nextval('s'::regclass)", "nextval('s'::regclass)"),
    ],
)
def test_a_default_is_compared_whatever_its_server_writes_around_it(written: str | None, plain: str | None) -> None:
    assert plain_default(written) == plain


@pytest.mark.parametrize(
    ("key", "has"), [((), None), (("type",), "type"), (("id", "type"), "id, type"), (("type", "id"), "type, id")]
)
def test_another_primary_key(key: tuple[str, ...], has: str | None) -> None:
    indexes = (*([Index("PRIMARY", key, unique=True, primary=True)] if key else []), *CATALOG.indexes[1:])
    live = replace(LIVE, catalog=replace(CATALOG, primary_key=key, indexes=indexes))
    assert differences(live) == [Difference("primary key", "", has, "id")]


@pytest.mark.parametrize(
    "index",
    [
        Index("i", ("type", "timestamp")),
        Index("i", ("timestamp",), valid=False),
        Index("i", ("timestamp",), ready=False),
        Index("i", ("timestamp",), partial=True),
        Index("i", ("timestamp",), prefix=True),
        Index("i", (None, "timestamp")),
    ],
)
def test_an_index_that_a_search_cannot_use_is_missing(index: Index) -> None:
    live = with_indexes(PRIMARY, CATALOG.indexes[1], index)
    assert differences(live) == [Difference("index", "", None, "timestamp")]


def test_an_index_on_a_column_that_is_not_there_is_not_asked_for_as_well() -> None:
    without = tuple(one for one in CATALOG.columns if one.name != "timestamp")
    live = replace(LIVE, catalog=replace(CATALOG, columns=without, indexes=CATALOG.indexes[:2]))
    assert [one.what for one in differences(live)] == ["column"]


@pytest.mark.parametrize(
    ("index", "redundant"),
    [
        (Index("again", ("id",), unique=True), True),
        (Index("again", ("id",)), False),
        (Index("again", ("id", "type"), unique=True), False),
        (Index("again", ("id",), unique=True, partial=True), False),
    ],
)
def test_a_unique_index_that_repeats_the_primary_key_is_waste(index: Index, redundant: bool) -> None:
    found = differences(with_indexes(*CATALOG.indexes, index))
    assert found == ([Difference("redundant index", "again", "id", None)] if redundant else [])


def test_columns_beside_the_target_and_another_key_are_told_and_are_no_difference() -> None:
    live = replace(LIVE, catalog=replace(CATALOG, columns=(*CATALOG.columns, Column("seq", "int"))))
    found = compare_table(ACTIVITIES, "activities", live, "mysql", ("seq",))
    assert (found.same, found.more, found.key) == (True, ("seq",), ("seq",))
    assert compare_table(ACTIVITIES, "activities", live, "mysql", ("ID",)).key is None


@pytest.mark.parametrize(
    ("declared", "found"),
    [
        ("VARCHAR(255)", "TEXT"),
        ("CHARINT", "INTEGER"),
        ("bigint", "INTEGER"),
        ("", "BLOB"),
        ("double", "REAL"),
        ("TIMESTAMP", "NUMERIC"),
        ("FLOATING POINT", "INTEGER"),
    ],
)
def test_affinities_of_sqlite(declared: str, found: str) -> None:
    assert affinity(declared) == found


def test_names_are_put_into_the_statements_quoted_and_nowhere_else() -> None:
    names = {"screenshots": '"s"."a; b"', "activities": '"activities"', "processes": '"screenshots"'}
    (text,) = statements("postgresql", names, '"s"')
    assert 'CREATE TABLE "s"."a; b" (' in text
    assert 'CREATE INDEX screenshots_device_id ON "s"."a; b" (device_id)' in text
    assert text.count('"s".screenshots_set_updated_at()') == 2
    assert 'CREATE TABLE "screenshots" (' in text
    assert [len(statements(dialect, names)) for dialect in ("mysql", "sqlite")] == [3, 7]
