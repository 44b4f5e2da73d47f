"""Plans and outcomes made by hand: for what is told of them, no server is needed."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from dedupaudit.migrate.evidence import Evidence
from dedupaudit.migrate.plan import Behaviour, Concern, Found, MigrateHeader, Step
from dedupaudit.repair.journal import Run
from dedupaudit.repair.plan import ColumnShape, Limit

BEHAVIOUR = (
    Behaviour(
        statement="INSERT",
        before="stores a second row",
        under="refused: unique_violation (SQLSTATE 23505), naming the constraint",
        after="refused: unique_violation (SQLSTATE 23505)",
    ),
    Behaviour(
        statement="INSERT … ON CONFLICT DO NOTHING",
        before="stores a second row",
        under="refused, although it asked for nothing",
        after="skips the row, and says nothing",
    ),
)
FUNCTION = """CREATE FUNCTION dedupaudit.guard_1a2b() RETURNS trigger
LANGUAGE plpgsql AS $guard$
BEGIN
    RETURN NULL;
END
$guard$"""
TRIGGER = """CREATE TRIGGER dedupaudit_guard_1a2b_insert BEFORE INSERT ON `activities` FOR EACH ROW
BEGIN
    INSERT INTO dedupaudit_guard_1a2b VALUES (NEW.`activity_id`);
END"""


def header(**changes: Any) -> MigrateHeader:
    told = {
        "database": {"dialect": "postgresql", "database": "app"},
        "table": "activities",
        "created_at": "2026-11-29T02:00:00Z",
        "real": '"public"."activities"',
        "key": ("activity_id",),
        "primary_key": ("id",),
        "columns": (ColumnShape(name="activity_id", declared="text"),),
        "constraint": "activities_activity_id_key",
        "not_null": (),
        "protecting": None,
        "strategy": "guarded",
        "why": "writers go on",
        "rows": 5_000_000,
        "found": Found(groups=4_800, removed=5_000, rules={"earliest": 4_800}, left={}),
        "max_delete": Limit(percent=10.0),
        "behaviour": BEHAVIOUR,
        "concerns": (),
    }
    return MigrateHeader(**{**told, **changes})


def concern(level: str, message: str, hint: str = "") -> Concern:
    return Concern.model_validate({"check": "made", "level": level, "message": message, "hint": hint})


def step(name: str, *sql: str, **changes: Any) -> Step:
    told = {"name": name, "why": "", "sql": sql, "lock": "", "blocks": "nothing", "briefly": False}
    return Step.model_validate({**told, **changes})


GUARDED = (
    step("lookup", "SET lock_timeout = 0", "CREATE INDEX CONCURRENTLY l ON activities (activity_id)", seconds=11.9),
    step("guard", FUNCTION, lock="SHARE ROW EXCLUSIVE", blocks="writes", briefly=True),
    step("wait"),
    step("clean", seconds=9.0),
    step("build", "CREATE UNIQUE INDEX CONCURRENTLY u ON activities (activity_id)", seconds=20.0, bytes=150_000_000),
    step("attach", "ALTER TABLE a ADD CONSTRAINT u UNIQUE USING INDEX u", lock="ACCESS EXCLUSIVE", briefly=True,
         blocks="reads and writes"),
    step("verify", seconds=4.0),
    step("probe"),
    step("unguard", "DROP FUNCTION dedupaudit.guard_1a2b()"),
)  # fmt: skip
SMALL = (
    step("lock", lock="RESERVED", blocks="writes", together=True),
    step("clean", lock="RESERVED", blocks="writes", together=True),
    step(
        "build",
        'CREATE UNIQUE INDEX main."u" ON "activities" ("activity_id")',
        lock="RESERVED",
        blocks="writes",
        together=True,
    ),
    step("verify", lock="RESERVED", blocks="writes", together=True),
    step("probe", lock="RESERVED", blocks="writes", together=True),
)


def run(**changes: Any) -> Run:
    told = {
        "id": "20261129T021000-3f2a9c",
        "plan": "ab" * 32,
        "table_name": "activities",
        "table_real": '"public"."activities"',
        "columns": "{}",
        "state": "done",
        "token": 1,
        "who": "dba",
        "host": "primary",
        "process": 4711,
        "version": "0",
        "started_at": "2026-11-29T02:10:11.000000Z",
        "updated_at": "2026-11-29T02:14:30.000000Z",
        "finished_at": "2026-11-29T02:14:30.000000Z",
        "kind": "migrate",
    }
    return Run(**{**told, **changes})


CLEANED = run(id="20261129T021100-000001", kind="repair", groups_done=4_800, rows_deleted=5_000, parent=run().id)


def evidence(**changes: Any) -> Evidence:
    told = {
        "constraint": "activities_activity_id_key",
        "index_state": "valid",
        "duplicates": 0,
        "probe": "INSERT was refused by activities_activity_id_key (SQLSTATE 23505)",
        "rows_read": 9_800,
        "rows_kept": 4_800,
        "rows_quarantined": 5_000,
        "holds": True,
        "seconds": 259.0,
        "cleaning_seconds": 9.0,
    }
    return Evidence(**{**told, **changes})


def played(db: Path, script: str) -> None:
    """Run a script as SQLite's client would with `.bail on`; what fails ends it, and rolls back what is open."""
    lines = script.splitlines()
    assert lines.count(".bail on") == 1
    with closing(sqlite3.connect(db)) as connection:
        connection.executescript("\n".join(line for line in lines if not line.startswith(".")))
