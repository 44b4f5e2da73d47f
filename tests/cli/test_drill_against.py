"""`drill --against`: would a retry duplicate here today? Before `migrate`, after it, and where nobody can say."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from dedupaudit.interrupt import Runtime
from dedupaudit.main import run as program
from tests.cli.drilling import schemas_of
from tests.cli.reading import dangerous, said, strict_json
from tests.conftest import Completed, Run, SqliteDb
from tests.servers.mariadb import MariadbServer
from tests.servers.postgresql import PostgresqlServer

SMALL = ("--writers", "4", "--ids", "50", "-f", "json")
TODAY = """
CREATE TABLE activities (seq INTEGER PRIMARY KEY, id varchar(255) NOT NULL, device_id varchar(255) NOT NULL,
  type varchar(50) NOT NULL, timestamp BIGINT NOT NULL, data TEXT)
"""
ROW = "INSERT INTO activities VALUES (1, 'activity_1', 'd', 'click', 1, NULL)"


def asked(done: Completed, code: int) -> dict[str, Any]:
    """Return the document of a drill that ended so."""
    assert done.code == code, said(done)
    document: dict[str, Any] = strict_json(done.out)
    assert document["held"] is (code == 0)
    assert [one["name"] for one in document["strategies"]] == ["today"]
    return document


def test_a_retry_duplicates_until_the_constraint_is_there(run: Run, sqlite_db: SqliteDb, tmp_path: Path) -> None:
    db = sqlite_db(f"{TODAY}; {ROW}")
    how = ("--db", f"sqlite:///{db}")
    before = asked(run("drill", "--against", "activities", *SMALL, *how), 6)
    assert before["against"]["would_duplicate"] is True
    assert before["strategies"][0]["duplicates"] > 0
    assert run("migrate", "plan", "activities", "-o", "plan.jsonl", *how).code == 0
    assert run("migrate", "apply", tmp_path / "plan.jsonl", "--confirm", "activities", *how).code == 0
    done = run("drill", "--against", "activities", *SMALL[:4], *how)
    assert done.code == 0, said(done)
    first = " ".join(done.out.decode().partition("\n\n")[0].split())
    assert first.startswith("Would a retry duplicate in activities today? No: not one second row of (id) went in")
    with closing(sqlite3.connect(db)) as connection:
        assert connection.execute("SELECT id FROM activities").fetchall() == [("activity_1",)]


@pytest.mark.slow
def test_a_trigger_that_had_to_be_left_out_leaves_the_answer_open(run: Run, postgresql: PostgresqlServer) -> None:
    url = postgresql.create_database("app")
    for statement in (
        "CREATE TABLE seen (id text)",
        TODAY.replace("INTEGER PRIMARY KEY", "bigserial PRIMARY KEY"),
        "CREATE FUNCTION look() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " IF EXISTS (SELECT 1 FROM public.seen s WHERE s.id = NEW.id) THEN RETURN NULL; END IF;"
        " INSERT INTO public.seen VALUES (NEW.id); RETURN NEW; END $$",
        "CREATE TRIGGER look BEFORE INSERT ON activities FOR EACH ROW EXECUTE FUNCTION look()",
    ):
        postgresql.execute(statement, database="app")
    document = asked(run("drill", "--against", "activities", *SMALL, "--db", url), 3)
    assert document["against"]["would_duplicate"] is None
    assert document["against"]["uncertain"] is True
    assert any("look" in one["what"] for one in document["against"]["left_out"])
    assert postgresql.execute("SELECT count(*) FROM seen", database="app") == [(0,)]
    assert schemas_of(postgresql, "app") == []


@pytest.mark.slow
@pytest.mark.parametrize("product", ["PostgreSQL", "MariaDB"])
def test_a_primary_key_keeps_every_second_one_out(request: pytest.FixtureRequest, run: Run, product: str) -> None:
    server: PostgresqlServer | MariadbServer = request.getfixturevalue(product.lower())
    url = server.create_database("app")
    server.execute(
        "CREATE TABLE activities (id varchar(255) PRIMARY KEY, kind varchar(9) NOT NULL CHECK (kind = 'mine'))",
        database="app",
    )
    document = asked(run("drill", "--against", "activities", "--value", "kind=mine", *SMALL, "--db", url), 0)
    assert document["against"]["would_duplicate"] is False
    assert document["against"]["key"] == ["id"]
    assert server.execute("SELECT count(*) FROM activities", database="app")[0][0] == 0


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--against", "activitees"), "activitees"),
        (("--against", 'no\x1b[31m"; DROP TABLE activities'), r"no\x1b[31m"),
        (("--against", "activities", "--value", "kind=x"), "kind"),
        (("--against", "\udcff"), "is not UTF-8"),
    ],
    ids=["misspelt", "hostile", "no such column", "not text"],
)
def test_what_is_not_there_is_2_and_named(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    sqlite_db: SqliteDb,
    words: tuple[str, ...],
    told: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    db = sqlite_db(TODAY)
    assert program(["drill", "--db", f"sqlite:///{db}", *words], Runtime()) == 2
    out, message = capsys.readouterr()
    assert out == ""
    assert told in message
    assert not dangerous(message)
