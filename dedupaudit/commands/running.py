"""What commands that audit share: run the scan, stream the findings, write the report, say what failed."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dedupaudit.building import FindingSink, Outcome
from dedupaudit.commands.outputs import refuse_inputs
from dedupaudit.commands.rendering import destination, report_to
from dedupaudit.display import visible
from dedupaudit.errors import UsageError
from dedupaudit.model import Report
from dedupaudit.progress import SILENT, Progress
from dedupaudit.redact import scrub
from dedupaudit.reports.write import check_writable
from dedupaudit.scan import ScanRequest, scan

if TYPE_CHECKING:
    from dedupaudit.config import Options, Settings
    from dedupaudit.interrupt import Runtime


def run_scan(runtime: Runtime, settings: Settings, tables: tuple[str, ...]) -> int:
    """Scan as the settings say, write the report, and return the exit code."""
    return told(scan_with(runtime, settings, tables), settings.options)


def run_crosscheck(runtime: Runtime, settings: Settings, tables: tuple[str, ...]) -> int:
    """Hold rows against objects as the settings say, write the report, and return the exit code."""
    from dedupaudit.crosscheck import crosscheck

    options = settings.options
    announce = announcing(options)

    def run(request: ScanRequest, progress: Progress, sink: FindingSink | None) -> Outcome:
        interrupt = runtime.interrupt
        return crosscheck(settings, request, interrupt=interrupt, progress=progress, sink=sink, announce=announce)

    return told(run_with_sink(settings, tables, "crosscheck", run), options)


def announcing(options: Options) -> Callable[[str], None]:
    """Return what says on stderr what a run is about to ask of a store."""

    def announce(text: str) -> None:
        if not options.quiet:
            click.echo(scrub(f"dedupaudit: {text}"), err=True)

    return announce


def told(outcome: Outcome, options: Options) -> int:
    """Write the report and what is said beside it, and return the exit code."""
    report_to(outcome.report, options)
    _say_what_failed(outcome.report)
    if not options.quiet:
        for remark in outcome.remarks:
            click.echo(scrub(f"dedupaudit: {remark}"), err=True)
    return outcome.exit_code(options.fail_on, exit_zero=options.exit_zero)


def scan_with(runtime: Runtime, settings: Settings, tables: tuple[str, ...]) -> Outcome:
    """Scan, streaming every finding to `--findings`."""

    def run(request: ScanRequest, progress: Progress, sink: FindingSink | None) -> Outcome:
        return scan(settings, request, interrupt=runtime.interrupt, progress=progress, sink=sink)

    return run_with_sink(settings, tables, "scan", run)


def run_audit(runtime: Runtime, settings: Settings, tables: tuple[str, ...]) -> int:
    """Scan, crosscheck and read the logs as the settings say, write the report, and return the exit code."""
    return told(audit_with(runtime, settings, tables, "audit"), settings.options)


def audit_with(runtime: Runtime, settings: Settings, tables: tuple[str, ...], command: str) -> Outcome:
    """Scan, crosscheck and read the logs into one report, streaming every finding to `--findings`."""
    from dedupaudit.audit import audit

    def run(request: ScanRequest, progress: Progress, sink: FindingSink | None) -> Outcome:
        interrupt, announce = runtime.interrupt, announcing(settings.options)
        return audit(settings, request, interrupt=interrupt, progress=progress, sink=sink, announce=announce)

    return run_with_sink(settings, tables, command, run)


def run_explain(runtime: Runtime, settings: Settings, ident: str) -> int:
    """Tell one ID's story; that it is duplicated is told, and is no reason to fail."""
    from dedupaudit.explain import explain

    def run(request: ScanRequest, progress: Progress, _sink: FindingSink | None) -> Outcome:
        return explain(settings, ident, request, interrupt=runtime.interrupt, progress=progress)

    outcome = run_with_sink(settings, (), "explain", run)
    told(outcome, settings.options)
    return outcome.exit_code("none")


_Run = Callable[[ScanRequest, Progress, "FindingSink | None"], Outcome]


def run_with_sink(settings: Settings, tables: tuple[str, ...], command: str, run: _Run) -> Outcome:
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
    )
    collect_seldom()
    with ExitStack() as stack:
        progress = progress_for(options, stack)
        if options.findings is None:
            return run(request, progress, None)
        from dedupaudit.reports.findings import open_findings

        sink = stack.enter_context(open_findings(Path(options.findings), options.memory_limit))
        return run(request, progress, sink.write)


def collect_seldom() -> None:
    """Collect garbage less often: millions of small values and hardly a cycle are made; it saves a tenth."""
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


def progress_for(options: Options, stack: ExitStack) -> Progress:
    """Return progress for a terminal that wants it, else silence."""
    if options.quiet or options.no_progress or not sys.stderr.isatty() or os.environ.get("TERM") == "dumb":
        return SILENT
    from dedupaudit.commands.progress import TerminalProgress

    progress = TerminalProgress(sys.stderr)
    stack.callback(progress.finish)
    return progress


def _say_what_failed(report: Report) -> None:
    """Repeat on stderr what could not be looked at, -q or not: a report in a file is not read at once."""
    said = dict.fromkeys(
        (row.status, row.source if row.target == "*" else f"{row.source}.{row.target}", row.reason)
        for row in report.coverage
        if row.status in ("failed", "stopped")
    )
    for status, where, reason in said:
        click.echo(scrub(f"dedupaudit: {status}: {visible(where)}: {reason}"), err=True)
