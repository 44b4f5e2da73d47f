"""What a login may not see is never clean: missing grants, hidden rows, wrong names; and what it could write."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.reading import report_of, said, statuses
from tests.conftest import Run
from tests.faults.targets import LOGIN, TABLES, AnyTarget, Mariadb, Postgresql, configuration, url


def revoke(target: AnyTarget, table: str) -> None:
    """Take the right to read away. MariaDB hides a table from who has no right at all to it: leave another one."""
    target.execute(f"REVOKE SELECT ON {table} FROM {LOGIN}")
    if isinstance(target, Mariadb):
        target.execute(f"GRANT TRIGGER ON {table} TO {LOGIN}")


@pytest.mark.parametrize("engine", ["pushdown", "snapshot"])
def test_a_table_that_may_not_be_read_leaves_the_others_scanned(run: Run, target: AnyTarget, engine: str) -> None:
    revoke(target, "screenshots")
    arguments = ("scan", *TABLES, "--db", url(target), "-f", "json", "--engine", engine)
    done = run(*arguments)
    report = report_of(done)
    assert done.code == 1
    assert report["complete"] is False
    became = statuses(report)
    assert {name.split(".")[1] for name, status in became.items() if status == "failed"} == {"screenshots"}
    for table in ("activities", "processes"):
        assert became[f"db.{table}.duplicate_ids"] == "checked"
        assert report["summary"]["tables"][f"db.{table}"]["surplus_rows"] == 2
    message = said(done)
    assert "screenshots" in message
    assert "GRANT SELECT" in message
    assert run(*arguments, "--fail-on", "none").code == 3


def test_a_table_that_may_not_be_read_is_no_reason_to_call_a_clean_database_clean(run: Run, target: AnyTarget) -> None:
    for table in TABLES:
        target.execute(f"DELETE FROM {table}")
        target.execute(f"ALTER TABLE {table} ADD CONSTRAINT only_{table} UNIQUE (id)")
    for table in TABLES:
        if isinstance(target, Postgresql):
            target.execute(f"ALTER TABLE {table} ALTER COLUMN id SET NOT NULL")
        else:
            target.execute(f"ALTER TABLE {table} MODIFY id varchar(80) NOT NULL")
    assert run("scan", *TABLES, "--db", url(target)).code == 0
    revoke(target, "screenshots")
    assert run("scan", *TABLES, "--db", url(target)).code == 3


def test_a_named_table_that_mariadb_hides_is_2_and_never_clean(run: Run, maria: Mariadb) -> None:
    """Without any right to it, the server does not even say that it exists."""
    maria.execute(f"REVOKE SELECT ON screenshots FROM {LOGIN}")
    done = run("scan", *TABLES, "--db", url(maria))
    assert done.code == 2
    assert "has no table screenshots" in said(done)


def test_a_table_that_does_not_exist_is_2_and_names_the_nearest(run: Run, target: AnyTarget) -> None:
    done = run("scan", "activites", "--db", url(target))
    assert done.code == 2
    message = said(done)
    assert "has no table activites" in message
    assert "did you mean activities?" in message


def test_a_column_that_does_not_exist_is_2_and_names_the_nearest(run: Run, tmp_path: Path, target: AnyTarget) -> None:
    text = configuration(url(target), {"activities": None}) + 'time = "created"\n'
    (tmp_path / "dedupaudit.toml").write_text(text)
    done = run("scan")
    assert done.code == 2
    message = said(done)
    assert "tables.activities.time" in message
    assert "did you mean created_at?" in message


@pytest.mark.parametrize("engine", ["pushdown", "snapshot"])
def test_row_level_security_that_hides_rows_is_an_error_and_never_clean(
    run: Run, postgres: Postgresql, engine: str
) -> None:
    """The duplicates are in the rows that the policy hides: what is left looks clean."""
    postgres.execute("ALTER TABLE screenshots ENABLE ROW LEVEL SECURITY")
    postgres.execute(f"CREATE POLICY few ON screenshots FOR SELECT TO {LOGIN} USING (id = 'screenshots_2')")
    arguments = ("scan", "-f", "json", "--engine", engine, "--check", "duplicate_ids", "--db")
    done = run(*arguments, url(postgres), "screenshots")
    assert done.code == 3
    report = report_of(done)
    assert report["complete"] is False
    assert "db.screenshots" not in report["summary"]["tables"]
    message = said(done)
    assert "row-level security" in message
    assert "BYPASSRLS" in message
    done = run(*arguments, url(postgres), *TABLES)
    report = report_of(done)
    assert done.code == 1
    assert statuses(report)["db.activities.duplicate_ids"] == "checked"
    assert statuses(report)["db.screenshots.*"] == "failed"
    assert statuses(report)["db.processes.duplicate_ids"] == "checked"


def test_a_policy_that_shows_every_row_is_refused_too_and_bypassrls_is_not(run: Run, postgres: Postgresql) -> None:
    """`row_security = off` does not look into policies: docs/grants.md tells so."""
    postgres.execute("ALTER TABLE activities ENABLE ROW LEVEL SECURITY")
    postgres.execute(f"CREATE POLICY everything ON activities FOR SELECT TO {LOGIN} USING (true)")
    assert run("scan", "activities", "--fail-on", "none", "--db", url(postgres)).code == 3
    postgres.execute(f"ALTER ROLE {LOGIN} BYPASSRLS")
    assert run("scan", "activities", "--fail-on", "none", "--db", url(postgres)).code == 0


def test_a_login_that_could_write_is_warned_about_once_and_one_that_cannot_is_not(run: Run, target: AnyTarget) -> None:
    quiet = said(run("scan", *TABLES, "--db", url(target)))
    assert "could write" not in quiet
    target.execute(f"GRANT INSERT, DELETE ON activities TO {LOGIN}")
    warned = said(run("scan", *TABLES, "--db", url(target)))
    assert warned.count("could write") == 1
    assert "activities" in warned
    assert "SELECT" in warned
    assert "could write" not in said(run("scan", *TABLES, "-q", "--db", url(target)))


def test_an_administrator_is_warned_about(run: Run, target: AnyTarget) -> None:
    user = "postgres" if isinstance(target, Postgresql) else "root"
    assert "could write" in said(run("scan", "--db", url(target, user=user, password=None)))


@pytest.mark.parametrize(
    "condition",
    [
        "pg_sleep(1) IS NULL",
        "nextval('activities_pk_seq') > 0",
        "lo_create(0) > 0",
        "pg_terminate_backend(1)",
        "true); commit; begin read write; create table escaped (id int); select (true",
        "id IN (DELETE FROM activities RETURNING id)",
        "pg_catalog.set_config('transaction_read_only', 'off', true) = 'off'",
    ],
)
def test_configured_sql_that_does_more_than_read_is_2_on_postgresql(
    run: Run, tmp_path: Path, postgres: Postgresql, condition: str
) -> None:
    (tmp_path / "dedupaudit.toml").write_text(
        configuration(url(postgres, user="postgres", password=None), {"activities": condition})
    )
    done = run("scan")
    assert done.code == 2, done.err
    assert "tables.activities.where" in said(done)
    assert postgres.execute("SELECT count(*) FROM activities") == [(4,)]
    assert postgres.execute("SELECT to_regclass('escaped') IS NULL") == [(True,)]


@pytest.mark.parametrize(
    "condition",
    [
        "true); COMMIT; CREATE TABLE escaped (id int); SELECT (true",
        "id IN (DELETE FROM activities RETURNING id)",
        "1 INTO OUTFILE '/tmp/escaped'",
        "(SELECT 1 INTO @a) = 1",
        "nowhere = 1",
    ],
)
def test_configured_sql_that_does_more_than_read_is_2_on_mariadb(
    run: Run, tmp_path: Path, maria: Mariadb, condition: str
) -> None:
    (tmp_path / "dedupaudit.toml").write_text(
        configuration(url(maria, user="root", password=None), {"activities": condition})
    )
    done = run("scan")
    assert done.code == 2, done.err
    assert "tables.activities.where" in said(done)
    assert maria.execute("SELECT count(*) FROM activities") == [(4,)]
    assert maria.execute("SHOW TABLES LIKE 'escaped'") == []
