"""The audit's own connection cannot write, and no configured condition gets it to do more than read."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from dedupaudit.config import TableSettings
from dedupaudit.errors import SourceError, UsageError
from tests.conformance.databases import DATABASES, Col, Database, Refused, Tab
from tests.conformance.running import agreed, findings_of, report_of, scanned, source_of

EACH = pytest.mark.parametrize("database", DATABASES, ids=lambda database: database.name)
TABLE = Tab("t", (Col("id"), Col("note")), (("a", "one"), ("a", "one"), ("b", "secret")), indexes=(("i", ("id",)),))

# No condition, wherever they are read; each database adds its own.
ESCAPES = (
    "1 = 1) UNION SELECT note, note FROM t --",
    "1 = 1) OR (1 = 1",
    ") OR (1 = 1",
    "(1 = 1",
    "1 = 1;",
    "1 = 1; DELETE FROM t",
    "1 = 1; COMMIT; BEGIN READ WRITE; CREATE TABLE u (id int)",
    "1 = 1); DELETE FROM t; SELECT (1",
    "1 = 1 -- and the rest",
    "1 = 1 /* and the rest",
    "1 = 1 */",
    "1 = 1 # and the rest",
    "id = 'a",
    'id = "a',
    "id = `a",
    "[id = 'a'",
    "id = ?",
    "id = ?1",
    "id = :name",
    "id = $name",
    "DELETE FROM t",
    "ATTACH 'other.db' AS other",
    "PRAGMA user_version = 1",
    "1 UNION SELECT 2",
    "1 ORDER BY 1",
    "1 LIMIT 1",
    "1, 2",
    "id = missing_column",
    '"miss""ing `column`" = 1',
    "missing_function(id)",
    "count(*) > 0",
)
# Conditions that every database reads alike, and the rows that they choose.
CONDITIONS = (
    ("id = 'a'", 2),
    ("note <> 'one;'", 3),
    ("note <> 'one) --'", 3),
    ("note <> '/*'", 3),
    ("note NOT LIKE '%(%'", 3),
    ("note <> '?'", 3),
    ("note <> ':name'", 3),
    ("note <> 'it''s'", 3),
    ("id IN (SELECT id FROM t WHERE note = 'secret')", 1),
    ("id = 'a' OR\nnote = 'secret'", 3),
    ("NULL", 0),
)


def on_each_database(common: Sequence[Any], own: str) -> list[Any]:
    return [
        pytest.param(database, one, id=f"{database.name}-{one[0] if isinstance(one, tuple) else one}")
        for database in DATABASES
        for one in (*common, *getattr(database, own))
    ]


def content_of(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


def test_every_database_has_statements_that_must_be_refused(tmp_path: Path) -> None:
    assert all(len(database.writes(tmp_path)) > 10 for database in DATABASES)


@EACH
def test_every_statement_that_does_more_than_read_is_refused(database: Database, tmp_path: Path) -> None:
    url = database.create(tmp_path, TABLE)
    before = database.content(url, tmp_path)
    source = source_of(url)
    accepted = []
    for statement in database.writes(tmp_path):
        try:
            database.execute(source, statement)
        except Refused:
            continue
        accepted.append(statement)
    source.close()
    assert accepted == []
    assert database.content(url, tmp_path) == before


@EACH
def test_the_same_connection_reads(database: Database, tmp_path: Path) -> None:
    source = source_of(database.create(tmp_path, TABLE))
    assert database.execute(source, "SELECT count(*) FROM t") == [(3,)]
    source.close()


@pytest.mark.parametrize(
    ("database", "variant"),
    [
        pytest.param(database, variant, id=f"{database.name}-{variant}")
        for database in DATABASES
        for variant in database.variants
    ],
)
def test_a_whole_scan_leaves_every_byte_as_it_was_and_no_file_behind(
    database: Database, variant: str, tmp_path: Path
) -> None:
    url = database.create(tmp_path, TABLE, variant)
    settings = TableSettings(name=database.located(TABLE, variant), key=("id",))
    before = database.content(url, tmp_path)
    report = agreed(database.engines, url, {"t": settings}, distrust_indexes=True)
    assert report["complete"]
    assert database.content(url, tmp_path) == before


@pytest.mark.parametrize(("database", "condition"), on_each_database(ESCAPES, "no_conditions"))
def test_a_condition_that_is_no_condition_is_refused_before_anything_is_read(
    database: Database, condition: str, tmp_path: Path
) -> None:
    url = database.create(tmp_path, TABLE)
    before = database.content(url, tmp_path)
    with pytest.raises(UsageError) as caught:
        scanned(url, {"t": TableSettings(key=("id",), where=condition)})
    assert caught.value.message.startswith("tables.t.where: ")
    assert caught.value.hint
    assert "\0" not in caught.value.message
    assert database.content(url, tmp_path) == before


@pytest.mark.parametrize(("database", "told"), on_each_database(CONDITIONS, "conditions"))
def test_a_condition_that_is_one_chooses_the_rows(database: Database, told: tuple[str, int], tmp_path: Path) -> None:
    condition, rows = told
    url = database.create(tmp_path, TABLE)
    report = agreed(database.engines, url, {"t": TableSettings(key=("id",), where=condition)})
    assert report["complete"]
    assert report["summary"]["tables"]["db.t"]["rows"] == rows


@EACH
def test_a_condition_binds_tighter_than_what_the_audit_adds(database: Database, tmp_path: Path) -> None:
    table = Tab("t", (Col("id"), Col("note")), ((None, "x"), (None, "x"), ("a", "x"), ("a", "y")))
    url = database.create(tmp_path, table)
    report = agreed(database.engines, url, {"t": TableSettings(key=("id",), where="note = 'x' OR 1 = 1")})
    assert [finding["key"] for finding in findings_of(report, "duplicate_ids")] == [{"id": "a"}]
    assert report["summary"]["tables"]["db.t"]["null_ids"] == 2


@EACH
def test_a_condition_that_never_ends_is_stopped_by_the_timeout(database: Database, tmp_path: Path) -> None:
    url = database.create(tmp_path, TABLE)
    outcome = scanned(
        url,
        {"t": TableSettings(key=("id",), where=database.endless)},
        timeout=0.05,
        checks=("duplicate_ids", "null_ids"),
    )
    assert {row.status for row in outcome.report.coverage} == {"stopped"}
    assert outcome.exit_code("low") == 3


def test_sqlite_a_database_that_another_program_writes_to_in_wal_mode_is_read_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "app.db"
    with closing(sqlite3.connect(path)) as writer:
        writer.execute("PRAGMA journal_mode = WAL")
        writer.execute("CREATE TABLE t (id TEXT)")
        writer.execute("INSERT INTO t VALUES ('a'), ('a')")
        writer.commit()
        writer.execute("INSERT INTO t VALUES ('a')")
        before = content_of(tmp_path)
        report = report_of(scanned(f"sqlite:///{path}", {"t": TableSettings(key=("id",))}))
        after = content_of(tmp_path)
        # Its readers leave a mark in the shared memory, which is no part of the database.
        assert before.pop("app.db-shm") and after.pop("app.db-shm")
        assert after == before
        writer.commit()
    assert report["summary"]["tables"]["db.t"]["rows"] == 2


def test_sqlite_one_snapshot_serves_every_look(tmp_path: Path) -> None:
    path = tmp_path / "app.db"
    with closing(sqlite3.connect(path)) as writer:
        writer.execute("PRAGMA journal_mode = WAL")
        writer.execute("CREATE TABLE activities (id TEXT)")
        writer.commit()
        source = source_of(f"sqlite:///{path}")
        writer.execute("INSERT INTO activities VALUES ('a')")
        writer.execute("CREATE TABLE screenshots (id TEXT)")
        writer.commit()
        assert source.catalog(("activities",)) is not None
        assert source.catalog(("screenshots",)) is None
        source.close()


def test_sqlite_a_database_that_stays_locked_is_reported_as_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dedupaudit.sources.tables.sqlite_guard.BUSY_SECONDS", 0.01)
    path = tmp_path / "app.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as writer:
        writer.execute("CREATE TABLE t (id TEXT)")
        writer.execute("BEGIN EXCLUSIVE")
        with pytest.raises(SourceError, match="stayed locked"):
            source_of(f"sqlite:///{path}")
