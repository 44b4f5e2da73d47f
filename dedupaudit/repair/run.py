"""What `repair apply` does, from settings to outcome."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from dedupaudit.config import DatabaseSettings, Settings
from dedupaudit.display import visible
from dedupaudit.errors import Refused, SourceError, UsageError
from dedupaudit.interrupt import Interrupt
from dedupaudit.progress import Progress
from dedupaudit.repair.apply import Applied, Applying
from dedupaudit.repair.databases.protocol import Inspection, Link, RepairDatabase
from dedupaudit.repair.journal import Journal, Run
from dedupaudit.repair.opening import acquire, database_of, opened, planned_table, refuse, site_of
from dedupaudit.repair.pace import Announce, Kindness, Pace
from dedupaudit.repair.plan import Header, PlanHeader
from dedupaudit.repair.planfile import PlanFile
from dedupaudit.reports.words import length
from dedupaudit.sources.tables import open_source
from dedupaudit.sources.tables.catalog import Catalog
from dedupaudit.sources.tables.protocol import TableSource
from dedupaudit.sources.tables.table import Table
from dedupaudit.times import iso, parse_time
from dedupaudit.units import show_duration

_CLOCKS_DIFFER = 300.0


@dataclass(frozen=True)
class ApplyRequest:
    """What an apply is asked for; times are seconds."""

    plan: Path
    max_age: float = 3600.0
    kindness: Kindness = field(default_factory=Kindness)
    allowed_triggers: tuple[str, ...] = ()
    replicas: tuple[DatabaseSettings, ...] = ()


@dataclass(frozen=True)
class Offer:
    """What is shown before anything is changed. `resumed` is the run that goes on, None for a new one."""

    header: Header
    place: str
    age: float
    removed: int
    inspection: Inspection
    resumed: Run | None


Confirm = Callable[[Offer], None]
"""Asks; raises Refused or UsageError where the answer is no."""


def apply_plan(
    settings: Settings,
    request: ApplyRequest,
    *,
    interrupt: Interrupt,
    progress: Progress,
    announce: Announce,
    confirm: Confirm,
) -> Applied:
    """Apply a plan file to its database. Raises Refused, Locked, RunFailed and what a source raises."""
    with PlanFile(request.plan) as plan, ExitStack() as stack:
        header = plan.header
        if plan.removed == 0:
            raise Refused(
                f"the plan removes no row: nothing to apply ({header.totals.groups:,} groups are left as they are)",
                "see why with `dedupaudit repair plan`; conflicting rows need a policy: --on-conflict",
            )
        settings_of_database = database_of(settings, header.source)
        refuse_blind_wait(settings_of_database, request.replicas, request.kindness)
        table = planned_table(settings, settings_of_database, header, interrupt)
        database = stack.enter_context(opened(settings_of_database))
        journal = Journal(database)
        earlier = _earlier(journal, plan)
        if earlier is not None and earlier.state == "done":
            return Applied(earlier, stopped=None)
        age = age_of(database, header, request.max_age, resumed=earlier is not None)
        shape, inspection = database.shape(table.catalog), database.inspect(table)
        updates = header.totals.merged > 0 or any(
            link.child.quoted == table.catalog.quoted for link in inspection.links
        )
        refuse(inspection, table, request.allowed_triggers, updates=updates)
        confirm(Offer(header, database.place, age, plan.removed, inspection, earlier))
        touched = touched_by(table, inspection.links)
        database.prepare(touched)
        acquire(database, journal, table.catalog.quoted)
        if not database.inspect(table).says_the_same(inspection):
            # Somebody may take an hour to answer; a foreign key made meanwhile would delete what it refers to.
            raise Refused(
                f"what refers to table {visible(table.name)}, or is fired by it, changed since it was looked at",
                "run the same command again: nothing was changed",
            )
        run = _begun(journal, plan, table, touched)
        if run.state == "done":
            return Applied(run)
        ask_lag = lag_of(database, request.replicas, interrupt, progress, stack)
        pace = Pace(database, request.kindness, interrupt, announce, ask_lag)
        site = site_of(database, table, inspection, shape)
        return Applying(site, journal, plan, run, pace, interrupt, progress).apply()


def refuse_blind_wait(database: DatabaseSettings, replicas: Sequence[DatabaseSettings], kindness: Kindness) -> None:
    """Raise UsageError for --max-lag where nobody could say how far a replica is behind: it would wait for nothing."""
    if any(replica.url.scheme == "sqlite" for replica in replicas):
        raise UsageError(
            "--replica: an SQLite file has no lag to be asked for", "name the replicas of a server, or none"
        )
    if kindness.max_lag is not None and not replicas and database.url.scheme != "postgresql":
        raise UsageError(
            "--max-lag: this server does not know how far its replicas are behind", "name each of them by --replica URL"
        )


def _earlier(journal: Journal, plan: PlanFile) -> Run | None:
    """Return the last run of this very plan, unless it was taken back."""
    runs = [run for run in journal.runs() if run.plan == plan.sha256]
    if not runs or runs[-1].state == "undone":
        return None
    if runs[-1].state == "undoing":
        raise Refused(
            f"run {runs[-1].id} of this plan is being taken back",
            f"finish that first: dedupaudit repair undo {runs[-1].id}",
        )
    return runs[-1]


def _begun(journal: Journal, plan: PlanFile, table: Table, touched: Sequence[Catalog]) -> Run:
    """Return the run to go on with, with the lock held: the unfinished one of this plan, or a new one."""
    earlier = _earlier(journal, plan)
    if earlier is not None:
        return earlier if earlier.state == "done" else journal.take_over(earlier, "running")
    return journal.begin(plan.sha256, table.name, table.catalog, touched)


def age_of(database: RepairDatabase, header: PlanHeader, most: float, *, resumed: bool) -> float:
    """Return how old a plan is, by the database's clock; raises Refused for one that is too old."""
    created = parse_time(header.created_at)
    if created is None:
        raise Refused("the plan does not say when it was made", f"make it again with `dedupaudit {header.kind} plan`")
    age = (database.clock() - created) / 1_000_000
    if age < -_CLOCKS_DIFFER:
        raise Refused(
            f"the plan is from the future: it was made at {visible(header.created_at)} by the database's clock, and now"
            f" it is {iso(database.clock())}",
            "see whether the server's clock jumped; then make a new plan",
        )
    if age > most and not resumed:
        raise Refused(
            f"the plan is {length(age)} old, and --max-age is {show_duration(most)}",
            "make a new one: rows may have changed since; or allow more with --max-age",
        )
    return max(age, 0.0)


def touched_by(table: Table, links: Sequence[Link]) -> list[Catalog]:
    """Return the catalogs of all tables whose rows a repair may change: each needs a quarantine."""
    known = {table.catalog.quoted: table.catalog}
    known.update({link.child.quoted: link.child for link in links})
    return list(known.values())


def lag_of(
    database: RepairDatabase,
    replicas: Sequence[DatabaseSettings],
    interrupt: Interrupt,
    progress: Progress,
    stack: ExitStack,
) -> Callable[[], float | None]:
    """Return what asks how far the slowest replica is behind: of those named, else of those that the server knows."""
    if not replicas:
        return database.lag
    sources: list[TableSource] = []
    for replica in replicas:
        source = open_source(replica, interrupt, progress)
        stack.callback(source.close)
        sources.append(source)

    def ask() -> float | None:
        found = []
        for source in sources:
            try:
                source.renew()
                found.append(source.lag())
            except SourceError:
                # A replica that does not answer is as far behind as can be.
                return float("inf")
        known = [lag for lag in found if lag is not None]
        return max(known) if known else None

    return ask
