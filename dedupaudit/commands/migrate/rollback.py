"""`dedupaudit migrate rollback TABLE`: removes the constraint, the guard and their traces; quarantine stays."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import click

from dedupaudit.commands.completing import table_names
from dedupaudit.commands.options import option, refuse_bytes, settings_of, shared
from dedupaudit.interrupt import Runtime

if TYPE_CHECKING:
    from dedupaudit.migrate.rollback import RollbackOffer

HELP = """\b
Examples:
  dedupaudit migrate rollback activities --db sqlite:///app.db
  dedupaudit migrate rollback activities --confirm activities

Remove what migrations of TABLE made: the constraint, the guard, the lookup index, and what a killed run left behind.
A constraint that no migration made stays. Rows that were cleaned stay in quarantine: `dedupaudit repair undo` brings
them back, after this. Killed anywhere, the same command goes on. Exit 4: there is nothing to roll back.
"""


@click.command("rollback", help=HELP)
@click.argument("table", shell_complete=table_names)
@option("--confirm", metavar="TABLE", help="Say yes, where there is no terminal to ask on: the table's name.")
@option("--wait", metavar="DURATION", default="10min", show_default=True, help="Wait so long for others, at most.")
@shared("database", "answer", "talk")
@click.pass_obj
def command(runtime: Runtime, /, table: str, confirm: str | None, **given: Any) -> int:
    """Ask, remove, tell, and return the exit code."""
    from dedupaudit.commands.answering import answer, refuse_output, where, width_of
    from dedupaudit.commands.asking import ask
    from dedupaudit.commands.pacing import seconds_of
    from dedupaudit.commands.running import announcing, progress_for
    from dedupaudit.migrate.rollback import roll_back
    from dedupaudit.migrate.telling import rollback_offer_lines, rolled_back_lines
    from dedupaudit.migrate.telling_json import rolled_back_json

    refuse_bytes((table,))
    wait = seconds_of(given, "wait")
    settings = settings_of(given)
    refuse_output(settings)
    options = settings.options

    def confirmed(offer: RollbackOffer) -> None:
        ask(rollback_offer_lines(offer, width_of(sys.stderr)), offer.table, confirm, quiet=options.quiet)

    with ExitStack() as stack:
        rolled = roll_back(
            settings,
            table,
            interrupt=runtime.interrupt,
            progress=progress_for(options, stack),
            announce=announcing(options),
            confirm=confirmed,
            wait=600.0 if wait is None else wait,
        )
    answer(
        settings,
        lambda width: rolled_back_lines(rolled, table, width, where()),
        lambda: rolled_back_json(rolled),
    )
    return 128 + rolled.signum if rolled.signum is not None else 0
