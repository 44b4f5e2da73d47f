"""`dedupaudit migrate target`: holds a live database against the target schema, or makes that in an empty one."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import click

from dedupaudit.commands.options import option, settings_of, shared
from dedupaudit.interrupt import Runtime

if TYPE_CHECKING:
    from dedupaudit.migrate.target import Comparison

HELP = """\b
Examples:
  dedupaudit migrate target --db sqlite:///app.db
  dedupaudit migrate target -f json
  dedupaudit migrate target --create --db sqlite:///new.db --confirm new.db

Hold the tables screenshots, activities and processes (by whatever names the configuration has for them) against the
target schema, and show what differs: columns, types, NULL, defaults, primary keys, indexes, what sets updated_at.
Changes nothing. --create makes the tables in a database that has none of them. Exit 0: the same, or created. Exit 1: it
differs. Exit 5: --create where one of the tables is there, or not confirmed. (A file of SQLite must be there: an empty
one will do.)
"""


@click.command("target", help=HELP)
@option("--create", is_flag=True, help="Make the tables, in a database that has none of them.")
@option("--confirm", metavar="DATABASE", help="Say yes, where there is no terminal to ask on: the database's name.")
@shared("database", "answer", "talk")
@click.pass_obj
def command(runtime: Runtime, /, create: bool, confirm: str | None, **given: Any) -> int:
    """Compare or create, tell, and return the exit code."""
    from dedupaudit.commands.answering import answer, refuse_output, where, width_of
    from dedupaudit.commands.asking import ask
    from dedupaudit.commands.running import progress_for
    from dedupaudit.migrate import target, target_create
    from dedupaudit.migrate.target_telling import (
        comparison_json,
        comparison_lines,
        create_offer_lines,
        created_lines,
    )

    settings = settings_of(given)
    refuse_output(settings)
    options = settings.options

    def confirmed(found: Comparison) -> None:
        ask(create_offer_lines(found, width_of(sys.stderr)), found.database, confirm, quiet=options.quiet)

    with ExitStack() as stack:
        progress = progress_for(options, stack)
        if create:
            found = target_create.create(settings, interrupt=runtime.interrupt, progress=progress, confirm=confirmed)
        else:
            found = target.compare(settings, interrupt=runtime.interrupt, progress=progress)
    answer(
        settings,
        lambda width: created_lines(found, width) if create else comparison_lines(found, width, where()),
        lambda: comparison_json(found, created=create),
    )
    return 0 if found.same else 1
