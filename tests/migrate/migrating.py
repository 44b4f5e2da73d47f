"""Plans, applies and rolls back migrations in this process, through what the commands call, with real settings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dedupaudit.config import DatabaseSettings, Settings, TableSettings
from dedupaudit.interrupt import Interrupt
from dedupaudit.migrate import planning, rollback, run, status
from dedupaudit.migrate.evidence import Migrated
from dedupaudit.migrate.planfile import write_migration
from dedupaudit.progress import SILENT
from dedupaudit.repair.plan import Limit
from dedupaudit.urls import parse_database_url
from tests.repair.databases import Database

ALL = Limit(percent=100.0)


@dataclass
class Migrating:
    """One database under migration. `tables` configure it; what is planned lies in `folder`."""

    database: Database
    folder: Path
    tables: dict[str, TableSettings] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.url = self.database.fresh(self.folder)
        self.plans = 0
        self.confirm: Callable[[run.Offer], None] = lambda _offer: None
        """What an apply asks before it changes anything."""
        self.said: list[str] = []
        """What an apply announced beside its work."""

    @property
    def settings(self) -> Settings:
        """The settings of a user who configured one database, called db."""
        return Settings(databases=(DatabaseSettings("db", parse_database_url(self.url), None),), tables=self.tables)

    def look(self, table: str = "t", *, limit: Limit = ALL, **request: Any) -> planning.MigrationPlan:
        """Plan, and return the plan."""
        return planning.plan_migration(
            self.settings,
            planning.PlanRequest(table, limit, **request),
            interrupt=Interrupt(),
            progress=SILENT,
        )

    def plan(self, table: str = "t", **request: Any) -> Path:
        """Plan, and return the plan's file; a refused plan fails the test."""
        plan = self.look(table, **request)
        assert not plan.refused, plan.refused
        self.plans += 1
        path = self.folder / f"migration{self.plans}.jsonl"
        with path.open("wb") as out:
            write_migration(out, plan.header, plan.steps)
        return path

    def apply(self, plan: Path, **request: Any) -> Migrated:
        """Apply a plan."""
        return run.apply_migration(
            self.settings,
            run.ApplyRequest(plan, **request),
            interrupt=Interrupt(),
            progress=SILENT,
            announce=self.said.append,
            confirm=self.confirm,
        )

    def status(self, *tables: str) -> Sequence[status.TableStatus]:
        """Look at tables."""
        return status.status_of(self.settings, tables or ("t",), interrupt=Interrupt(), progress=SILENT)

    def roll_back(self, table: str = "t", **request: Any) -> rollback.RolledBack:
        """Roll back."""
        return rollback.roll_back(
            self.settings,
            table,
            interrupt=Interrupt(),
            progress=SILENT,
            announce=self.said.append,
            confirm=lambda _offer: None,
            **request,
        )
