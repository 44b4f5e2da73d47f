"""Plans, applies and takes back in this process, through what the commands call, with real settings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from dedupaudit.causes.explainer import Explainer
from dedupaudit.config import DatabaseSettings, Settings, TableSettings
from dedupaudit.interrupt import Interrupt
from dedupaudit.progress import SILENT
from dedupaudit.repair import pace, past, planning, run
from dedupaudit.repair.apply import Applied
from dedupaudit.repair.plan import Group, Limit
from dedupaudit.repair.planfile import PlanFile, write_plan
from dedupaudit.urls import parse_database_url
from tests.repair.databases import Database

ALL = Limit(percent=100.0)


@dataclass
class Repairing:
    """One database under repair. `tables` configure it; what is planned lies in `folder`."""

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

    def plan(
        self,
        table: str = "t",
        *,
        on_conflict: str | None = None,
        limit: Limit = ALL,
        explainer: Explainer | None = None,
    ) -> Path:
        """Plan, and return the plan's file."""
        self.plans += 1
        path = self.folder / f"plan{self.plans}.jsonl"
        request = planning.PlanRequest(table, limit, on_conflict)
        with (
            planning.planned(self.settings, request, interrupt=Interrupt(), progress=SILENT, explainer=explainer) as (
                plan,
                _,
            ),
            path.open("wb") as out,
        ):
            write_plan(out, plan.header, plan.groups)
        return path

    def apply(self, plan: Path, **request: Any) -> Applied:
        """Apply a plan."""
        return run.apply_plan(
            self.settings,
            run.ApplyRequest(plan, **request),
            interrupt=Interrupt(),
            progress=SILENT,
            announce=self.said.append,
            confirm=self.confirm,
        )

    def undo(
        self,
        named: str = "last",
        *,
        leave_changed: bool = False,
        table: str | None = None,
        allowed_triggers: tuple[str, ...] = (),
    ) -> past.Undone:
        """Take a run back."""
        return past.undo_run(
            self.settings,
            named,
            interrupt=Interrupt(),
            progress=SILENT,
            confirm=lambda _run, _place: None,
            leave_changed=leave_changed,
            allowed_triggers=allowed_triggers,
            table=table,
        )


def groups_of(plan: Path) -> list[Group]:
    """Return the groups of a plan's file."""
    with PlanFile(plan) as file:
        return [group for _line, group in file.groups()]


def small_chunks(patch: pytest.MonkeyPatch, rows: int = 2, *, lines: bool = True) -> None:
    """Let chunks have so many rows (one group at least); with `lines`, lines of a plan as many victims."""
    patch.setattr(pace, "_FIRST", rows)
    patch.setattr(pace, "_LEAST", rows)
    patch.setattr(pace, "_MOST", rows)
    if lines:
        patch.setattr(planning, "LONGEST_LINE", rows)
