"""How a command that changes data asks first: on a terminal by the table's name, elsewhere by --confirm."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from shlex import quote

from dedupaudit.display import visible
from dedupaudit.errors import Refused, UsageError
from dedupaudit.saying import end_of_answer, question, show


def ask(lines: Sequence[str], name: str, given: str | None, *, quiet: bool) -> None:
    """Show what is about to happen, and have the name of what it is about typed, unless `--confirm` gave it.

    Raises Refused where the name is another one, UsageError where there is no terminal to ask on.
    """
    if given is not None:
        if not _is_name(given, name):
            raise Refused(
                f"--confirm names {visible(given)}, and this is about {visible(name)}: nothing was changed",
                f"if that is what you want: {_flag(name)}",
            )
        if not quiet:
            show("offer", lines)
        return
    if not (sys.stdin and sys.stdin.isatty() and sys.stderr.isatty()):
        raise UsageError("this changes data, and there is no terminal to ask on", f"say yes with {_flag(name)}")
    show("offer", lines)
    question(f"Type {visible(name)} to go on")
    # Not input(): that would write to stdout, which is the report's alone.
    typed = sys.stdin.buffer.readline().decode(sys.stdin.encoding or "utf-8", "replace")
    if not typed.endswith("\n"):
        end_of_answer()
    if not _is_name(typed.rstrip("\r\n"), name):
        raise Refused("not confirmed: nothing was changed", "type the name, as it was shown, to go on")


def _is_name(typed: str, name: str) -> bool:
    """Say whether somebody named it; a name that cannot be typed is named as it is shown."""
    return typed in (name, visible(name))


def _flag(name: str) -> str:
    return f"--confirm {quote(visible(name))}"
