"""`dedupaudit history`: earlier runs and their trend; and the group of the commands about them."""

from __future__ import annotations

import sys
from typing import Any

import click

from dedupaudit.commands.cli import LazyGroup
from dedupaudit.commands.options import settings_of, shared

COMMANDS = {
    "show": "Render the report of an earlier run again, in any form.",
    "prune": "Remove the reports of old runs; what is open stays known.",
}

HELP = """\b
Examples:
  dedupaudit history
  dedupaudit history --table activities --limit 30
  dedupaudit history -f json
  dedupaudit history show last -f html -o last.html
  dedupaudit history prune --keep 90d

List the earlier runs, the newest last: what each found, what was new then, gone, and still there. A dash stands where
not all findings were seen.
"""


@click.group("history", cls=LazyGroup, table=COMMANDS, package="dedupaudit.commands.history", help=HELP,
             invoke_without_command=True)  # fmt: skip
@click.option("--table", metavar="TABLE", help="Only what concerns this table: TABLE or SOURCE.TABLE.")
@click.option("--limit", type=click.IntRange(min=1), default=20, metavar="N", help="The newest N.  [default: 20]")
@shared("kept", "answer", "talk")
@click.pass_context
def command(ctx: click.Context, /, table: str | None, limit: int, **given: Any) -> int:
    """List the runs, unless a command of the group was named."""
    if ctx.invoked_subcommand:
        return 0
    from dedupaudit.commands.answering import answer, refuse_output
    from dedupaudit.commands.history.asking import ask
    from dedupaudit.commands.history.trend import run_json, trend_lines
    from dedupaudit.history.past import PastRun, runs

    settings = settings_of(given)
    refuse_output(settings)
    store, found = ask(settings, lambda connection: runs(connection, table, limit))
    past: list[PastRun] = found or []
    unicode = settings.options.output != "-" or (sys.stdout.encoding or "").lower().startswith("utf")
    answer(
        settings,
        lambda width: trend_lines(past, width, table, f"no run is kept in {store.shown} yet", unicode=unicode),
        lambda: {"runs": [run_json(one) for one in past]},
    )
    return 0
