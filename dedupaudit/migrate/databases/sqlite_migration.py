"""Does the work on SQLite: what `Migration` promises, over the connection that repairs."""

# ruff: noqa: D102 (what the methods promise is said in protocol.py)

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from dedupaudit.display import visible
from dedupaudit.errors import AuditError, Refused, SourceError
from dedupaudit.interrupt import Interrupt
from dedupaudit.migrate.databases.protocol import NOTHING, REFUSED, Patience, Standing, Target
from dedupaudit.migrate.databases.sqlite_facts import taken_by, wanted_index
from dedupaudit.migrate.plan import Step
from dedupaudit.repair.databases.protocol import RepairDatabase
from dedupaudit.repair.databases.sqlite import SqliteRepair
from dedupaudit.repair.errors import Busy, Surprise
from dedupaudit.sources.tables.catalog import Catalog, Index
from dedupaudit.sources.tables.sqlite_catalog import read_catalog, rowid_name
from dedupaudit.sources.tables.sqlite_guard import explain
from dedupaudit.sources.tables.sqlite_sql import quote
from dedupaudit.sqlfiles import fill, sql_text

_STEPS = 50_000
"""SQLite's machine asks after so many steps, about every 2 ms, whether it shall go on."""


class SqliteMigration:
    """A `Migration` over one SQLite file. There is no guard: all steps are in a transaction that keeps writers out."""

    patience: Patience | None = None

    def __init__(self, repair: RepairDatabase, target: Target, interrupt: Interrupt) -> None:
        if not isinstance(repair, SqliteRepair):
            raise TypeError("the registry pairs this with SqliteRepair")
        self.repair: RepairDatabase = repair
        self._connection = repair.connection
        self._target = target
        self._interrupt = interrupt
        key = [quote(name) for name in target.table.key_names]
        self._parts = {
            "table": target.table.catalog.quoted,
            "key": ", ".join(key),
            "key_is_known": " AND ".join(f"{name} IS NOT NULL" for name in key),
        }

    # ---- how far it is

    def standing(self) -> Standing:
        catalog = self._catalog()
        required = [catalog.column(name) for name in self._target.not_null]
        return Standing(
            lookup="none",
            guard="none",
            unique="constraint" if self._wanted(catalog) else "none",
            nulls_forbidden=all(column is not None and not column.nullable for column in required),
        )

    def _catalog(self) -> Catalog:
        name = self._target.table.catalog.name
        with self._failures():
            catalog = read_catalog(self._connection, name)
        if catalog is None:
            raise SourceError(f"{self.repair.place}: the table {visible(name)} is gone", "make a new plan")
        return catalog

    def _wanted(self, catalog: Catalog) -> Index | None:
        return wanted_index(catalog, self._target.table.key, self._target.constraint)

    # ---- the steps

    def do(self, step: Step) -> None:
        if step.name == "not_null":
            raise Refused(
                "SQLite cannot forbid NULL in a column that is there",
                "leave --not-null out, or not_null under [tables.NAME] in dedupaudit.toml",
            )
        if step.name != "build" or self._wanted(self._catalog()):
            return
        with self._failures():
            taken = taken_by(self._connection, self._target.constraint)
        if taken:
            raise Refused(
                f"the name {visible(self._target.constraint)} is taken by {taken}",
                "name the constraint otherwise: --constraint NAME",
            )
        for statement in step.sql:
            self._run(statement)

    def older(self) -> list[str]:
        return []

    def remove_guard(self) -> None:
        """Do nothing: there never is one."""

    def remove_constraint(self, *, not_null: Sequence[str] = ()) -> None:
        del not_null  # it cannot have been added
        if found := self._wanted(self._catalog()):
            self._run(f"DROP INDEX main.{quote(found.name)}")

    def guard_triggers(self) -> tuple[str, ...]:
        return ()

    # ---- verified, not believed

    def probe(self) -> str:
        whole = self._count(
            fill("SELECT COUNT(*) FROM (SELECT 1 FROM {table} WHERE {key_is_known} LIMIT 2)", self._parts)
        )
        if whole == 0:
            return f"{NOTHING}no row has a whole key"
        refused, said = self._attempt("INSERT", "90_probe_insert")
        # A copy meets whatever else is unique as well, and perhaps first; a changed key does not.
        if not refused and whole > 1 and not any(column.generated for column in self._target.table.key):
            refused, changed = self._attempt("UPDATE", "91_probe_update")
            said = changed if refused else said
        return said

    def _attempt(self, verb: str, file: str) -> tuple[bool, str]:
        """Try to make a duplicate; return whether the very index refused it, and what happened, in words.

        Raises Surprise where the duplicate was accepted.
        """
        catalog = self._catalog()
        columns = ", ".join(quote(name) for name in self._copied(catalog))
        statement = fill(sql_text(f"migrations/sqlite/{file}.sql"), {**self._parts, "columns": columns})
        self._run("SAVEPOINT dedupaudit_probe")
        try:
            changed = self._run(statement)
            if changed > 0 and self._is_twice():
                raise Surprise(
                    f"{self.repair.place}: {visible(self._target.constraint)} did not refuse a duplicate {verb}",
                    "it is rolled back; see what the catalog says of the index, and PRAGMA integrity_check",
                )
        except AuditError as error:
            told = str(error.__cause__)
            if isinstance(error.__cause__, sqlite3.IntegrityError) or "no such function" in told:
                return self._judged(catalog, verb, told)
            raise
        finally:
            # A failure may have ended the transaction, and the savepoint with it.
            with suppress(sqlite3.Error):
                self._connection.execute("ROLLBACK TO dedupaudit_probe")
                self._connection.execute("RELEASE dedupaudit_probe")
        return False, f"{NOTHING}a trigger makes something else of the {verb}"

    def _is_twice(self) -> bool:
        key = ", ".join(f"+{quote(name)}" for name in self._target.table.key_names)
        return self._count(fill(sql_text("migrations/sqlite/92_probe_duplicates.sql"), {**self._parts, "key": key})) > 0

    def _copied(self, catalog: Catalog) -> list[str]:
        """Return the columns that a copy of a row takes from it; SQLite itself gives the others."""
        rowid = rowid_name(self._connection, catalog) is not None
        return [
            column.name
            for column in catalog.columns
            if not column.generated and not (rowid and column.auto_increment and column not in self._target.table.key)
        ]

    def _judged(self, catalog: Catalog, verb: str, told: str) -> tuple[bool, str]:
        """Say what a refusal means: SQLite names the columns of an index, and not the index."""
        wanted = self._wanted(catalog)
        names = ", ".join(f"{catalog.name}.{name}" for name in wanted.columns) if wanted else ""
        if wanted and told == f"UNIQUE constraint failed: {names}":
            return True, f"{verb} {REFUSED} {visible(wanted.name)} ({visible(told)})"
        return False, f"{NOTHING}something else refused the {verb} first: {visible(told)}"

    # ---- how a statement runs

    def _count(self, query: str) -> int:
        with self._stoppable():
            return int(str(self.repair.fetch((), [f"(\n{query}\n)"], "")[0][0]))

    def _run(self, statement: str) -> int:
        with self._stoppable():
            return self.repair.execute(statement)

    @contextmanager
    def _stoppable(self) -> Iterator[None]:
        """Let a signal end the statement: Cancelled is raised then."""
        self._connection.set_progress_handler(lambda: self._interrupt.signum is not None, _STEPS)
        try:
            yield
        except AuditError as error:
            if "interrupted" in str(error.__cause__):
                self._interrupt.check()
            raise
        finally:
            self._connection.set_progress_handler(None, 0)

    @contextmanager
    def _failures(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            if "locked" in str(error):
                raise Busy(
                    f"{self.repair.place}: another program keeps the database locked",
                    "try again when its writer is done",
                ) from error
            raise explain(error, Path(self.repair.place)) from error
