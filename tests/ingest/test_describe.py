"""What counts as a constraint that keeps a key single, and what only looks like one."""

from __future__ import annotations

import pytest
from sqlalchemy.exc import DBAPIError

from dedupaudit.ingest import ACTIVITIES, PROCESSES, SCREENSHOTS, ActivityWriter, Table, UniqueConstraint, Unprotected
from dedupaudit.ingest.tables import Described, describe
from tests.ingest.databases import Database, create
from tests.ingest.events import activity

BARE = "CREATE TABLE bare (pk bigint, id varchar(50) NOT NULL, device_id varchar(50), x varchar(50))"


def described(database: Database, *name: str, key: tuple[str, ...] = ("id",)) -> Described:
    with database.engine.connect() as connection:
        return describe(connection, Table(name, key=key))


@pytest.mark.parametrize("table", [ACTIVITIES, PROCESSES, SCREENSHOTS], ids=lambda table: table.name[-1])
def test_the_target_schema_is_protected(database: Database, table: Table) -> None:
    with database.engine.connect() as connection:
        found = describe(connection, table)
    assert len(found.constraints) == 1
    assert found.others == ()
    UniqueConstraint().prepare(found)


def test_columns_are_described(database: Database) -> None:
    columns = described(database, "activities").columns
    assert list(columns) == ["id", "device_id", "type", "timestamp", "data", "created_at"]
    texts = database.name != "sqlite"
    assert columns["id"].length == (255 if texts else None)
    assert columns["type"].length == (50 if texts else None)
    assert columns["data"].length is None
    assert columns["data"].json == texts, "SQLite's target has no type for JSON"
    assert columns["data"].nullable
    assert not columns["device_id"].nullable
    assert columns["created_at"].has_default
    assert not columns["timestamp"].has_default


def test_a_numbered_table_is_protected_by_the_ids_own_constraint(database: Database) -> None:
    create(database, "numbered")
    found = described(database, "activity_log", key=("activity_id",))
    assert len(found.constraints) == 1
    assert len(found.others) == 1, "the primary key is another"
    assert found.columns["activity_id"].length == 255
    assert found.columns["row_id"].has_default or database.name == "sqlite"


@pytest.mark.parametrize("key", [("device_id", "id"), ("id", "device_id")])
def test_a_composite_key_is_a_set(database: Database, key: tuple[str, ...]) -> None:
    database.run(BARE, "CREATE UNIQUE INDEX pair ON bare (device_id, id)")
    assert described(database, "bare", key=key).constraints == ("pair",)
    assert described(database, "bare").constraints == (), "of one column alone it says nothing"


@pytest.mark.parametrize(
    ("database", "index"),
    [
        *(("postgresql", index) for index in (
            "CREATE INDEX i ON bare (id)",
            "CREATE UNIQUE INDEX i ON bare (id, x)",
            "CREATE UNIQUE INDEX i ON bare (id) WHERE x IS NULL",
            "CREATE UNIQUE INDEX i ON bare (lower(id))",
            "ALTER TABLE bare ADD CONSTRAINT i UNIQUE (id) DEFERRABLE",
            "ALTER TABLE bare ADD CONSTRAINT i EXCLUDE USING btree (id WITH =)",
        )),
        *(("mariadb", index) for index in (
            "CREATE INDEX i ON bare (id)",
            "CREATE UNIQUE INDEX i ON bare (id, x)",
            "CREATE UNIQUE INDEX i ON bare (id(10))",
        )),
        *(("sqlite", index) for index in (
            "CREATE INDEX i ON bare (id)",
            "CREATE UNIQUE INDEX i ON bare (id, x)",
            "CREATE UNIQUE INDEX i ON bare (id) WHERE x IS NULL",
            "CREATE UNIQUE INDEX i ON bare (lower(id))",
        )),
    ],
    indirect=["database"],
)  # fmt: skip
def test_what_only_looks_like_a_constraint_is_refused(database: Database, index: str) -> None:
    database.run(BARE, index)
    found = described(database, "bare")
    assert found.constraints == ()
    with pytest.raises(Unprotected, match="bare") as caught:
        UniqueConstraint().prepare(found)
    assert "dedupaudit migrate plan" in caught.value.hint


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_an_invalid_index_is_no_constraint(database: Database) -> None:
    database.run(BARE, "INSERT INTO bare VALUES (1, 'a'), (2, 'a')")
    with database.engine.connect() as connection, pytest.raises(DBAPIError):
        connection.execution_options(isolation_level="AUTOCOMMIT").exec_driver_sql(
            "CREATE UNIQUE INDEX CONCURRENTLY i ON bare (id)"
        )
    found = described(database, "bare")
    assert (found.constraints, found.others) == ((), ("i",))


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_included_columns_do_not_count(database: Database) -> None:
    database.run(BARE, "CREATE UNIQUE INDEX i ON bare (id) INCLUDE (x)")
    assert described(database, "bare").constraints == ("i",)


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_a_constraint_of_one_partition_alone_is_none(database: Database) -> None:
    database.run(
        "CREATE TABLE parted (id varchar(50) NOT NULL, day int NOT NULL) PARTITION BY RANGE (day)",
        "CREATE TABLE part_0 PARTITION OF parted FOR VALUES FROM (0) TO (10)",
        "CREATE UNIQUE INDEX local ON part_0 (id)",
    )
    assert described(database, "parted").constraints == ()


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_a_table_that_others_inherit_from_is_refused(database: Database) -> None:
    """Its trigger sends rows to a child, whose keys no index of the parent sees: each retry was one more row."""
    database.run("CREATE TABLE act (id text PRIMARY KEY)", "CREATE TABLE act_2025 () INHERITS (act)")
    with pytest.raises(Unprotected, match="other tables inherit from act"):
        described(database, "act")
    assert described(database, "act_2025").constraints == ()


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_the_search_path_and_a_named_schema_find_their_own_table(database: Database) -> None:
    database.run('CREATE SCHEMA "other%s"', 'CREATE TABLE "other%s".activities (id text PRIMARY KEY, "a%""b" int)')
    found = described(database, "other%s", "activities")
    assert list(found.columns) == ["id", 'a%"b']
    with database.engine.connect() as connection:
        connection.exec_driver_sql('SET search_path = "other%%s"')
        assert list(describe(connection, ACTIVITIES).columns) == ["id", 'a%"b']
    database.run('DROP SCHEMA "other%s" CASCADE')


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_a_domain_has_the_length_of_its_text(database: Database) -> None:
    database.run("CREATE DOMAIN short AS varchar(7) NOT NULL", "CREATE TABLE t (id short PRIMARY KEY)")
    column = described(database, "t").columns["id"]
    assert (column.length, column.nullable) == (7, False)


