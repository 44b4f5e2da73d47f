"""`docs/grants.md`, run as it stands: a login with just these grants scans without a warning, and cannot write."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from threading import Thread
from typing import Any

import psycopg2
import pymysql
import pytest

from tests.cli.launching import completed, started, with_checkout
from tests.cli.reading import report_of, said, statuses
from tests.conftest import ROOT, Run
from tests.faults.targets import BURNING, PATIENCE, running, until
from tests.ordinary_user import open_folder, run_as_ordinary_user
from tests.servers.mariadb import MariadbServer
from tests.servers.postgresql import PostgresqlServer

PAGE = (ROOT / "docs" / "grants.md").read_text(encoding="utf-8")
TABLES = ("activities", "screenshots", "processes")
SECRET = "change-me"


def statements(section: str, subsection: str = "") -> list[str]:
    """Return the SQL below a heading of the page; without a subsection, what stands before the first of them."""
    text = re.split(r"^## ", PAGE, flags=re.MULTILINE)
    part = next(part for part in text if part.startswith(f"{section}\n"))
    parts = re.split(r"^### ", part, flags=re.MULTILINE)
    chosen = next(one for one in parts[1:] if one.startswith(f"{subsection}\n")) if subsection else parts[0]
    blocks = re.findall(r"^```sql\n(.*?)^```", chosen, flags=re.MULTILINE | re.DOTALL)
    assert blocks, f"no SQL below {section} {subsection}"
    return [one.strip() for one in "\n".join(blocks).split(";") if one.strip()]


def test_every_block_of_the_page_is_run_here() -> None:
    below = [
        ("PostgreSQL", ""),
        ("PostgreSQL", "Row-level security"),
        ("MySQL and MariaDB", ""),
        ("MySQL and MariaDB", "Giving way"),
    ]
    assert PAGE.count("```sql") == len(below)
    assert all(statements(*place) for place in below)


# ---- PostgreSQL


@pytest.fixture
def on_postgresql(postgresql: PostgresqlServer) -> PostgresqlServer:
    """Return a server with the page's database, whose tables hold duplicates, and no login yet."""
    postgresql.create_database("app")
    postgresql.execute("DROP ROLE IF EXISTS auditor")
    for table in TABLES:
        postgresql.execute(f"CREATE TABLE {table} (pk serial PRIMARY KEY, id text, type text)", database="app")
        postgresql.execute(f"INSERT INTO {table} (id) VALUES ('a'), ('a'), ('b')", database="app")
    return postgresql


def grant_postgresql(server: PostgresqlServer, subsection: str = "") -> None:
    for statement in statements("PostgreSQL", subsection):
        server.execute(statement, database="app")


def url_of(server: PostgresqlServer | MariadbServer) -> str:
    return server.url(user="auditor", password=SECRET, database="app")


def scanned(run: Run, server: PostgresqlServer | MariadbServer, engine: str, remark: str = "") -> None:
    done = run("scan", *TABLES, "--distrust-indexes", "--engine", engine, "-f", "json", "--db", url_of(server))
    report = report_of(done)
    assert report["complete"], done.err
    assert done.code == 1
    assert {table["surplus_rows"] for table in report["summary"]["tables"].values()} == {1}
    remarks = said(done).splitlines()
    assert "could write" not in "".join(remarks)
    assert len(remarks) == (1 if remark else 0), remarks
    assert remark in "".join(remarks)


@pytest.mark.parametrize("engine", ["pushdown", "snapshot"])
def test_the_grants_for_postgresql_are_enough(run: Run, on_postgresql: PostgresqlServer, engine: str) -> None:
    grant_postgresql(on_postgresql)
    scanned(run, on_postgresql, engine)


def test_init_needs_no_more_on_postgresql(run: Run, on_postgresql: PostgresqlServer) -> None:
    grant_postgresql(on_postgresql)
    done = run("init", "--db", url_of(on_postgresql), "-o", "-")
    assert done.code == 0, done.err
    assert b"[tables.activities]" in done.out


