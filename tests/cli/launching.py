"""Starts the program as `run` cannot: on a pseudo-terminal, with other streams, in the background to be signalled."""

from __future__ import annotations

import fcntl
import os
import pty
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any

from tests.conftest import ROOT, Completed

PROGRAM = (sys.executable, "-m", "dedupaudit")
_PATIENCE = 60.0  # seconds that a busy machine may take for what takes one


@contextmanager
def started(
    arguments: Sequence[str | os.PathLike[str]], env: Mapping[str, str], cwd: Path, **streams: Any
) -> Iterator[subprocess.Popen[bytes]]:
    """Start the program; at the end of the block it is gone, whatever it was doing."""
    command = [*PROGRAM, *[os.fspath(argument) for argument in arguments]]
    streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **streams}
    process: subprocess.Popen[bytes]
    with subprocess.Popen(command, env=dict(env), cwd=cwd, **streams) as process:
        try:
            yield process
        finally:
            process.kill()


def completed(process: subprocess.Popen[bytes]) -> Completed:
    out, err = process.communicate(timeout=_PATIENCE)
    return Completed(process.returncode, out or b"", err or b"")


def burn(process: subprocess.Popen[bytes], seconds: float) -> None:
    """Wait until the process has worked for so many seconds of CPU time from now."""
    end, until = _cpu_seconds(process.pid) + seconds, time.monotonic() + _PATIENCE
    while _cpu_seconds(process.pid) < end:
        assert process.poll() is None, completed(process)
        assert time.monotonic() < until, "it does not work"
        time.sleep(0.05)


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def default_signals() -> None:
    """Undo, between fork and exec, what the shell of this test run may have had ignored."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def on_terminal(
    arguments: Sequence[str | os.PathLike[str]],
    env: Mapping[str, str],
    cwd: Path,
    terminals: Sequence[str] = ("stdout", "stderr"),
    columns: int = 80,
) -> Completed:
    r"""Run the program with these streams on terminals of their own; `\r\n`, the terminal's doing, is `\n` again."""
    masters: dict[str, int] = {}
    slaves: dict[str, int] = {}
    for name in terminals:
        masters[name], slaves[name] = pty.openpty()
        fcntl.ioctl(slaves[name], termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    streams: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **slaves}
    with started(arguments, env, cwd, **streams) as process:
        for slave in slaves.values():
            os.close(slave)
        seen: dict[str, bytes] = {}
        readers = [Thread(target=_read, args=(name, master, seen)) for name, master in masters.items()]
        for reader in readers:
            reader.start()
        done = completed(process)
        for reader in readers:
            reader.join(_PATIENCE)
    for master in masters.values():
        os.close(master)
    plain = {name: text.replace(b"\r\n", b"\n") for name, text in seen.items()}
    return Completed(done.code, plain.get("stdout", done.out), plain.get("stderr", done.err))


def _read(name: str, master: int, seen: dict[str, bytes]) -> None:
    text = b""
    while True:
        try:
            piece = os.read(master, 65536)
        except OSError:  # Linux's way to say that the other end was closed
            break
        if not piece:
            break
        text += piece
    seen[name] = text


def with_checkout(env: Mapping[str, str], *folders: Path) -> dict[str, str]:
    """Return the environment in which Python finds this checkout, and before it the modules in `folders`."""
    return {**env, "PYTHONPATH": os.pathsep.join(map(str, (*folders, ROOT)))}
