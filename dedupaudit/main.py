"""Where the program begins and ends: signals, exit codes, and what is said of a failure. The only sys.exit."""

from __future__ import annotations

import errno
import io
import os
import signal
import sys
from types import FrameType
from typing import TYPE_CHECKING, NoReturn

from dedupaudit.errors import AuditError, Cancelled, ExitCode
from dedupaudit.interrupt import Interrupt, Runtime, is_held, stop
from dedupaudit.saying import abandon, asked_for_json, complain, complain_of, show, speak_json, speaks_json

if TYPE_CHECKING:
    import click

_SIGPIPE = 141
_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# What writing to a full disk, or to a stream that is closed or was opened for reading, fails with.
_UNWRITABLE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF)


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run the command line and exit with the contract's code."""
    runtime = Runtime()
    try:
        _watch_signals(runtime.interrupt)
        code = _ended(arguments, runtime)
        _leave_signals()
    except Cancelled as cancelled:
        code = _interrupted(cancelled.signum)
        _leave_signals()
    sys.exit(code)


def _ended(arguments: list[str] | None, runtime: Runtime) -> int:
    """Run the command line with streams that can be written to, and return the exit code; lets a signal through."""
    _prepare_streams()
    if asked_for_json(sys.argv[1:] if arguments is None else arguments, os.environ):
        speak_json()
    try:
        return run(arguments, runtime)
    except BrokenPipeError:
        abandon(sys.stdout)
        abandon(sys.stderr)
        return _SIGPIPE


def run(arguments: list[str] | None, runtime: Runtime) -> int:
    """Run one command and return its exit code; lets only a closed pipe and a signal through."""
    # Heavy ones are imported once a signal has a handler: before that Ctrl-C would end in Python's own traceback.
    import click

    from dedupaudit.commands.cli import cli

    stdout = sys.stdout
    try:
        # Commands return their exit code; --help and --version return None or 0.
        code = int(cli.main(args=arguments, prog_name="dedupaudit", standalone_mode=False, obj=runtime) or 0)
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        raise
    except SystemExit:
        # On a closed pipe click wraps stdout and ends with 1, which here means findings.
        if sys.stdout is not stdout:
            raise BrokenPipeError from None
        raise
    except click.exceptions.NoArgsIsHelpError as error:
        if speaks_json():
            complain("usage.no_command", "no command was given", _usage_hint(error), ExitCode.USAGE)
        else:
            show("usage.no_command", [error.format_message()])
        return ExitCode.USAGE
    except click.Abort:
        return 128 + signal.SIGINT
    except click.ClickException as error:
        from dedupaudit.commands.mistyped import explained

        message, hint = explained(error)
        complain(_usage_id(error), _escaped(message), _escaped(hint), ExitCode.USAGE)
        return ExitCode.USAGE
    except AuditError as error:
        signum = runtime.interrupt.signum
        code = error.exit_code if signum is None else 128 + signum
        complain_of(error, code, _trace(runtime))
        return code
    except Exception as error:  # noqa: BLE001 (a crash: the contract's 70)
        if (signum := runtime.interrupt.signum) is not None:
            # A library in C made an error of its own of what the signal's handler raised.
            raise Cancelled(signum) from error
        return _crashed(error, runtime)


def _crashed(error: Exception, runtime: Runtime) -> int:
    """Say what ended the program that is no failure of its own, and return the exit code."""
    if isinstance(error, OSError) and _is_of_a_stream(error):
        abandon(sys.stdout)
        complain(
            "output.stdout",
            f"standard output could not be written in full: {error.strerror}",
            "free some space, or name a file by -o FILE",
            ExitCode.INCOMPLETE,
            _trace(runtime),
        )
        return ExitCode.INCOMPLETE
    complain(
        "crash",
        _escaped(f"a defect in dedupaudit: {type(error).__name__}: {error}"),
        "" if runtime.verbose else "run again with -v for the traceback, and report it",
        ExitCode.CRASH,
        _trace(runtime),
    )
    return ExitCode.CRASH


def _interrupted(signum: int) -> int:
    """Return a signal's exit code. Who sent it knows of it; a program that reads the lines has to be told."""
    code = 128 + signum
    if speaks_json():
        complain("interrupted", f"stopped by {signal.Signals(signum).name}", "", code)
    return code


def _usage_id(error: click.ClickException) -> str:
    """Return the id of click's own errors."""
    import click

    if isinstance(error, click.NoSuchOption):
        return "usage.no_such_option"
    if isinstance(error, click.MissingParameter):
        return "usage.missing"
    return "usage.bad_value" if isinstance(error, click.BadParameter) else "usage"


def _usage_hint(error: click.ClickException) -> str:
    context = getattr(error, "ctx", None)
    return f"see `{context.command_path} --help`" if context else "see `dedupaudit --help`"


def _escaped(text: str) -> str:
    """Return text of click's or of a crash, in which what the user typed stands as it was typed."""
    from dedupaudit.display import escape

    return "\n".join(map(escape, text.split("\n")))


def _trace(runtime: Runtime) -> str:
    """Return the traceback of the error at hand where -v asks for it."""
    if not runtime.verbose:
        return ""
    import traceback

    from dedupaudit.redact import scrub

    # A driver's own message may hold a foreign value as it is.
    return _escaped(scrub(traceback.format_exc().rstrip("\n")))


def _watch_signals(interrupt: Interrupt) -> None:
    """Turn the signals that end a program into Cancelled, so that a report can still say what was seen."""

    def cancel(signum: int, _frame: FrameType | None) -> None:
        # Only the first: a second one would end the clean-up that the first began, and leave a statement on a server.
        # A repair puts off even the first one, to finish its chunk; who asks twice does not want to wait.
        if interrupt.signum is None or interrupt.is_deferred or is_held():
            again, interrupt.signum = interrupt.signum is not None, signum
            if again or not interrupt.is_deferred:
                interrupt.is_deferred = False
                stop(signum, at_once=again)

    signal.set_wakeup_fd(interrupt.wakeup_fd(), warn_on_full_buffer=False)
    for number in _ENDING:
        # nohup means what it says; but a script's shell ignores SIGINT for whatever it starts with `&`, and a signal
        # that was sent to this very process must stop it.
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, cancel)


def _leave_signals() -> None:
    """End the process without a word on any further signal: nobody is left to catch what a handler raises."""
    for number in _ENDING:
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)


def _prepare_streams() -> None:
    """Make a closed stream the null device, and write a character that a stream cannot say as an escape."""
    if sys.stdout is None:
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 (lives as long as the process)
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
    if isinstance(getattr(sys.stdout, "buffer", None), io.RawIOBase):
        # PYTHONUNBUFFERED: text over a raw file loses the rest of what was written in part, without a word.
        sys.stdout = open(sys.stdout.fileno(), "w", encoding=sys.stdout.encoding, closefd=False)  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def _is_of_a_stream(error: OSError) -> bool:
    """Say whether a write to a standard stream failed: an error about a file names the file."""
    return error.errno in _UNWRITABLE and error.filename is None