@pytest.mark.parametrize("database", ["mariadb"], indirect=True)
def test_a_table_of_another_database_is_found(database: Database) -> None:
    database.run("CREATE DATABASE IF NOT EXISTS ingest_tests_2", "DROP TABLE IF EXISTS ingest_tests_2.bare")
    database.run("CREATE TABLE ingest_tests_2.bare (id int PRIMARY KEY)")
    assert described(database, "ingest_tests_2", "bare").constraints == ("PRIMARY",)
    database.run("DROP DATABASE ingest_tests_2")


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    ("definition", "protected"),
    [
        ("id INTEGER PRIMARY KEY)", True),
        ("id INT PRIMARY KEY)", True),
        ("id TEXT PRIMARY KEY) WITHOUT ROWID", True),
        ("id TEXT UNIQUE ON CONFLICT REPLACE)", True),
        ("pk INTEGER PRIMARY KEY, id TEXT)", False),
    ],
)
def test_sqlites_own_keys(database: Database, definition: str, protected: bool) -> None:
    database.run(f"CREATE TABLE t ({definition}")
    assert bool(described(database, "t").constraints) == protected


def test_names_that_need_quotes(database: Database) -> None:
    odd = 'a table\'s "%s" `name`'
    quote = "`" if database.name == "mariadb" else '"'
    name = quote + odd.replace(quote, quote * 2) + quote
    database.run(f"CREATE TABLE {name} ({name} varchar(50) PRIMARY KEY, x int)")
    with database.engine.begin() as connection:
        found = describe(connection, Table((odd,), key=(odd,)))
        unique = UniqueConstraint()
        assert unique.insert(connection, found, {odd: "%s'", "x": 1})
        assert not unique.insert(connection, found, {odd: "%s'", "x": 1})


def test_what_is_not_there_is_said(database: Database) -> None:
    with pytest.raises(Unprotected, match="there is no table nowhere"):
        described(database, "nowhere")
    with pytest.raises(Unprotected, match="no column event_id"):
        described(database, "activities", key=("event_id",))
    database.run("CREATE VIEW looks AS SELECT id FROM activities")
    with pytest.raises(Unprotected, match="looks is no table"):
        described(database, "looks")


def test_a_writer_needs_all_its_columns(database: Database) -> None:
    database.run("CREATE TABLE few (id varchar(50) PRIMARY KEY, device_id varchar(50))")
    with pytest.raises(Unprotected, match="few has no column type"):
        ActivityWriter(database.engine, Table(("few",))).write(activity())


@pytest.mark.parametrize("database", ["postgresql", "mariadb"], indirect=True)
def test_a_constraint_made_later_is_found_by_the_next_write(database: Database) -> None:
    """A backend that started before the migration need not start again."""
    create(database, "numbered")
    drop = {
        "postgresql": "ALTER TABLE activity_log DROP CONSTRAINT activity_log_activity_id_key",
        "mariadb": "ALTER TABLE activity_log DROP INDEX activity_log_activity_id_key",
    }[database.name]
    database.run(drop)
    table = Table(("activity_log",), columns={"id": "activity_id", "type": "kind"})
    writer = ActivityWriter(database.engine, table)
    with pytest.raises(Unprotected):
        writer.write(activity())
    database.run("CREATE UNIQUE INDEX later ON activity_log (activity_id)")
    assert not writer.write(activity()).duplicate
    assert writer.write(activity()).duplicate
