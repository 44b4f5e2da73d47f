"""From settings to what is wanted of a table: the constraint, its name, and how it would be made."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from dedupaudit.config import DatabaseSettings, Settings
from dedupaudit.display import visible
from dedupaudit.errors import NothingToCheck, UsageError
from dedupaudit.interrupt import Interrupt
from dedupaudit.migrate.databases import dialect_of
from dedupaudit.migrate.databases.protocol import Dialect, Target
from dedupaudit.migrate.facts import Facts
from dedupaudit.migrate.plan import Concern, StrategyName
from dedupaudit.migrate.preflight import concerns
from dedupaudit.migrate.preflight.base import Asked
from dedupaudit.progress import Progress
from dedupaudit.repair.journal import Run
from dedupaudit.repair.opening import database_of
from dedupaudit.sources.tables import open_source
from dedupaudit.sources.tables.resolve import DEFAULT_TABLES
from dedupaudit.sources.tables.table import Table

_LONGEST_NAME = 63


@dataclass(frozen=True)
class Wish:
    """What somebody typed; None leaves it to the configuration, and then to what is usual."""

    constraint: str | None = None
    not_null: bool | None = None
    strategy: StrategyName | None = None


class About(NamedTuple):
    """What the journal keeps of a migration beside its steps: what a rollback must know."""

    constraint: str
    not_null: tuple[str, ...]
    strategy: StrategyName

    @classmethod
    def of(cls, run: Run) -> About:
        """Return what a run was about."""
        told = json.loads(run.columns)
        return cls(told["constraint"], tuple(told["not_null"]), told["strategy"])


@dataclass(frozen=True)
class Wanted:
    """The constraint that a table shall have, with what is known of the table."""

    dialect: Dialect
    table: Table
    constraint: str
    not_null: bool
    facts: Facts

    def concerns(
        self, strategy: StrategyName, on_conflict: str | None, *, resumed: bool = False
    ) -> tuple[Concern, ...]:
        """Return what the preflight checks say of it."""
        asked = Asked(
            table=self.table.name,
            quoted=self.table.catalog.quoted,
            key=self.table.key_names,
            constraint=self.constraint,
            not_null=self.not_null,
            strategy=strategy,
            on_conflict=on_conflict,
            resumed=resumed,
        )
        return concerns(self.facts, asked)

    def target(self, strategy: StrategyName) -> Target:
        """Return it as the databases take it."""
        return Target(self.table, self.constraint, self.columns_forbidding_null, strategy, self.facts)

    def target_of(self, run: Run | None) -> Target:
        """Return what a run wanted; without one, what is wanted now."""
        if run is None:
            return self.target(self.strategy(None)[0])
        about = About.of(run)
        return Target(self.table, about.constraint, about.not_null, about.strategy, self.facts)

    @property
    def columns_forbidding_null(self) -> tuple[str, ...]:
        """The columns of the key that allow NULL, and shall not."""
        return tuple(column.name for column in self.table.key if column.nullable) if self.not_null else ()

    def strategy(self, asked: StrategyName | None) -> tuple[StrategyName, str]:
        """Choose how it is made, and say why; raises UsageError for a strategy that is not there."""
        possible, facts = self.dialect.strategies, self.facts
        if facts.table_kind == "partitioned" and "partitioned" in possible:
            return "partitioned", "the table is partitioned: its index is built partition by partition"
        if asked is not None:
            if asked not in possible:
                raise UsageError(f"--strategy {asked} is none of this database", f"it has {', '.join(possible)}")
            return asked, "it was asked for"
        if possible == ("small",):
            return "small", "this database has one writer at a time: one transaction does it all"
        if "small" in possible and facts.rows <= self.dialect.small_rows:
            return "small", (
                f"the table has no more than {self.dialect.small_rows:,} rows: one transaction locks it, and does it"
                " all before anybody waits long"
            )
        return "guarded", "writers go on: a guard refuses new duplicates while the old ones are cleaned"


def names_of(settings: Settings, asked: Sequence[str], interrupt: Interrupt, progress: Progress) -> list[str]:
    """Return the tables that are meant: the named ones, else the configured ones, else those of the usual that exist.

    Raises NothingToCheck where none is.
    """
    if named := list(dict.fromkeys(asked)) or list(settings.tables):
        return named
    source = open_source(database_of(settings), interrupt, progress)
    try:
        found = [name for name in DEFAULT_TABLES if source.catalog((name,))]
    finally:
        source.close()
    if not found:
        raise NothingToCheck(
            f"none of the tables {', '.join(DEFAULT_TABLES)} exists here",
            "is it the right database? name a table, or configure one under [tables.NAME]",
        )
    return found


def wanted_of(settings: Settings, database: DatabaseSettings, table: Table, wish: Wish, interrupt: Interrupt) -> Wanted:
    """Read the facts of a table, and return what is wanted of it; raises UsageError for a name that cannot be one."""
    dialect = dialect_of(database)
    configured = settings.tables.get(table.name)
    every = replace(table, where=None)
    name = wish.constraint or (configured.constraint if configured else None) or dialect.default_name(every)
    if not name.isprintable() or len(name.encode()) > _LONGEST_NAME:
        raise UsageError(
            f"{visible(name)} cannot be a constraint's name",
            f"name one of at most {_LONGEST_NAME} bytes: --constraint, or constraint = under"
            f" [tables.{visible(table.name)}]",
        )
    not_null = wish.not_null if wish.not_null is not None else bool(configured and configured.not_null)
    facts = dialect.read_facts(database, every, name, interrupt)
    return Wanted(dialect, every, name, not_null, facts)
