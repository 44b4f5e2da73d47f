"""Makes the plan of a migration: what is wanted, what stands in its way, each step with its SQL. Changes nothing."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field, replace

from dedupaudit import __version__
from dedupaudit.causes.explainer import Explainer
from dedupaudit.config import Settings
from dedupaudit.display import visible
from dedupaudit.interrupt import Interrupt
from dedupaudit.migrate.facts import Duplicates, Facts
from dedupaudit.migrate.pairs import pairs
from dedupaudit.migrate.plan import Concern, Found, MigrateHeader, Step, StrategyName
from dedupaudit.migrate.wanted import Wanted, Wish, wanted_of
from dedupaudit.progress import Progress
from dedupaudit.repair.objects import object_exists
from dedupaudit.repair.opening import database_of
from dedupaudit.repair.pace import Announce
from dedupaudit.repair.plan import Limit, shape_of
from dedupaudit.repair.planning import Planner, planner_of, refuse_at_once, spooled
from dedupaudit.repair.planning import PlanRequest as RepairRequest
from dedupaudit.sources.tables import open_source
from dedupaudit.sources.tables.protocol import Key, Reading, TableSource
from dedupaudit.sources.tables.resolve import resolve
from dedupaudit.sources.tables.table import Table
from dedupaudit.times import iso


@dataclass(frozen=True)
class PlanRequest:
    """What a plan is asked for. What is None is left to the configuration, and then to what is usual."""

    table: str
    limit: Limit = field(default_factory=lambda: Limit(percent=10.0))
    on_conflict: str | None = None
    strategy: StrategyName | None = None
    not_null: bool | None = None
    constraint: str | None = None


@dataclass(frozen=True)
class MigrationPlan:
    """A plan that is not written yet."""

    header: MigrateHeader
    steps: tuple[Step, ...]

    @property
    def refused(self) -> tuple[Concern, ...]:
        """What forbids the migration."""
        return tuple(concern for concern in self.header.concerns if concern.level == "refusal")

    @property
    def is_done(self) -> bool:
        """Whether there is nothing to do: the constraint is there."""
        return self.header.protecting is not None


def plan_migration(
    settings: Settings,
    request: PlanRequest,
    *,
    interrupt: Interrupt,
    progress: Progress,
    announce: Announce = lambda _text: None,
    explainer: Explainer | None = None,
) -> MigrationPlan:
    """Look at the table and its surroundings, and return what would be done, or what forbids it.

    Raises Refused where more rows would go than the limit allows, UsageError, and what a source raises.
    """
    database = database_of(settings)
    with ExitStack() as stack:
        source = open_source(database, interrupt, progress, reading_of(settings))
        stack.callback(source.close)
        table = resolve(source, request.table, settings)
        if table.catalog.kind == "table":
            refuse_at_once(database, table)
        wish = Wish(request.constraint, request.not_null, request.strategy)
        wanted = wanted_of(settings, database, table, wish, interrupt)
        exists = object_exists(settings, table, interrupt, announce, stack)
        repair = RepairRequest(request.table, request.limit, request.on_conflict)
        planner = planner_of(source, wanted.table, repair, explainer, exists)
        facts = replace(_counted(source, wanted, planner, stack), device=table.device.name if table.device else None)
        return _planned(source, replace(wanted, facts=facts), request)


def _counted(source: TableSource, wanted: Wanted, planner: Planner, stack: ExitStack) -> Facts:
    """Return the facts with what only a look at the rows can say."""
    facts = wanted.facts
    if not all(column.indexable for column in facts.key):
        # What the server cannot compare it cannot count either; preflight says so.
        return replace(facts, rows=wanted.table.catalog.row_estimate or 0)
    survey = source.survey(wanted.table, ("null_ids", "blank_ids"))
    duplicates = Duplicates()
    if facts.protecting is None:
        totals = planner.plan(stack.enter_context(spooled())).header.totals
        duplicates = Duplicates(
            groups=totals.groups,
            removed=totals.removed,
            merged=totals.merged,
            rules=totals.rules,
            left=totals.left,
            first_left=tuple((key_text(wanted.table, key), why) for key, why in planner.first_left),
            pairs=pairs(source, wanted.table),
        )
    return replace(
        facts,
        rows=survey.rows,
        null_keys=survey.suspects["null_ids"],
        blank_keys=survey.suspects["blank_ids"],
        duplicates=duplicates,
    )


def reading_of(settings: Settings) -> Reading:
    """Return how the source may read."""
    engine = settings.options.engine
    return Reading(engine if engine != "spark" else "auto", settings.options.memory_limit)


def key_text(table: Table, key: Key) -> str:
    """Return a key for people."""
    parts = [f"{visible(name)}={visible(str(part))}" for name, part in zip(table.key_names, key, strict=True)]
    return ", ".join(parts) if len(parts) > 1 else visible(str(key[0]))


def _planned(source: TableSource, wanted: Wanted, request: PlanRequest) -> MigrationPlan:
    table, facts, catalog = wanted.table, wanted.facts, wanted.table.catalog
    strategy, why = wanted.strategy(request.strategy)
    header = MigrateHeader(
        database=source.identity(),
        table=table.name,
        created_at=iso(source.clock()),
        tool=__version__,
        source=source.name,
        real=catalog.quoted,
        key=table.key_names,
        primary_key=catalog.primary_key,
        columns=shape_of(catalog),
        constraint=wanted.constraint,
        not_null=wanted.columns_forbidding_null,
        protecting=facts.protecting,
        strategy=strategy,
        why=why,
        rows=facts.rows,
        found=Found(
            groups=facts.duplicates.groups,
            removed=facts.duplicates.removed,
            merged=facts.duplicates.merged,
            rules=facts.duplicates.rules,
            left=facts.duplicates.left,
        ),
        max_delete=request.limit,
        on_conflict=request.on_conflict,
        behaviour=wanted.dialect.behaviour,
        concerns=wanted.concerns(strategy, request.on_conflict),
    )
    if facts.protecting is not None:
        return MigrationPlan(header, ())
    return MigrationPlan(header, wanted.dialect.steps(wanted.target(strategy)))
