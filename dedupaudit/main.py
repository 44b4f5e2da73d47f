"""Where the program begins and ends: signals, exit codes, and what is said of a failure. The only sys.exit."""

from __future__ import annotations

import errno
import io
import os
import signal
import sys
from contextlib import suppress
from types import FrameType
from typing import NoReturn, TextIO

import click

from dedupaudit.errors import AuditError, Cancelled, ExitCode
from dedupaudit.interrupt import Interrupt, Runtime

_SIGPIPE = 141
# What writing to a full disk, or to a stream that is closed or was opened for reading, fails with.
_UNWRITABLE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF)


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run the command line and exit with the contract's code."""
    runtime = Runtime()
    _watch_signals(runtime.interrupt)
    _prepare_streams()
    try:
        code = run(arguments, runtime)
    except BrokenPipeError:
        _abandon(sys.stdout)
        _abandon(sys.stderr)
        code = _SIGPIPE
    except Cancelled as cancelled:
        code = 128 + cancelled.signum
    sys.exit(code)


def run(arguments: list[str] | None, runtime: Runtime) -> int:
    """Run one command and return its exit code; lets only a closed pipe and a signal through."""
    from dedupaudit.commands.cli import cli

    stdout = sys.stdout
    try:
        # Commands return their exit code; --help and --version return None or 0.
        code = int(cli.main(args=arguments, prog_name="dedupaudit", standalone_mode=False, obj=runtime) or 0)
        sys.stdout.flush()
        return code
    except (BrokenPipeError, Cancelled):
        raise
    except SystemExit:
        # On a closed pipe click wraps stdout and ends with 1, which here means findings.
        if sys.stdout is not stdout:
            raise BrokenPipeError from None
        raise
    except click.exceptions.NoArgsIsHelpError as error:
        _say(error.format_message())
        return ExitCode.USAGE
    except click.Abort:
        return 128 + signal.SIGINT
    except click.ClickException as error:
        return _complain(_escaped(error.format_message()), _usage_hint(error), ExitCode.USAGE)
    except AuditError as error:
        _trace(runtime)
        return _complain(error.message, error.hint, error.exit_code)
    except Exception as error:  # noqa: BLE001 (a crash: the contract's 70)
        _trace(runtime)
        if isinstance(error, OSError) and _is_of_a_stream(error):
            _abandon(sys.stdout)
            return _complain(
                f"standard output could not be written in full: {error.strerror}",
                "free some space, or name a file by -o FILE",
                ExitCode.INCOMPLETE,
            )
        return _complain(
            _escaped(f"a defect in dedupaudit: {type(error).__name__}: {error}"),
            "" if runtime.verbose else "run again with -v for the traceback, and report it",
            ExitCode.CRASH,
        )


def _usage_hint(error: click.ClickException) -> str:
    context = getattr(error, "ctx", None)
    return f"see `{context.command_path} --help`" if context else "see `dedupaudit --help`"


def _complain(message: str, hint: str, code: int) -> int:
    """Say on stderr what happened and what to do next; both are escaped already."""
    from dedupaudit.redact import scrub

    _say(scrub(f"dedupaudit: {message}") + (scrub(f"\n  hint: {hint}") if hint else ""))
    return int(code)


def _say(text: str) -> None:
    """Write to stderr; where that is full, the exit code alone has to say it."""
    try:
        click.echo(text, err=True)
    except BrokenPipeError:
        raise
    except OSError:
        _abandon(sys.stderr)


def _escaped(text: str) -> str:
    """Return text of click's or of a crash, in which what the user typed stands as it was typed."""
    from dedupaudit.display import escape

    return "\n".join(map(escape, text.split("\n")))


def _trace(runtime: Runtime) -> None:
    if runtime.verbose:
        import traceback

        from dedupaudit.redact import scrub

        # A driver's own message may hold a foreign value as it is.
        _say(_escaped(scrub(traceback.format_exc().rstrip("\n"))))


def _watch_signals(interrupt: Interrupt) -> None:
    """Turn the signals that end a program into Cancelled, so that a report can still say what was seen."""

    def cancel(signum: int, _frame: FrameType | None) -> None:
        # Only the first: a second one would end the clean-up that the first began, and leave a statement on a server.
        # A repair puts off even the first one, to finish its chunk; who asks twice does not want to wait.
        if interrupt.signum is None or interrupt.is_deferred:
            again, interrupt.signum = interrupt.signum is not None, signum
            if again or not interrupt.is_deferred:
                interrupt.is_deferred = False
                raise Cancelled(signum)

    signal.set_wakeup_fd(interrupt.wakeup_fd(), warn_on_full_buffer=False)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # nohup means what it says; but a script's shell ignores SIGINT for whatever it starts with `&`, and a signal
        # that was sent to this very process must stop it.
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, cancel)


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


def _abandon(stream: TextIO) -> None:
    """Point a stream that takes no more elsewhere, so that Python's flush at exit has nothing to say."""
    with suppress(OSError, ValueError):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, stream.fileno())
