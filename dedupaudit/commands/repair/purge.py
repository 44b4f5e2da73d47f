"""`dedupaudit repair purge`: drops old quarantine, for good."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from dedupaudit.commands.completing import table_names
from dedupaudit.commands.options import option, refuse_bytes, settings_of, shared

if TYPE_CHECKING:
    from dedupaudit.repair.journal import Run

HELP = """\b
Examples:
  dedupaudit repair purge activities --older-than 30d --db sqlite:///app.db
  dedupaudit repair purge activities --older-than 30d --confirm activities

Drop the quarantine of TABLE's runs that ended longer ago, for good: they cannot be undone any more. Quarantine holds
whole rows, personal data among them: purge it as your rules for such data say. The journal stays; it holds no row.
"""


@click.command("purge", help=HELP)
@click.argument("table", shell_complete=table_names)
@option("--older-than", metavar="DURATION", default="30d", show_default=True, help="Only runs that ended longer ago.")
@option("--confirm", metavar="TABLE", help="Say yes, where there is no terminal to ask on: the table's name.")
@shared("database", "talk")
def command(table: str, older_than: str, confirm: str | None, **given: Any) -> int:
    """Ask, purge, and tell."""
    from dedupaudit.commands.answering import width_of
    from dedupaudit.commands.asking import ask
    from dedupaudit.repair.past import purge
    from dedupaudit.repair.telling import purge_offer_lines
    from dedupaudit.reports.words import plural
    from dedupaudit.units import duration

    refuse_bytes((table,))
    seconds = duration(older_than)
    settings = settings_of(given)

    def confirmed(runs: Sequence[Run], rows: int, place: str) -> None:
        told = purge_offer_lines(table, runs, rows, place, width_of(sys.stderr))
        ask(told, table, confirm, quiet=settings.options.quiet)

    runs, rows = purge(settings, table, seconds, confirm=confirmed)
    click.echo(f"Dropped {plural(rows, 'row')} of {plural(runs, 'run')} from quarantine.")
    return 0
