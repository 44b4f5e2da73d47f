"""`docs/repair.md`, run as it stands: its queries answer, and a login with just its grants repairs and takes back."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing

import pytest

from dedupaudit.errors import ExitCode
from tests.cli.reading import said, strict_json
from tests.cli.repairing import TABLE, apply_here, changed, planned
from tests.conftest import ROOT, Run, SqliteDb
from tests.servers.mariadb import MariadbServer
from tests.servers.postgresql import PostgresqlServer

PAGE = (ROOT / "docs" / "repair.md").read_text(encoding="utf-8")
ROWS = "VALUES (1, 'a', 'x'), (2, 'a', 'x'), (3, 'b', 'x'), (4, 'c', 'x'), (5, 'd', 'x')"
CHILDREN = "VALUES (1, 1), (2, 2), (3, 3)"


def statements(heading: str) -> list[str]:
    """Return the SQL below a heading."""
    part = re.split(rf"^#+ {re.escape(heading)}\n", PAGE, maxsplit=1, flags=re.MULTILINE)[1]
    block = re.search(r"^```sql\n(.*?)^```", part, flags=re.MULTILINE | re.DOTALL)
    assert block, f"no SQL below {heading}"
    return [one.strip() for one in block[1].split(";") if one.strip()]


def test_its_queries_answer_as_they_say(sqlite_db: SqliteDb) -> None:
    db = sqlite_db(TABLE)
    plan = planned(db)
    changed(db, "UPDATE activities SET type = 'x' WHERE seq = 5")
    assert apply_here(db, plan).exit_code == ExitCode.INCOMPLETE
    with closing(sqlite3.connect(db)) as connection:
        ((run,),) = connection.execute("SELECT id FROM dedupaudit_runs")
        answers = []
        for query in statements("What it keeps, and how to read it"):
            told = query.replace("dedupaudit.", "dedupaudit_").replace("325", "2").replace("RUN", run)
            told = told.replace("activity_1766557428498", "activity_1")
            answers.append(connection.execute(told).fetchall())
    runs, skipped, counted, of_id, of_row, kept, conserved = answers
    assert [row[:3] for row in runs] == [(run, "done", "activities")]
    assert [row[1] for row in skipped] == ['{"id": "activity_2"}']
    assert {row[1]: row[2] for row in counted} == {"kept": 1, "deleted": 2, "skipped": 1}
    assert [row[4:6] for row in of_id] == [(2, "activity_1"), (3, "activity_1")]
    assert [row[3] for row in of_row] == ["deleted"]
    assert [(row[0], row[2]) for row in kept] == [(run, 2)]
    assert conserved == []


def repaired(run: Run, server: PostgresqlServer | MariadbServer) -> None:
    """Plan, apply and take back with the page's login, and see that both changed and restored the rows."""
    url = server.url(user="repairer", password="change-me", database="app")
    before = content(server)
    commands: list[list[str]] = [
        ["plan", "activities", "--max-delete", "50%", "-o", "plan.jsonl"],
        ["apply", "plan.jsonl", "--confirm", "activities"],
        ["runs", "-f", "json"],
        ["undo", "last", "--confirm", "activities"],
        ["apply", "plan.jsonl", "--confirm", "activities", "-q"],
        ["purge", "activities", "--older-than", "0s", "--confirm", "activities"],
    ]
    for command in commands:
        done = run("repair", *command, "--db", url)
        assert done.code == 0, (command, said(done))
        if command[0] == "apply":
            assert content(server) == ([1, 3, 4, 5], [(1, 1), (2, 1), (3, 3)])
        if command[0] == "undo":
            assert content(server) == before
        if "json" in command:
            assert strict_json(done.out)["runs"][0]["children_repointed"] == 1


def content(server: PostgresqlServer | MariadbServer) -> tuple[list[int], list[tuple[int, int]]]:
    rows = server.execute("SELECT seq FROM activities ORDER BY seq", database="app")
    children = server.execute("SELECT n, activity FROM sessions ORDER BY n", database="app")
    return [row[0] for row in rows], [(row[0], row[1]) for row in children]


