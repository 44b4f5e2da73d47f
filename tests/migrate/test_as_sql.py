"""The script that a DBA can run by hand: whole, in order, in the client's syntax, and inert where names are hostile."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from dedupaudit.migrate.as_sql import plan_as_sql
from dedupaudit.migrate.plan import MigrateHeader, Step
from tests.cli.reading import dangerous
from tests.migrate.made import FUNCTION, GUARDED, SMALL, TRIGGER, header, played, step

MYSQL = {"dialect": "mariadb", "database": "app", "server": "x"}
SQLITE = {"dialect": "sqlite", "file": "/srv/app.db"}


def script(head: MigrateHeader, steps: tuple[Step, ...]) -> list[str]:
    return list(plan_as_sql(head, steps, " --db x"))


def code(lines: list[str]) -> str:
    """Return what a client runs of it."""
    return "\n".join(line for line in lines if line and not line.startswith("--"))


def test_each_statement_is_there_once_in_order_and_ended() -> None:
    text = code(script(header(), GUARDED))
    statements = [statement for one in GUARDED for statement in one.sql]
    places = [text.index(f"{statement};") for statement in statements]
    assert places == sorted(places)
    assert all(text.count(statement) == 1 for statement in statements)
    assert text.startswith("\\set ON_ERROR_STOP on\n\\set AUTOCOMMIT on\n")
    assert "BEGIN;" not in text.split("\n")


def test_comments_say_what_each_step_is_for_its_lock_and_what_is_done_by_hand() -> None:
    text = " ".join("\n".join(script(header(on_conflict="newest"), GUARDED)).replace("-- ", "").split())
    assert "without --single-transaction" in text
    assert text.count("never inside a transaction") == 2
    assert "takes SHARE ROW EXCLUSIVE: keeps out writers for an instant; est. < 1 s" in text
    assert "Go on when no transaction is open any more that began before the guard was there" in text
    command = "dedupaudit repair plan activities --db x --on-conflict newest --max-delete 10% -o clean.jsonl"
    assert command in text
    assert "dedupaudit repair apply clean.jsonl --db x --confirm activities" in text
    assert "dedupaudit migrate rollback activities --db x" in text
    assert "activities_activity_id_key must refuse it" in text


def test_a_body_of_statements_gets_a_delimiter_for_the_mysql_client_and_nothing_else_does() -> None:
    steps = (
        step("guard", "SET SESSION lock_wait_timeout = 1", TRIGGER),
        step("build", "ALTER TABLE a ADD UNIQUE u (k)"),
    )
    text = code(script(header(database=MYSQL), steps))
    assert f"DELIMITER //\n{TRIGGER}\n//\nDELIMITER ;\n" in text
    assert text.count("DELIMITER") == 2
    assert "\\set" not in text


def test_the_delimiter_is_nothing_that_the_body_holds() -> None:
    text = code(
        script(header(database=MYSQL), (step("guard", TRIGGER.replace("INSERT INTO", "/* // */ INSERT INTO")),))
    )
    assert "DELIMITER $$\n" in text


def test_a_function_of_postgresql_stays_as_it_is() -> None:
    assert f"{FUNCTION};" in code(script(header(), (step("guard", FUNCTION),)))


def test_a_schema_that_may_be_there_is_made_only_where_it_is_missing() -> None:
    text = code(script(header(), (step("guard", "CREATE SCHEMA dedupaudit"),)))
    assert text.endswith("SELECT 'CREATE SCHEMA dedupaudit' WHERE to_regnamespace('dedupaudit') IS NULL \\gexec")


def test_where_one_transaction_does_it_all_the_cleaning_comes_before_it() -> None:
    lines = script(header(database=SQLITE, strategy="small"), SMALL)
    assert code(lines).split("\n") == [
        ".bail on",
        "BEGIN IMMEDIATE;",
        'CREATE UNIQUE INDEX main."u" ON "activities" ("activity_id");',
        "COMMIT;",
    ]
    assert lines.index("BEGIN IMMEDIATE;") > next(n for n, line in enumerate(lines) if "repair apply" in line)


def test_where_nothing_is_to_do_there_is_nothing_to_run() -> None:
    lines = script(header(protecting="u"), ())
    assert code(lines) == ""
    assert "Nothing to do: u keeps (activity_id) unique already." in lines[-1]


@pytest.mark.parametrize(
    "name",
    ["x\x1b[31m", "a\n\\! touch broken", "a\nDROP TABLE activities;\n--", "r\u202e", "a\r\n.shell touch broken"],
)
@pytest.mark.parametrize("database", [header().database, MYSQL, SQLITE])
def test_a_name_that_cannot_be_shown_runs_nothing(name: str, database: dict[str, str]) -> None:
    head = header(
        database=database, table=name, real=f'"{name}"', key=(name,), constraint=name, why=name, on_conflict=name
    )
    steps = (step("build", f'CREATE UNIQUE INDEX "{name}" ON "{name}" ("{name}")', why=name, lock=name), step("clean"))
    lines = script(head, steps)
    assert not dangerous("\n".join(lines))
    assert {line for line in code(lines).split("\n") if line} <= {
        "\\set ON_ERROR_STOP on",
        "\\set AUTOCOMMIT on",
        ".bail on",
    }
    assert "only `migrate apply` can run this" in "\n".join(lines)


def test_a_name_with_quotes_and_semicolons_is_run_as_it_is() -> None:
    name = 'a"; DROP TABLE activities; --'
    sql = 'CREATE UNIQUE INDEX u ON "a""; DROP TABLE activities; --" ("k")'
    assert f"{sql};" in code(script(header(real=name, key=("k",)), (step("build", sql),)))


def test_the_script_for_sqlite_makes_the_index(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "app.db")) as connection:
        connection.execute("CREATE TABLE activities (activity_id TEXT)")
    played(tmp_path / "app.db", "\n".join(script(header(database=SQLITE, strategy="small"), SMALL)))
    with closing(sqlite3.connect(tmp_path / "app.db")) as connection:
        assert connection.execute("SELECT name FROM sqlite_master WHERE type = 'index'").fetchall() == [("u",)]
