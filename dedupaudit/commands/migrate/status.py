"""`dedupaudit migrate status [TABLE…]`: what keeps each table's ID unique, and what is left of migrations."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

import click

from dedupaudit.commands.completing import table_names
from dedupaudit.commands.options import refuse_bytes, settings_of, shared
from dedupaudit.interrupt import Runtime

HELP = """\b
Examples:
  dedupaudit migrate status --db sqlite:///app.db
  dedupaudit migrate status activities -f json

Tell of each TABLE (without one, of all that are configured or usual) what keeps its ID unique, whether a guard is
there, what a migration left behind (also one that was killed), invalid indexes, and the migrations that were run. It
reads the catalog, and changes nothing. Exit 0 where it could look.
"""


@click.command("status", help=HELP)
@click.argument("tables", nargs=-1, metavar="[TABLE]...", shell_complete=table_names)
@shared("database", "answer", "talk")
@click.pass_obj
def command(runtime: Runtime, /, tables: tuple[str, ...], **given: Any) -> int:
    """Look, and tell."""
    from dedupaudit.commands.answering import answer, refuse_output, where
    from dedupaudit.commands.running import progress_for
    from dedupaudit.migrate.status import status_of
    from dedupaudit.migrate.telling import status_lines
    from dedupaudit.migrate.telling_json import status_json

    refuse_bytes(tables)
    settings = settings_of(given)
    refuse_output(settings)
    with ExitStack() as stack:
        progress = progress_for(settings.options, stack)
        names = tuple(dict.fromkeys(tables))
        statuses = status_of(settings, names, interrupt=runtime.interrupt, progress=progress)
    answer(
        settings,
        lambda width: status_lines(statuses, width, where()),
        lambda: {"tables": [status_json(status) for status in statuses]},
    )
    return 0