def refused_without(run: Run, server: PostgresqlServer | MariadbServer, grants: list[str], drop: list[str]) -> None:
    """See that the page's login may not repair without any one of these grants, is told which, and changes nothing."""
    before = content(server)
    how = ("--db", server.url(user="repairer", password="change-me", database="app"))
    for statement in grants:
        server.execute(statement, database="app")
    assert run("repair", "plan", "activities", "--max-delete", "50%", "-o", "plan.jsonl", *how).code == 0
    # Of those for the tool's own tables one will do.
    alike = [one for one in grants if "dedupaudit_" in one]
    for left_out in [one for one in grants[1:] if one not in alike[1:]]:
        for statement in (*drop, *(one for one in grants if one != left_out)):
            server.execute(statement, database="app")
        done = run("repair", "apply", "plan.jsonl", "--confirm", "activities", *how)
        assert done.code in (2, 3, 5), (left_out, said(done))
        assert done.out == b""
        assert said(done)
        assert content(server) == before, left_out


@pytest.fixture
def on_postgresql(postgresql: PostgresqlServer) -> PostgresqlServer:
    postgresql.create_database("app")
    postgresql.execute("DROP ROLE IF EXISTS repairer")
    for statement in (
        "REVOKE ALL ON SCHEMA public FROM PUBLIC",
        "REVOKE ALL ON DATABASE app FROM PUBLIC",
        "CREATE TABLE activities (seq int PRIMARY KEY, id text, type text)",
        f"INSERT INTO activities {ROWS}",
        "CREATE TABLE sessions (n int PRIMARY KEY, activity int REFERENCES activities ON DELETE CASCADE)",
        f"INSERT INTO sessions {CHILDREN}",
    ):
        postgresql.execute(statement, database="app")
    return postgresql


@pytest.fixture
def on_mariadb(mariadb: MariadbServer) -> MariadbServer:
    mariadb.create_database("app")
    mariadb.execute("DROP USER IF EXISTS 'repairer'@'%'")
    for statement in (
        "CREATE TABLE activities (seq int PRIMARY KEY, id varchar(50), type varchar(50))",
        f"INSERT INTO activities {ROWS}",
        "CREATE TABLE sessions (n int PRIMARY KEY, activity int, FOREIGN KEY (activity) REFERENCES activities (seq)"
        " ON DELETE CASCADE)",
        f"INSERT INTO sessions {CHILDREN}",
    ):
        mariadb.execute(statement, database="app")
    return mariadb


def test_the_grants_for_postgresql_are_enough_and_none_is_too_many(run: Run, on_postgresql: PostgresqlServer) -> None:
    grants = statements("PostgreSQL")
    refused_without(run, on_postgresql, grants, ["DROP OWNED BY repairer", "DROP ROLE repairer"])
    for statement in ("DROP OWNED BY repairer", "DROP ROLE repairer", *grants):
        on_postgresql.execute(statement, database="app")
    repaired(run, on_postgresql)


def test_the_grants_for_mariadb_are_enough_and_none_is_too_many(run: Run, on_mariadb: MariadbServer) -> None:
    grants = statements("MySQL and MariaDB")
    refused_without(run, on_mariadb, grants, ["DROP USER 'repairer'@'%'"])
    for statement in ("DROP USER 'repairer'@'%'", *grants):
        on_mariadb.execute(statement, database="app")
    repaired(run, on_mariadb)


def test_every_option_of_the_page_is_one() -> None:
    from importlib import import_module

    from dedupaudit.commands.repair import COMMANDS

    known = {"--help"}
    for name in COMMANDS:
        for parameter in import_module(f"dedupaudit.commands.repair.{name}").command.params:
            known.update(parameter.opts)
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", PAGE))
    assert named
    assert named <= known
