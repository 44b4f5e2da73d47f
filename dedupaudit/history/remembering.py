"""The memory of a run that is kept, or held against a baseline."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection
from typing import TypeVar

from dedupaudit.errors import AuditError, OutputError
from dedupaudit.history.baseline import Baseline, of_file, of_history, refuse_stranger
from dedupaudit.history.keeping import Kept, keep, where_of, withdraw
from dedupaudit.history.memory import News, Where
from dedupaudit.history.past import last_complete, newest_of, scopes_at
from dedupaudit.history.scopes import Scopes
from dedupaudit.history.sightings import Sightings
from dedupaudit.history.store import Store
from dedupaudit.history.telling import Telling
from dedupaudit.model import SEVERITIES, Changes, Finding, Report, Severity
from dedupaudit.saying import say

Answer = TypeVar("Answer")

_GONE_SHOWN = 100


class Remembering:
    """Earlier runs, as one run sees them. Nothing of the history is open between two questions to it."""

    def __init__(self, connection: sqlite3.Connection, scopes: Scopes, *, needs_all: bool, masks: bool) -> None:
        self.needs_all = needs_all
        self.databases = scopes.databases
        self._connection = connection
        self._scopes = scopes
        self._store: Store | None = None
        self._masks = masks
        self._sightings = Sightings(connection)
        self._baseline: Baseline | None = None
        self._before = 0
        self._sees = True
        self._kept: dict[Where, str] = {}
        self._run: int | None = None

    @property
    def has_baseline(self) -> bool:
        """Say whether findings are marked as new or known, so that only new ones fail."""
        return self._baseline is not None

    def begin(self, store: Store, baseline: str | None, *, is_asked: bool) -> None:
        """Look at the history as it is before the run; `baseline` is one of its runs, or `last`.

        What makes it unusable is raised where the history was asked for, and else said: the run goes on unkept.
        """
        self._store = store
        try:
            if is_asked:
                store.make()
            if store.exists():
                store.use(self._connection, lambda: self._begin(baseline))
            elif baseline:
                self._baseline = Baseline("history")
        except AuditError as error:
            if baseline or (is_asked and not isinstance(error, OutputError)):
                raise
            self._store = None
            _say_unkept(error)

    def _begin(self, baseline: str | None) -> None:
        self._before, self._scopes.earlier = scopes_at(self._connection)
        if baseline:
            self._baseline, known = of_history(self._connection, baseline)
            self._sightings.know(known)

    def hold_against(self, file: str) -> None:
        """Take a file as the baseline. Raises UsageError, or Refused for one that cannot say what is new."""
        self._baseline, known = of_file(file)
        self._sightings.know(known)

    def mark(self, finding: Finding) -> Finding:
        """Return a confirmed finding with `news` and `known_since`; without a baseline the finding itself."""
        if self._baseline is None or finding.verdict != "confirmed":
            return finding
        scope = "" if self._baseline.is_file else self._scopes.scope(finding.source, finding.target)
        known = self._sightings.since(scope, finding)
        if known is None:
            return finding.model_copy(update={"news": "new", "known_since": None})
        return finding.model_copy(update={"news": "known", "known_since": known[0]})

    def take(self, finding: Finding) -> None:
        """Note that a finding is there."""
        if self._sees:
            self._guarded(lambda: self._sightings.take(finding))

    def _guarded(self, work: Callable[[], None]) -> None:
        """Work with this run's findings; where they have no room, the run goes on if it can do without."""
        try:
            work()
        except sqlite3.Error as error:
            told = OutputError(
                f"no room to remember all findings: {error}", "free some space where temporary files are"
            )
            if self.has_baseline:
                raise told from error
            self._sees = False
            _say_unkept(told)

    def compared(self, report: Report) -> Report:
        """Return the report with what is new and gone, its findings marked, and `last_complete_at`."""
        looked: dict[Where, str] = {}
        for row in report.coverage:
            # What has several rows was looked at where none of them says otherwise.
            if looked.get(where_of(row), "checked") == "checked":
                looked[where_of(row)] = row.status
        self._guarded(lambda: self._see(report, looked))
        run = report.run.model_copy(update={"last_complete_at": self._last_complete(report)})
        report = report.model_copy(update={"run": run})
        if self._baseline is None:
            return report
        refuse_stranger(self._baseline, report, set(self._kept.values()), masks=self._masks)
        marked = tuple(self.mark(finding) for finding in report.findings)
        changes = self._changes(self._baseline)
        summary = report.summary.model_copy(update={"changes": changes})
        return report.model_copy(update={"findings": marked, "summary": summary})

    def _see(self, report: Report, looked: dict[Where, str]) -> None:
        """Close the list of findings: those that the sink saw, or without a sink those of the report."""
        if self._sightings.taken != report.summary.findings:
            self._sightings.forget_found()
            self._sees = self._sees and not report.truncated
            for finding in report.findings if self._sees else ():
                self._sightings.take(self.mark(finding))
        wheres = {*looked, *self._sightings.wheres}
        self._kept = {where: self._scopes.scope(where[0], where[1]) for where in sorted(wheres)}
        self._sightings.seen(looked, self._kept)

    def _changes(self, baseline: Baseline) -> Changes:
        scopes = {""} if baseline.is_file else set(self._kept.values())
        run, at = baseline.run, baseline.at
        if not baseline.is_file and run is None:
            run, at = self._ask(lambda: newest_of(self._connection, scopes, self._before)) or (None, None)
        found = self._sightings.found_by_news()
        new: dict[Severity, int] = {severity: found.get(("new", severity), 0) for severity in SEVERITIES}
        known = sum(number for (news, _), number in found.items() if news == "known")
        gone = self._sightings.total_gone(scopes)
        return Changes(
            baseline=baseline.name,
            baseline_run=run,
            baseline_at=at,
            new=sum(new.values()),
            known=known,
            gone=gone,
            not_looked_at=max(self._sightings.total_known(scopes) - gone - known, 0),
            new_by_severity=new,
            gone_findings=self._sightings.gone(scopes, _GONE_SHOWN),
        )

    def _last_complete(self, report: Report) -> str | None:
        addresses = set(self._addresses(report).values())
        return self._ask(lambda: last_complete(self._connection, report.run.command, addresses))

    def _addresses(self, report: Report) -> dict[str, str]:
        sources = {row.source for row in report.coverage} | {where[0] for where in self._kept}
        return {source: self._scopes.address(source) for source in sources}

    def _ask(self, work: Callable[[], Answer]) -> Answer | None:
        """Ask the history for what is nice to know; None where there is none."""
        if self._store is None or not self._before:
            return None
        try:
            return self._store.use(self._connection, work)
        except AuditError:
            return None  # said when the run is to be kept

    def keep(self, report: Report, exit_code: int) -> None:
        """Make the run one of the earlier ones; a failure is told, and ends nothing."""
        if self._store is None:
            return
        kept = Kept(report, exit_code, self._before, self._addresses(report), self._kept, self._sees)
        try:
            self._store.make()
            self._run = self._store.use(self._connection, lambda: keep(self._connection, kept))
        except AuditError as error:
            _say_unkept(error)

    def withdraw(self) -> None:
        """Undo `keep`: nobody got to see the report."""
        if self._store is None or self._run is None:
            return
        run, self._run = self._run, None
        try:
            self._store.use(self._connection, lambda: withdraw(self._connection, run))
        except AuditError as error:
            say("history.failed", f"{error.message}; the run stays in it, although nobody got its report")

    def untold(
        self, receiver: str, severities: Collection[Severity], tolerated: Collection[Where] = (), first: int = 10
    ) -> News:
        """Return what the receiver was not told yet. Raises OutputError where the run could not be kept."""
        return self._tell(lambda telling: telling.untold(receiver, severities, tolerated, first))

    def mark_told(self, receiver: str) -> None:
        """Note that the receiver knows what `untold` returned last for it."""
        self._tell(lambda telling: telling.mark_told(receiver))

    def _tell(self, work: Callable[[Telling], Answer]) -> Answer:
        if self._store is None or self._run is None:
            raise OutputError("the history does not have this run: nobody knows what is new", "see what is said of it")
        connection, scopes = self._connection, set(self._kept.values())
        addresses = {self._scopes.address(where[0]) for where in self._kept}
        return self._store.use(connection, lambda: work(Telling(connection, scopes, addresses)))


def _say_unkept(error: AuditError) -> None:
    say("history.failed", f"{error.message}; this run is not kept ({error.hint})")
