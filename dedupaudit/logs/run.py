"""The conductor of `logs`: reads the files into a history, runs the checks over it, and sums it up."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from dedupaudit.building import INTERRUPTED, Building, FindingSink, Outcome, reason_of, status_of
from dedupaudit.checks import LOG_CHECKS
from dedupaudit.checks.log_check import SOURCE, TARGET, LogCheck
from dedupaudit.choosing import choose
from dedupaudit.config import LogsSettings, Settings
from dedupaudit.display import visible
from dedupaudit.errors import Cancelled, NothingToCheck, SourceError, UsageError
from dedupaudit.interrupt import Interrupt
from dedupaudit.logs.summing import summary_of
from dedupaudit.model import Status
from dedupaudit.progress import Progress
from dedupaudit.snapshot.history import History
from dedupaudit.sources.logs import open_logs
from dedupaudit.sources.logs.protocol import LogFile

TRY = "dedupaudit logs --try FILE shows the lines that no pattern knew; [[logs.events]] teaches further ones"


@dataclass(frozen=True)
class LogsRequest:
    """What a reading of logs is asked for. Moments are microseconds since the epoch; no `events` means all of them."""

    names: tuple[str, ...] = ()
    events: frozenset[str] = frozenset()
    since: int | None = None
    until: int | None = None
    checks: tuple[str, ...] = ()
    skipped_checks: tuple[str, ...] = ()
    unchecked: bool = False
    """Only read: no check is asked for."""
    max_findings: int = 1000
    memory_limit: int = 256_000_000


def read_logs(
    settings: Settings,
    request: LogsRequest,
    *,
    interrupt: Interrupt,
    progress: Progress,
    sink: FindingSink | None = None,
) -> Outcome:
    """Read the logs and report what they tell.

    Raises UsageError for wrong names and patterns, NothingToCheck where no line tells of an event.
    """
    building = Building("logs", request.max_findings, sink)
    # What the report keeps is written at its end, with lines out of the history.
    with History(request.memory_limit) as history:
        try:
            logs_into(building, settings, request, history, interrupt=interrupt, progress=progress)
            return building.outcome()
        except Cancelled as cancelled:
            return building.outcome(cancelled.signum)


def logs_into(
    building: Building,
    settings: Settings,
    request: LogsRequest,
    history: History,
    *,
    interrupt: Interrupt,
    progress: Progress,
) -> None:
    """Read the logs into a history that stays open, and report as `read_logs` does into a report that is being made.

    Raises Cancelled when the report has all that was seen.
    """
    checks = _chosen(request)
    configured = settings.logs or LogsSettings()
    if not request.names and not configured.files:
        raise UsageError(
            "no log files are named",
            "name them: dedupaudit logs 'logs/*.log*', --logs GLOB, or `files` under [logs] in dedupaudit.toml",
        )
    logs = open_logs(configured, request.names, interrupt)
    began = time.monotonic()
    try:
        history.load(logs, progress, request.events or None, request.since, request.until)
        _cover_damage(building, logs.files)
        _refuse_nothing(logs.files, history, request)
        for check in checks:
            _run_check(building, check, history, logs.files, began)
            began = time.monotonic()
            interrupt.check()
        building.logs = summary_of(logs.files, history, request.events)
    except Cancelled:
        covered = {row.check for row in building.coverage if row.source == SOURCE}
        _cover_all(building, [one for one in checks if one.name not in covered], "stopped", INTERRUPTED)
        raise
    except SourceError as error:
        _cover_all(building, checks, status_of(error), reason_of(error))
    finally:
        logs.close()
        building.next_place()


def _chosen(request: LogsRequest) -> tuple[LogCheck, ...]:
    if request.unchecked:
        return ()
    checks = choose(LOG_CHECKS, request.checks, request.skipped_checks, "logs")
    return tuple(check for check in checks if not request.events or check.needs <= request.events)


def _run_check(building: Building, check: LogCheck, history: History, files: Sequence[LogFile], began: float) -> None:
    building.ran(check.name)
    # The query answers the worst first: what the report has no room for is counted, where nobody else wants to see it.
    most = building.max_findings if building.sink is None else None
    seen = 0
    for finding in check.findings(history, most):
        building.add(check.name, check.severity, finding)
        seen += 1
    if seen == most:
        building.add_unseen(check.name, check.severity, history.count(check.name) - seen)
    building.cover(
        SOURCE,
        TARGET,
        check.name,
        "checked",
        strategy="file",
        why=f"{len(files):,} log file{'s' if len(files) != 1 else ''}",
        rows=sum(file.lines for file in files),
        seconds=round(time.monotonic() - began, 3),
    )


def _cover_damage(building: Building, files: Sequence[LogFile]) -> None:
    """Name each file that was not read whole."""
    for file in files:
        if file.damage:
            building.cover(SOURCE, file.name, "*", "failed", reason=file.damage, strategy="file", rows=file.lines)


def _cover_all(building: Building, checks: Sequence[LogCheck], status: Status, reason: str) -> None:
    for check in checks:
        building.cover(SOURCE, TARGET, check.name, status, reason=reason)


def _refuse_nothing(files: Sequence[LogFile], history: History, request: LogsRequest) -> None:
    """Raise NothingToCheck where no line told of an event, unless a file could not be read: then nobody knows."""
    if history.counts or any(file.damage for file in files):
        return
    lines = sum(file.lines for file in files)
    names = ", ".join(visible(file.name) for file in files[:4])
    more = f" and {len(files) - 4:,} more" if len(files) > 4 else ""
    asked = " that was asked for" if request.events or request.since is not None or request.until is not None else ""
    raise NothingToCheck(f"none of {lines:,} lines tells of an event{asked}: {names}{more}", TRY)
