"""SQLite: one transaction keeps every other writer out, cleans and builds; so no guard is ever needed.

In SQLite a unique constraint is a unique index, and the only kind that an existing table can be given.
"""

from __future__ import annotations

from typing import Final

from dedupaudit.migrate.databases.protocol import Dialect, Target
from dedupaudit.migrate.databases.sqlite_facts import read_facts
from dedupaudit.migrate.databases.sqlite_migration import SqliteMigration
from dedupaudit.migrate.plan import Behaviour, Step, StepName
from dedupaudit.sources.tables.sqlite_sql import quote
from dedupaudit.sources.tables.table import Table
from dedupaudit.sqlfiles import fill, sql_text

_WAITS = "waits, or SQLITE_BUSY"
_REFUSED = "an error: UNIQUE constraint failed"

BEHAVIOUR: Final = (
    Behaviour(statement="INSERT", before="stores a second row", under=_WAITS, after=_REFUSED),
    Behaviour(statement="UPDATE that changes the key", before="stores a second row", under=_WAITS, after=_REFUSED),
    Behaviour(
        statement="INSERT OR IGNORE, ON CONFLICT DO NOTHING",
        before="stores a second row",
        under=_WAITS,
        after="skips the row, and says nothing",
    ),
    Behaviour(
        statement="INSERT … ON CONFLICT (key) DO UPDATE",
        before="an error: no constraint matches it",
        under=_WAITS,
        after="updates the stored row",
    ),
    Behaviour(
        statement="REPLACE, INSERT OR REPLACE",
        before="stores a second row",
        under=_WAITS,
        after="DELETES the stored row, and stores the new one",
    ),
)

# Measured with keys of 22 characters: a million are sorted in half a second in memory. A disk is slower.
_ROWS_A_SECOND = 1_000_000
_REMOVED_A_SECOND = 5_000
_ENTRY_BYTES = 12
"""What an index entry has beside its key: a header and the rowid."""


def steps(target: Target) -> tuple[Step, ...]:
    """Return the script; NOT NULL is no part of it, for SQLite cannot add it to a column that is there."""
    facts = target.facts
    key = ", ".join(quote(name) for name in target.table.key_names)
    build = fill(
        sql_text("migrations/sqlite/50_build.sql"),
        {"index": f"main.{quote(target.constraint)}", "table": quote(target.table.catalog.name), "key": key},
    )
    longest = sum(column.longest or 0 for column in facts.key)
    sort = facts.rows / _ROWS_A_SECOND
    # Readers of a WAL see the state before; with a rollback journal they wait for the commit, or from when the cache
    # spills.
    wal = facts.settings.get("journal_mode") == "wal"

    def step(name: StepName, why: str, *sql: str, seconds: float = 0.0, size: int = 0) -> Step:
        return Step(
            name=name,
            why=why,
            sql=sql,
            lock="RESERVED" if wal else "RESERVED, then EXCLUSIVE",
            blocks="writes" if wal else "reads and writes",
            briefly=False,
            together=name not in ("verify", "probe"),
            seconds=seconds,
            bytes=size,
        )

    return (
        step("lock", "BEGIN IMMEDIATE: all steps are one transaction, so a failure leaves nothing behind"),
        step(
            "clean",
            "no writer comes between this and the index",
            seconds=sort + facts.duplicates.removed / _REMOVED_A_SECOND,
        ),
        step(
            "build",
            "an index is the only unique constraint that SQLite can add to a table",
            build,
            seconds=sort,
            size=facts.rows * (longest + _ENTRY_BYTES),
        ),
        step("verify", "before the commit: what is wrong is rolled back", seconds=sort),
        step("probe", "before the commit: what is wrong is rolled back"),
    )


def default_name(table: Table) -> str:
    """Return `activities_activity_id_key`: the name that PostgreSQL would choose, for SQLite asks for one."""
    return "_".join((table.catalog.name, *table.key_names, "key"))


DIALECT: Final = Dialect(
    read_facts=read_facts,
    steps=steps,
    strategies=("small",),
    small_rows=200_000,
    behaviour=BEHAVIOUR,
    migration=SqliteMigration,
    default_name=default_name,
)
