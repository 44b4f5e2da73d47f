"""`dedupaudit migrate target` as it is typed: what it says, how it is confirmed, and its exit codes."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.cli.reading import said, strict_json
from tests.cli.repairing import typed, whole
from tests.conftest import Completed, Run, SqliteDb
from tests.servers.mariadb import MariadbServer
from tests.servers.postgresql import PostgresqlServer

TODAY = """
CREATE TABLE activities (id INTEGER PRIMARY KEY, activity_id TEXT, type TEXT, created_at DATETIME);
CREATE UNIQUE INDEX again ON activities (id);
"""
DB = ("--db", "sqlite:///app.db")
CREATE = ("migrate", "target", "--create", *DB)


def text(done: Completed) -> str:
    return done.out.decode()


def flat(told: str | bytes) -> str:
    """Return what was told without line breaks: where they fall depends on the length of the test's folder."""
    return " ".join((told if isinstance(told, str) else told.decode()).split())


def test_what_differs_is_told_table_by_table_and_changes_nothing(run: Run, sqlite_db: SqliteDb) -> None:
    path = sqlite_db(TODAY)
    before = path.read_bytes()
    done = run("migrate", "target", *DB)
    assert (done.code, done.err) == (1, b"")
    first, _, rest = text(done).partition("\n\n")
    assert flat(first) == f"{path}: 3 of 3 tables differ from the target schema."
    assert rest.splitlines() == [
        "screenshots: missing",
        "",
        "activities: 8 differences",
        "  type       id has INTEGER; wanted TEXT",
        "  default    id has auto-increment; wanted none",
        "  column     device_id is missing; wanted TEXT",
        "  null       type may be NULL; wanted NOT NULL",
        "  column     timestamp is missing; wanted INTEGER",
        "  column     data is missing; wanted TEXT",
        "  default    created_at has none; wanted CURRENT_TIMESTAMP",
        "  redundant  again is unique on id, which the primary key is already",
        "  besides    activity_id (the target has no such column; that is no difference)",
        "",
        "processes: missing",
        "",
        "The target in SQL is sql/schema/sqlite.sql: change what differs by hand.",
    ]
    assert path.read_bytes() == before


def test_the_configured_names_are_compared_and_another_key_is_told(
    run: Run, sqlite_db: SqliteDb, tmp_path: Path
) -> None:
    sqlite_db("CREATE TABLE acts (seq INTEGER PRIMARY KEY, id TEXT NOT NULL)")
    (tmp_path / "dedupaudit.toml").write_text('[tables.activities]\nname = "acts"\nkey = ["id", "seq"]\n')
    done = run("migrate", "target", *DB)
    assert done.code == 1, said(done)
    assert "activities (here acts): 6 differences\n" in text(done)
    assert "  key        the primary key is seq; wanted id\n" in text(done)
    assert "  note       the configured key is id, seq; the target has the real ID in id, as" in text(done)
    assert text(done).endswith("  dedupaudit migrate plan activities --db sqlite:///app.db\n")


def test_json_has_the_same(run: Run, sqlite_db: SqliteDb, tmp_path: Path) -> None:
    sqlite_db(TODAY)
    done = run("migrate", "target", *DB, "-f", "json", "-o", "target.json")
    assert (done.code, done.out, done.err) == (1, b"", b"")
    told = strict_json((tmp_path / "target.json").read_bytes())
    assert (told["database"], told["dialect"], told["same"], told["created"]) == ("app.db", "sqlite", False, False)
    screenshots, activities, _processes = told["tables"]
    assert (screenshots["exists"], screenshots["differences"]) == (False, [])
    assert activities["differences"][0] == {"what": "type", "name": "id", "has": "INTEGER", "wanted": "TEXT"}
    assert activities["more"] == ["activity_id"]


def test_names_of_the_database_do_not_reach_the_terminal_as_they_are(run: Run, sqlite_db: SqliteDb) -> None:
    sqlite_db('CREATE TABLE activities (id TEXT, "x\x1b[31m" "T\x1b[2J", type "\x1b[2J" DEFAULT \'\x1b\')')
    done = run("migrate", "target", *DB)
    assert done.code == 1
    assert b"\x1b" not in done.out
    assert r"x\x1b[31m" in text(done)


def test_create_then_compare(run: Run, sqlite_db: SqliteDb) -> None:
    path = sqlite_db("CREATE TABLE bystander (x)")
    done = run("migrate", "target", *DB)
    assert (done.code, text(done).splitlines()[-1]) == (1, "  dedupaudit migrate target --create --db sqlite:///app.db")
    done = run(*CREATE, "--confirm", "app.db", "-f", "json", "-q")
    assert (done.code, done.err) == (0, b""), said(done)
    assert (strict_json(done.out)["created"], strict_json(done.out)["same"]) == (True, True)
    done = run("migrate", "target", *DB)
    assert done.code == 0
    assert flat(text(done)).startswith(f"{path}: all 3 tables are as the target schema has them.")
    before = whole(path)
    done = run(*CREATE, "--confirm", "app.db")
    assert done.code == 5
    assert "has screenshots, activities, processes already" in said(done)
    assert whole(path) == before


def test_create_is_asked_for_on_a_terminal(sqlite_db: SqliteDb, clean_env: dict[str, str], tmp_path: Path) -> None:
    path = sqlite_db("CREATE TABLE bystander (x)")
    before = whole(path)
    done, screen = typed(CREATE, clean_env, tmp_path, b"app\n")
    assert (done.code, whole(path)) == (5, before)
    assert f"About to create 3 tables in {path}:" in flat(screen)
    done, _screen = typed(CREATE, clean_env, tmp_path, b"app.db\n")
    assert done.code == 0
    assert flat(text(done)).startswith(f"{path}: created screenshots, activities, processes;")


@pytest.mark.parametrize(("more", "code"), [((), 2), (("--confirm", "other.db"), 5)])
def test_create_without_a_yes_changes_nothing(run: Run, sqlite_db: SqliteDb, more: tuple[str, ...], code: int) -> None:
    path = sqlite_db("CREATE TABLE bystander (x)")
    before = path.read_bytes()
    assert run(*CREATE, *more).code == code
    assert path.read_bytes() == before


def test_a_database_that_cannot_be_reached(run: Run, tmp_path: Path) -> None:
    for more in ((), ("--create", "--confirm", "app.db")):
        done = run("migrate", "target", *DB, *more)
        assert done.code == 3
        assert "no such database file" in said(done)
    assert not (tmp_path / "app.db").exists()


def test_another_writer_makes_create_give_up(run: Run, sqlite_db: SqliteDb) -> None:
    path = sqlite_db("CREATE TABLE bystander (x)")
    with closing(sqlite3.connect(path, isolation_level=None)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        done = run(*CREATE, "--confirm", "app.db")
        assert done.code == 3
        assert "locked" in said(done)
    assert run(*CREATE, "--confirm", "app.db").code == 0


def test_on_servers_by_the_databases_name(run: Run, postgresql: PostgresqlServer, mariadb: MariadbServer) -> None:
    postgresql.create_database("target_cli")
    with closing(mariadb.connect()) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE OR REPLACE DATABASE target_cli")
    for url in (postgresql.url(database="target_cli"), mariadb.url(database="target_cli")):
        done = run("migrate", "target", "--create", "--confirm", "target_cli", "--db", url)
        assert done.code == 0, said(done)
        done = run("migrate", "target", "--db", url)
        assert done.code == 0, said(done)
        assert "/target_cli: all 3 tables are as the target schema has them." in flat(text(done))
