"""What commands that audit share: run the scan, stream the findings, write the report, say what failed."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable
from contextlib import ExitStack, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from dedupaudit.building import FindingSink, Outcome
from dedupaudit.commands.outputs import refuse_inputs
from dedupaudit.commands.rendering import destination, report_to
from dedupaudit.display import visible
from dedupaudit.errors import Cancelled, ExitCode, UsageError
from dedupaudit.history.memory import Forgetful, Memory, memory_of
from dedupaudit.interrupt import held
from dedupaudit.judging import Tally, has_thresholds, tolerances
from dedupaudit.locking import locked
from dedupaudit.masking import mask_of
from dedupaudit.model import Finding, Report
from dedupaudit.notifying import notify, receivers_of
from dedupaudit.progress import SILENT, Progress
from dedupaudit.reports.write import check_writable
from dedupaudit.saying import say, speaks_json
from dedupaudit.scan import ScanRequest, scan

if TYPE_CHECKING:
    from dedupaudit.config import Options, Settings
    from dedupaudit.interrupt import Runtime
    from dedupaudit.masked import Mask

_Run = Callable[[ScanRequest, Progress, "FindingSink | None"], Outcome]


def run_scan(runtime: Runtime, settings: Settings, tables: tuple[str, ...]) -> int:
    """Scan as the settings say, write the report, and return the exit code."""

    def run(request: ScanRequest, progress: Progress, sink: FindingSink | None) -> Outcome:
        return scan(settings, request, interrupt=runtime.interrupt, progress=progress, sink=sink)

    return reported(settings, tables, "scan", run)


def run_crosscheck(runtime: Runtime, settings: Settings, tables: tuple[str, ...]) -> int:
    """Hold rows against objects as the settings say, write the report, and return the exit code."""
    from dedupaudit.crosscheck import crosscheck

    announce = announcing(settings.options)

    def run(request: ScanRequest, progress: Progress, sink: FindingSink | None) -> Outcome:
        interrupt = runtime.interrupt
        return crosscheck(settings, request, interrupt=interrupt, progress=progress, sink=sink, announce=announce)

    return reported(settings, tables, "crosscheck", run)


def announcing(options: Options) -> Callable[[str], None]:
    """Return what says on stderr what a run is about to ask of a store."""

    def announce(text: str) -> None:
        if not options.quiet:
            say("announcement", text)

    return announce


def told(outcome: Outcome, options: Options) -> None:
    """Write the report and what is said beside it."""
    report_to(outcome.report, options)
    _say_what_failed(outcome.report)
    if not options.quiet:
        for remark in outcome.remarks:
            say("remark", remark)


def run_audit(runtime: Runtime, settings: Settings, tables: tuple[str, ...]) -> int:
    """Scan, crosscheck and read the logs as the settings say, write the report, and return the exit code."""
    return reported(settings, tables, "audit", _auditing(runtime, settings))


def audit_with(runtime: Runtime, settings: Settings, command: str) -> Outcome:
    """Scan, crosscheck and read the logs into one report, streaming every finding to `--findings`."""
    return run_with_sink(settings, (), command, _auditing(runtime, settings))


def _auditing(runtime: Runtime, settings: Settings) -> _Run:
    from dedupaudit.audit import audit

    def run(request: ScanRequest, progress: Progress, sink: FindingSink | None) -> Outcome:
        interrupt, announce = runtime.interrupt, announcing(settings.options)
        return audit(settings, request, interrupt=interrupt, progress=progress, sink=sink, announce=announce)

    return run


def run_explain(runtime: Runtime, settings: Settings, ident: str) -> int:
    """Tell one ID's story; that it is duplicated is told, and is no reason to fail."""
    from dedupaudit.explain import explain

    def run(request: ScanRequest, progress: Progress, _sink: FindingSink | None) -> Outcome:
        return explain(settings, ident, request, interrupt=runtime.interrupt, progress=progress)

    mask = mask_of(settings.options, os.environ, settings.databases)
    with mask.errors(ident) if mask else nullcontext():
        outcome = run_with_sink(settings, (), "explain", run, mask=mask)
    if mask:
        outcome = replace(outcome, report=mask.report(outcome.report))
    told(outcome, settings.options)
    return outcome.exit_code("none")


def reported(settings: Settings, tables: tuple[str, ...], command: str, run: _Run) -> int:
    """Run, hold the findings against the baseline and the thresholds, and tell and keep what came of it.

    Returns the exit code.
    """
    options = settings.options
    watch = Watch(settings)
    receivers = receivers_of(options)
    with locked(settings, command), memory_of(settings) as memory:
        watch.memory = memory
        with watch.mask.errors() if watch.mask else nullcontext():
            outcome = run_with_sink(settings, tables, command, run, watch, watch.mask)
        # All that the run is going to see has been seen: a signal waits until it is told.
        with held():
            outcome = watch.judged(outcome)
            code = outcome.exit_code(options.fail_on, exit_zero=options.exit_zero)
            memory.keep(outcome.report, code)
            try:
                told(outcome, options)
            except BaseException:
                # It would be known to the next run, and nobody has seen it.
                memory.withdraw()
                raise
        # Who stopped the run does not want to wait for others to be told: the next one tells them.
        is_told = outcome.signum is not None or notify(receivers, options, outcome.report, memory)
    return code if is_told or code else ExitCode.INCOMPLETE


