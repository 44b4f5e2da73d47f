"""`docs/migrate.md`, run as it stands: a login with just its grants migrates and rolls back; its queries answer."""

from __future__ import annotations

import re
import shutil
import sqlite3
import subprocess
from collections.abc import Sequence
from contextlib import closing
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from dedupaudit.commands.migrate import COMMANDS
from tests.cli.reading import said, strict_json
from tests.cli.repairing import url
from tests.cli.test_migrate_plan import MENDABLE
from tests.conftest import ROOT, Completed, Run, SqliteDb
from tests.servers.mariadb import MariadbServer, program
from tests.servers.postgresql import PostgresqlServer

PAGE = (ROOT / "docs" / "migrate.md").read_text(encoding="utf-8")
ROWS = "VALUES (1, 'a', 'x'), (2, 'a', 'x'), (3, 'b', 'x'), (4, 'c', 'x'), (5, 'd', 'x')"
KEPT, EVERY = [1, 3, 4, 5], [1, 2, 3, 4, 5]
ASKED = ("--max-delete", "50%", "--strategy", "guarded", "-o", "plan.jsonl")


def statements(heading: str) -> list[str]:
    """Return the SQL below a heading."""
    part = re.split(rf"^#+ {re.escape(heading)}\n", PAGE, maxsplit=1, flags=re.MULTILINE)[1]
    block = re.search(r"^```sql\n(.*?)^```", part, flags=re.MULTILINE | re.DOTALL)
    assert block, f"no SQL below {heading}"
    return [one.strip() for one in block[1].split(";") if one.strip()]


def test_its_queries_answer_as_they_say(run: Run, sqlite_db: SqliteDb, tmp_path: Path) -> None:
    db = sqlite_db(MENDABLE)
    how = ("--db", url(db))
    assert run("migrate", "plan", "activities", "-o", "plan.jsonl", *how).code == 0
    assert run("migrate", "apply", tmp_path / "plan.jsonl", "--confirm", "activities", *how).code == 0
    with closing(sqlite3.connect(db)) as connection:
        ((ident,),) = connection.execute("SELECT id FROM dedupaudit_runs WHERE kind = 'migrate'")
        migrations, steps = (
            connection.execute(query.replace("dedupaudit.", "dedupaudit_").replace("RUN", ident)).fetchall()
            for query in statements("For programs")
        )
    assert [(row[0], row[1], row[2], *row[6:]) for row in migrations] == [(ident, "done", "activities", 1, 3)]
    told = [(name, action) for _chunk, name, action, _note in steps]
    names = ["lock", "clean", "build", "verify", "probe"]
    assert told == [(name, action) for name in names for action in ("intent", "outcome")]


def test_every_option_of_the_page_is_one() -> None:
    known = {"--help", "--single-transaction"}
    for name in COMMANDS:
        for parameter in import_module(f"dedupaudit.commands.migrate.{name}").command.params:
            known.update(parameter.opts)
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", PAGE))
    assert named
    assert named <= known


def test_the_fields_of_the_page_are_those_of_the_documents(run: Run, sqlite_db: SqliteDb, tmp_path: Path) -> None:
    how = ("--db", url(sqlite_db(MENDABLE)), "-f", "json", "-q")
    told = PAGE.partition("\n## For programs\n")[2]
    documents: list[Any] = [
        strict_json(run("migrate", "plan", "activities", *how).out)["plans"][0],
        strict_json(run("migrate", "status", "activities", *how).out)["tables"][0],
    ]
    assert run("migrate", "plan", "activities", "-o", "plan.jsonl", *how).code == 0
    done = run("migrate", "apply", tmp_path / "plan.jsonl", "--confirm", "activities", *how)
    documents += [strict_json(done.out), strict_json(done.out)["run"]]
    documents.append(strict_json(run("migrate", "rollback", "activities", "--confirm", "activities", *how).out))
    for document, names in zip(documents, ("steps state plan", None, None, "id kind", None), strict=True):
        for name in names.split() if names else document:
            assert name in document
            assert re.search(rf"[\"`]{name}[\"`]|{name} =", told), name


# ---- PostgreSQL


@pytest.fixture
def server(postgresql: PostgresqlServer) -> PostgresqlServer:
    postgresql.create_database("app")
    for role in ("migrator", "app_owner"):
        postgresql.execute(f"DROP ROLE IF EXISTS {role}")
    for statement in (
        "CREATE ROLE app_owner",
        "REVOKE ALL ON SCHEMA public FROM PUBLIC",
        "REVOKE ALL ON DATABASE app FROM PUBLIC",
        "GRANT USAGE, CREATE ON SCHEMA public TO app_owner",
        "CREATE TABLE activities (seq int PRIMARY KEY, id text, type text)",
        "ALTER TABLE activities OWNER TO app_owner",
        f"INSERT INTO activities {ROWS}",
    ):
        postgresql.execute(statement, database="app")
    return postgresql


