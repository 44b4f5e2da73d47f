"""Makes a plan: looks for duplicates as `scan` does, chooses what stays, and knows each row again by a hash.

Two passes over one snapshot: the first chooses, into a file without a name; the second adds the hashes. In between the
plan is held against its limit, so that a plan that would remove too much is never written.
"""

from __future__ import annotations

import pickle
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import BinaryIO, NamedTuple

from dedupaudit import __version__
from dedupaudit.causes.explainer import Explainer
from dedupaudit.checks.base import TableScan
from dedupaudit.checks.duplicate_ids import finding_of
from dedupaudit.checks.duplicates import DuplicateGroup, read_groups
from dedupaudit.checks.duplicates import Totals as GroupTotals
from dedupaudit.config import DatabaseSettings, Settings
from dedupaudit.display import visible
from dedupaudit.errors import Refused
from dedupaudit.interrupt import Interrupt
from dedupaudit.model import Cause, Confidence, RowClass
from dedupaudit.progress import Progress
from dedupaudit.repair.choose import Choice, Chooser, ObjectExists, read_policy
from dedupaudit.repair.errors import Surprise
from dedupaudit.repair.objects import object_exists
from dedupaudit.repair.opening import database_of
from dedupaudit.repair.pace import Announce
from dedupaudit.repair.plan import Group, Header, Limit, Merge, PlanCause, PlannedRow, Totals, plan_value, shape_of
from dedupaudit.sources.tables import open_source
from dedupaudit.sources.tables.catalog import Catalog
from dedupaudit.sources.tables.protocol import Key, Reading, TableSource
from dedupaudit.sources.tables.resolve import resolve
from dedupaudit.sources.tables.table import Table
from dedupaudit.times import iso

_BATCH = 250
FIRST_LEFT = 5
"""Groups that are left as they are, named one by one."""
LONGEST_LINE = 1_000
"""Victims of one line: a key with more rows has several lines, each with the same survivor."""

_CANNOT_LOCATE = ("mysql", "mariadb")

KnownCause = Callable[[str], Cause | None]


class _Chosen(NamedTuple):
    """One group after the first pass: small and plain, because a million of them lie in a file."""

    key: Key
    row_class: RowClass
    cause: tuple[str, Confidence] | None
    rows: int
    choice: Choice
    locators: tuple[Key, ...]


@dataclass
class Plan:
    """A plan that is not written yet: its header, and its groups, which can be read once."""

    header: Header
    groups: Iterator[Group]


