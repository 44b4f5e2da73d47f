"""What commands that change a database share when they answer: where the report goes, its width, what to type next."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, TextIO

import click
from click.core import ParameterSource

from dedupaudit.display import visible

if TYPE_CHECKING:
    from dedupaudit.config import Settings

_WIDEST = 120
"""Columns of a line of prose: a longer one is not read."""


def width_of(stream: TextIO) -> int:
    """Return the columns of a stream: a pipe and a file have COLUMNS or 80."""
    try:
        columns = os.get_terminal_size(stream.fileno()).columns
    except (OSError, ValueError):
        told = os.environ.get("COLUMNS", "")
        columns = int(told) if told.isdecimal() else 0
    return min(columns or 80, _WIDEST)


def refuse_output(settings: Settings, *read: tuple[str, Path]) -> None:
    """Raise where the report cannot be written, or would take the place of what is read; before anything is done."""
    from dedupaudit.commands.outputs import is_same_file, refuse_inputs
    from dedupaudit.errors import Refused
    from dedupaudit.reports.write import check_writable

    refuse_inputs(settings)
    output = settings.options.output
    if output == "-":
        return
    for kind, path in read:
        if is_same_file(Path(output), path):
            raise Refused(
                f"--output {visible(output)} is {kind} that is read here: it would be overwritten", "name another file"
            )
    check_writable(Path(output))


def answer(settings: Settings, lines: Callable[[int], Sequence[str]], document: Callable[[], object]) -> None:
    """Write what came of it where -o says: lines of a given width for people, or a document for programs."""
    from dedupaudit.redact import scrub
    from dedupaudit.repair.telling import as_json
    from dedupaudit.reports.write import write_report

    options = settings.options
    path = None if options.output == "-" else Path(options.output)
    if options.format == "json":
        told = [as_json(document())]
    else:
        told = [scrub(line) for line in lines(width_of(sys.stdout) if path is None else 80)]

    def render(out: TextIO) -> None:
        out.writelines(f"{line}\n" for line in told)

    write_report(path, render)


def where() -> str:
    """Return the options that name the database, as they were typed, for a command to be typed next."""
    context = click.get_current_context()
    words = []
    for name in ("db", "config"):
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            given = context.params[name]
            words += [f" --{name} {quote(visible(str(one), 400))}" for one in (given if name == "db" else [given])]
    return "".join(words)


def file_word(path: str) -> str:
    """Return a file's name as a word of a command."""
    return quote(visible(f"./{path}" if path.startswith("-") else path, 400))


def tell_plan(lines: Sequence[str], *, aside: bool) -> None:
    """Tell what a plan comes to: on stdout, or on stderr where stdout has the plan or its SQL."""
    from dedupaudit.saying import show

    if aside:
        show("plan", lines)
    else:
        print_lines(lines)


def print_lines(lines: Iterable[str]) -> None:
    """Write lines on stdout as they come."""
    from dedupaudit.redact import scrub

    for line in lines:
        sys.stdout.write(scrub(line) + "\n")
    sys.stdout.flush()
