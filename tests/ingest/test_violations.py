"""Which constraint a database's own error names: only the key's is "already there", whatever the values say."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy.exc import DBAPIError

from dedupaudit.ingest import ACTIVITIES, Table
from dedupaudit.ingest.tables import Described, describe
from dedupaudit.ingest.violations import Kind, Refusal, violation_of
from tests.ingest.databases import NAMES, Database

COLUMNS = "id, device_id, type, timestamp"


def described(database: Database, table: Table = ACTIVITIES) -> Described:
    with database.engine.connect() as connection:
        return describe(connection, table)


def refused(database: Database, statement: str, table: Table = ACTIVITIES, parameters: Any = None) -> Refusal | None:
    """Return what a refused statement violated."""
    known = described(database, table)
    with database.engine.connect() as connection, pytest.raises(DBAPIError) as caught:
        if database.name == "sqlite":
            connection.exec_driver_sql("PRAGMA foreign_keys = ON")
        connection.exec_driver_sql(statement, parameters)
        connection.commit()
    return violation_of(caught.value, known)


def insert(event_id: str, kind: str = "'click'", device: str = "'d'") -> str:
    return f"INSERT INTO activities ({COLUMNS}) VALUES ('{event_id}', {device}, {kind}, 1)"


def test_the_primary_key_is_the_keys_own_constraint(database: Database) -> None:
    database.run(insert("a"))
    violation = refused(database, insert("a"))
    assert violation is not None
    assert violation.is_of_key(described(database))


def test_another_unique_key_is_never_the_keys_own(database: Database) -> None:
    database.run("CREATE UNIQUE INDEX one_type ON activities (type, timestamp)", insert("a"))
    violation = refused(database, insert("b"))
    assert violation is not None
    assert violation.kind == "unique"
    assert not violation.is_of_key(described(database))


def test_a_unique_index_over_more_than_the_key_is_another(database: Database) -> None:
    table = Table(("activities",), key=("device_id",))
    database.run("CREATE UNIQUE INDEX wider ON activities (device_id, type)", insert("a"))
    known = described(database, table)
    assert known.constraints == ()
    violation = refused(database, insert("b"), table)
    assert violation is not None
    assert not violation.is_of_key(known)


REFUSALS: list[tuple[str, str, Kind]] = [
    ("", insert("a", device="NULL"), "not_null"),
    ("CHECK (timestamp > 5)", insert("a"), "check"),
    ("FOREIGN KEY (device_id) REFERENCES devices (id)", insert("a"), "foreign_key"),
    ("", insert("a", kind=f"'{'x' * 60}'"), "too_long"),
]


# SQLite has no lengths; values.py looks at them before.
@pytest.mark.parametrize(
    ("database", "change", "statement", "kind"),
    [(name, *refusal) for name in NAMES for refusal in REFUSALS if (name, refusal[-1]) != ("sqlite", "too_long")],
    indirect=["database"],
)
def test_other_refusals_are_told_apart(database: Database, change: str, statement: str, kind: Kind) -> None:
    database.run("DROP TABLE activities", "CREATE TABLE devices (id varchar(255) PRIMARY KEY)")
    database.run(
        "CREATE TABLE activities (id varchar(255) PRIMARY KEY, device_id varchar(255) NOT NULL, type varchar(50),"
        f" timestamp bigint{', ' + change if change else ''})"
    )
    violation = refused(database, statement)
    assert violation is not None
    assert violation.kind == kind
    assert not violation.is_of_key(described(database))


TRIGGERS = {
    "postgresql": (
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE 'UNIQUE constraint failed: activities.id'; END $$",
        "CREATE TRIGGER refuse BEFORE INSERT ON activities FOR EACH ROW EXECUTE FUNCTION refuse()",
    ),
    "mariadb": (
        "CREATE TRIGGER refuse BEFORE INSERT ON activities FOR EACH ROW"
        " SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'Duplicate entry for key ''PRIMARY'''",
    ),
    "sqlite": (
        "CREATE TRIGGER refuse BEFORE INSERT ON activities"
        " BEGIN SELECT RAISE(ABORT, 'UNIQUE constraint failed: activities.id'); END",
    ),
}


def test_a_triggers_own_words_are_no_violated_key(database: Database) -> None:
    database.run(*TRIGGERS[database.name])
    assert refused(database, insert("a")) == Refusal("other")


def test_what_is_no_refusal_of_values_is_none(database: Database) -> None:
    assert refused(database, "INSERT INTO nowhere (id) VALUES (1)") is None


@pytest.mark.parametrize("database", ["mariadb"], indirect=True)
@pytest.mark.parametrize(
    "value",
    [
        "x' for key 'PRIMARY",
        "x' for key 'activities.PRIMARY'",
        "' for key 'PRIMARY' '",
        "x\n' for key 'PRIMARY'\n",
        "y" * 180 + "' for key 'PRIMARY'",
    ],
)
def test_a_value_that_speaks_of_the_primary_key_violates_another(database: Database, value: str) -> None:
    """The server puts the value before the key's name, unescaped: a client could say which key is violated."""
    database.run("CREATE UNIQUE INDEX dev ON activities (device_id)")
    statement = f"INSERT INTO activities ({COLUMNS}) VALUES (%s, %s, 'click', 1)"
    with database.engine.begin() as connection:
        connection.exec_driver_sql(statement, ("a", value))
    violation = refused(database, statement, parameters=("b", value))
    assert violation == Refusal("unique", "dev")


