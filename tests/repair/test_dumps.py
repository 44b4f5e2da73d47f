"""What the tests of repair compare by must see the smallest difference: a value, its type, its scale, its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.repair.databases import DATABASES, MARIADB, POSTGRESQL, SQLITE, Database, checksum

PAIRS: list[tuple[Database, str, str, str]] = [
    (SQLITE, "", "1", "1.0"),
    (SQLITE, "", "'1'", "x'31'"),
    (SQLITE, "", "NULL", "''"),
    (SQLITE, "", "0.0", "-0.0"),
    (SQLITE, "", "0.1", "0.1 + 1e-17"),
    (SQLITE, "", "'a'", "'a' || char(0)"),
    (POSTGRESQL, "numeric", "1.5", "1.50"),
    (POSTGRESQL, "float8", "0", "'-0'"),
    (POSTGRESQL, "float8", "0.1", "'0.10000000000000002'"),
    (POSTGRESQL, "json", "'{\"a\":1}'", "'{\"a\": 1}'"),
    (POSTGRESQL, "jsonb", "'1.1'", "'1.10'"),
    (POSTGRESQL, "int[]", "'{1}'", "'[0:0]={1}'"),
    (POSTGRESQL, "timestamptz", "'2025-01-01 00:00:00.000001Z'", "'2025-01-01 00:00:00.000002Z'"),
    (POSTGRESQL, "interval", "'1 day'", "'24 hours'"),
    (POSTGRESQL, "text", "''", "NULL"),
    (POSTGRESQL, "text", "'\u00e9'", "'e\u0301'"),
    (MARIADB, "DOUBLE", "0e0", "5e-324"),
    (MARIADB, "DOUBLE", "0.1e0", "0.10000000000000002e0"),
    (MARIADB, "FLOAT", "16777216", "16777218"),
    (MARIADB, "DATETIME(6)", "'0000-00-00'", "NULL"),
    (MARIADB, "TIMESTAMP(6) NULL", "'2025-01-01 00:00:00.000001'", "'2025-01-01 00:00:00.000002'"),
    (MARIADB, "ENUM('', 'a')", "0", "''"),
    (MARIADB, "VARCHAR(9)", "'a'", "'a '"),
    (MARIADB, "JSON", "'{\"a\":1}'", "'{\"a\": 1}'"),
    (MARIADB, "BIT(9)", "b'0'", "b'1'"),
    (MARIADB, "GEOMETRY", "ST_GeomFromText('POINT(1 1)', 0)", "ST_GeomFromText('POINT(1 1)', 4326)"),
    (MARIADB, "INT INVISIBLE", "1", "2"),
]


@pytest.mark.parametrize(("database", "kind", "first", "second"), PAIRS)
def test_a_dump_tells_two_values_apart(tmp_path: Path, database: Database, kind: str, first: str, second: str) -> None:
    dumps = []
    for value in (first, second, first):
        database.fresh(tmp_path)
        database.run(
            database.table("t", ["id INTEGER PRIMARY KEY", f"v {kind}"]), f"INSERT INTO t (id, v) VALUES (1, {value})"
        )
        dumps.append(database.dump())
    assert dumps[0] == dumps[2] != dumps[1]
    assert checksum(dumps[0]) == checksum(dumps[2]) != checksum(dumps[1])


@pytest.mark.parametrize("database", DATABASES, ids=lambda database: str(database.name))
def test_all_but_the_tools_own_tables_is_looked_at(tmp_path: Path, database: Database) -> None:
    database.fresh(tmp_path)
    own = "CREATE TABLE dedupaudit_runs (x INTEGER)"
    if database.name == "postgresql":
        database.run("CREATE SCHEMA dedupaudit")
        own = "CREATE TABLE dedupaudit.runs (x INTEGER)"
    dump, schema, content = database.dump(), database.schema(), database.content()
    database.run(own)
    assert (database.dump(), database.schema()) == (dump, schema)
    assert database.content() != content
    database.run("UPDATE bystander SET x = 2")
    assert (database.dump() == dump, database.schema() == schema) == (False, True)
    database.run("UPDATE bystander SET x = 1", "CREATE INDEX i ON bystander (x)")
    assert database.dump() == dump
    database.run("ALTER TABLE bystander ADD COLUMN y INTEGER")
    assert database.schema() != schema


def test_a_row_that_only_moved_is_a_change_in_content_and_a_rowid_in_the_dump(tmp_path: Path) -> None:
    POSTGRESQL.fresh(tmp_path)
    dump, content = POSTGRESQL.dump(), POSTGRESQL.content()
    POSTGRESQL.run("UPDATE bystander SET x = x")
    assert POSTGRESQL.dump() == dump
    assert POSTGRESQL.content() != content
    SQLITE.fresh(tmp_path)
    dump = SQLITE.dump()
    SQLITE.run("UPDATE bystander SET rowid = 9")
    assert SQLITE.dump() != dump
