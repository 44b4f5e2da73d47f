"""`dedupaudit repair runs`: the runs of a database, and their state."""

from __future__ import annotations

import json
from typing import Any

import click

from dedupaudit.commands.options import settings_of, shared

HELP = """\b
Examples:
  dedupaudit repair runs --db sqlite:///app.db
  dedupaudit repair runs -f json

List the runs of a database, the oldest first: running, interrupted (the same apply goes on), done, undone or failed.
"""


@click.command("runs", help=HELP)
@shared("database", "output", "talk")
def command(**given: Any) -> int:
    """List the runs."""
    from dedupaudit.repair.run import known_runs
    from dedupaudit.repair.telling import run_json, runs_lines

    settings = settings_of(given)
    known = known_runs(settings)
    if settings.options.format == "json":
        click.echo(json.dumps({"runs": [run_json(one) for one in known]}))
    else:
        for line in runs_lines(known):
            click.echo(line)
    return 0
