"""`dedupaudit migrate`: the group of its commands, imported one by one when they are run."""

from __future__ import annotations

import click

from dedupaudit.commands.cli import LazyGroup

COMMANDS = {
    "plan": "Say how the unique constraint would come about, and what stands in its way. Changes nothing.",
    "apply": "Do what a plan file says: guard, clean, build, verify, with writers running.",
    "status": "Tell what keeps each table's ID unique, and what is left of migrations.",
    "rollback": "Remove the constraint, the guard and their traces again.",
    "target": "Hold a live database against the target schema, or create that in an empty one.",
}

HELP = """\b
Examples:
  dedupaudit migrate plan activities --db sqlite:///app.db -o plan.jsonl
  dedupaudit migrate apply plan.jsonl --db sqlite:///app.db
  dedupaudit migrate status --db sqlite:///app.db

Put the unique constraint on a table whose IDs must be unique, while the application goes on writing: the database
itself refuses the next duplicate. Rows that must go are put into quarantine, as by `repair`, and nothing is lost.

docs/migrate.md has the steps with their locks, the grants, and what is refused, with the way out.
"""


@click.group("migrate", cls=LazyGroup, table=COMMANDS, package="dedupaudit.commands.migrate", help=HELP)
def command() -> None:
    """Hold the commands; each does its own work."""
