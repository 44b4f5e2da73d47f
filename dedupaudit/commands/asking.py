"""How a command that changes data asks first: on a terminal by the table's name, elsewhere by --confirm."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from shlex import quote

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
        if not _is_name(given, table):
            raise Refused(
                f"--confirm names {visible(given)}, and this is about {visible(table)}: nothing was changed",
                f"if that is what you want: {_flag(table)}",
            )
        if not quiet:
            say(lines)
        return
    if not (sys.stdin and sys.stdin.isatty() and sys.stderr.isatty()):
        raise UsageError("this changes data, and there is no terminal to ask on", f"say yes with {_flag(table)}")
    say(lines)
    click.echo(f"Type {visible(table)} to go on: ", nl=False, err=True)
    # Not input(): that would write to stdout, which is the report's alone.
    typed = sys.stdin.buffer.readline().decode(sys.stdin.encoding or "utf-8", "replace")
    if not typed.endswith("\n"):
        click.echo(err=True)
    if not _is_name(typed.rstrip("\r\n"), table):
        raise Refused("not confirmed: nothing was changed", "type the table's name, as it was shown, to go on")


def _is_name(typed: str, table: str) -> bool:
    """Say whether somebody named the table; one that cannot be typed is named as it is shown."""
    return typed in (table, visible(table))


def _flag(table: str) -> str:
    return f"--confirm {quote(visible(table))}"
