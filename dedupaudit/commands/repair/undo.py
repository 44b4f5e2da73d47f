"""`dedupaudit repair undo RUN`: brings back what a run removed."""

from __future__ import annotations

import json
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import click

from dedupaudit.commands.options import option, settings_of, shared
from dedupaudit.interrupt import Runtime

if TYPE_CHECKING:
    from dedupaudit.repair.journal import Run

HELP = """\b
Examples:
  dedupaudit repair undo last --db sqlite:///app.db
  dedupaudit repair undo 20251224T081530-3f2a9c --confirm activities

Bring back every row that RUN (or the `last` one) removed, byte for byte, with its children, and set merged rows back to
what they were. Refused, and nothing changed, where a unique constraint or a newer row stands in the way: it is named.
Killed anywhere, the same command goes on.
"""


@click.command("undo", help=HELP)
@click.argument("run")
@option("--confirm", metavar="TABLE", help="Say yes, where there is no terminal to ask on: the table's name.")
@option("--leave-changed", is_flag=True, help="Leave merged and child rows that were changed since as they are.")
@shared("database", "output", "talk")
@click.pass_obj
def command(runtime: Runtime, /, run: str, confirm: str | None, leave_changed: bool, **given: Any) -> int:
    """Ask, undo, tell, and return the exit code."""
    from dedupaudit.commands.repair.asking import ask
    from dedupaudit.commands.running import progress_for
    from dedupaudit.display import visible
    from dedupaudit.repair.run import Known, undo_run
    from dedupaudit.repair.telling import run_json
    from dedupaudit.reports.words import plural

    settings = settings_of(given)
    options = settings.options

    def confirmed(found: Run, place: str) -> None:
        rows = plural(found.rows_deleted, "row")
        told = [
            f"About to bring back {rows} of {visible(found.table_name)} in {place}: run {found.id} of {found.started_at}."
        ]
        ask(told, found.table_name, confirm, quiet=options.quiet)

    with ExitStack() as stack:
        undone = undo_run(
            settings,
            run,
            interrupt=runtime.interrupt,
            progress=progress_for(options, stack),
            confirm=confirmed,
            leave_changed=leave_changed,
        )
    if options.format == "json":
        click.echo(json.dumps({"run": run_json(Known(undone.run, undone.run.state)), "left": undone.left}))
    elif undone.signum is not None:
        click.echo(f"Stopped by a signal. Run the same command again and it goes on: run {undone.run.id}")
    else:
        left = f"; {plural(undone.left, 'row')} left as they are, because they changed since" if undone.left else ""
        click.echo(f"run {undone.run.id} is taken back: {plural(undone.run.rows_deleted, 'row')} restored{left}")
    if undone.signum is not None:
        return 128 + undone.signum
    return 3 if undone.left else 0
