"""Which key `init` proposes for a table, and the reasons that it writes beside it."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from typing import Any

import pytest

from tests.commands.test_init import INCIDENT, written
from tests.conftest import Run, SqliteDb


def table(*columns: str, name: str = "things", rows: Iterable[tuple[object, ...]] = ()) -> list[str]:
    """Return the statements that make a table of text columns, `id` an auto-increment number beside them."""
    declared = ", ".join(f'"{column}" TEXT' for column in columns)
    values = [", ".join("NULL" if value is None else f"'{value}'" for value in row) for row in rows]
    names = ", ".join(f'"{column}"' for column in columns)
    return [f"CREATE TABLE {name}(id INTEGER PRIMARY KEY, {declared})"] + [
        f"INSERT INTO {name}({names}) VALUES ({value})" for value in values
    ]


def tables(run: Run) -> Any:
    return tomllib.loads(written(run)).get("tables", {})


def why(text: str, name: str) -> str:
    """Return all comments of one table's block as one line."""
    block = next(block for block in text.split("\n\n") if f"[tables.{name}]" in block)
    return " ".join(line.removeprefix("# ") for line in block.splitlines() if line.startswith("# "))


def test_the_reason_for_a_key_is_written_with_it(run: Run, sqlite_db: SqliteDb) -> None:
    sqlite_db(INCIDENT)
    text = written(run)
    assert "activity_id: named after the table; 270 different values in 300 sampled rows" in why(text, "activities")
    assert "id beside it is auto-increment" in why(text, "activities")
    assert 'instead: key = ["device_id", "activity_id"]' in why(text, "activities")
    assert "the primary key keeps it unique" in why(text, "screenshots")


def test_a_unique_looking_id_is_the_key_and_owners_are_not(run: Run, sqlite_db: SqliteDb) -> None:
    rows = [(f"d{i % 4}", f"s{i // 10}", f"r{i - (i % 9 == 1)}") for i in range(500)]
    sqlite_db(table("device_id", "shift_id", "receipt_id", rows=rows))
    assert tables(run)["things"]["key"] == ["receipt_id"]


def test_where_nothing_looks_unique_the_table_is_switched_off_with_the_reasons(run: Run, sqlite_db: SqliteDb) -> None:
    rows = [(f"d{i % 4}", f"s{i // 10}", f"n{i % 50}") for i in range(500)]
    sqlite_db(table("device_id", "shift_id", "thing_id", rows=rows))
    text = written(run)
    said = why(text, "things")
    assert "things" not in tomllib.loads(text).get("tables", {})
    assert "id is an auto-increment number" in said
    assert "thing_id has only 50 different values in 500 sampled rows" in said
    assert "shift_id has only 50 different values" in said
    assert "device_id says whose a row is" in said
    assert "Its columns: id INTEGER, device_id TEXT, shift_id TEXT, thing_id TEXT" in said


def test_nulls_are_not_different_values(run: Run, sqlite_db: SqliteDb) -> None:
    sqlite_db(table("receipt_id", rows=[(f"r{i}" if i < 50 else None,) for i in range(500)]))
    assert tables(run) == {}


def test_the_id_of_another_table_is_not_the_key(run: Run, sqlite_db: SqliteDb) -> None:
    rows = [(f"o{i}", f"x{i}") for i in range(200)]
    sqlite_db([*table("order_id", "shop_name", rows=rows), "CREATE TABLE orders(id TEXT PRIMARY KEY)"])
    text = written(run)
    assert set(tomllib.loads(text)["tables"]) == {"orders"}
    assert "order_id is the ID of another table" in why(text, "things")


def test_rows_of_one_id_several_times_over_do_not_hide_it(run: Run, sqlite_db: SqliteDb) -> None:
    sqlite_db(table("thing_id", "device_id", rows=[(f"t{i // 3}", "d") for i in range(300)]))
    assert tables(run)["things"]["key"] == ["thing_id"]