def grant(server: PostgresqlServer, grants: Sequence[str]) -> None:
    server.execute("DROP OWNED BY migrator", database="app")
    server.execute("DROP ROLE migrator", database="app")
    for statement in grants:
        server.execute(statement, database="app")


def as_migrator(run: Run, server: PostgresqlServer, *words: str) -> Completed:
    return run(*words, "--db", server.url(user="migrator", password="change-me", database="app"))


def content(server: PostgresqlServer) -> list[int]:
    return [row[0] for row in server.execute("SELECT seq FROM activities ORDER BY seq", database="app")]


def indexes(server: PostgresqlServer) -> list[str]:
    found = server.execute("SELECT indexname FROM pg_indexes WHERE tablename = 'activities' ORDER BY 1", database="app")
    return [row[0] for row in found]


def triggers(server: PostgresqlServer) -> list[str]:
    found = server.execute("SELECT tgname FROM pg_trigger WHERE tgrelid = 'activities'::regclass", database="app")
    return [row[0] for row in found]


def test_the_grants_are_enough_to_migrate_and_to_take_it_back(run: Run, server: PostgresqlServer) -> None:
    for statement in statements("PostgreSQL"):
        server.execute(statement, database="app")
    commands = [
        ("migrate plan activities", KEPT[:0], ASKED),
        ("migrate apply plan.jsonl --confirm activities", KEPT, ()),
        ("migrate status", KEPT, ()),
        ("migrate rollback activities --confirm activities", KEPT, ()),
        ("repair undo last --confirm activities", EVERY, ()),
    ]
    for words, rows, more in commands:
        done = as_migrator(run, server, *words.split(), *more)
        assert done.code == 0, (words, said(done))
        assert content(server) == (rows or EVERY), words
        protected = "activities_id_key" in indexes(server)
        assert protected == (rows == KEPT and "rollback" not in words), words
    assert indexes(server) == ["activities_pkey"]
    assert triggers(server) == []


def test_beside_a_repairer_its_role_takes_the_place_of_the_schema(run: Run, server: PostgresqlServer) -> None:
    (instead,) = re.findall(r"`(GRANT repairer TO migrator)` takes the place of the `CREATE SCHEMA`", PAGE)
    server.execute("DROP ROLE IF EXISTS repairer")
    theirs = (ROOT / "docs" / "repair.md").read_text(encoding="utf-8").partition("### PostgreSQL\n")[2]
    for statement in theirs.partition("```sql\n")[2].partition("```")[0].split(";"):
        if statement.strip() and "sessions" not in statement:
            server.execute(statement, database="app")
    where = ("--db", server.url(user="repairer", password="change-me", database="app"))
    for words in ("plan activities --max-delete 50% -o r.jsonl", "apply r.jsonl --confirm activities"):
        assert run("repair", *words.split(), *where).code == 0
    assert run("repair", "undo", "last", "--confirm", "activities", *where).code == 0
    for statement in statements("PostgreSQL"):
        server.execute(instead if statement.startswith("CREATE SCHEMA") else statement, database="app")
    assert as_migrator(run, server, "migrate", "plan", "activities", *ASKED).code == 0
    done = as_migrator(run, server, "migrate", "apply", "plan.jsonl", "--confirm", "activities")
    assert (done.code, content(server)) == (0, KEPT), said(done)
    assert "activities_id_key" in indexes(server)


def test_none_of_the_grants_is_too_many(run: Run, server: PostgresqlServer) -> None:
    grants = statements("PostgreSQL")
    for statement in grants:
        server.execute(statement, database="app")
    assert as_migrator(run, server, "migrate", "plan", "activities", *ASKED).code == 0
    for left_out in grants[1:]:
        grant(server, [one for one in grants if one != left_out])
        done = as_migrator(run, server, "migrate", "apply", "plan.jsonl", "--confirm", "activities")
        assert done.code in (2, 3, 5), (left_out, said(done))
        assert done.out == b""
        assert said(done)
        assert (content(server), indexes(server)) == (EVERY, ["activities_pkey"]), left_out
        assert triggers(server) == [], left_out


