"""The conductor of `explain`: one ID's rows, objects and log lines become one timeline, a verdict, and advice."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import NamedTuple

from dedupaudit.building import Building, Outcome, reason_of, status_of
from dedupaudit.causes import row_before_object
from dedupaudit.causes.explainer import SAID, Explainer, cause_of
from dedupaudit.causes.story import CLIENT_EVENTS
from dedupaudit.checks import duplicate_ids
from dedupaudit.checks.base import TableScan
from dedupaudit.checks.duplicates import DuplicateGroup, Totals, read_groups
from dedupaudit.config import Settings
from dedupaudit.crosscheck.one_row import RowObjects
from dedupaudit.crosscheck.stores import open_store
from dedupaudit.display import visible
from dedupaudit.errors import Cancelled, NothingToCheck, SourceError
from dedupaudit.interrupt import Interrupt
from dedupaudit.model import Cause, EvidenceKind, Explanation, Finding, Moment, Status
from dedupaudit.opening import opened, tables_of
from dedupaudit.progress import Progress
from dedupaudit.scan import ScanRequest
from dedupaudit.snapshot.history import History
from dedupaudit.sources.logs.protocol import LogEvent
from dedupaudit.sources.objects.protocol import ObjectFact
from dedupaudit.sources.tables.protocol import Reading, TableSource
from dedupaudit.sources.tables.table import Table
from dedupaudit.times import iso_or_none

_ROWS = 100  # shown of one ID; the rest is counted


def explain(
    settings: Settings, ident: str, request: ScanRequest, *, interrupt: Interrupt, progress: Progress
) -> Outcome:
    """Tell the story of one ID, in the report's `explanation`.

    Raises UsageError for wrong settings, NothingToCheck where no source knows the ID; a source that fails is in the
    coverage, and what the others say is told.
    """
    building = request.building()
    telling = _Telling(building, settings, ident, request, interrupt, progress)
    try:
        with ExitStack() as stack:
            telling.run(stack)
        return building.outcome()
    except Cancelled as cancelled:
        return building.outcome(cancelled.signum)


class _Fact(NamedTuple):
    at: int | None
    source: str
    kind: EvidenceKind
    where: str
    text: str


class _Stored(NamedTuple):
    """The rows of one key of one table, and the objects that they name; None where one is not there."""

    scan: TableScan
    group: DuplicateGroup
    keys: tuple[str, ...]
    expected: bool


@dataclass
class _Telling:
    building: Building
    settings: Settings
    ident: str
    request: ScanRequest
    interrupt: Interrupt
    progress: Progress
    facts: list[_Fact] = field(default_factory=list)
    stored: list[_Stored] = field(default_factory=list)
    objects: dict[str, ObjectFact | None] = field(default_factory=dict)

    def run(self, stack: ExitStack) -> None:
        explainer = Explainer(self._history(stack))
        events = explainer.events((self.ident,))
        self.facts += [_of_event(event) for event in events]
        for database in self.settings.require_databases():
            reading = Reading("pushdown", self.request.memory_limit)
            source = stack.enter_context(opened(database, reading, self.building, self.interrupt, self.progress))
            if source is not None:
                for table in tables_of(source, self.settings, (), self.building):
                    self._rows(source, table)
        self._objects(stack)
        if not self.facts and all(row.status in ("checked", "skipped") for row in self.building.coverage):
            raise NothingToCheck(
                f"no source knows the ID {visible(self.ident)}",
                "IDs are compared as the database compares them: check its spelling, and which sources are configured",
            )
        self._tell(explainer, events)

    # ---- what the sources say

    def _history(self, stack: ExitStack) -> History | None:
        """Read the logs; None, with the reason in the coverage, where there are none or they cannot be read."""
        from dedupaudit.sources.logs import open_logs

        configured = self.settings.logs
        if configured is None or not configured.files:
            self.building.cover("logs", "*", "*", "skipped", reason="no log files are configured: --logs GLOB")
            return None
        history = stack.enter_context(History(self.request.memory_limit))
        logs = open_logs(configured, (), self.interrupt)
        stack.callback(logs.close)
        try:
            history.load(logs, self.progress)
        except SourceError as error:
            self.building.cover("logs", "*", "*", status_of(error), reason=reason_of(error))
            return None
        for file in logs.files:
            status: Status = "failed" if file.damage else "checked"
            self.building.cover("logs", file.name, "*", status, reason=file.damage, strategy="file", rows=file.lines)
        return history

    def _rows(self, source: TableSource, table: Table) -> None:
        scan = TableScan(source, table, (), self.building.now, self.request.stuck_after)
        objects = RowObjects(table, self.settings)
        seen = 0
        try:
            groups = read_groups(source.rows_of(table, self.ident), table, source.same, Totals(), _ROWS)
            for group in groups:
                seen += group.rows
                keys = dict.fromkeys(key for row in group.sample if (key := objects.key_of(row)) is not None)
                expected = any(map(objects.is_expected, group.sample))
                self.stored.append(_Stored(scan, group, tuple(keys), expected))
                self.facts += list(_of_rows(scan, group))
        except SourceError as error:
            self.building.cover(source.name, table.name, "*", status_of(error), reason=reason_of(error))
            return
        self.building.cover(source.name, table.name, "*", "checked", strategy="pushdown", rows=seen)

    def _objects(self, stack: ExitStack) -> None:
        objects = self.settings.objects
        if objects is None or objects.url is None:
            self.building.cover("objects", "*", "*", "skipped", reason="no object store is configured: --objects URL")
            return
        keys = dict.fromkeys(key for stored in self.stored for key in stored.keys)
        if not keys:
            self.building.cover("objects", "*", "*", "skipped", reason="no row names an object")
            return
        store = open_store(self.settings, self.interrupt)
        stack.callback(store.close)
        try:
            if store.live is None:
                raise SourceError("an inventory cannot be looked at now", "add --objects oss://BUCKET/PREFIX/")
            store.preflight()
            for key in keys:
                fact = self.objects[key] = store.live.look(key)
                where = visible(key)
                if fact is None:
                    self.facts.append(_Fact(None, store.shown, "object", where, "there is no such object: a 404"))
                else:
                    said = f"the object was last written, {fact.size:,} bytes"
                    self.facts.append(_Fact(fact.modified, store.shown, "object", where, said))
        except SourceError as error:
            self.building.cover("objects", store.shown, "*", status_of(error), reason=reason_of(error))
            return
        self.building.cover("objects", store.shown, "*", "checked", strategy=store.strategy)

    # ---- what it comes to

    def _tell(self, explainer: Explainer, events: Sequence[LogEvent]) -> None:
        causes: list[Cause] = []
        said: list[str] = []
        advice: list[str] = []
        for stored in self.stored:
            finding = self._duplicated(explainer, stored)
            if finding is not None:
                said.append(f"{finding.message}.")
                advice.append(finding.suggestion)
                causes += [finding.cause] if finding.cause else []
            lost = [key for key in stored.keys if key in self.objects and self.objects[key] is None]
            if lost and stored.expected:
                judgement = row_before_object.judge(events)
                causes.append(cause_of(judgement))
                said.append(f"Its object {visible(lost[0])} is gone: whoever opens it gets a 404.")
                advice.append("look for a backup of the object before the row is removed")
        if causes:
            first = causes[0]
            sure = {"proved": "proved by the logs", "likely": "likely, by times and rows alone"}.get(first.confidence)
            said.append(f"Cause: {first.name}{f' ({sure})' if sure else ''}: {first.why}.")
        else:
            text, then = self._healthy(events)
            said.append(text)
            advice.append(then)
        self.building.explanation = Explanation(
            id=self.ident,
            timeline=tuple(_moments(self.facts)),
            verdict=" ".join(said),
            advice="; ".join(dict.fromkeys(one for one in advice if one)),
            cause=causes[0] if causes else None,
        )

    def _duplicated(self, explainer: Explainer, stored: _Stored) -> Finding | None:
        if stored.group.rows < 2:
            return None
        for group, explain_it in explainer.groups(stored.scan, [stored.group]):
            finding = duplicate_ids.finding_of(stored.scan, group, explain_it)
            self.building.ran("duplicate_ids")
            self.building.add("duplicate_ids", "high", finding)
            return finding
        return None

    def _healthy(self, events: Sequence[LogEvent]) -> tuple[str, str]:
        known = {event.event for event in events}
        tables = ", ".join(visible(one.scan.table.label) for one in self.stored)
        if any(row.status not in ("checked", "skipped") for row in self.building.coverage):
            found = f"It was found once ({tables})" if self.stored else "No row of it was found"
            return f"{found}, and not every source could be read.", "see what could not be read, and ask again"
        if self.stored:
            there = " and its object is there" if any(self.objects.values()) else ""
            return f"It is stored once ({tables}){there}: nothing is wrong with it.", "nothing"
        if "db_write" in known:
            return (
                "The backend's log says that it was written, and no row has it now.",
                "look for who deleted it, or whether this is the right database",
            )
        if "receive" in known:
            return "The backend received it and no row was ever written.", "ask the client to send it again"
        if known & {"send", "resend"}:
            return "The client sent it, and the backend never received it.", "ask the client to send it again"
        return "Only the logs know it, and no row has it.", "check which database it belongs to"


def _of_event(event: LogEvent) -> _Fact:
    side = "client log" if event.event in CLIENT_EVENTS else "backend log"
    device = f" ({visible(event.device)})" if event.device else ""
    return _Fact(event.at, side, "log", f"{event.file}:{event.line}", f"{SAID.get(event.event, event.event)}{device}")


def _of_rows(scan: TableScan, group: DuplicateGroup) -> Iterator[_Fact]:
    for number, row in enumerate(group.sample, start=1):
        of = f"row {number} of {group.rows} was stored" if group.rows > 1 else "its row was stored"
        rest = f" ({group.rows - number} more not shown)" if number == _ROWS < group.rows else ""
        yield _Fact(row.at, visible(scan.table.label), "row", scan.where(row.locator), of + rest)


def _moments(facts: Sequence[_Fact]) -> Iterator[Moment]:
    """Yield the facts in the order of their times; those without one come last."""
    ordered = sorted(facts, key=lambda fact: (fact.at is None, fact.at or 0))
    first = ordered[0].at if ordered else None
    for fact in ordered:
        yield Moment(
            at=iso_or_none(fact.at),
            offset_seconds=None if fact.at is None or first is None else (fact.at - first) / 1_000_000,
            source=fact.source,
            kind=fact.kind,
            where=fact.where,
            text=fact.text,
        )