@dataclass
class Planner:
    """Plans the repair of one table. `report` has the causes of a saved report, by the finding's fingerprint."""

    source: TableSource
    table: Table
    chooser: Chooser
    limit: Limit
    explainer: Explainer = field(default_factory=Explainer)
    report: Mapping[str, Cause | None] | None = None
    first_left: list[tuple[Key, str]] = field(default_factory=list, init=False)
    """The first groups that are left as they are, and why."""

    def plan(self, spool: BinaryIO) -> Plan:
        """Look, choose, and return the plan; raises Refused for one that would remove more than its limit."""
        if _is_own(self.table.catalog):
            raise Refused(
                f"{visible(self.table.name)} is dedupaudit's own", "`dedupaudit repair purge` empties quarantine"
            )
        scan = TableScan(self.source, self.table, (), self.source.clock(), 0.0, explainer=self.explainer)
        rows = self.source.survey(self.table, ("null_ids",)).rows
        totals = self._choose(scan, rows, spool)
        if not self.limit.allows(totals.removed, rows):
            raise Refused(
                f"the plan would remove {totals.removed:,} of {rows:,} rows of {visible(self.table.name)}"
                f" ({totals.removed / max(rows, 1):.1%}): more than --max-delete allows ({self.limit.shown()})",
                "look at `dedupaudit scan` first: a wrong key makes everything a duplicate; if the key is right, allow"
                " more, such as --max-delete 30% or --max-delete 5000",
            )
        spool.seek(0)
        return Plan(self._header(totals), self._hashed(spool))

    def _choose(self, scan: TableScan, rows: int, spool: BinaryIO) -> Totals:
        # All rows of a group are kept, and not only the evidence for people.
        duplicates = self.source.duplicate_rows(self.table)
        found = read_groups(duplicates, self.table, self.source.same, GroupTotals(), sys.maxsize)
        groups = repaired = removed = merged = 0
        left, rules, causes = Counter[str](), Counter[str](), Counter[str]()
        for group, explain in self.explainer.groups(scan, found):
            cause: Cause | None = explain().cause
            if self.report is not None:
                fingerprint = finding_of(scan, group, explain).fingerprint
                if fingerprint not in self.report:
                    continue
                told = self.report[fingerprint]
                # What looks like two events now is one only where log lines proved it.
                if told and (cause is None or cause.name != "id_collision" or told.confidence == "proved"):
                    cause = told
            chosen = self._chosen(group, cause)
            groups += 1
            causes[cause.name if cause else "unexplained"] += 1
            if chosen.choice.survivor is None:
                left[chosen.choice.rule] += 1
                self.first_left += [(group.key, chosen.choice.rule)] if len(self.first_left) < FIRST_LEFT else []
            else:
                repaired, removed = repaired + 1, removed + group.rows - 1
                rules[chosen.choice.rule] += 1
                merged += bool(chosen.choice.taken)
            pickle.dump(chosen, spool, pickle.HIGHEST_PROTOCOL)
        return Totals(
            rows=rows,
            groups=groups,
            repaired=repaired,
            removed=removed,
            merged=merged,
            rules=dict(rules),
            left=dict(left),
            causes=dict(causes.most_common()),
        )

    def _chosen(self, group: DuplicateGroup, cause: Cause | None) -> _Chosen:
        choice = self.chooser.choose(group, cause.name if cause else None)
        if self.table.catalog.primary_key and any(None in row.locator for row in group.sample):
            # SQLite lets NULL into a primary key that does not forbid it.
            choice = Choice(None, "unnamed")
        told = (cause.name, cause.confidence) if cause else None
        locators = () if choice.survivor is None else tuple(row.locator for row in group.sample)
        return _Chosen(group.key, group.row_class, told, group.rows, choice, locators)

    # ---- the second pass

    def _hashed(self, spool: BinaryIO) -> Iterator[Group]:
        chosen = _unpickled(spool)
        while batch := list(islice(chosen, _BATCH)):
            locators = [locator for one in batch for locator in one.locators]
            hashes = iter(self.source.row_hashes(self.table, locators) if locators else ())
            for one in batch:
                yield from self._lines(one, [(locator, next(hashes)) for locator in one.locators])

    def _lines(self, chosen: _Chosen, rows: list[tuple[Key, str | None]]) -> Iterator[Group]:
        """Yield the lines of one group: one, unless it has very many rows."""
        survivor = chosen.choice.survivor
        common = {
            "key": {name: plan_value(part) for name, part in zip(self.table.key_names, chosen.key, strict=True)},
            "row_class": chosen.row_class,
            "cause": PlanCause(name=chosen.cause[0], confidence=chosen.cause[1]) if chosen.cause else None,
            "rows": chosen.rows,
        }
        if survivor is None:
            yield Group(**common, left=chosen.choice.rule)
            return
        planned = [self._row(locator, digest) for locator, digest in rows]
        kept, victims = planned[survivor], [row for number, row in enumerate(planned) if number != survivor]
        # A survivor without a primary key is known by its hash: once it is merged no further line would find it.
        longest = len(victims) if chosen.choice.taken and not self.table.catalog.primary_key else LONGEST_LINE
        for first in range(0, len(victims), longest):
            part = victims[first : first + longest]
            places = [number for number in range(len(planned)) if number != survivor][first : first + longest]
            merge = [
                Merge(column=one.column, rule=one.rule, victim=places.index(one.row))
                for one in chosen.choice.taken
                if one.row in places
            ]
            yield Group(**common, rule=chosen.choice.rule, survivor=kept, victims=tuple(part), merge=tuple(merge))

    def _row(self, locator: Key, digest: str | None) -> PlannedRow:
        key = self.table.catalog.primary_key
        if digest is None:
            raise Surprise(f"a row of {visible(self.table.label)} was gone within one snapshot", "plan again")
        pk = {name: plan_value(part) for name, part in zip(key, locator, strict=True)} if key else None
        return PlannedRow(pk=pk, hash=digest)

    def _header(self, totals: Totals) -> Header:
        catalog = self.table.catalog
        return Header(
            database=self.source.identity(),
            table=self.table.name,
            created_at=iso(self.source.clock()),
            tool=__version__,
            source=self.source.name,
            real=catalog.quoted,
            key=self.table.key_names,
            primary_key=catalog.primary_key,
            columns=shape_of(catalog),
            max_delete=self.limit,
            on_conflict=self.chooser.policy,
            totals=totals,
        )


