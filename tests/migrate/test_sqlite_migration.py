"""The unique index of SQLite: built in one transaction, verified, probed, removed."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from dedupaudit.errors import Cancelled, Refused
from dedupaudit.migrate.databases.protocol import Migration
from dedupaudit.migrate.plan import Step
from dedupaudit.repair.errors import Busy, Surprise, Violation
from tests.migrate.sqlite_files import File

REFUSED = "was refused by t_k_key (UNIQUE constraint failed: t.k)"
MANY = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 100000) INSERT INTO t SELECT i FROM n"


@pytest.fixture
def file(tmp_path: Path) -> File:
    return File(tmp_path / "app.db")


def build(migration: Migration, steps: dict[str, Step]) -> str:
    """Do all steps in one transaction, as the conductor does; return what the probe said."""
    with migration.repair.transaction():
        for step in steps.values():
            if step.name not in ("clean", "verify", "probe"):
                migration.do(step)
        assert migration.standing().unique == "constraint"
        return migration.probe()


@pytest.mark.parametrize(
    ("columns", "options", "probe"),
    [
        ("id INTEGER PRIMARY KEY, k", "", "INSERT " + REFUSED),
        ("id INTEGER PRIMARY KEY AUTOINCREMENT, k", "", "INSERT " + REFUSED),
        ("id INTEGER PRIMARY KEY DESC, k", "", " " + REFUSED),
        ("id TEXT PRIMARY KEY, k", "", " " + REFUSED),
        ("id TEXT PRIMARY KEY ON CONFLICT REPLACE, k", "", " " + REFUSED),
        ("id TEXT PRIMARY KEY, k", " WITHOUT ROWID", " " + REFUSED),
        ("id INT UNIQUE NOT NULL, k ANY", " STRICT", " " + REFUSED),
        ("id, k TEXT COLLATE NOCASE", "", "INSERT " + REFUSED),
        ("id, k TEXT COLLATE RTRIM", "", "INSERT " + REFUSED),
        ("id, k AS (id) VIRTUAL", "", "INSERT " + REFUSED),
        ("id, k AS (id) STORED", "", "INSERT " + REFUSED),
        ("rowid, k, _rowid_, oid", "", "INSERT " + REFUSED),
    ],
)
def test_any_table_gets_its_index_and_the_very_index_refuses(
    file: File, columns: str, options: str, probe: str
) -> None:
    file.run(f"CREATE TABLE t ({columns}){options}")
    written = "id" if " AS " in columns else "rowid, k" if columns.startswith("rowid") else "id, k"
    values = "(1), (2)" if written == "id" else "(1, 'a'), (2, 'b')"
    file.run(f"INSERT INTO t ({written}) VALUES {values}")
    before = file.ask("SELECT * FROM t")
    with file.migration() as (migration, steps):
        assert build(migration, steps).endswith(probe)
    assert file.ask("SELECT * FROM t") == before
    changed = "id" if written == "id" else "k"
    with pytest.raises(sqlite3.IntegrityError, match=r"^UNIQUE constraint failed: t\.k$"):
        file.run(f"UPDATE t SET {changed} = (SELECT {changed} FROM t LIMIT 1)")


def test_hostile_names(file: File) -> None:
    file.table, file.key = "o'r\"de--r; x", ('a"b, t.c', "UNIQUE constraint failed: ")
    table, (first, second) = file.table.replace('"', '""'), (name.replace('"', '""') for name in file.key)
    file.run(f'CREATE TABLE "{table}" ("{first}", "{second}")', f'INSERT INTO "{table}" VALUES (1, 2), (1, 3)')
    with file.migration() as (migration, steps):
        said = build(migration, steps)
    assert said.startswith("INSERT was refused by o")
    assert file.ask("SELECT count(*) FROM sqlite_master WHERE type = 'index'") == [(1,)]


def test_an_empty_table_and_null_keys(file: File) -> None:
    file.run("CREATE TABLE t (k)")
    with file.migration() as (migration, steps):
        assert build(migration, steps) == "nothing could be tried: no row has a whole key"
    file.run("INSERT INTO t VALUES (NULL), (NULL)")
    with file.migration() as (migration, _steps):
        assert migration.probe() == "nothing could be tried: no row has a whole key"


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("k", "('a'), ('a'), ('A'), (NULL), (NULL), (1), (1.0), ('1')"),
        ("k COLLATE NOCASE", "('a'), ('A'), ('ä'), ('Ä')"),
        ("k COLLATE RTRIM", "('a'), ('a '), (' a')"),
        ("k TEXT", "(1), ('1'), (x'31')"),
    ],
)
def test_duplicates_are_refused_by_the_columns_own_equality(file: File, column: str, values: str) -> None:
    file.run(f"CREATE TABLE t ({column})", f"INSERT INTO t VALUES {values}")
    with file.migration() as (migration, steps):
        with pytest.raises(Violation, match="UNIQUE constraint failed"), migration.repair.transaction():
            migration.do(steps["build"])
        assert migration.standing().unique == "none"
    file.run("DELETE FROM t WHERE rowid NOT IN (SELECT min(rowid) FROM t GROUP BY k)")
    with file.migration() as (migration, steps):
        build(migration, steps)


def test_steps_called_again_change_nothing(file: File) -> None:
    file.run("CREATE TABLE t (k)", "INSERT INTO t VALUES (1)")
    with file.migration() as (migration, steps):
        build(migration, steps)
        build(migration, steps)
        migration.remove_guard()
        assert migration.older() == []
        assert migration.standing().guard == "none"
        migration.remove_constraint(not_null=("k",))
        migration.remove_constraint()
        assert migration.standing().unique == "none"
    assert file.ask("SELECT name FROM sqlite_master WHERE type = 'index'") == []


def test_an_index_of_that_name_on_something_else_is_neither_taken_for_it_nor_removed(file: File) -> None:
    file.run("CREATE TABLE t (k, d)", "CREATE UNIQUE INDEX t_k_key ON t (k, d)")
    with file.migration() as (migration, steps):
        assert migration.standing().unique == "none"
        with pytest.raises(Refused, match="index t_k_key on t"):
            migration.do(steps["build"])
        migration.remove_constraint()
    assert file.ask("SELECT name FROM sqlite_master WHERE type = 'index'") == [("t_k_key",)]


def test_another_writer_is_busy_and_nothing_changes(file: File) -> None:
    file.run("CREATE TABLE t (k)")
    with closing(sqlite3.connect(file.path, isolation_level=None)) as other, file.migration() as (migration, steps):
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(Busy):
            build(migration, steps)
        other.execute("ROLLBACK")
        build(migration, steps)


def test_a_signal_ends_the_build_and_leaves_nothing(file: File) -> None:
    file.run("CREATE TABLE t (k)", MANY)
    with file.migration() as (migration, steps):
        file.interrupt.signum = 15
        with pytest.raises(Cancelled), migration.repair.transaction():
            migration.do(steps["build"])
        file.interrupt.signum = None
        assert migration.standing().unique == "none"
        build(migration, steps)


@pytest.mark.parametrize(
    ("event", "body", "said"),
    [
        ("BEFORE INSERT", "SELECT RAISE(ABORT, 'no copies')", "UPDATE " + REFUSED),
        ("BEFORE INSERT", "SELECT RAISE(IGNORE)", "UPDATE " + REFUSED),
        ("BEFORE INSERT", "SELECT of_the_app(1)", "UPDATE " + REFUSED),
        ("BEFORE INSERT", "DELETE FROM t WHERE k = NEW.k", "UPDATE " + REFUSED),
        ("AFTER INSERT", "DELETE FROM t", "INSERT " + REFUSED),
    ],
)
def test_a_trigger_that_is_in_the_probes_way(file: File, event: str, body: str, said: str) -> None:
    file.run("CREATE TABLE t (k)", "INSERT INTO t VALUES (1), (2)")
    file.run(f"CREATE TRIGGER g {event} ON t BEGIN {body}; END")
    with file.migration() as (migration, steps):
        assert build(migration, steps) == said
    assert file.ask("SELECT k FROM t") == [(1,), (2,)]


def test_where_nothing_reaches_the_index_the_probe_says_so(file: File) -> None:
    file.run("CREATE TABLE t (k)", "INSERT INTO t VALUES (1), (2)")
    file.run("CREATE TRIGGER i BEFORE INSERT ON t BEGIN SELECT RAISE(ABORT, 'read\x1b only'); END")
    file.run("CREATE TRIGGER u BEFORE UPDATE ON t BEGIN SELECT RAISE(ABORT, 'read only'); END")
    with file.migration() as (migration, steps):
        said = build(migration, steps)
    assert said == "nothing could be tried: something else refused the INSERT first: read\\x1b only"


def test_a_duplicate_that_is_not_refused_is_a_surprise_and_is_rolled_back(file: File) -> None:
    file.run("CREATE TABLE t (k)", "INSERT INTO t VALUES (1), (2)")
    surprise = pytest.raises(Surprise, match="t_k_key did not refuse a duplicate INSERT")
    with file.migration() as (migration, _steps), surprise:
        migration.probe()
    assert file.ask("SELECT k FROM t") == [(1,), (2,)]


@pytest.mark.parametrize(("mode", "blocks"), [("DELETE", "reads and writes"), ("WAL", "writes")])
def test_what_the_steps_block_depends_on_the_journal(file: File, mode: str, blocks: str) -> None:
    file.run(f"PRAGMA journal_mode = {mode}", "CREATE TABLE t (k)")
    steps = file.steps(file.target())
    with closing(sqlite3.connect(file.path)) as held:
        held.execute("SELECT * FROM t").fetchall()
        assert file.steps(file.target()) == steps  # whether somebody has it open or not
    assert {step.blocks for step in steps} == {blocks}
    assert [step.name for step in steps] == ["lock", "clean", "build", "verify", "probe"]
    assert [step.sql for step in steps if step.sql] == [('CREATE UNIQUE INDEX main."t_k_key" ON "t" ("k")',)]
