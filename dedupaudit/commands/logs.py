"""`dedupaudit logs`: sends, timeouts, re-queues and receives in the logs of client and backend, by ID."""

from __future__ import annotations

from typing import Any

import click

from dedupaudit.commands.completing import file_names
from dedupaudit.commands.options import option, settings_of, shared
from dedupaudit.interrupt import Runtime

HELP = """\b
Examples:
  dedupaudit logs app-console.log
  dedupaudit logs 'logs/*.log*' --since 7d --event requeue
  zcat old.gz | dedupaudit logs - -f json
  dedupaudit logs --try app-console.log      which lines no pattern knows

Read FILES (files, folders, patterns; - is standard input; else --logs, or `files` under [logs]) and report re-queued
IDs, IDs received more than once, sends that overlap, answers lost, and how long timeouts and re-queues took. Plain,
gzip, xz and zstd files, rotated ones in their order; UTF-8, GB18030, UTF-16, and UTF-8 that was misread once.
"""


@click.command("logs", help=HELP)
@click.argument("files", nargs=-1, metavar="[FILE]...", shell_complete=file_names)
@option("--since", metavar="WHEN", help="Only events since then: 2025-12-24T08:00, or 24h, 7d before now.")
@option("--until", metavar="WHEN", help="Only events until then.")
@option("--event", "events", multiple=True, metavar="NAME", help="Only this event: requeue, receive, … Repeatable.")
@option("--try", "trying", is_flag=True, default=None, help="Show which lines no pattern knew, and report nothing.")
@option("--config", metavar="FILE", help="Configuration; without it the nearest dedupaudit.toml.")
@shared("logs", "findings", "output", "verdict", "keep", "mask", "talk")
@click.pass_obj
def command(
    runtime: Runtime,
    /,
    files: tuple[str, ...],
    since: str | None,
    until: str | None,
    events: tuple[str, ...],
    trying: bool | None,
    **given: Any,
) -> int:
    """Read the logs, write the report, and return the exit code."""
    from dedupaudit.commands.reading_logs import run_logs, try_logs

    settings = settings_of(given)
    if trying:
        return try_logs(runtime, settings, files)
    return run_logs(runtime, settings, files, since=since, until=until, events=events)