def _is_own(catalog: Catalog) -> bool:
    """Say whether a table is the tool's: a repair of the quarantine would lose rows for good."""
    plain = catalog.quoted.replace('"', "").replace("`", "").lower()
    return catalog.name.lower().startswith("dedupaudit_") or plain.startswith("dedupaudit.")


def spooled() -> BinaryIO:
    """Return a file without a name: what lies in it is gone when it is closed, or the program killed."""
    return tempfile.TemporaryFile(prefix="dedupaudit-")


def _unpickled(spool: BinaryIO) -> Iterator[_Chosen]:
    while True:
        try:
            # Written by this very process, into a file that nobody else can open.
            yield pickle.load(spool)  # noqa: S301
        except EOFError:
            return


@dataclass(frozen=True)
class PlanRequest:
    """What a plan is asked for. `causes` are those of a saved report, by fingerprint; None looks at everything."""

    table: str
    limit: Limit = field(default_factory=lambda: Limit(percent=10.0))
    on_conflict: str | None = None
    causes: dict[str, Cause | None] | None = None


@contextmanager
def planned(
    settings: Settings,
    request: PlanRequest,
    *,
    interrupt: Interrupt,
    progress: Progress,
    announce: Announce = lambda _text: None,
    explainer: Explainer | None = None,
) -> Iterator[tuple[Plan, Table]]:
    """Look, choose, and give the plan; the groups are read from the open database as they are asked for."""
    database = database_of(settings)
    reading = Reading(
        settings.options.engine if settings.options.engine != "spark" else "auto", settings.options.memory_limit
    )
    with ExitStack() as stack:
        source = open_source(database, interrupt, progress, reading)
        stack.callback(source.close)
        table = resolve(source, request.table, settings)
        refuse_at_once(database, table)
        exists = object_exists(settings, table, interrupt, announce, stack)
        planner = planner_of(source, table, request, explainer, exists)
        yield planner.plan(stack.enter_context(spooled())), table


def planner_of(
    source: TableSource,
    table: Table,
    request: PlanRequest,
    explainer: Explainer | None = None,
    exists: ObjectExists | None = None,
) -> Planner:
    """Return what plans a table over an open source; raises UsageError for a policy that is none."""
    ranked = read_policy(request.on_conflict, table)
    looked_at = table if ranked is None else replace(table, group=ranked)
    chooser = Chooser(looked_at, request.on_conflict, ranked, exists)
    return Planner(source, chooser.table, chooser, request.limit, explainer or Explainer(), request.causes)


def refuse_at_once(database: DatabaseSettings, table: Table) -> None:
    """Refuse what an auditor's eyes can see already; `apply` looks at the rest: triggers, privileges, engines."""
    catalog = table.catalog
    if catalog.kind != "table":
        raise Refused(f"{visible(table.name)} is a {catalog.kind}, and no table", "repair the table that it shows")
    if not catalog.primary_key and database.url.scheme in _CANNOT_LOCATE:
        raise Refused(
            f"table {visible(table.name)} has no primary key: its rows could not be told apart here",
            f"give it one: ALTER TABLE {catalog.quoted} ADD COLUMN row_id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT"
            " PRIMARY KEY",
        )