@pytest.mark.parametrize("left_out", range(2, 4))
def test_none_of_the_grants_for_postgresql_is_too_many(
    run: Run, on_postgresql: PostgresqlServer, left_out: int
) -> None:
    """Where PUBLIC has none: new databases let everybody connect and use the schema public."""
    on_postgresql.execute("REVOKE CONNECT ON DATABASE app FROM PUBLIC")
    on_postgresql.execute("REVOKE ALL ON SCHEMA public FROM PUBLIC", database="app")
    chosen = [one for number, one in enumerate(statements("PostgreSQL"), 1) if number != left_out]
    for statement in chosen:
        on_postgresql.execute(statement, database="app")
    done = run("scan", *TABLES, "--db", url_of(on_postgresql))
    assert done.code in (2, 3)
    grant_missing = statements("PostgreSQL")[left_out - 1]
    on_postgresql.execute(grant_missing, database="app")
    scanned(run, on_postgresql, "auto")


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO activities (id) VALUES ('x')",
        "UPDATE activities SET id = 'x'",
        "DELETE FROM activities",
        "TRUNCATE activities",
        "DROP TABLE activities",
        "ALTER TABLE activities ADD COLUMN x int",
        "CREATE INDEX x ON activities (id)",
        "CREATE TABLE x (id int)",
        "CREATE SCHEMA x",
        "SELECT nextval('activities_pk_seq')",
        "BEGIN; LOCK TABLE activities IN ACCESS EXCLUSIVE MODE",
        "COPY activities TO PROGRAM 'true'",
        "COPY activities TO '/tmp/x'",
        "CREATE ROLE x",
    ],
)
def test_a_login_with_the_grants_for_postgresql_cannot_write(on_postgresql: PostgresqlServer, statement: str) -> None:
    grant_postgresql(on_postgresql)
    connection = on_postgresql.connect("app", user="auditor")
    try:
        with connection.cursor() as cursor, pytest.raises(psycopg2.errors.InsufficientPrivilege):
            cursor.execute(statement)
    finally:
        connection.close()


def test_bypassrls_sees_what_policies_hide_and_without_it_the_table_is_an_error(
    run: Run, on_postgresql: PostgresqlServer
) -> None:
    grant_postgresql(on_postgresql)
    on_postgresql.execute("ALTER TABLE activities ENABLE ROW LEVEL SECURITY", database="app")
    assert run("scan", *TABLES, "--fail-on", "none", "--db", url_of(on_postgresql)).code == 3
    grant_postgresql(on_postgresql, "Row-level security")
    scanned(run, on_postgresql, "auto")


# ---- MariaDB


@pytest.fixture
def on_mariadb(mariadb: MariadbServer) -> MariadbServer:
    """Return a server with the page's database, whose tables hold duplicates, and no login yet."""
    mariadb.create_database("app")
    mariadb.execute("DROP USER IF EXISTS 'auditor'@'%'")
    for table in TABLES:
        mariadb.execute(
            f"CREATE TABLE {table} (pk int AUTO_INCREMENT PRIMARY KEY, id varchar(50), type text)", database="app"
        )
        mariadb.execute(f"INSERT INTO {table} (id) VALUES ('a'), ('a'), ('b')")
    return mariadb


def grant_mariadb(server: MariadbServer, subsection: str = "") -> None:
    for statement in statements("MySQL and MariaDB", subsection):
        server.execute(statement)


@pytest.mark.parametrize("engine", ["pushdown", "snapshot"])
@pytest.mark.parametrize("process", [True, False], ids=["with PROCESS", "without PROCESS"])
def test_the_grants_for_mariadb_are_enough(run: Run, on_mariadb: MariadbServer, engine: str, process: bool) -> None:
    grant_mariadb(on_mariadb)
    if process:
        grant_mariadb(on_mariadb, "Giving way")
    scanned(run, on_mariadb, engine, remark="" if process else "PROCESS")


