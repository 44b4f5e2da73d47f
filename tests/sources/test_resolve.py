"""The configuration is laid over the catalog: usual names, what is switched off, and an error for each wrong name."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from dedupaudit.config import Settings, TableSettings
from dedupaudit.errors import UsageError
from dedupaudit.sources.tables.resolve import resolve
from dedupaudit.sources.tables.table import Table
from tests.conformance.running import configured, source_of
from tests.conftest import SqliteDb

SCREENSHOTS = (
    "CREATE TABLE screenshots (n INTEGER PRIMARY KEY, screenshot_id TEXT, device_id TEXT, type TEXT, oss_key TEXT,"
    " oss_url TEXT, status TEXT, file_size INT, retry_count INT, created_at TEXT, updated_at TEXT,"
    " twice INT AS (file_size * 2))"
)


def resolved(path: Path, name: str = "screenshots", /, *, file: Path | None = None, **settings: Any) -> Table:
    tables = {name: TableSettings.model_validate(settings)} if settings else {}
    configuration: Settings = configured(f"sqlite:///{path}", tables)
    if file:
        paths = [("tables", name), *(("tables", name, option) for option in settings)]
        configuration = replace(configuration, origins=dict.fromkeys(paths, file))
    source = source_of(f"sqlite:///{path}")
    try:
        return resolve(source, name, configuration)
    finally:
        source.close()


def test_usual_names_are_found(sqlite_db: SqliteDb) -> None:
    table = resolved(sqlite_db(SCREENSHOTS))
    assert table.key_names == ("screenshot_id",)
    assert [column and column.name for column in (table.device, table.time, table.group)] == [
        "device_id",
        "created_at",
        "type",
    ]
    assert table.upload is not None
    assert table.upload.status.name == "status"
    assert [column.name for column in table.upload.object_columns] == ["oss_key", "oss_url", "file_size"]
    assert table.upload.updated is not None
    assert table.upload.updated.name == "updated_at"


def test_the_primary_key_times_and_generated_columns_are_not_compared(sqlite_db: SqliteDb) -> None:
    names = {column.name for column in resolved(sqlite_db(SCREENSHOTS)).compared}
    assert names == {"screenshot_id", "device_id", "type", "oss_key", "oss_url", "status", "file_size", "retry_count"}


def test_volatile_columns_of_the_configuration_replace_the_usual_ones(sqlite_db: SqliteDb) -> None:
    names = {column.name for column in resolved(sqlite_db(SCREENSHOTS), volatile=["device_id"]).compared}
    assert "device_id" not in names
    assert {"n", "created_at", "updated_at"} <= names


def test_volatile_may_be_nothing(sqlite_db: SqliteDb) -> None:
    assert "n" in {column.name for column in resolved(sqlite_db(SCREENSHOTS), volatile=[]).compared}


def test_a_primary_key_that_is_the_key_is_compared_by_its_bytes(sqlite_db: SqliteDb) -> None:
    path = sqlite_db("CREATE TABLE screenshots (id TEXT COLLATE NOCASE PRIMARY KEY)")
    assert [column.name for column in resolved(path).compared] == ["id"]


@pytest.mark.parametrize("role", ["device", "time", "group", "status", "object_key", "object_url", "size"])
def test_a_role_can_be_switched_off(sqlite_db: SqliteDb, role: str) -> None:
    table = resolved(sqlite_db(SCREENSHOTS), **dict[str, Any]({role: False}))
    if role in ("device", "time", "group"):
        assert getattr(table, role) is None
    elif role == "status":
        assert table.upload is None
    else:
        assert table.upload is not None
        assert getattr(table.upload, role) is None


def test_a_status_alone_is_no_uploads_unless_the_configuration_says_so(sqlite_db: SqliteDb) -> None:
    path = sqlite_db("CREATE TABLE orders (id TEXT, status TEXT)")
    assert resolved(path, "orders").upload is None
    assert resolved(path, "orders", status="status").upload is not None


def test_a_table_may_have_another_name_and_columns_another_case(sqlite_db: SqliteDb) -> None:
    path = sqlite_db('CREATE TABLE "App Log" (Id TEXT, "When" TEXT)')
    table = resolved(path, "activities", name="app log", key=["ID"], time="when", timezone="Asia/Shanghai")
    assert (table.label, table.catalog.name, table.key_names) == ("db.activities", "App Log", ("Id",))
    assert table.time is not None
    assert table.time.name == "When"
    assert table.zone == ZoneInfo("Asia/Shanghai")


@pytest.mark.parametrize("name", ["main.screenshots", ["main", "screenshots"], ["MAIN", "SCREENSHOTS"]])
def test_a_table_may_be_named_with_its_schema(sqlite_db: SqliteDb, name: object) -> None:
    assert resolved(sqlite_db(SCREENSHOTS), "shots", name=name).catalog.name == "screenshots"


@pytest.mark.parametrize("schema", ["temp", "other"])
def test_another_schema_has_no_such_table(sqlite_db: SqliteDb, schema: str) -> None:
    with pytest.raises(UsageError, match="has no table"):
        resolved(sqlite_db(SCREENSHOTS), "shots", name=[schema, "screenshots"])


def test_an_unknown_table_is_refused_with_the_nearest(sqlite_db: SqliteDb) -> None:
    with pytest.raises(UsageError) as caught:
        resolved(sqlite_db(SCREENSHOTS), "screenshot")
    assert caught.value.message == "database db has no table screenshot"
    assert caught.value.hint == "did you mean screenshots?"


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("key", ["screenshot_ids"]),
        ("volatile", ["screenshot_ids"]),
        ("time", "screenshot_ids"),
        ("group", "screenshot_ids"),
        ("device", "screenshot_ids"),
        ("status", "screenshot_ids"),
        ("object_key", "screenshot_ids"),
        ("object_url", "screenshot_ids"),
        ("size", "screenshot_ids"),
        ("etag", "screenshot_ids"),
    ],
)
def test_an_unknown_column_names_file_and_key_and_the_nearest(
    sqlite_db: SqliteDb, option: str, value: Any, tmp_path: Path
) -> None:
    with pytest.raises(UsageError) as caught:
        resolved(sqlite_db(SCREENSHOTS), file=tmp_path / "dedupaudit.toml", **{option: value})
    assert f"dedupaudit.toml: tables.screenshots.{option}: " in caught.value.message
    assert "table screenshots has no column screenshot_ids" in caught.value.message
    assert caught.value.hint == "did you mean screenshot_id?"
    assert caught.value.exit_code == 2


def test_without_a_near_name_the_columns_are_listed(sqlite_db: SqliteDb) -> None:
    with pytest.raises(UsageError) as caught:
        resolved(sqlite_db(SCREENSHOTS), key=["zzzzzzzz"])
    assert "screenshot_id, device_id" in caught.value.hint


def test_hostile_names_are_shown_and_not_obeyed(sqlite_db: SqliteDb) -> None:
    path = sqlite_db(['CREATE TABLE t ("\x1b[31m\n" TEXT)'])
    with pytest.raises(UsageError) as caught:
        resolved(path, "t", key=["\x1b[2J"])
    assert "\x1b" not in caught.value.message + caught.value.hint
    assert "\n" not in caught.value.message + caught.value.hint


def test_a_table_without_anything_like_an_id_asks_for_the_key(sqlite_db: SqliteDb) -> None:
    with pytest.raises(UsageError) as caught:
        resolved(sqlite_db("CREATE TABLE activities (note TEXT)"), "activities")
    assert "which column holds the ID" in caught.value.message
    assert '[tables.activities] key = ["COLUMN"]' in caught.value.hint
    assert "it has note" in caught.value.hint


@pytest.mark.parametrize("name", ["sqlite_master", "sqlite_schema", "dedupaudit_runs"])
def test_the_tables_of_sqlite_and_of_this_tool_are_not_suggested(sqlite_db: SqliteDb, name: str) -> None:
    path = sqlite_db("CREATE TABLE dedupaudit_runs (id TEXT); CREATE TABLE a (id INTEGER PRIMARY KEY AUTOINCREMENT)")
    source = source_of(f"sqlite:///{path}")
    assert source.names() == ["a"]
    source.close()
    with pytest.raises(UsageError) as caught:
        resolved(path, name + "s")
    assert name not in caught.value.hint