@pytest.mark.parametrize("column", ["thingId", "ThingID", "thing-id", "thingid", "thing_uuid"])
def test_an_id_is_known_however_it_is_written(run: Run, sqlite_db: SqliteDb, column: str) -> None:
    sqlite_db(table(column, rows=[("a",), ("b",)]))
    assert tables(run)["things"]["key"] == [column]


@pytest.mark.parametrize("column", ["paid", "PAID", "grid", "valid"])
def test_a_word_that_ends_in_id_is_no_id(run: Run, sqlite_db: SqliteDb, column: str) -> None:
    sqlite_db(table(column, rows=[(f"v{i}",) for i in range(200)]))
    assert tables(run) == {}


def test_an_integer_id_that_numbers_rows_is_passed_over_for_the_real_one(run: Run, sqlite_db: SqliteDb) -> None:
    sqlite_db("CREATE TABLE things(id INT PRIMARY KEY, thing_id TEXT);")
    assert tables(run)["things"]["key"] == ["thing_id"]


def test_constraints_give_the_key_where_names_do_not(run: Run, sqlite_db: SqliteDb) -> None:
    sqlite_db(
        "CREATE TABLE pairs(device_id TEXT, id TEXT, PRIMARY KEY(device_id, id));"
        "CREATE TABLE codes(code TEXT PRIMARY KEY) WITHOUT ROWID;"
        "CREATE TABLE people(id INTEGER PRIMARY KEY, email TEXT UNIQUE);"
        "CREATE TABLE some(id INTEGER PRIMARY KEY, email TEXT);"
        "CREATE UNIQUE INDEX some_email ON some(email) WHERE email > 'm';"
    )
    assert {name: found["key"] for name, found in tables(run).items()} == {
        "pairs": ["device_id", "id"],
        "codes": ["code"],
        "people": ["email"],
    }


def test_a_status_that_is_no_uploads_is_left_alone(run: Run, sqlite_db: SqliteDb) -> None:
    sqlite_db("CREATE TABLE orders(id TEXT PRIMARY KEY, status TEXT);")
    text = written(run)
    assert "status" not in tomllib.loads(text)["tables"]["orders"]
    assert '\n#status = "status"' in text


def test_views_are_switched_off(run: Run, sqlite_db: SqliteDb) -> None:
    sqlite_db(INCIDENT + "CREATE VIEW recent AS SELECT * FROM activities;")
    text = written(run)
    assert "recent: a view" in why(text, "recent")
    assert "recent" not in tomllib.loads(text)["tables"]


def test_a_view_that_cannot_be_read_stops_nothing(run: Run, sqlite_db: SqliteDb) -> None:
    sqlite_db(INCIDENT + "CREATE TABLE gone(id); CREATE VIEW broken AS SELECT * FROM gone; DROP TABLE gone;")
    done = run("init", "--db", "sqlite:///app.db")
    assert done.code == 0
    assert b"broken: its catalog could not be read" in done.err
    assert run("scan").code == 1


def test_only_the_first_rows_are_sampled(run: Run, sqlite_db: SqliteDb) -> None:
    sqlite_db(
        "CREATE TABLE things(id INTEGER PRIMARY KEY, thing_id TEXT);"
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 12000)"
        " INSERT INTO things(thing_id) SELECT 't' || i FROM n;"
    )
    assert "10,000 different values in 10,000 sampled rows" in why(written(run), "things")


def test_an_index_does_not_bring_equal_values_together_in_the_sample(run: Run, sqlite_db: SqliteDb) -> None:
    sqlite_db(
        "CREATE TABLE things(id INTEGER PRIMARY KEY, thing_id TEXT); CREATE INDEX by_id ON things(thing_id);"
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 22000)"
        " INSERT INTO things(thing_id) SELECT CASE WHEN i <= 11000 THEN 't' || i ELSE 'a' END FROM n;"
    )
    assert "10,000 different values in 10,000 sampled rows" in why(written(run), "things")
