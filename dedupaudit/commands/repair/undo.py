"""`dedupaudit repair undo RUN`: brings back what a run removed."""

from __future__ import annotations

import sys
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
Killed anywhere, the same command goes on. Exit 3: with --leave-changed, rows were left as they are.
"""


@click.command("undo", help=HELP)
@click.argument("run")
@option("--confirm", metavar="TABLE", help="Say yes, where there is no terminal to ask on: the table's name.")
@option("--leave-changed", is_flag=True, help="Leave merged and child rows that were changed since as they are.")
@option("--allow-trigger", multiple=True, metavar="NAME", help="A trigger that may fire. Repeatable.")
@shared("database", "answer", "talk")
@click.pass_obj
def command(
    runtime: Runtime,
    /,
    run: str,
    confirm: str | None,
    leave_changed: bool,
    allow_trigger: tuple[str, ...],
    **given: Any,
) -> int:
    """Ask, undo, tell, and return the exit code."""
    from dedupaudit.commands.answering import answer, refuse_output, width_of
    from dedupaudit.commands.asking import ask
    from dedupaudit.commands.running import progress_for
    from dedupaudit.repair.past import Known, undo_run
    from dedupaudit.repair.telling import run_json, undo_offer_lines, undone_lines

    settings = settings_of(given)
    refuse_output(settings)
    options = settings.options

    def confirmed(found: Run, place: str) -> None:
        ask(undo_offer_lines(found, place, width_of(sys.stderr)), found.table_name, confirm, quiet=options.quiet)

    with ExitStack() as stack:
        undone = undo_run(
            settings,
            run,
            interrupt=runtime.interrupt,
            progress=progress_for(options, stack),
            confirm=confirmed,
            leave_changed=leave_changed,
            allowed_triggers=allow_trigger,
        )
    answer(
        settings,
        lambda width: undone_lines(undone, width),
        lambda: {"run": run_json(Known(undone.run, undone.run.state)), "left": undone.left},
    )
    if undone.signum is not None:
        return 128 + undone.signum
    return 3 if undone.left else 0
