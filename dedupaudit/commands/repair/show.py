"""`dedupaudit repair show RUN`: one run in full."""

from __future__ import annotations

from typing import Any

import click

from dedupaudit.commands.options import settings_of, shared

HELP = """\b
Examples:
  dedupaudit repair show last --db sqlite:///app.db
  dedupaudit repair show 20251224T081530-3f2a9c -f json

Tell one run in full: who and when, what it did, its proof that nothing was lost, and what it skipped and why.
"""


@click.command("show", help=HELP)
@click.argument("run")
@shared("database", "answer", "talk")
def command(run: str, **given: Any) -> int:
    """Show one run."""
    from dedupaudit.commands.answering import answer, refuse_output, where
    from dedupaudit.repair.past import known_run
    from dedupaudit.repair.telling import run_json, run_lines, skipped_json

    settings = settings_of(given)
    refuse_output(settings)
    known, skipped = known_run(settings, run)
    answer(
        settings,
        lambda width: run_lines(known, skipped, width, where()),
        lambda: {"run": run_json(known), "skipped": skipped_json(skipped)},
    )
    return 0