@pytest.mark.parametrize("database", ["mariadb"], indirect=True)
@pytest.mark.parametrize("language", ["de_DE", "zh_CN", "ja_JP", "hu_HU", "cs_CZ", "sk_SK", "fr_FR"])
def test_the_key_is_found_in_the_servers_languages(database: Database, language: str) -> None:
    """In some of them words follow the key's name."""
    database.run(insert("a"))
    known = described(database)
    with database.engine.connect() as connection, pytest.raises(DBAPIError) as caught:
        connection.exec_driver_sql(f"SET lc_messages = '{language}'")
        connection.exec_driver_sql(insert("a"))
    assert violation_of(caught.value, known) == Refusal("unique", "PRIMARY")


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_a_partitions_index_is_the_keys_own(database: Database) -> None:
    database.run(
        "CREATE TABLE parted (id varchar(50), device_id varchar(50), PRIMARY KEY (id)) PARTITION BY HASH (id)",
        "CREATE TABLE part_0 PARTITION OF parted FOR VALUES WITH (MODULUS 1, REMAINDER 0)",
        "CREATE UNIQUE INDEX local_one ON part_0 (device_id)",
        "INSERT INTO parted VALUES ('a', 'd')",
    )
    table = Table(("parted",))
    known = described(database, table)
    of_key = refused(database, "INSERT INTO parted VALUES ('a', 'e')", table)
    assert of_key == Refusal("unique", "part_0_pkey")
    assert of_key.is_of_key(known)
    of_another = refused(database, "INSERT INTO parted VALUES ('b', 'd')", table)
    assert of_another == Refusal("unique", "local_one")
    assert not of_another.is_of_key(known)


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_the_row_number_itself_may_be_the_key(database: Database) -> None:
    database.run(
        "CREATE TABLE numbered (Id INTEGER PRIMARY KEY, x TEXT UNIQUE)", "INSERT INTO numbered VALUES (1, 'x')"
    )
    table = Table(("NUMBERED",), key=("Id",))
    violation = refused(database, "INSERT INTO numbered VALUES (1, 'y')", table)
    assert violation is not None
    assert violation.is_of_key(described(database, table))
    other = refused(database, "INSERT INTO numbered VALUES (2, 'x')", table)
    assert other is not None
    assert not other.is_of_key(described(database, table))


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_triggers_insert_into_another_table_is_not_the_keys(database: Database) -> None:
    database.run(
        "CREATE TABLE seen (id TEXT PRIMARY KEY)",
        "CREATE TRIGGER note AFTER INSERT ON activities BEGIN INSERT INTO seen VALUES (NEW.id); END",
        "INSERT INTO seen VALUES ('a')",
    )
    violation = refused(database, insert("a"))
    assert violation is not None
    assert violation.kind == "unique"
    assert not violation.is_of_key(described(database))
