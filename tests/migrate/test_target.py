"""`migrate target` on the three databases: the SQL that a person would run is the target, and what differs is seen."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from dedupaudit.config import DatabaseSettings, Settings, TableSettings
from dedupaudit.errors import Refused
from dedupaudit.interrupt import Interrupt
from dedupaudit.migrate.target import Comparison, Difference, compare
from dedupaudit.migrate.target_create import create
from dedupaudit.migrate.target_live import read_live
from dedupaudit.migrate.target_schema import TARGET
from dedupaudit.progress import SILENT
from dedupaudit.sources.tables import open_source
from dedupaudit.sqlfiles import sql_root
from dedupaudit.urls import parse_database_url
from tests.repair.databases import DATABASES, MARIADB, POSTGRESQL, SQLITE, Database
from tests.servers.fixtures import shared_postgresql

HOSTILE = "o'b\"`x; -- \\ é"
SCHEMAS = {"postgresql": "postgresql", "mariadb": "mysql", "sqlite": "sqlite"}


@pytest.fixture(params=DATABASES, ids=lambda database: database.name)
def database(request: pytest.FixtureRequest) -> Database:
    found: Database = request.param
    return found


@pytest.fixture
def settings(database: Database, tmp_path: Path) -> Callable[..., Settings]:
    url = database.fresh(tmp_path)

    def make(**tables: TableSettings) -> Settings:
        return Settings(databases=(DatabaseSettings("db", parse_database_url(url), None),), tables=tables)

    return make


def by_hand(database: Database) -> None:
    """Run the file as a person does."""
    text = (sql_root() / "schema" / f"{SCHEMAS[database.name]}.sql").read_text("utf-8")
    if database is SQLITE:
        with closing(sqlite3.connect(SQLITE.path)) as connection:
            connection.executescript(text)
    elif database is POSTGRESQL:
        database.run(text)
    else:
        lines = [line for line in text.splitlines() if not line.startswith("--")]
        database.run(*filter(None, (part.strip() for part in "\n".join(lines).split(";"))))


def compared(settings: Settings) -> Comparison:
    return compare(settings, interrupt=Interrupt(), progress=SILENT)


def created(settings: Settings, confirm: Callable[[Comparison], None] = lambda _found: None) -> Comparison:
    return create(settings, interrupt=Interrupt(), progress=SILENT, confirm=confirm)


def differences(settings: Settings, table: str = "activities") -> list[Difference]:
    (found,) = (one for one in compared(settings).tables if one.table == table)
    return list(found.differences)


def test_what_the_file_makes_is_the_target_to_the_last_column(
    database: Database, settings: Callable[..., Settings]
) -> None:
    assert [table.exists for table in compared(settings()).tables] == [False] * 3
    by_hand(database)
    found = compared(settings())
    assert found.same, found.tables
    assert not any(table.more for table in found.tables)
    source = open_source(settings().databases[0], Interrupt(), SILENT)
    try:
        for wanted in TARGET:
            catalog = source.catalog((wanted.name,))
            assert catalog is not None
            assert [column.name for column in catalog.columns] == [column.name for column in wanted.columns]
            led = {index.columns for index in catalog.indexes if not index.primary}
            assert led == {(name,) for name in wanted.indexed}
            if database is not SQLITE:
                live = read_live(source, catalog, "mysql" if database is MARIADB else "postgresql")
                assert live.updated == {column.name for column in wanted.columns if column.updated}
    finally:
        source.close()


def test_created_tables_take_rows_and_refuse_the_second(database: Database, settings: Callable[..., Settings]) -> None:
    asked: list[Comparison] = []
    assert created(settings(), asked.append).same
    assert [table.exists for table in asked[0].tables] == [False] * 3
    assert compared(settings()).same
    insert = "INSERT INTO screenshots (id, device_id, status, timestamp) VALUES ('s1', 'd', 'pending', 1)"
    database.run(insert)
    with pytest.raises(Exception, match=r"(?i)duplicate|unique"):
        database.run(insert)
    assert database.ask("SELECT retry_count, created_at = updated_at FROM screenshots") == [(0, 1)]
    assert database.ask("SELECT x FROM bystander") == [(1,)]


def test_create_is_refused_where_one_of_the_tables_is_there(
    database: Database, settings: Callable[..., Settings]
) -> None:
    database.run(database.table("activities", ["x INT"]))
    before = database.content()
    with pytest.raises(Refused, match="has activities already"):
        created(settings(), lambda _found: pytest.fail("asked"))
    assert database.content() == before


def test_what_was_not_confirmed_is_not_made(database: Database, settings: Callable[..., Settings]) -> None:
    def no(_found: Comparison) -> None:
        raise Refused("no")

    before = database.content()
    with pytest.raises(Refused, match="^no$"):
        created(settings(), no)
    assert database.content() == before


def test_a_table_that_comes_while_somebody_is_asked_is_left_as_it_is(
    database: Database, settings: Callable[..., Settings]
) -> None:
    def meanwhile(_found: Comparison) -> None:
        database.run(database.table("processes", ["x INT"]))

    with pytest.raises(Refused, match="(?i)exists") as refused:
        created(settings(), meanwhile)
    there = [table.table for table in compared(settings()).tables if table.exists]
    if database is MARIADB:
        assert "2 of 3 tables were made" in refused.value.hint
        assert there == ["screenshots", "activities", "processes"]
    else:
        assert "nothing was changed" in refused.value.hint
        assert there == ["processes"]


def test_configured_names_are_the_ones_that_are_made_and_compared(
    database: Database, settings: Callable[..., Settings]
) -> None:
    tables = {"screenshots": TableSettings(name=(HOSTILE,)), "activities": TableSettings(name=("screenshots",))}
    assert created(settings(**tables)).same
    assert compared(settings(**tables)).same
    assert [table.exists for table in compared(settings()).tables] == [True, False, True]


def test_differences_as_the_server_tells_them(database: Database, settings: Callable[..., Settings]) -> None:
    by_hand(database)
    number = {"postgresql": "bigserial", "mariadb": "BIGINT AUTO_INCREMENT", "sqlite": "INTEGER"}[database.name]
    text = "varchar(99)" if database is not SQLITE else "BLOB"
    database.run(
        "DROP TABLE activities",
        database.table(
            "activities",
            [
                f"id {number} PRIMARY KEY",
                "activity_id varchar(255)",
                f"device_id {text} NOT NULL",
                "type varchar(50) DEFAULT 'click'",
                "timestamp bigint NOT NULL",
                f"created_at timestamp {'NULL' if database is MARIADB else ''}",
            ],
        ),
        "CREATE UNIQUE INDEX again ON activities (id)",
        "CREATE INDEX by_device ON activities (device_id)",
    )
    found = compared(settings(activities=TableSettings(key=("activity_id",)))).tables[1]
    told = {(one.what, one.name or one.wanted) for one in found.differences}
    assert told == {
        ("type", "id"),
        ("default", "id"),
        ("type", "device_id"),
        ("null", "type"),
        ("default", "type"),
        ("column", "data"),
        ("default", "created_at"),
        ("index", "timestamp"),
        ("redundant index", "again"),
    }
    assert found.more == ("activity_id",)
    assert found.key == ("activity_id",)


def test_a_view_of_that_name_is_no_table(database: Database, settings: Callable[..., Settings]) -> None:
    database.run("CREATE VIEW activities AS SELECT 1 AS id")
    assert differences(settings()) == [Difference("table", "activities", "view", "table")]
    with pytest.raises(Refused, match="has activities already"):
        created(settings())


# ---- what sets updated_at


@pytest.fixture
def postgresql(tmp_path: Path) -> Settings:
    url = POSTGRESQL.fresh(tmp_path)
    by_hand(POSTGRESQL)
    POSTGRESQL.run("INSERT INTO screenshots (id, device_id, status, timestamp) VALUES ('s1', 'd', 'pending', 1)")
    return Settings(databases=(DatabaseSettings("db", parse_database_url(url), None),))


def test_the_trigger_sets_the_time_of_a_change_and_leaves_one_that_is_given(postgresql: Settings) -> None:
    assert compared(postgresql).same

    def after(change: str) -> list[tuple[Any, ...]]:
        POSTGRESQL.run("UPDATE screenshots SET updated_at = '2020-01-01Z'", f"UPDATE screenshots SET {change}")
        return POSTGRESQL.ask("SELECT extract(year FROM updated_at AT TIME ZONE 'UTC')::int FROM screenshots")

    (this_year,) = POSTGRESQL.ask("SELECT extract(year FROM now() AT TIME ZONE 'UTC')::int")
    assert after("status = 'failed'") == [this_year]
    assert after("status = status") == [(2020,)]
    assert after("status = 'completed', updated_at = '2021-06-01Z'") == [(2021,)]


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE screenshots DISABLE TRIGGER screenshots_set_updated_at",
        "ALTER TABLE screenshots ENABLE REPLICA TRIGGER screenshots_set_updated_at",
        "DROP TRIGGER screenshots_set_updated_at ON screenshots",
        "CREATE OR REPLACE FUNCTION screenshots_set_updated_at() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN NEW.created_at := OLD.updated_at; RETURN NEW; END $$",
        "DROP TRIGGER screenshots_set_updated_at ON screenshots; CREATE TRIGGER t AFTER UPDATE ON screenshots"
        " FOR EACH ROW EXECUTE FUNCTION screenshots_set_updated_at()",
        "DROP TRIGGER screenshots_set_updated_at ON screenshots; CREATE TRIGGER t BEFORE INSERT ON screenshots"
        " FOR EACH ROW EXECUTE FUNCTION screenshots_set_updated_at()",
        "DROP TRIGGER screenshots_set_updated_at ON screenshots;"
        " CREATE TRIGGER t BEFORE UPDATE OF status ON screenshots"
        " FOR EACH ROW EXECUTE FUNCTION screenshots_set_updated_at()",
    ],
)
def test_a_trigger_that_does_not_do_it_is_missing(postgresql: Settings, change: str) -> None:
    POSTGRESQL.run(change)
    assert differences(postgresql, "screenshots") == [Difference("on update", "updated_at", None, "a trigger")]


def test_any_trigger_that_does_it_will_do(postgresql: Settings) -> None:
    POSTGRESQL.run(
        "DROP TRIGGER screenshots_set_updated_at ON screenshots",
        "CREATE FUNCTION other.touch() RETURNS trigger LANGUAGE plpgsql AS"
        ' $$ BEGIN new . "updated_at" = clock_timestamp(); RETURN NEW; END $$',
        "CREATE TRIGGER t BEFORE INSERT OR UPDATE ON screenshots FOR EACH ROW EXECUTE FUNCTION other.touch()",
    )
    assert compared(postgresql).same


def test_on_update_that_is_missing_is_seen_on_mariadb(tmp_path: Path) -> None:
    url = MARIADB.fresh(tmp_path)
    by_hand(MARIADB)
    MARIADB.run("ALTER TABLE screenshots MODIFY updated_at TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3)")
    settings = Settings(databases=(DatabaseSettings("db", parse_database_url(url), None),))
    assert differences(settings, "screenshots") == [Difference("on update", "updated_at", None, "ON UPDATE")]


def test_an_invalid_index_is_none(postgresql: Settings) -> None:
    POSTGRESQL.run("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'screenshots_status'::regclass")
    assert differences(postgresql, "screenshots") == [Difference("index", "", None, "status")]


def test_a_role_that_may_not_create_is_refused_in_the_servers_words(tmp_path: Path) -> None:
    POSTGRESQL.fresh(tmp_path)
    POSTGRESQL.run(
        "DO $$ BEGIN CREATE ROLE reads_only LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$",
        "GRANT USAGE ON SCHEMA public TO reads_only",
    )
    url = shared_postgresql().url(database="repaired", user="reads_only")
    settings = Settings(databases=(DatabaseSettings("db", parse_database_url(url), None),))
    with pytest.raises(Refused):
        created(settings)
    assert not any(table.exists for table in compared(settings).tables)
