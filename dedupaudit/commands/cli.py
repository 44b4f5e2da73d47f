"""The group of commands. Names and one-line helps stand here, so that `--help` imports none of them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any, cast

import click

from dedupaudit import __version__

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

COMPLETE_VARIABLE = "_DEDUPAUDIT_COMPLETE"

COMMANDS = {
    "demo": "Build the incident in a folder and audit it: the first thing to run.",
    "init": "Read a database's catalog and write a commented dedupaudit.toml.",
    "scan": "Find duplicate, NULL, blank and nearly equal IDs, and what protects each table.",
    "crosscheck": "Find rows whose object is gone, and objects that no row knows.",
    "logs": "Find sends, timeouts, re-queues and receives in log files, by ID.",
    "audit": "All of it joined: every duplicate with its cause.",
    "explain": "One ID's timeline across database, object store and logs, with the verdict.",
    "repair": "Remove duplicate rows: plan, apply, undo. Nothing is lost.",
    "migrate": "Put the unique constraint in place, with writers running: plan, apply, rollback.",
    "drill": "Concurrent writers against each protection, on a scratch schema: what holds?",
    "report": "Render a saved report again, without scanning.",
    "history": "Earlier runs and their trend; show one again, or remove old ones.",
    "schema": "Print the JSON Schema of the report, a plan or the configuration.",
    "completion": "Print the script by which bash, zsh or fish completes all this.",
}

EXAMPLES = """\b
Examples:
  dedupaudit demo                        see it work on a small incident
  dedupaudit scan --db postgresql://auditor@replica/app
  dedupaudit scan activities --db sqlite:///app.db -f json -o report.json
  dedupaudit crosscheck --db sqlite:///app.db --objects file:///srv/objects
  dedupaudit repair plan activities --db sqlite:///app.db -o plan.jsonl
  dedupaudit migrate plan activities --db sqlite:///app.db -o plan.jsonl
  dedupaudit drill --db postgresql://drill@staging/app --against activities
  dedupaudit init --db mysql://auditor@replica/app
"""

EPILOG = """\b
Exit codes:
  0 clean and complete  1 findings          2 wrong usage or configuration
  3 incomplete          4 nothing to check  5 refused by a safety rule
  6 a run failed        70 a crash          75 another run holds the lock
"""


class LazyGroup(click.Group):
    """Imports a command when it is run or asked for its own help, and not before.

    `table` has the names and one-line helps; each command is `command` in the module of its name below `package`.
    """

    def __init__(self, *arguments: Any, table: Mapping[str, str], package: str, **attributes: Any) -> None:
        super().__init__(*arguments, **attributes)
        self.table, self._package = table, package

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order in which a new user meets them."""
        return list(self.table)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command."""
        if cmd_name not in self.table:
            return None
        return cast("click.Command", import_module(f"{self._package}.{cmd_name}").command)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the helps from the table: click's own way would import every command."""
        with formatter.section("Commands"):
            formatter.write_dl(list(self.table.items()))

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem[str]]:
        """Complete a command's name from the table, or an option of the group."""
        from click.shell_completion import CompletionItem

        names = [CompletionItem(name, help=told) for name, told in self.table.items() if name.startswith(incomplete)]
        return [*names, *click.Command.shell_complete(self, ctx, incomplete)]

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; have an error of its command line know whose line it was."""
        try:
            return super().invoke(ctx)
        except click.UsageError as error:
            if error.ctx is None and ctx.invoked_subcommand:
                command = self.get_command(ctx, ctx.invoked_subcommand)
                error.ctx = click.Context(command, ctx, ctx.invoked_subcommand) if command else ctx
            raise

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Name the nearest command for one that does not exist."""
        if args and args[0] not in self.table and not args[0].startswith("-"):
            from dedupaudit.display import visible
            from dedupaudit.nearest import nearest

            guess = nearest(args[0], self.table)
            hint = f"; did you mean {guess}?" if guess else ""
            raise click.UsageError(f"there is no command {visible(args[0])}{hint}", ctx)
        return super().resolve_command(ctx, args)


class _Program(LazyGroup):
    """The outermost group: it also answers a shell that asks what can be typed."""

    def main(self, *arguments: Any, **attributes: Any) -> Any:
        """Run a command, or complete one."""
        if instruction := os.environ.get(COMPLETE_VARIABLE):
            from dedupaudit.commands.completing import answer

            return answer(self, instruction)
        return super().main(*arguments, **attributes)


@click.group(
    cls=_Program,
    table=COMMANDS,
    package="dedupaudit.commands",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    help=f"{EXAMPLES}\nFinds duplicate IDs in a database, explains them, and says what it did not look at. Audits only"
    " read; `repair` and `migrate` change data, by a plan, after asking.",
    epilog=EPILOG,
)
@click.version_option(__version__, "--version", prog_name="dedupaudit")
def cli() -> None:
    """Hold the commands; each does its own work."""
