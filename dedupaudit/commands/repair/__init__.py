"""`dedupaudit repair`: the group of its commands, imported one by one when they are run."""

from __future__ import annotations

import click

from dedupaudit.commands.cli import LazyGroup

COMMANDS = {
    "plan": "Say what would go, what stays and why; write the plan file. Changes nothing.",
    "apply": "Do what a plan file says: quarantine, then delete, chunk by chunk.",
    "undo": "Bring back every row of a run, byte for byte.",
    "runs": "List the runs of a database, and their state.",
    "show": "Tell one run in full: figures, proof, what was skipped.",
    "purge": "Drop the quarantine of old runs, for good.",
}

HELP = """\b
Examples:
  dedupaudit repair plan activities --db sqlite:///app.db -o plan.jsonl
  dedupaudit repair apply plan.jsonl --db sqlite:///app.db
  dedupaudit repair undo last --db sqlite:///app.db

Remove the duplicate rows of one table, so that nothing is lost: a plan is a file that can be read, apply does just what
it says, each row goes into quarantine in the transaction that deletes it, and undo brings it back.

docs/repair.md has the steps, the grants, and what is refused, with the way out.
"""


@click.group("repair", cls=LazyGroup, table=COMMANDS, package="dedupaudit.commands.repair", help=HELP)
def command() -> None:
    """Hold the commands; each does its own work."""
