"""All that goes to stderr: lines of text for people, or with `--log-json` a JSON object a line, each with a stable id.

docs/log-json.md lists the ids; programs rely on them.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import threading
import warnings
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TextIO

from dedupaudit.redact import scrub

if TYPE_CHECKING:
    from dedupaudit.errors import AuditError

TYPES: Mapping[str, str] = {
    "crash": "error",
    "interrupted": "error",
    "output.stdout": "error",
    "usage.bad_value": "error",
    "usage.missing": "error",
    "usage.no_command": "error",
    "usage.no_such_option": "error",
    "coverage.failed": "failure",
    "coverage.stopped": "failure",
    "notify.failed": "failure",
    "history.failed": "failure",
    "repair.incomplete": "failure",
    "migrate.incomplete": "failure",
    "announcement": "notice",
    "offer": "notice",
    "plan": "notice",
    "plan.part_of_report": "notice",
    "init.written": "notice",
    "demo.checked": "notice",
    "demo.plan": "notice",
    "demo.next": "notice",
    "remark": "remark",
    "confirm": "question",
    "progress.started": "progress",
    "progress.advanced": "progress",
    "progress.finished": "progress",
    "python.warning": "warning",
    "library": "warning",
}
"""The type of each id; those of errors that end the program stand in their classes (`AuditError.id`)."""

_YES = ("1", "true", "t", "yes", "y", "on")

_speaks_json = False


def asked_for_json(arguments: Sequence[str], environ: Mapping[str, str]) -> bool:
    """Say whether `--log-json` is among arguments that nobody has parsed yet: an error in them is told in JSON too."""
    options = arguments[: arguments.index("--")] if "--" in arguments else arguments
    return "--log-json" in options or environ.get("DEDUPAUDIT_LOG_JSON", "").strip().lower() in _YES


def speak_json() -> None:
    """From now on write JSON, and have whatever else Python would write to stderr come as JSON too."""
    global _speaks_json
    if _speaks_json:
        return
    _speaks_json = True

    def warned(message: Warning | str, *_where: object, **_more: object) -> None:
        _write("python.warning", str(message), {})

    warnings.showwarning = warned
    logging.getLogger().addHandler(_Library(logging.WARNING))
    # What was raised where nobody could catch it: in a thread, or while an object went away.
    sys.unraisablehook = lambda told: _write("library", f"{type(told.exc_value).__name__}: {told.exc_value}", {})
    threading.excepthook = lambda told: _write("library", f"{told.exc_type.__name__}: {told.exc_value}", {})


def speaks_json() -> bool:
    """Say whether stderr is JSON."""
    return _speaks_json


class _Library(logging.Handler):
    """Takes what a library logs, which Python would print."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record as a line."""
        _write("library", record.getMessage(), {"logger": record.name})


def say(ident: str, message: str, **facts: object) -> None:
    """Say a sentence beside the report; `facts` are further fields for programs."""
    if _speaks_json:
        _write(ident, message, facts)
    else:
        _echo(scrub(f"dedupaudit: {message}"))


def show(ident: str, lines: Sequence[str], **facts: object) -> None:
    """Show lines as they stand: what is asked or told beside the report."""
    if _speaks_json:
        _write(ident, "\n".join(lines).strip("\n"), facts)
        return
    for line in lines:
        _echo(scrub(line))


def complain(ident: str, message: str, hint: str, exit_code: int, traceback: str = "") -> None:
    """Say what happened and what to do next; all of it is escaped already."""
    if _speaks_json:
        facts: dict[str, object] = {"hint": hint or None, "exit_code": int(exit_code)}
        _write(ident, message, facts | ({"traceback": traceback} if traceback else {}), kind="error")
        return
    if traceback:
        _echo(scrub(traceback))
    _echo(scrub(f"dedupaudit: {message}") + (scrub(f"\n  hint: {hint}") if hint else ""))


def complain_of(error: AuditError, exit_code: int, traceback: str = "") -> None:
    """Say what an error says. The exit code is its own, or that of a signal that came before it."""
    complain(error.id, error.message, error.hint, exit_code, traceback)


def question(text: str) -> None:
    """Ask something whose answer is typed on the same line."""
    if _speaks_json:
        _write("confirm", text, {})
    else:
        _echo(scrub(f"{text}: "), nl=False)


def end_of_answer() -> None:
    """End the line on which nobody answered a question."""
    if not _speaks_json:
        _echo("")


def abandon(stream: TextIO) -> None:
    """Point a stream that takes no more elsewhere, so that Python's flush at exit has nothing to say."""
    with suppress(OSError, ValueError):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, stream.fileno())


def _write(ident: str, message: str, facts: Mapping[str, object], kind: str | None = None) -> None:
    at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    line = {"type": kind or TYPES[ident], "id": ident, "at": at, "message": message, **facts}
    # ASCII: in a stream of another encoding a character would be written as Python's escape, which is no JSON.
    _echo(json.dumps(_scrubbed(line), ensure_ascii=True, default=str))


def _scrubbed(value: object) -> object:
    """Return a value without secrets, text by text: in the finished line a mask could swallow a quote."""
    if isinstance(value, str):
        return scrub(value)
    if isinstance(value, Mapping):
        return {scrub(str(name)): _scrubbed(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_scrubbed(one) for one in value]
    return value


def _echo(text: str, *, nl: bool = True) -> None:
    """Write to stderr; where that is full, the exit code alone has to say it."""
    import click

    try:
        click.echo(text, err=True, nl=nl)
    except BrokenPipeError:
        raise
    except OSError:
        abandon(sys.stderr)
