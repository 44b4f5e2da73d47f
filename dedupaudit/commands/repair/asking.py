"""How a command that changes data asks first: on a terminal by the table's name, elsewhere by --confirm."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click

from dedupaudit.display import visible
from dedupaudit.errors import Refused, UsageError
from dedupaudit.redact import scrub


def say(lines: Sequence[str]) -> None:
    """Say lines on stderr: what is asked or told beside the report."""
    for line in lines:
        click.echo(scrub(line), err=True)


def ask(lines: Sequence[str], table: str, given: str | None, *, quiet: bool) -> None:
    """Show what is about to happen, and have the table's name typed, unless `--confirm` gave it.

    Raises Refused where the name is another one, UsageError where there is no terminal to ask on.
    """
    if given is not None:
        if given != table:
            raise Refused(
                f"--confirm names {visible(given)}, and this is about {visible(table)}: nothing was changed",
                f"if that is what you want: --confirm {visible(table)}",
            )
        if not quiet:
            say(lines)
        return
    if not (sys.stdin and sys.stdin.isatty() and sys.stderr.isatty()):
        raise UsageError(
            "this changes data, and there is no terminal to ask on", f"say yes with --confirm {visible(table)}"
        )
    say(lines)
    typed = click.prompt(f"Type {visible(table)} to go on", default="", show_default=False, err=True)
    if typed != table:
        raise Refused("not confirmed: nothing was changed", "type the table's name, as it was shown, to go on")
