"""What is there at the end is looked at, and not believed: an index that has lost rows deceives nobody."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from dedupaudit.config import TableSettings
from dedupaudit.errors import RunFailed
from dedupaudit.migrate.databases.postgresql_migration import PostgresqlMigration
from dedupaudit.migrate.databases.sqlite_migration import SqliteMigration
from dedupaudit.repair.errors import Surprise
from tests.migrate.migrating import Migrating
from tests.repair.databases import Database, Postgresql, Sqlite


def migrating(database: Database, folder: Path) -> Migrating:
    work = Migrating(database, folder, {"t": TableSettings(key=("k",))})
    work.database.run(
        "CREATE TABLE t (n INTEGER PRIMARY KEY, k VARCHAR(20))", "INSERT INTO t VALUES (1, 'a'), (2, 'b')"
    )
    return work


def test_an_index_that_lies_is_found_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As after a change of a collation: it does not have what is stored, and claims to be valid."""
    work = migrating(Postgresql(), tmp_path)
    done = PostgresqlMigration.do

    def lying(self: PostgresqlMigration, step: Any) -> None:
        done(self, step)
        if step.name == "attach":
            ready = "UPDATE pg_index SET indisready = {} WHERE indexrelid = 't_k_key'::regclass"
            work.database.run(ready.format("FALSE"), "INSERT INTO t VALUES (3, 'a')", ready.format("TRUE"))

    monkeypatch.setattr(PostgresqlMigration, "do", lying)
    # PostgreSQL finds the rows of a key again by the index: they are fewer than it counted.
    with pytest.raises(RunFailed, match="a key has 2 rows and 1 were found: an index is corrupt"):
        work.apply(work.plan(strategy="small"))
    (status,) = work.status()
    assert [known.state for known in status.runs] == ["interrupted"]


def test_so_is_one_of_sqlite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    work = migrating(Sqlite(), tmp_path)
    standing = SqliteMigration.standing
    lied = False

    def lying(self: SqliteMigration) -> Any:
        nonlocal lied
        found = standing(self)
        if found.unique == "constraint" and not lied and not self.repair.connection.in_transaction:  # type: ignore[attr-defined]
            lied = True
            lose_a_row(tmp_path / "app.db")
        return found

    monkeypatch.setattr(SqliteMigration, "standing", lying)
    with pytest.raises(Surprise, match="share their key"):
        work.apply(work.plan())
    assert lied


def lose_a_row(path: Path) -> None:
    """Let a row in while the index is not in the schema."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        found = connection.execute("SELECT rootpage, sql FROM sqlite_master WHERE name = 't_k_key'").fetchone()
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute("DELETE FROM sqlite_master WHERE name = 't_k_key'")
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("INSERT INTO t VALUES (3, 'a')")
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute("INSERT INTO sqlite_master VALUES ('index', 't_k_key', 't', ?, ?)", found)


@pytest.mark.parametrize("database", [Postgresql(), Sqlite()], ids=lambda one: one.name)
def test_a_probe_whose_row_is_taken_away_is_tried_again(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = migrating(database, tmp_path)
    kind: Any = PostgresqlMigration if isinstance(database, Postgresql) else SqliteMigration
    probe, said = kind.probe, iter(["nothing could be tried: gone", "nothing could be tried: gone"])
    monkeypatch.setattr(kind, "probe", lambda self: next(said, None) or probe(self))
    done = work.apply(work.plan())
    assert done.evidence is not None
    assert "was refused by t_k_key" in done.evidence.probe
