"""What `migrate apply` does, from settings to outcome."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from dedupaudit.causes.explainer import Explainer
from dedupaudit.config import DatabaseSettings, Settings
from dedupaudit.display import visible
from dedupaudit.errors import AuditError, Cancelled, Locked, Refused, RunFailed
from dedupaudit.interrupt import Interrupt
from dedupaudit.migrate.applying import Migrating
from dedupaudit.migrate.clean import Cleaning, Opened, Rule, close_rounds, rounds_of
from dedupaudit.migrate.databases.protocol import Patience, Target
from dedupaudit.migrate.evidence import Evidence, Migrated
from dedupaudit.migrate.plan import Concern, MigrateHeader, Step
from dedupaudit.migrate.planfile import MigrationFile
from dedupaudit.migrate.planning import reading_of
from dedupaudit.migrate.wanted import About, Wanted, Wish, wanted_of
from dedupaudit.progress import Progress
from dedupaudit.repair.databases.protocol import RepairDatabase
from dedupaudit.repair.errors import Surprise
from dedupaudit.repair.journal import Journal, Run
from dedupaudit.repair.objects import object_exists
from dedupaudit.repair.opening import acquire, database_of, opened, planned_table, refuse
from dedupaudit.repair.pace import Announce, Kindness, Pace
from dedupaudit.repair.run import age_of, lag_of, refuse_blind_wait, touched_by
from dedupaudit.sources.tables import open_source
from dedupaudit.sources.tables.catalog import guard
from dedupaudit.sources.tables.protocol import TableSource
from dedupaudit.sources.tables.resolve import resolve
from dedupaudit.sources.tables.table import Table
from dedupaudit.times import iso


@dataclass(frozen=True)
class ApplyRequest:
    """What an apply is asked for; times are seconds. `wait` bounds every wait for others."""

    plan: Path
    max_age: float = 3600.0
    kindness: Kindness = field(default_factory=Kindness)
    keep_guard: bool = False
    wait: float = 600.0
    allowed_triggers: tuple[str, ...] = ()
    replicas: tuple[DatabaseSettings, ...] = ()
    explainer: Explainer | None = None
    """What tells a retry from two events; with logs it can prove more."""


@dataclass(frozen=True)
class Offer:
    """What is shown before anything is changed. `resumed` is the run that goes on, None for a new one."""

    header: MigrateHeader
    steps: tuple[Step, ...]
    place: str
    age: float
    concerns: tuple[Concern, ...]
    resumed: Run | None


Confirm = Callable[[Offer], None]
"""Asks; raises Refused or UsageError where the answer is no."""


def apply_migration(
    settings: Settings,
    request: ApplyRequest,
    *,
    interrupt: Interrupt,
    progress: Progress,
    announce: Announce,
    confirm: Confirm,
) -> Migrated:
    """Apply a plan file to its database. Raises Refused, Locked, RunFailed and what a source raises."""
    with MigrationFile(request.plan) as plan, ExitStack() as stack:
        return _Apply(settings, request, plan, interrupt, progress, announce, confirm, stack).apply()


@dataclass
class _Apply:
    """The parts of one apply, put together."""

    settings: Settings
    request: ApplyRequest
    plan: MigrationFile
    interrupt: Interrupt
    progress: Progress
    announce: Announce
    confirm: Confirm
    stack: ExitStack

    def apply(self) -> Migrated:
        header = self.plan.header
        settings = database_of(self.settings, header.source)
        refuse_blind_wait(settings, self.request.replicas, self.request.kindness)
        table = replace(planned_table(self.settings, settings, header, self.interrupt), where=None)
        # Before the connection that writes is open: whoever closes an SQLite file drops all locks of the process on it.
        wanted = wanted_of(
            self.settings, settings, table, Wish(header.constraint, bool(header.not_null)), self.interrupt
        )
        if header.protecting is not None:
            return self._protected(wanted)
        target = self._target(wanted)
        database = self.stack.enter_context(opened(settings))
        journal = Journal(database)
        earlier = self._earlier(journal)
        if earlier is not None and earlier.state == "done":
            _refuse_vanished(wanted, header, earlier)
            return Migrated(earlier, tuple(rounds_of(journal, earlier)), Evidence.told_by(earlier))
        found = self._preflight(wanted, resumed=earlier is not None)
        age = age_of(database, header, self.request.max_age, resumed=earlier is not None)
        inspection = database.inspect(table)
        migration = wanted.dialect.migration(database, target, self.interrupt)
        migration.patience = Patience(self.request.wait, self.announce)
        allowed = (*self.request.allowed_triggers, *migration.guard_triggers())
        itself = any(link.child.quoted == table.catalog.quoted for link in inspection.links)
        refuse(inspection, table, allowed, updates=itself or header.found.merged > 0)
        self.confirm(Offer(header, self.plan.steps, database.place, age, found, earlier))
        ask_lag = lag_of(database, self.request.replicas, self.interrupt, self.progress, self.stack)
        pace = Pace(database, self.request.kindness, self.interrupt, self.announce, ask_lag)
        touched = touched_by(table, inspection.links)
        pace.patiently(lambda: database.prepare(touched), self.request.wait)
        acquire(database, journal, table.catalog.quoted)
        self._settle_others(journal, wanted, database)
        run = self._begun(journal, table)
        if run.state == "done":
            return Migrated(run, tuple(rounds_of(journal, run)), Evidence.told_by(run))
        exists = object_exists(self.settings, table, self.interrupt, self.announce, self.stack)
        rule = Rule(header.max_delete, header.on_conflict, allowed, exists, self.request.explainer)
        cleaning = Cleaning(database, journal, table, run, rule, pace, self.interrupt, self.progress, self.announce)
        work = Migrating(
            migration,
            self.plan.steps,
            journal,
            run,
            cleaning,
            pace,
            self.interrupt,
            self.announce,
            self.request.wait,
        )
        return self._work(work, settings, table)

    # ---- before anything is changed

    def _protected(self, wanted: Wanted) -> Migrated:
        """Return that there is nothing to do; raises Refused where that has changed since the plan."""
        if wanted.facts.protecting is not None:
            return Migrated(None, protecting=wanted.facts.protecting)
        raise Refused(
            f"the plan has no steps, for the key was unique: {visible(self.plan.header.protecting or '')} is gone",
            "make it again with `dedupaudit migrate plan`",
        )

    def _target(self, wanted: Wanted) -> Target:
        """Return what the plan wants; raises Refused where the steps would be others today."""
        header = self.plan.header
        target = Target(wanted.table, header.constraint, header.not_null, header.strategy, wanted.facts)
        now = wanted.dialect.steps(target)
        if [(step.name, step.sql) for step in now] != [(step.name, step.sql) for step in self.plan.steps]:
            raise Refused(
                f"the steps of the plan {self.plan.shown} are not those that table {visible(header.table)} needs now:"
                " somebody changed it or the plan since",
                "see `dedupaudit migrate status`; make a new plan with `dedupaudit migrate plan`",
            )
        return target

    def _earlier(self, journal: Journal) -> Run | None:
        """Return the last run of this very plan, unless it was rolled back."""
        runs = [run for run in journal.runs("migrate") if run.plan == self.plan.sha256]
        return runs[-1] if runs and runs[-1].state != "undone" else None

    def _preflight(self, wanted: Wanted, *, resumed: bool) -> tuple[Concern, ...]:
        """Look around once more; raises Refused for the first thing that forbids it."""
        header = self.plan.header
        found = wanted.concerns(header.strategy, header.on_conflict, resumed=resumed)
        for concern in found:
            if concern.level == "refusal":
                raise Refused(concern.message, concern.hint)
        return found

    def _settle_others(self, journal: Journal, wanted: Wanted, database: RepairDatabase) -> None:
        """Close earlier migrations of the table that left nothing; raises Refused for one that left its guard."""
        name = visible(wanted.table.name)
        for run in journal.runs("migrate"):
            of_table = run.table_real == wanted.table.catalog.quoted and run.plan != self.plan.sha256
            if not of_table or run.state in ("done", "undone"):
                continue
            standing = wanted.dialect.migration(database, wanted.target_of(run), self.interrupt).standing()
            if standing.leftovers or standing.unique != "none":
                raise Refused(
                    f"an earlier migration of {name} (run {run.id}) was not finished",
                    f"apply its plan again, or `dedupaudit migrate rollback {name}`, then apply this one",
                )
            mine = journal.take_over(run, "undoing")
            close_rounds(database, journal, wanted.table, mine)
            with database.transaction():
                journal.save(replace(mine, state="undone", message="given up: nothing of it was left but quarantine"))

    def _begun(self, journal: Journal, table: Table) -> Run:
        earlier = self._earlier(journal)
        if earlier is not None:
            return earlier if earlier.state == "done" else journal.take_over(earlier, "running")
        header = self.plan.header
        about = About(header.constraint, header.not_null, header.strategy)
        return journal.begin(
            self.plan.sha256, table.name, table.catalog, (), kind="migrate", about=dict(about._asdict())
        )

    # ---- the work

    def _work(self, work: Migrating, settings: DatabaseSettings, table: Table) -> Migrated:
        began = time.monotonic()
        try:
            with self.interrupt.deferred():
                close_rounds(work.migration.repair, work.journal, table, work.run)
                work.work(self._reader(settings))
                seconds = time.monotonic() - began
                return self._finished(work, settings, seconds)
        except Cancelled as cancelled:
            why = "a signal asked for it"
            work.note_end("interrupted", why)
            cleaned = tuple(rounds_of(work.journal, work.run))
            return Migrated(work.run, cleaned, stopped=why, stays=work.what_stays(), signum=cancelled.signum)
        except Locked:
            raise
        except Surprise as error:
            work.note_end("failed", error.message)
            raise
        except Refused as error:
            self._withdraw(work)
            work.note_end("interrupted", error.message)
            raise Refused(f"{error.message}; {work.what_stays()}", error.hint) from error
        except AuditError as error:
            self._withdraw(work)
            work.note_end("interrupted", error.message)
            raise work.failed(error) from error

    def _withdraw(self, work: Migrating) -> None:
        if not work.at_once and not self.request.keep_guard:
            self.announce("it cannot go on: removing the guard")
            work.withdraw()

    def _reader(self, settings: DatabaseSettings) -> Opened:
        @contextmanager
        def read() -> Iterator[TableSource]:
            source = open_source(settings, self.interrupt, self.progress, reading_of(self.settings))
            try:
                # A source can only be asked about tables whose catalog it has read.
                resolve(source, self.plan.header.table, self.settings)
                yield source
            finally:
                source.close()

        return read

    def _finished(self, work: Migrating, settings: DatabaseSettings, seconds: float) -> Migrated:
        """Look once more with an auditor's eyes, prove, and close the run."""
        database, journal = work.migration.repair, work.journal
        rounds = rounds_of(journal, work.run)
        evidence = Evidence.of(work, self.plan.header.constraint, rounds, seconds)
        if not evidence.holds:
            raise Surprise("conservation does not hold", "see `dedupaudit repair runs`")
        done = replace(
            work.run,
            state="done",
            finished_at=iso(database.clock()),
            rows_kept=evidence.rows_kept,
            rows_deleted=evidence.rows_quarantined,
            proof=json.dumps(asdict(evidence)),
            message=None,
        )
        work.close(done)
        self._confirm_protected(settings)
        return Migrated(done, tuple(rounds), evidence)

    def _confirm_protected(self, settings: DatabaseSettings) -> None:
        """See the constraint as an audit sees it, over another connection: what is committed, and nothing else."""
        header = self.plan.header
        source = open_source(settings, self.interrupt, self.progress)
        try:
            table = resolve(source, header.table, self.settings)
        finally:
            source.close()
        if guard(table.catalog, table.key) is None:
            raise RunFailed(
                f"an audit does not see the constraint {visible(header.constraint)} of {visible(header.table)}",
                "somebody may have dropped it at once: see `dedupaudit migrate status`",
            )


def _refuse_vanished(wanted: Wanted, header: MigrateHeader, run: Run) -> None:
    """Raise Refused where a plan was applied, and somebody removed the constraint since."""
    if wanted.facts.protecting is None:
        raise Refused(
            f"the plan was applied already (run {run.id}), and its constraint {visible(header.constraint)} is gone now",
            f"make a new plan: dedupaudit migrate plan {visible(header.table)}",
        )
