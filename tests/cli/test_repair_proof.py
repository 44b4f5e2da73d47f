"""The proof of a repair in reports: of `repair show`, and of every later `scan` and `audit` of the repaired table."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.cli.reading import dangerous, report_of, said, strict_json
from tests.cli.repairing import REMOVED, TABLE, applied, changed, planned, repair, url
from tests.conftest import Run, SqliteDb
from tests.repair.databases import DATABASES, MARIADB, POSTGRESQL, Database
from tests.repair.repairing import Repairing
from tests.servers.mariadb import MariadbServer
from tests.servers.postgresql import PostgresqlServer

JSON = ("-f", "json")


@pytest.fixture
def db(sqlite_db: SqliteDb) -> Path:
    return sqlite_db(TABLE)


def scanned(run: Run, database: str, *more: str, command: str = "scan") -> dict[str, Any]:
    named = ("activities",) if command == "scan" else ()
    return report_of(run(command, *named, "--db", database, "--history", "none", *JSON, *more))


def column(told: list[dict[str, Any]], name: str) -> list[Any]:
    return [one[name] for one in told]


# ---- repair show


def test_show_as_markdown_tells_the_run_and_its_proof(run: Run, db: Path) -> None:
    made = applied(db, planned(db))
    done = repair(run, db, "show", "last", "-f", "markdown")
    assert (done.code, said(done)) == (0, "")
    text = done.out.decode()
    assert text.startswith("## dedupaudit `repair show`: proved\n")
    assert f"- repair `{made.id}` of `db.activities`: `done`" in text
    assert "2 IDs repaired, rows: 3 deleted = 3 journalled = 3 in quarantine, **proved**" in text
    assert "said: Nothing was lost: 5 rows read under lock = 2 kept + 3 in quarantine;" in text
    assert "nothing was checked" not in text


def test_show_as_html_is_one_page_in_the_file_that_is_named(run: Run, db: Path, tmp_path: Path) -> None:
    made = applied(db, planned(db))
    done = repair(run, db, "show", made.id, "-f", "html", "-o", "proof.html")
    assert (done.code, done.out, said(done)) == (0, b"", "")
    page = (tmp_path / "proof.html").read_text(encoding="utf-8")
    assert page.lower().startswith("<!doctype html>")
    assert made.id in page
    assert "Nothing was lost" in page


def test_show_says_what_was_skipped_and_that_a_run_was_taken_back(run: Run, db: Path) -> None:
    plan = planned(db)
    changed(db, "UPDATE activities SET type = '<b>@all</b>' WHERE seq = 4")
    assert repair(run, db, "apply", plan, "--confirm", "activities").code == 3
    assert repair(run, db, "undo", "last", "--confirm", "activities").code == 0
    text = repair(run, db, "show", "last", "-f", "markdown").out.decode()
    assert "`undone`" in text
    assert "said: The run was taken back: its rows are in the table again." in text
    assert "said: skipped" in text


def test_show_as_a_file_keeps_the_old_one_where_the_run_is_unknown(run: Run, db: Path, tmp_path: Path) -> None:
    applied(db, planned(db))
    (tmp_path / "proof.md").write_text("old\n")
    done = repair(run, db, "show", "nosuchrun", "-f", "markdown", "-o", "proof.md")
    assert done.code == 4
    assert (tmp_path / "proof.md").read_text() == "old\n"


# ---- scan and audit


@pytest.fixture(params=DATABASES, ids=lambda database: database.name)
def database(request: pytest.FixtureRequest) -> Database:
    found: Database = request.param
    return found


def damaged(database: Database, folder: Path) -> Repairing:
    made = Repairing(database, folder)
    columns = ("seq INTEGER PRIMARY KEY", f"id {database.text()}", "n INTEGER")
    database.run(database.table("activities", columns), database.table("other", columns))
    for table in ("activities", "other"):
        database.insert(table, [(1, "a", 1), (2, "a", 1), (3, "a", 1), (4, "b", 1), (5, "b", 1), (6, "c", 1)])
    return made


def test_a_scan_tells_the_runs_on_its_tables_the_newest_first(run: Run, database: Database, tmp_path: Path) -> None:
    made = damaged(database, tmp_path)
    assert scanned(run, made.url)["repairs"] == []
    first = made.apply(made.plan("activities")).run
    made.apply(made.plan("other"))
    made.undo("last", table="activities")
    second = made.apply(made.plan("activities")).run
    before = database.content()
    report = scanned(run, made.url)
    assert database.content() == before
    assert report["complete"]
    told = report["repairs"]
    assert column(told, "run") == [second.id, first.id]
    assert column(told, "state") == ["done", "undone"]
    assert {(one["source"], one["target"], one["kind"]) for one in told} == {("db", "activities", "repair")}
    figures = ("groups", "rows_deleted", "rows_journalled", "rows_in_quarantine", "holds")
    assert [told[0][name] for name in figures] == [2, 3, 3, 3, True]
    assert told[0]["said"][0].startswith("Nothing was lost: 5 rows read under lock = 2 kept + 3 in quarantine;")
    assert told[1]["said"][-1] == "The run was taken back: its rows are in the table again."


def test_a_migration_is_told_with_its_kind(run: Run, database: Database, tmp_path: Path) -> None:
    made = damaged(database, tmp_path)
    words = ("--db", made.url)
    assert run("migrate", "plan", "activities", "--max-delete", "90%", "-o", "plan.jsonl", *words).code == 0
    done = run("migrate", "apply", "plan.jsonl", "--confirm", "activities", *words)
    assert done.code == 0, said(done)
    told = scanned(run, made.url)["repairs"]
    migration = next(one for one in told if one["kind"] == "migrate")
    assert (migration["state"], migration["rows_deleted"], migration["holds"]) == ("done", 3, True)
    assert "0 duplicate IDs left" in migration["said"][0]
    assert sum(one["rows_deleted"] for one in told if one["kind"] == "repair") == 3


def test_an_audit_tells_them_too_in_every_form(run: Run, db: Path) -> None:
    made = applied(db, planned(db))
    report = scanned(run, url(db), command="audit")
    assert column(report["repairs"], "rows_deleted") == [REMOVED]
    for form in ("terminal", "markdown", "prometheus"):
        text = run("audit", "--db", url(db), "--history", "none", "-f", form).out.decode()
        assert (made.id in text) == (form != "prometheus")
        assert form != "prometheus" or 'repair_runs{command="audit",source="db",table="activities"' in text


def test_of_many_runs_the_newest_twenty_are_told(run: Run, db: Path) -> None:
    made = applied(db, planned(db))
    for number in range(30):
        names = "plan, table_name, table_real, columns, state, token, who, host, process, version, updated_at"
        rest = "position, chunks, groups_done, groups_skipped, rows_kept, rows_deleted, rows_merged"
        rest += ", children_repointed, proof, kind"
        changed(
            db,
            f"INSERT INTO dedupaudit_runs (id, started_at, {names}, {rest})"
            f" SELECT 'copy{number:02}', '2099-01-01T00:00:{number:02}Z', {names}, {rest}"
            f" FROM dedupaudit_runs WHERE id = '{made.id}'",
        )
    assert column(scanned(run, url(db))["repairs"], "run") == [f"copy{number:02}" for number in range(29, 9, -1)]


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE dedupaudit_runs SET rows_deleted = 'many'",
        "UPDATE dedupaudit_runs SET kind = 'other'",
        "UPDATE dedupaudit_runs SET started_at = x'ff'",
        "UPDATE dedupaudit_runs SET id = CAST(x'ff' AS TEXT)",
        "ALTER TABLE dedupaudit_runs DROP COLUMN proof",
        "DROP TABLE dedupaudit_runs",
        "ALTER TABLE dedupaudit_runs RENAME TO kept; CREATE VIEW dedupaudit_runs AS SELECT * FROM kept",
    ],
)
def test_a_journal_that_somebody_altered_is_no_reason_to_fail(run: Run, db: Path, change: str) -> None:
    applied(db, planned(db))
    changed(db, *change.split("; "))
    done = run("scan", "activities", "--db", url(db), "--history", "none", *JSON)
    report = report_of(done)
    assert (done.code, report["complete"], said(done)) == (1, True, "")
    assert report["repairs"] == []


@pytest.mark.parametrize("form", ["terminal", "json", "markdown", "prometheus"])
def test_what_somebody_wrote_into_the_journal_is_shown_and_not_obeyed(run: Run, db: Path, form: str) -> None:
    made = applied(db, planned(db))
    changed(db, "UPDATE dedupaudit_runs SET host = char(27) || '[2J', state = 'a|b' || char(10), message = '<!-- @all'")
    done = run("scan", "activities", "--db", url(db), "--history", "none", "-f", form)
    assert not dangerous(done.out.decode())
    if form == "json":
        (told,) = report_of(done)["repairs"]
        assert (told["run"], told["by"]) == (made.id, f"{made.who} on \x1b[2J")
    if form == "markdown":
        assert "`<!-- @all`" in done.out.decode()


def test_figures_that_disagree_are_told_as_broken(run: Run, db: Path) -> None:
    applied(db, planned(db))
    changed(db, "UPDATE dedupaudit_runs SET proof = json_set(proof, '$.quarantined', 2)")
    (told,) = scanned(run, url(db))["repairs"]
    assert told["holds"] is False
    assert told["said"][0].startswith("CONSERVATION DOES NOT HOLD")
    text = run("scan", "--db", url(db), "--history", "none", "-f", "markdown").out.decode()
    assert "**THE FIGURES DISAGREE**" in text
    shown = repair(run, db, "show", "last", "-f", "markdown").out.decode()
    assert shown.startswith("## dedupaudit `repair show`: BROKEN\n")


# ---- a login that may not read the journal, or may read nothing else besides


def grants_on(server: PostgresqlServer, name: str) -> None:
    server.execute("DROP ROLE IF EXISTS looker")
    server.execute("CREATE ROLE looker LOGIN")
    server.execute("GRANT USAGE ON SCHEMA public TO looker", database=name)
    server.execute("GRANT SELECT ON activities TO looker", database=name)


def test_a_login_without_rights_on_the_journal_is_told_nothing(
    run: Run, postgresql: PostgresqlServer, tmp_path: Path
) -> None:
    made = damaged(POSTGRESQL, tmp_path)
    made.apply(made.plan("activities"))
    name = made.url.rsplit("/", 1)[-1].partition("?")[0]
    grants_on(postgresql, name)
    looker = postgresql.url(user="looker", database=name)
    try:
        report = scanned(run, looker)
        assert (report["complete"], report["repairs"]) == (True, [])
        postgresql.execute("GRANT USAGE ON SCHEMA dedupaudit TO looker", database=name)
        assert scanned(run, looker)["repairs"] == []
        postgresql.execute("GRANT SELECT ON dedupaudit.runs TO looker", database=name)
        assert column(scanned(run, looker)["repairs"], "rows_deleted") == [3]
    finally:
        postgresql.execute("DROP OWNED BY looker; DROP ROLE looker", database=name)


def test_a_view_in_the_place_of_the_journal_is_not_read(run: Run, postgresql: PostgresqlServer, tmp_path: Path) -> None:
    """It would run what somebody else wrote, with the rights of the auditor."""
    made = damaged(POSTGRESQL, tmp_path)
    made.apply(made.plan("activities"))
    POSTGRESQL.run(
        "CREATE FUNCTION public.trap(text) RETURNS text LANGUAGE sql AS 'SELECT $1'",
        "ALTER TABLE dedupaudit.runs RENAME TO kept",
        "CREATE VIEW dedupaudit.runs AS SELECT * FROM dedupaudit.kept WHERE public.trap(id) IS NOT NULL",
    )
    report = scanned(run, made.url)
    assert (report["complete"], report["repairs"]) == (True, [])


def test_a_login_without_rights_on_the_journal_is_told_nothing_by_mariadb(
    run: Run, mariadb: MariadbServer, tmp_path: Path
) -> None:
    made = damaged(MARIADB, tmp_path)
    made.apply(made.plan("activities"))
    mariadb.execute("DROP USER IF EXISTS looker")
    mariadb.execute("CREATE USER looker")
    mariadb.execute("GRANT SELECT ON repaired.activities TO looker")
    looker = mariadb.url(user="looker", database="repaired")
    assert scanned(run, looker)["repairs"] == []
    # What it may write to and not read is seen in the catalog, and the server refuses the rest.
    mariadb.execute("GRANT INSERT ON repaired.dedupaudit_runs TO looker")
    report = scanned(run, looker)
    assert (report["complete"], report["repairs"]) == (True, [])
    mariadb.execute("GRANT SELECT ON repaired.dedupaudit_runs TO looker")
    assert column(scanned(run, looker)["repairs"], "rows_deleted") == [3]


def test_a_repair_does_not_wait_for_an_audit_that_has_read_the_journal(
    run: Run, mariadb: MariadbServer, tmp_path: Path
) -> None:
    """MariaDB holds the definition of what a transaction has read until that ends."""
    made = damaged(MARIADB, tmp_path)
    made.apply(made.plan("activities"))
    with closing(mariadb.connect("repaired")) as reader, reader.cursor() as cursor:
        cursor.execute("START TRANSACTION WITH CONSISTENT SNAPSHOT")
        cursor.execute("SELECT * FROM dedupaudit_runs")
        plan = made.plan("other")
        done = run("repair", "apply", plan, "--confirm", "other", "--db", made.url, *JSON, timeout=30)
        assert (done.code, strict_json(done.out)["run"]["state"]) == (0, "done"), said(done)
    assert json.loads(done.out)["run"]["rows_deleted"] == 3