def test_init_needs_no_more_on_mariadb(run: Run, on_mariadb: MariadbServer) -> None:
    grant_mariadb(on_mariadb)
    done = run("init", "--db", url_of(on_mariadb), "-o", "-")
    assert done.code == 0, done.err
    assert b"[tables.activities]" in done.out


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO activities (id) VALUES ('x')",
        "REPLACE INTO activities (pk, id) VALUES (1, 'x')",
        "UPDATE activities SET id = 'x'",
        "DELETE FROM activities",
        "TRUNCATE TABLE activities",
        "DROP TABLE activities",
        "ALTER TABLE activities ADD COLUMN x int",
        "CREATE INDEX x ON activities (id)",
        "CREATE TABLE x (id int)",
        "CREATE DATABASE x",
        "CREATE USER x",
        "LOCK TABLES activities WRITE",
        "FLUSH TABLES WITH READ LOCK",
        "ANALYZE TABLE activities",
        "OPTIMIZE TABLE activities",
        "SELECT id FROM activities INTO OUTFILE '/tmp/x'",
        "SET GLOBAL general_log = 1",
    ],
)
def test_a_login_with_the_grants_for_mariadb_cannot_write(on_mariadb: MariadbServer, statement: str) -> None:
    grant_mariadb(on_mariadb)
    grant_mariadb(on_mariadb, "Giving way")
    refusing = (1044, 1045, 1142, 1227, 1410)  # no right to: the database, a file, the table, the server
    connection = on_mariadb.connect("app", user="auditor", password=SECRET)
    with connection, connection.cursor() as cursor, pytest.raises(pymysql.err.MySQLError) as caught:
        cursor.execute(statement)
    assert caught.value.args[0] in refusing


# ---- giving way, with the grants of the page and no others


@pytest.mark.parametrize("product", ["PostgreSQL", "MariaDB"])
def test_the_grants_let_the_audit_see_who_waits_behind_it(
    request: pytest.FixtureRequest, clean_env: dict[str, str], tmp_path: Path, product: str
) -> None:
    from tests.faults.targets import Mariadb, Postgresql

    server: Any = request.getfixturevalue("on_postgresql" if product == "PostgreSQL" else "on_mariadb")
    alter: Callable[[], object]
    if product == "PostgreSQL":
        grant_postgresql(server)
        target: Any = Postgresql(server)
    else:
        grant_mariadb(server)
        grant_mariadb(server, "Giving way")
        target = Mariadb(server)
        target.login = "auditor"
    text = f'[database]\nurl = "{url_of(server)}"\n[tables.activities]\nwhere = "{target.endless}"\n'
    (tmp_path / "dedupaudit.toml").write_text(text)
    connection = server.connect("app")

    def alter_table() -> None:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE activities ADD COLUMN note varchar(10)")
        connection.close()

    alter = alter_table
    with started(["scan", "-f", "json"], with_checkout(clean_env), tmp_path) as process:
        running(target, BURNING, process)
        application = Thread(target=alter, daemon=True)
        application.start()
        application.join(PATIENCE)
        assert not application.is_alive(), "the ALTER still waits behind the audit"
        done = completed(process)
    until(lambda: not target.sessions(), "the end of the audit's sessions")
    assert done.code == 3
    assert "gave way" in said(done)
    assert "failed" in statuses(report_of(done)).values()


# ---- SQLite


def test_a_file_that_may_only_be_read_is_enough_for_sqlite(clean_env: dict[str, str], sqlite_db: Any) -> None:
    script = "CREATE TABLE activities (id TEXT); INSERT INTO activities VALUES ('a'), ('a')"
    source = sqlite_db(script)
    assert "chmod o+r app.db" in PAGE
    with open_folder() as folder:
        file = folder / "app.db"
        file.write_bytes(source.read_bytes())
        file.chmod(0o604)
        warm = folder / "warm.db"
        warm.write_bytes(source.read_bytes())
        arguments = ("scan", "-f", "json", "--db", f"sqlite:///{file}")
        done = run_as_ordinary_user(clean_env, folder, warm, *arguments)
        assert report_of(done)["complete"]
        assert done.code == 1
        assert sorted(path.name for path in folder.iterdir()) == ["app.db", "warm.db"]
