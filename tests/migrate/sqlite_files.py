"""An SQLite file to migrate, opened as the conductor opens it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from dedupaudit.config import DatabaseSettings, Settings, TableSettings
from dedupaudit.interrupt import Interrupt
from dedupaudit.migrate.databases import dialect_of
from dedupaudit.migrate.databases.protocol import Migration, Target
from dedupaudit.migrate.facts import Facts
from dedupaudit.migrate.plan import Step
from dedupaudit.progress import SILENT
from dedupaudit.repair.databases import open_database
from dedupaudit.sources.tables import open_source
from dedupaudit.sources.tables.resolve import resolve
from dedupaudit.sources.tables.table import Table
from dedupaudit.urls import parse_database_url


@dataclass
class File:
    """A database file; `key` is the key of the table that is migrated."""

    path: Path
    table: str = "t"
    key: tuple[str, ...] = ("k",)
    interrupt: Interrupt = field(default_factory=Interrupt)

    def run(self, *statements: str) -> None:
        with closing(sqlite3.connect(self.path, isolation_level=None)) as connection:
            for statement in statements:
                connection.execute(statement)

    def ask(self, query: str) -> list[tuple[object, ...]]:
        with closing(sqlite3.connect(self.path)) as connection:
            return connection.execute(query).fetchall()

    @property
    def settings(self) -> DatabaseSettings:
        return DatabaseSettings("db", parse_database_url(f"sqlite:///{self.path}"), None)

    def resolved(self) -> Table:
        source = open_source(self.settings, Interrupt(), SILENT)
        try:
            return resolve(source, self.table, Settings(tables={self.table: TableSettings(key=self.key)}))
        finally:
            source.close()

    def facts(self, constraint: str = "t_k_key") -> Facts:
        return dialect_of(self.settings).read_facts(self.settings, self.resolved(), constraint, self.interrupt)

    def target(self, constraint: str | None = None) -> Target:
        table = self.resolved()
        name = constraint or dialect_of(self.settings).default_name(table)
        facts = dialect_of(self.settings).read_facts(self.settings, table, name, self.interrupt)
        return Target(table, name, (), "small", facts)

    def steps(self, target: Target) -> tuple[Step, ...]:
        return dialect_of(self.settings).steps(target)

    @contextmanager
    def migration(self, constraint: str | None = None) -> Iterator[tuple[Migration, dict[str, Step]]]:
        target = self.target(constraint)
        database = open_database(self.settings)
        try:
            migration = dialect_of(self.settings).migration(database, target, self.interrupt)
            yield migration, {step.name: step for step in self.steps(target)}
        finally:
            database.close()
