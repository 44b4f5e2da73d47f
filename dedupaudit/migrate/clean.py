"""The clean step: the repair's own planner and chunks, run as a rule until no duplicate is left.

Each round is a run of `repair`, with its quarantine, journal and proof: `repair undo` takes it back. Its plan lies in a
file without a name; a run that was killed is proved as far as it came, and the next round plans the rest anew.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO, cast

from dedupaudit.causes.explainer import Explainer
from dedupaudit.conservation import Proof
from dedupaudit.display import visible
from dedupaudit.errors import Cancelled, Refused, SourceError
from dedupaudit.interrupt import Interrupt
from dedupaudit.migrate.planning import key_text
from dedupaudit.progress import Progress
from dedupaudit.repair.apply import Applied, Applying
from dedupaudit.repair.choose import ObjectExists
from dedupaudit.repair.databases.protocol import RepairDatabase
from dedupaudit.repair.errors import Busy, Surprise
from dedupaudit.repair.journal import Journal, Run
from dedupaudit.repair.opening import refuse, site_of
from dedupaudit.repair.pace import Announce, Pace
from dedupaudit.repair.plan import LEFT, Limit
from dedupaudit.repair.planfile import PlanFile, write_plan
from dedupaudit.repair.planning import Planner, PlanRequest, planner_of, spooled
from dedupaudit.repair.proof import prove
from dedupaudit.repair.run import touched_by
from dedupaudit.reports.words import plural
from dedupaudit.sources.tables.protocol import TableSource
from dedupaudit.sources.tables.table import Table
from dedupaudit.times import iso

_ROUNDS = 8

Opened = Callable[[], AbstractContextManager[TableSource]]
"""Opens the database to be read; SQLite's must be open before the transaction begins that locks it."""


@dataclass(frozen=True)
class Rule:
    """What may be removed, and how the row that stays is chosen: what the plan of the migration says."""

    limit: Limit
    on_conflict: str | None = None
    allowed_triggers: tuple[str, ...] = ()
    exists: ObjectExists | None = None
    explainer: Explainer | None = None


@dataclass
class Cleaning:
    """Cleans one table for a migration, whose lock is held."""

    database: RepairDatabase
    journal: Journal
    table: Table
    parent: Run
    rule: Rule
    pace: Pace
    interrupt: Interrupt
    progress: Progress
    announce: Announce
    rounds: list[Applied] = field(default_factory=list)
    """What each round of this process came to."""

    def clean(self, read: Opened, *, locked: bool) -> None:
        """Clean until a look finds no duplicate.

        `locked` says that the table is locked for others, and that what is read does not see what is removed: one round
        does it all then.

        Raises Refused, naming them, where groups are left that need a person; then nothing of that round was removed.
        """
        for number in range(1, _ROUNDS + 1):
            if self._round(read) or (locked and not self.rounds[-1].run.groups_skipped):
                return
            if locked:
                raise Busy(f"rows that refer to {visible(self.table.name)} are locked by others", "try again")
            if number > 1:
                self.announce("rows changed while they were cleaned: looking again")
        raise SourceError(
            f"duplicates of {visible(self.table.name)} are left after {_ROUNDS} rounds: their rows stay locked, or"
            " something changes them all the time",
            "see `dedupaudit repair runs`; when it is quiet, run the same command again",
        )

    def _round(self, read: Opened) -> bool:
        """Look, and remove what the rule says; return whether there was nothing to remove."""
        with tempfile.NamedTemporaryFile(prefix="dedupaudit-", suffix=".jsonl") as file:
            with ExitStack() as stack:
                source = stack.enter_context(read())
                planner = self._planner(source)
                plan = planner.plan(stack.enter_context(spooled()))
                totals = plan.header.totals
                if totals.groups == 0:
                    return True
                self._refuse_left(planner, totals.left)
                write_plan(cast("BinaryIO", file), plan.header, plan.groups)
                file.flush()
            with PlanFile(Path(file.name)) as planned:
                applied = self._apply(planned)
        self.rounds.append(applied)
        if applied.signum is not None:
            raise Cancelled(applied.signum)
        if applied.proof is not None and not applied.proof.holds:
            raise Surprise("conservation does not hold", f"see `dedupaudit repair show {applied.run.id}`")
        return False

    def _planner(self, source: TableSource) -> Planner:
        removed = sum(one.run.rows_deleted for one in self.rounds)
        limit = self.rule.limit
        if limit.rows is not None:
            limit = limit.model_copy(update={"rows": max(limit.rows - removed, 0)})
        request = PlanRequest(self.table.name, limit, self.rule.on_conflict)
        return planner_of(source, self.table, request, self.rule.explainer, self.rule.exists)

    def _refuse_left(self, planner: Planner, left: dict[str, int]) -> None:
        """Raise Refused for groups that no rule settles."""
        if not left:
            return
        named = [f"{key_text(self.table, key)} ({visible(why)})" for key, why in planner.first_left]
        every = sum(left.values())
        more = f", and {every - len(named):,} more" if every > len(named) else ""
        why = "; ".join(f"{visible(name)}: {LEFT.get(name, name)}" for name in left)
        raise Refused(
            f"{plural(every, 'ID')} of {visible(self.table.name)} need{'s' if every == 1 else ''} a person:"
            f" {', '.join(named)}{more} ({why})",
            f"look with `dedupaudit repair plan {visible(self.table.name)}`: different events under one ID need a wider"
            " key, rows that differ need a policy (`migrate plan --on-conflict …`)",
        )

    def _apply(self, plan: PlanFile) -> Applied:
        database = self.database
        shape, inspection = database.shape(self.table.catalog), database.inspect(self.table)
        updates = plan.header.totals.merged > 0 or any(
            link.child.quoted == self.table.catalog.quoted for link in inspection.links
        )
        refuse(inspection, self.table, self.rule.allowed_triggers, updates=updates)
        run = self.journal.begin(
            plan.sha256,
            self.table.name,
            self.table.catalog,
            touched_by(self.table, inspection.links),
            parent=self.parent.id,
        )
        site = site_of(database, self.table, inspection, shape)
        return Applying(site, self.journal, plan, run, self.pace, self.interrupt, self.progress).apply()

    def close_earlier(self) -> list[Proof]:
        """Prove what killed rounds of this migration did, and close them: their plan is gone with their process."""
        return close_rounds(self.database, self.journal, self.table, self.parent)


def rounds_of(journal: Journal, migration: Run) -> list[Run]:
    """Return the repairs that are parts of a migration, the oldest first."""
    return [run for run in journal.runs() if run.parent == migration.id]


def close_rounds(database: RepairDatabase, journal: Journal, table: Table, migration: Run) -> list[Proof]:
    """Prove the unfinished repairs of a migration as far as they came, and call them done; raises Surprise."""
    proofs = []
    for run in rounds_of(journal, migration):
        if run.state in ("done", "undone", "undoing"):
            continue
        mine = journal.take_over(run, "running")
        site = site_of(database, table, database.inspect(table), "")
        proof = prove(site, mine)
        if not proof.holds:
            raise Surprise(
                f"conservation does not hold for run {run.id}", f"see `dedupaudit repair show {run.id}`; undo it"
            )
        done = replace(
            mine,
            state="done",
            finished_at=iso(database.clock()),
            proof=proof.as_json(),
            message="it was interrupted; what was left of it was planned anew",
        )
        with database.transaction():
            journal.fence(mine)
            journal.save(done)
        proofs.append(proof)
    return proofs