def test_the_script_is_run_by_psql(run: Run, server: PostgresqlServer) -> None:
    for statement in statements("PostgreSQL"):
        server.execute(statement, database="app")
    script = as_migrator(run, server, "migrate", "plan", "activities", "--sql", "-q", *ASKED)
    assert script.code == 0, said(script)
    server.execute("DELETE FROM activities WHERE seq = 2", database="app")
    where = server.url(user="migrator", password="change-me", database="app")
    client = shutil.which("psql")
    assert client, "it comes with the server"
    done = subprocess.run([client, "-q", where], input=script.out, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert indexes(server) == ["activities_id_key", "activities_pkey"]
    assert triggers(server) == []
    (told,) = strict_json(as_migrator(run, server, "migrate", "status", "activities", "-f", "json").out)["tables"]
    assert (told["unique"], told["leftovers"]) == ("constraint", [])


# ---- MySQL and MariaDB


@pytest.fixture
def on_mariadb(mariadb: MariadbServer) -> MariadbServer:
    mariadb.create_database("app")
    mariadb.execute("DROP USER IF EXISTS 'migrator'@'%'")
    for statement in (
        "CREATE TABLE activities (seq int PRIMARY KEY, id varchar(50), type varchar(50))",
        f"INSERT INTO activities {ROWS}",
    ):
        mariadb.execute(statement, database="app")
    return mariadb


def on_mysql(run: Run, server: MariadbServer, *words: str) -> Completed:
    return run(*words, "--db", server.url(user="migrator", password="change-me", database="app"))


def what_is_there(server: MariadbServer) -> tuple[list[int], set[str], int]:
    """Return the rows, the indexes and the number of triggers."""
    rows = [row[0] for row in server.execute("SELECT seq FROM activities ORDER BY seq", database="app")]
    names = {row[2] for row in server.execute("SHOW INDEX FROM activities", database="app")}
    return rows, names, len(server.execute("SHOW TRIGGERS", database="app"))


def test_the_grants_for_mariadb_are_enough_to_migrate_and_to_take_it_back(run: Run, on_mariadb: MariadbServer) -> None:
    for statement in statements("MySQL and MariaDB"):
        on_mariadb.execute(statement, database="app")
    protected, bare = {"PRIMARY", "activities_id_key"}, {"PRIMARY"}
    for words, rows, names in (
        (f"migrate plan activities {' '.join(ASKED)}", EVERY, bare),
        ("migrate apply plan.jsonl --confirm activities", KEPT, protected),
        ("migrate status", KEPT, protected),
        ("migrate rollback activities --confirm activities", KEPT, bare),
        ("repair undo last --confirm activities", EVERY, bare),
    ):
        done = on_mysql(run, on_mariadb, *words.split())
        assert done.code == 0, (words, said(done))
        assert what_is_there(on_mariadb) == (rows, names, 0), words


def test_none_of_the_grants_for_mariadb_is_too_many(run: Run, on_mariadb: MariadbServer) -> None:
    grants = statements("MySQL and MariaDB")
    for statement in grants:
        on_mariadb.execute(statement, database="app")
    assert on_mysql(run, on_mariadb, "migrate", "plan", "activities", *ASKED).code == 0
    # Of those for the tables that a repair makes one will do.
    alike = [one for one in grants if "dedupaudit_" in one and "_guard_" not in one]
    for left_out in [one for one in grants[1:] if one not in alike[1:]]:
        on_mariadb.execute("DROP USER 'migrator'@'%'")
        for statement in (one for one in grants if one != left_out):
            on_mariadb.execute(statement, database="app")
        done = on_mysql(run, on_mariadb, "migrate", "apply", "plan.jsonl", "--confirm", "activities")
        assert done.code in (2, 3, 5), (left_out, said(done))
        assert done.out == b""
        assert said(done)
        assert what_is_there(on_mariadb) == (EVERY, {"PRIMARY"}, 0), left_out


def test_the_script_is_run_by_the_client_of_mariadb(run: Run, on_mariadb: MariadbServer) -> None:
    for statement in statements("MySQL and MariaDB"):
        on_mariadb.execute(statement, database="app")
    script = on_mysql(run, on_mariadb, "migrate", "plan", "activities", "--sql", "-q", *ASKED)
    assert script.code == 0, said(script)
    assert b"DELIMITER" in script.out
    on_mariadb.execute("DELETE FROM activities WHERE seq = 2", database="app")
    client = [
        str(program("mariadb", "mysql")),
        "-h127.0.0.1",
        f"-P{on_mariadb.port}",
        "-umigrator",
        "-pchange-me",
        "app",
    ]
    done = subprocess.run(client, input=script.out, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert what_is_there(on_mariadb) == (KEPT, {"PRIMARY", "activities_id_key"}, 0)
    (told,) = strict_json(on_mysql(run, on_mariadb, "migrate", "status", "activities", "-f", "json").out)["tables"]
    assert (told["unique"], told["leftovers"]) == ("constraint", [])
