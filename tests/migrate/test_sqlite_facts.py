"""What is read of an SQLite table before a migration."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from dedupaudit.config import DatabaseSettings
from dedupaudit.errors import Cancelled, Refused
from dedupaudit.interrupt import Interrupt
from dedupaudit.migrate.databases.sqlite_facts import read_facts, timing_of
from dedupaudit.migrate.facts import ForeignKey, TableTrigger
from dedupaudit.urls import parse_database_url
from tests.migrate.sqlite_files import File


@pytest.fixture
def file(tmp_path: Path) -> File:
    return File(tmp_path / "app.db")


def test_the_key_is_described_column_by_column(file: File) -> None:
    file.key = ("k", "n")
    file.run("CREATE TABLE t (k TEXT COLLATE NOCASE, n INTEGER NOT NULL)", "INSERT INTO t VALUES ('äbc', 1), (NULL, 2)")
    first, second = file.facts().key
    assert (first.collation, first.bytewise, first.nullable, first.longest) == ("NOCASE", False, True, 4)
    assert (second.declared, second.nullable, second.longest, second.indexable) == ("INTEGER", False, 1, True)
    assert not file.facts().nulls_forbidden


def test_a_collation_of_the_application_cannot_be_indexed_here(file: File) -> None:
    with closing(sqlite3.connect(file.path)) as application:
        application.create_collation("of_the_app", lambda one, other: (one > other) - (one < other))
        application.execute("CREATE TABLE t (k TEXT COLLATE of_the_app)")
    assert not file.facts().key[0].indexable


@pytest.mark.parametrize(
    ("columns", "index", "protecting", "primary"),
    [
        ("k TEXT PRIMARY KEY", "", "sqlite_autoindex_t_1", True),
        ("k INTEGER PRIMARY KEY", "", "primary key", True),
        ("k", "CREATE UNIQUE INDEX u ON t (k)", "u", False),
        ("k", "CREATE UNIQUE INDEX u ON t (k) WHERE k > 1", None, False),
        ("k", "CREATE UNIQUE INDEX u ON t (lower(k))", None, False),
        ("k", "CREATE INDEX u ON t (k)", None, False),
    ],
)
def test_what_keeps_the_key_unique_already(
    file: File, columns: str, index: str, protecting: str | None, primary: bool
) -> None:
    file.run(f"CREATE TABLE t ({columns})", *([index] if index else []))
    facts = file.facts()
    assert (facts.protecting, facts.protecting_primary) == (protecting, primary)


def test_indexes_that_become_redundant(file: File) -> None:
    file.key = ("k", "d")
    file.run(
        "CREATE TABLE t (id TEXT PRIMARY KEY, k, d)",
        "CREATE INDEX prefix ON t (k)",
        "CREATE INDEX other_collation ON t (k COLLATE NOCASE)",
        "CREATE INDEX longer ON t (k, d, id)",
        "CREATE INDEX some ON t (k) WHERE d > 1",
        "CREATE UNIQUE INDEX again ON t (id)",
    )
    facts = file.facts()
    assert facts.redundant_indexes == ("again", "prefix")
    assert facts.lookup == "longer"


@pytest.mark.parametrize(
    ("made", "shown"),
    [
        ("CREATE INDEX T_K_KEY ON other (x)", "index T_K_KEY on other"),
        ("CREATE TABLE t_k_key (x)", "table t_k_key"),
        ("CREATE VIEW t_k_key AS SELECT 1", "view t_k_key"),
        ("CREATE UNIQUE INDEX t_k_key ON t (k, x)", "index t_k_key on t"),
        ("CREATE UNIQUE INDEX t_k_key ON t (k)", None),
    ],
)
def test_a_name_that_is_taken(file: File, made: str, shown: str | None) -> None:
    file.run("CREATE TABLE t (k, x)", "CREATE TABLE other (x)", made)
    assert file.facts().name_taken_by == shown


def test_foreign_keys_in_both_directions(file: File) -> None:
    file.run(
        "CREATE TABLE parent (a, b, PRIMARY KEY (a, b))",
        "CREATE TABLE t (k UNIQUE, a, b, FOREIGN KEY (a, b) REFERENCES parent ON UPDATE CASCADE)",
        'CREATE TABLE "chi""ld" (k REFERENCES T (k) ON DELETE SET NULL)',
    )
    assert set(file.facts().foreign_keys) == {
        ForeignKey("t(a, b)", "t", ("a", "b"), outgoing=True, on_update="CASCADE"),
        ForeignKey('chi"ld(k)', 'chi"ld', ("k",), outgoing=False, on_delete="SET NULL"),
    }


def test_triggers_of_the_table_alone(file: File) -> None:
    file.run(
        "CREATE TABLE t (k)",
        "CREATE TABLE other (k)",
        "CREATE TRIGGER one AFTER UPDATE OF k ON t BEGIN SELECT 1; END",
        "CREATE TRIGGER two INSERT ON T BEGIN SELECT 1; END",
        "CREATE TRIGGER three DELETE ON other BEGIN SELECT 1; END",
    )
    assert file.facts().triggers == (
        TableTrigger("one", "AFTER", ("UPDATE",)),
        TableTrigger("two", "BEFORE", ("INSERT",)),
    )


@pytest.mark.parametrize(
    ("sql", "timing"),
    [
        ("CREATE TRIGGER a AFTER INSERT ON t BEGIN SELECT 1; END", ("AFTER", "INSERT")),
        ("CREATE TRIGGER a INSTEAD OF delete ON v BEGIN SELECT 1; END", ("INSTEAD OF", "DELETE")),
        ('CREATE TRIGGER "x AFTER DELETE ON" before UPDATE ON t BEGIN SELECT 1; END', ("BEFORE", "UPDATE")),
        ("CREATE TRIGGER main.[after] DELETE ON t BEGIN SELECT 1; END", ("BEFORE", "DELETE")),
        (
            "CREATE TRIGGER IF NOT EXISTS `a``b` -- AFTER\n/* BEFORE */ AFTER INSERT ON t BEGIN SELECT 1; END",
            ("AFTER", "INSERT"),
        ),
        ("CREATE TRIGGER 'after' . 'x' AFTER INSERT ON t BEGIN SELECT 1; END", ("AFTER", "INSERT")),
    ],
)
def test_when_a_trigger_fires_is_read_past_any_name(sql: str, timing: tuple[str, str]) -> None:
    assert timing_of(sql) == timing


def test_a_view_is_refused(file: File) -> None:
    file.run("CREATE TABLE b (k)", "CREATE VIEW t AS SELECT k FROM b")
    with pytest.raises(Refused, match="t is a view"):
        file.facts()


def test_an_immutable_database_takes_no_writes(file: File) -> None:
    file.run("CREATE TABLE t (k)")
    assert file.facts().read_only == ""
    settings = DatabaseSettings("db", parse_database_url(f"sqlite:///{file.path}?immutable=1"), None)
    assert "immutable" in read_facts(settings, file.resolved(), "c", Interrupt()).read_only


def test_looking_at_a_sleeping_wal_leaves_no_file_behind(file: File) -> None:
    file.run("PRAGMA journal_mode = WAL", "CREATE TABLE t (k)")
    assert file.facts().settings["journal_mode"] == "wal"
    assert [path.name for path in file.path.parent.iterdir()] == ["app.db"]


def test_a_signal_ends_the_look(file: File) -> None:
    file.run(
        "CREATE TABLE t (k)",
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 50000) INSERT INTO t SELECT i FROM n",
    )
    file.interrupt.signum = 15
    with pytest.raises(Cancelled):
        file.facts()
