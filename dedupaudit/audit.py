"""The conductor of `audit`: scan, crosscheck and logs in one run over one snapshot, joined into one report."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace

from dedupaudit.building import Building, FindingSink, Outcome, reason_of
from dedupaudit.causes.explainer import Explainer
from dedupaudit.checks import LOG_CHECKS, OBJECT_CHECKS, TABLE_CHECKS
from dedupaudit.choosing import Named, choose
from dedupaudit.config import Settings
from dedupaudit.errors import Cancelled, NothingToCheck
from dedupaudit.interrupt import Interrupt
from dedupaudit.opening import Opening, opened_once
from dedupaudit.progress import Progress
from dedupaudit.scan import ScanRequest, scan_into
from dedupaudit.told import five_lines

Announce = Callable[[str], None]


def audit(
    settings: Settings,
    request: ScanRequest,
    *,
    interrupt: Interrupt,
    progress: Progress,
    sink: FindingSink | None = None,
    announce: Announce = lambda _text: None,
) -> Outcome:
    """Audit all that is configured: every duplicate and every missing object with its cause, where one is found.

    Raises UsageError for wrong names and settings, NothingToCheck where nothing at all was there to look at. A part
    without a source is `skipped` in the coverage, with the reason; what fails is `failed`, and the other parts go on.
    """
    registry: tuple[Named, ...] = (*TABLE_CHECKS, *OBJECT_CHECKS, *LOG_CHECKS)
    choose(registry, request.checks, request.skipped_checks, "audit")
    building = request.building(sink)
    # What the report keeps is written at its end, with lines out of the logs' history.
    with ExitStack() as kept:
        try:
            with ExitStack() as stack:
                opening = opened_once(stack, building)
                _Audit(building, settings, request, interrupt, progress, opening, announce).run(kept)
            return _summed(building.outcome())
        except Cancelled as cancelled:
            return _summed(building.outcome(cancelled.signum))


def _summed(outcome: Outcome) -> Outcome:
    """Return the outcome with its five lines."""
    report = outcome.report
    summary = report.summary.model_copy(update={"five_lines": five_lines(report)})
    return replace(outcome, report=report.model_copy(update={"summary": summary}))


@dataclass(frozen=True)
class _Audit:
    building: Building
    settings: Settings
    request: ScanRequest
    interrupt: Interrupt
    progress: Progress
    opening: Opening
    announce: Announce

    def run(self, kept: ExitStack) -> None:
        """Read the logs first, because they explain what the rest finds."""
        explainer = self._logs(kept)
        nothing = [reason for reason in (self._scan(explainer), self._crosscheck(explainer)) if reason]
        if explainer is None and len(nothing) == 2:
            raise nothing[0]

    def _logs(self, kept: ExitStack) -> Explainer | None:
        if self.settings.logs is None or not self.settings.logs.files:
            self._skipped("logs", "no log files are configured: --logs GLOB, or `files` under [logs]")
            return None
        from dedupaudit.logs import LogsRequest, logs_into
        from dedupaudit.snapshot.history import History

        asked = self._asked(LOG_CHECKS)
        history = kept.enter_context(History(self.request.memory_limit))
        request = LogsRequest(
            checks=asked.checks if asked else (),
            skipped_checks=asked.skipped_checks if asked else (),
            max_findings=self.request.max_findings,
            unchecked=asked is None,
        )
        interrupt, progress = self.interrupt, self.progress
        try:
            logs_into(self.building, self.settings, request, history, interrupt=interrupt, progress=progress)
        except NothingToCheck as nothing:
            # Logs were named, and tell of nothing: they are the wrong ones, and no cause can be found.
            self.building.cover("logs", "*", "*", "failed", reason=reason_of(nothing))
            return None
        return Explainer(history)

    def _scan(self, explainer: Explainer | None) -> NothingToCheck | None:
        request = self._asked(TABLE_CHECKS)
        if request is None:
            return None
        try:
            scan_into(
                self.building,
                self.settings,
                request,
                interrupt=self.interrupt,
                progress=self.progress,
                opening=self.opening,
                explainer=explainer,
            )
        except NothingToCheck as nothing:
            return nothing
        return None

    def _crosscheck(self, explainer: Explainer | None) -> NothingToCheck | None:
        from dedupaudit.crosscheck import crosscheck_into

        request = self._asked(OBJECT_CHECKS)
        if request is None:
            return None
        objects = self.settings.objects
        if objects is None or (objects.url is None and objects.inventory is None):
            self._skipped("objects", "no object store is configured: --objects URL, or `url` under [objects]")
            return NothingToCheck(
                "no object store is configured",
                "name one by --objects URL, or `url` under [objects] in dedupaudit.toml",
            )
        try:
            crosscheck_into(
                self.building,
                self.settings,
                request,
                interrupt=self.interrupt,
                progress=self.progress,
                announce=self.announce,
                opening=self.opening,
                explainer=explainer,
            )
        except NothingToCheck as nothing:
            self._skipped("objects", nothing.message)
            return nothing
        return None

    def _asked(self, registry: Sequence[Named]) -> ScanRequest | None:
        """Return the request with the names of these checks alone; None where none of them is asked for."""
        names = {check.name for check in registry}
        checks = tuple(name for name in self.request.checks if name in names)
        skipped = tuple(name for name in self.request.skipped_checks if name in names)
        if (self.request.checks and not checks) or names <= set(skipped):
            return None
        return replace(self.request, checks=checks, skipped_checks=skipped)

    def _skipped(self, source: str, reason: str) -> None:
        self.building.cover(source, "*", "*", "skipped", reason=reason)
