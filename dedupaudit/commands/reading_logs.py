"""Runs `dedupaudit logs`: its moments and names become a request, and `--try` shows what no pattern knew."""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import click

from dedupaudit.commands.running import reported
from dedupaudit.config import LogsSettings
from dedupaudit.display import visible
from dedupaudit.errors import NothingToCheck, UsageError
from dedupaudit.logs import LogsRequest, read_logs
from dedupaudit.nearest import did_you_mean
from dedupaudit.reports.words import plural, size
from dedupaudit.sources.logs import open_logs
from dedupaudit.sources.logs.protocol import UnknownLine
from dedupaudit.sources.logs.words import EVENTS
from dedupaudit.times import parse_time, to_micros
from dedupaudit.units import duration

if TYPE_CHECKING:
    from dedupaudit.building import FindingSink, Outcome
    from dedupaudit.config import Settings
    from dedupaudit.interrupt import Runtime
    from dedupaudit.progress import Progress
    from dedupaudit.scan import ScanRequest

UNKNOWN_LINES = 20
"""Lines that `--try` shows of each file."""


def run_logs(
    runtime: Runtime,
    settings: Settings,
    files: tuple[str, ...],
    *,
    since: str | None,
    until: str | None,
    events: tuple[str, ...],
) -> int:
    """Read the logs as the settings say, write the report, and return the exit code."""
    zone = (settings.logs or LogsSettings()).timezone
    begin, end = _moment(since, "--since", zone), _moment(until, "--until", zone)
    if begin is not None and end is not None and begin > end:
        raise UsageError("--since is later than --until", "nothing lies between them: exchange the two")
    for name in events:
        if name not in EVENTS:
            hint = did_you_mean(name, EVENTS) or f"the events are {', '.join(EVENTS)}"
            raise UsageError(f"--event: there is no event {visible(name)}", hint)

    def run(request: ScanRequest, progress: Progress, sink: FindingSink | None) -> Outcome:
        asked = LogsRequest(
            names=files,
            events=frozenset(events),
            since=begin,
            until=end,
            checks=request.checks,
            skipped_checks=request.skipped_checks,
            max_findings=request.max_findings,
            memory_limit=request.memory_limit,
        )
        return read_logs(settings, asked, interrupt=runtime.interrupt, progress=progress, sink=sink)

    return reported(_as_read(settings, files, since, until, events), (), "logs", run)


def _as_read(
    settings: Settings, files: tuple[str, ...], since: str | None, until: str | None, events: tuple[str, ...]
) -> Settings:
    """Return settings that name what is read: to the history a part of the logs says nothing of the whole."""
    configured = settings.logs or LogsSettings()
    part = [f"--since {since}"] * bool(since) + [f"--until {until}"] * bool(until) + [f"--event {e}" for e in events]
    names = (*(files or configured.files), *part)
    return replace(settings, logs=configured.model_copy(update={"files": names}))


def _moment(text: str | None, flag: str, zone: str) -> int | None:
    """Return a moment in microseconds since the epoch: ISO 8601, read in `zone`, or a duration before now."""
    if text is None:
        return None
    at = parse_time(text, ZoneInfo(zone))
    if at is not None:
        return at
    try:
        seconds = duration(text)
    except UsageError:
        raise UsageError(
            f"{flag}: {visible(text)} is no moment", "write 2025-12-24T08:00:00Z, 2025-12-24, or 24h or 7d before now"
        ) from None
    return to_micros(datetime.now(UTC)) - round(seconds * 1_000_000)


def try_logs(runtime: Runtime, settings: Settings, files: tuple[str, ...]) -> int:
    """Show, of each file, what was recognised in it and the first lines that no pattern knew."""
    configured = settings.logs or LogsSettings()
    if not files and not configured.files:
        raise UsageError("no log files are named", "name one: dedupaudit logs --try FILE")
    if "-" in files:
        raise UsageError("--try reads each file twice, and standard input cannot be", "write it to a file first")
    logs = open_logs(configured, files, runtime.interrupt)
    counts: dict[str, Counter[str]] = {}
    try:
        for batch in logs.batches():
            for event in batch:
                counts.setdefault(event.file, Counter())[event.event] += 1
        known = logs.files
        unknown: dict[str, list[UnknownLine]] = {}
        for line in logs.unknown_lines(UNKNOWN_LINES * len(known)):
            unknown.setdefault(line.file, []).append(line)
    finally:
        logs.close()
    for file in known:
        click.echo(
            f"{file.name}: {plural(file.lines, 'line')}, {size(file.bytes)}, {file.encoding}"
            + (f", {file.compression}" if file.compression != "none" else "")
        )
        if file.damage:
            click.echo(f"  damaged: {file.damage}")
        told = counts.get(file.name, Counter())
        events = ", ".join(f"{told[name]:,} {name}" for name in EVENTS if told[name])
        click.echo(f"  events: {events or 'none'}")
        lines = unknown.get(file.name, [])
        if lines:
            click.echo("  lines that no pattern knew:")
        for line in lines[:UNKNOWN_LINES]:
            click.echo(f"    {line.line}: {visible(line.text, 200)}")
    if not any(counts.values()):
        raise NothingToCheck(
            "no line tells of an event",
            "an event needs an ID (activity_1766557428498) and a known word, or a pattern of yours: [[logs.events]] "
            "name = \"requeue\", pattern = 'back into the queue: (?P<id>\\w+)'",
        )
    sys.stdout.flush()
    return 0