class Watch:
    """What sees each finding of a run as it is found, masked and marked, and judges the run at its end."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.mask = mask_of(settings.options, os.environ, settings.databases)
        self._has_thresholds = has_thresholds(settings)
        self._tally = Tally()
        self.memory: Memory = Forgetful()

    def sink(self, further: FindingSink | None) -> FindingSink | None:
        """Return what takes every finding; None where those of the report are enough."""
        if further is None and not (self.memory.needs_all or self._has_thresholds):
            return None

        def take(finding: Finding) -> None:
            finding = self.mask.finding(finding) if self.mask else finding
            finding = self.memory.mark(finding)
            self._tally.add(finding)
            self.memory.take(finding)
            if further:
                further(finding)

        return take

    def judged(self, outcome: Outcome) -> Outcome:
        """Return the outcome masked, held against the baseline and the thresholds: what is left fails."""
        report = self.mask.report(outcome.report) if self.mask else outcome.report
        report = self.memory.compared(report)
        if self.mask and report.summary.changes:
            # What is gone is told as the baseline has it, which may be a report that nobody masked.
            report = self.mask.report(report)
        held = tolerances(self._settings, report, self._tally) if self._has_thresholds else ()
        summary = report.summary.model_copy(update={"thresholds": held})
        failing = outcome.confirmed
        if self._has_thresholds or self.memory.has_baseline:
            failing = self._tally.failing(held, only_new=self.memory.has_baseline)
        return replace(outcome, report=report.model_copy(update={"summary": summary}), confirmed=failing)


def run_with_sink(
    settings: Settings,
    tables: tuple[str, ...],
    command: str,
    run: _Run,
    watch: Watch | None = None,
    mask: Mask | None = None,
) -> Outcome:
    """Run with progress and a sink of findings; where a report cannot go is said before the run, not after."""
    options = settings.options
    if options.engine == "spark":
        raise UsageError(
            "this version of dedupaudit has no engine spark",
            "leave --engine out (auto), or take pushdown or snapshot",
        )
    refuse_inputs(settings)
    if target := destination(options):
        check_writable(target)
    request = ScanRequest(
        tables=tables,
        checks=options.check,
        skipped_checks=options.skip_check,
        distrust_indexes=options.distrust_indexes,
        stuck_after=options.stuck_after,
        max_findings=options.max_findings,
        command=command,
        engine=options.engine,
        memory_limit=options.memory_limit,
        databases=watch.memory.databases if watch else {},
        learn=mask.learn if mask else None,
    )
    collect_seldom()
    outcome: Outcome | None = None
    try:
        with ExitStack() as stack:
            progress = progress_for(options, stack)
            write: FindingSink | None = None
            if options.findings is not None:
                from dedupaudit.reports.findings import open_findings

                write = stack.enter_context(open_findings(Path(options.findings), options.memory_limit)).write
            seen = run(request, progress, watch.sink(write) if watch else write)
            if mask:
                # Inside the block, so that the file of findings is not put in its place.
                mask.refuse_unknown()
            outcome = seen
    except Cancelled as cancelled:
        if outcome is None:
            raise
        # The file of findings stays as it was; what was seen is told.
        outcome = replace(outcome, signum=cancelled.signum)
    return outcome


def collect_seldom() -> None:
    """Collect garbage less often: millions of small values and hardly a cycle are made; it saves a tenth."""
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


def progress_for(options: Options, stack: ExitStack) -> Progress:
    """Return progress for a terminal that wants it, or for a program that reads stderr; else silence."""
    if options.quiet or options.no_progress:
        return SILENT
    if speaks_json():
        from dedupaudit.commands.progress_json import JsonProgress

        lines = JsonProgress()
        stack.callback(lines.finish)
        return lines
    if not sys.stderr.isatty() or os.environ.get("TERM") == "dumb":
        return SILENT
    from dedupaudit.commands.progress import TerminalProgress

    progress = TerminalProgress(sys.stderr)
    stack.callback(progress.finish)
    return progress


def _say_what_failed(report: Report) -> None:
    """Repeat on stderr what could not be looked at, -q or not: a report in a file is not read at once."""
    said = dict.fromkeys(
        (row.status, row.source, row.target, row.reason)
        for row in report.coverage
        if row.status in ("failed", "stopped")
    )
    for status, source, target, reason in said:
        where = visible(source if target == "*" else f"{source}.{target}")
        facts = {"source": source, "target": target, "reason": reason}
        say(f"coverage.{status}", f"{status}: {where}: {reason}", **facts)
