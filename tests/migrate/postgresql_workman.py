"""One PostgreSQL table under migration, step by step, without the conductor; and sessions that write meanwhile."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from functools import cache
from pathlib import Path
from threading import Thread
from typing import Any

import psycopg2
from psycopg2 import extensions

from dedupaudit.config import DatabaseSettings, TableSettings
from dedupaudit.interrupt import Interrupt
from dedupaudit.migrate.databases import dialect_of
from dedupaudit.migrate.databases.postgresql_migration import PostgresqlMigration
from dedupaudit.migrate.databases.protocol import Target
from dedupaudit.migrate.facts import Facts
from dedupaudit.migrate.plan import Step, StepName, StrategyName
from dedupaudit.repair.databases.postgresql import PostgresqlRepair
from dedupaudit.sources.tables.table import Table
from dedupaudit.urls import parse_database_url
from tests.repair.databases import Postgresql
from tests.servers.fixtures import shared_postgresql
from tests.sources.tables.opened import opened

DATABASE = "repaired"
UNIQUE = "23505"


class Session:
    """A session of the application; statements answer with SQLSTATE and constraint where they fail."""

    def __init__(self, begin: str = "", role: str = "postgres") -> None:
        self.connection: extensions.connection = shared_postgresql().connect(DATABASE, role)
        self.last: psycopg2.Error | None = None
        self.ask("SET lock_timeout = '20s'; SET client_min_messages = error")
        if begin:
            self.ask(begin)

    @property
    def pid(self) -> int:
        return self.connection.info.backend_pid

    def ask(self, statement: str) -> list[tuple[Any, ...]]:
        with self.connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def fails(self, statement: str) -> str:
        """Return the SQLSTATE that a statement ends with; empty where it works."""
        try:
            self.ask(statement)
        except psycopg2.Error as error:
            self.last = error
            return error.pgcode or "lost"
        return ""

    def later(self, statement: str) -> Later:
        """Run a statement in a thread of its own."""
        return Later(self, statement)

    def close(self) -> None:
        self.connection.close()


class Later:
    """A statement that may wait for somebody."""

    def __init__(self, session: Session, statement: str) -> None:
        self._state: list[str] = []
        self._thread = Thread(target=lambda: self._state.append(session.fails(statement)), daemon=True)
        self._thread.start()

    @property
    def is_waiting(self) -> bool:
        self._thread.join(0.4)
        return self._thread.is_alive()

    @property
    def state(self) -> str:
        """How it ended."""
        self._thread.join(30)
        return self._state[0]


@contextmanager
def sessions(*begin: str) -> Iterator[tuple[Session, ...]]:
    """Open sessions, each with a first statement or none."""
    opened_ones = tuple(Session(one) for one in begin)
    try:
        yield opened_ones
    finally:
        for one in opened_ones:
            one.close()


def look_at(
    url: str, opening: str, key: Sequence[str] = ("id",), name: str = "t", constraint: str | None = None
) -> tuple[Table, Facts]:
    """Return a table, found by the one URL, and its facts, read by the other."""
    settings = DatabaseSettings("db", parse_database_url(url), None)
    dialect = dialect_of(settings)
    with opened(opening, TableSettings(key=tuple(key)), name) as (_source, table):
        return table, dialect.read_facts(settings, table, constraint or dialect.default_name(table), Interrupt())


@cache
def _database() -> Postgresql:
    """Return one connection for all tests of a worker."""
    return Postgresql()


class Workman:
    """A database with one table under migration."""

    def __init__(
        self, *made: str, key: Sequence[str] = ("id",), name: str = "t", strategy: StrategyName = "guarded"
    ) -> None:
        self.database = _database()
        self.url = self.database.fresh(Path(tempfile.gettempdir()))
        self.database.run(*made)
        self.settings = DatabaseSettings("db", parse_database_url(self.url), None)
        self.dialect = dialect_of(self.settings)
        self.key, self.name, self.strategy = tuple(key), name, strategy
        self.interrupt = Interrupt()

    def look(self, role: str = "postgres", constraint: str | None = None) -> tuple[Table, Facts]:
        """Return the table and its facts, as a role reads them."""
        return look_at(shared_postgresql().url(database=DATABASE, user=role), self.url, self.key, self.name, constraint)

    def target(self, *, not_null: Sequence[str] = (), constraint: str | None = None) -> Target:
        table, facts = self.look(constraint=constraint)
        return Target(table, constraint or self.dialect.default_name(table), tuple(not_null), self.strategy, facts)

    @contextmanager
    def migration(
        self, *, not_null: Sequence[str] = (), constraint: str | None = None, role: str = "postgres"
    ) -> Iterator[Working]:
        """Open the migration of the table as it stands now."""
        target = self.target(not_null=not_null, constraint=constraint)
        url = shared_postgresql().url(database=DATABASE, user=role)
        with closing(PostgresqlRepair(DatabaseSettings("db", parse_database_url(url), None))) as repair:
            yield Working(PostgresqlMigration(repair, target, self.interrupt), self.dialect.steps(target), target)

    @contextmanager
    def guarded(self) -> Iterator[Working]:
        """Open the migration, with its guard in place."""
        with self.migration() as working:
            working.do("lookup", "guard")
            assert working.migration.standing().guard == "complete"
            yield working

    def run(self, *statements: str) -> None:
        self.database.run(*statements)

    def keys(self) -> list[Any]:
        """Return all keys, in order."""
        columns = ", ".join('"' + one.replace('"', '""') + '"' for one in self.key)
        name = '"' + self.name.replace('"', '""') + '"'
        return [
            row[0] if len(row) == 1 else row for row in self.database.ask(f"SELECT {columns} FROM {name} ORDER BY 1")
        ]

    def entries(self) -> int:
        """Return how many entries the side table has."""
        ((name,),) = self.database.ask(
            "SELECT oid::regclass::text FROM pg_class WHERE relname ~ '^guard_[0-9a-f]{12}$' AND relkind = 'r'"
        )
        return int(self.database.ask(f"SELECT count(*) FROM {name}")[0][0])

    def traces(self) -> list[Any]:
        """Return every object of a migration that is there; the journal's tables are none."""
        return self.database.ask(
            "SELECT relname FROM pg_class WHERE relname ~ '^(guard|dedupaudit_(lookup|guard))_'"
            " UNION ALL SELECT proname FROM pg_proc WHERE proname ~ '^guard_'"
            " UNION ALL SELECT tgname FROM pg_trigger WHERE tgname ~ '^dedupaudit_'"
            " UNION ALL SELECT conname FROM pg_constraint WHERE conname ~ '^dedupaudit_'"
            " UNION ALL SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid"
        )


class Working:
    """A migration with the steps of its plan."""

    def __init__(self, migration: PostgresqlMigration, steps: tuple[Step, ...], target: Target) -> None:
        self.migration, self.target = migration, target
        self.steps: dict[StepName, Step] = {step.name: step for step in steps}

    def do(self, *names: StepName) -> None:
        """Do steps, those that the plan has."""
        for name in names:
            if name in self.steps:
                self.migration.do(self.steps[name])

    def finish(self) -> None:
        """Do all that is left, where nothing is to be cleaned."""
        self.do("lookup", "guard", "not_null", "build", "attach")
        assert self.migration.standing().unique == "constraint"
        assert "was refused by" in self.migration.probe()
        self.do("unguard")
        assert self.migration.standing().guard == "none"
