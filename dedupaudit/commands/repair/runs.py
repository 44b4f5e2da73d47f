"""`dedupaudit repair runs`: the runs of a database, and their state."""

from __future__ import annotations

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
@shared("database", "answer", "talk")
def command(**given: Any) -> int:
    """List the runs."""
    from dedupaudit.commands.answering import answer, refuse_output
    from dedupaudit.repair.past import known_runs
    from dedupaudit.repair.telling import run_json, runs_lines

    settings = settings_of(given)
    refuse_output(settings)
    known = known_runs(settings)
    answer(settings, lambda width: runs_lines(known, width), lambda: {"runs": [run_json(one) for one in known]})
    return 0
