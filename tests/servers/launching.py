"""What the private servers share: a folder, a free port, and a process that does not outlive the tests."""

from __future__ import annotations

import ctypes
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

_PREFIX = "dedupaudit-server"
_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None, use_errno=True)
START_SECONDS = 60.0


class Missing(Exception):
    """A server's program is not installed."""

    def __init__(self, program: str, package: str) -> None:
        super().__init__(f"{program} is not installed; the tests need it: apt-get install {package}")


def account(name: str) -> pwd.struct_passwd | None:
    """Return the user to run a server as where this is root (servers refuse root), else nothing."""
    return pwd.getpwnam(name) if os.getuid() == 0 else None


def new_folder(server: str, owner: pwd.struct_passwd | None) -> Path:
    """Make a server's folder, and remove those whose test process was killed before it could."""
    for left in Path(tempfile.gettempdir()).glob(f"{_PREFIX}-*"):
        named = re.match(rf"{_PREFIX}-(\d+)-", left.name)
        if named and not Path("/proc", named[1]).exists():
            shutil.rmtree(left, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}-{os.getpid()}-{server}-"))
    if owner:
        os.chown(folder, owner.pw_uid, owner.pw_gid)
    return folder


def free_port() -> int:
    """Return a port on 127.0.0.1 that nothing listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def run_program(argv: Sequence[str | Path], owner: pwd.struct_passwd | None, cwd: Path) -> None:
    """Run a program to its end; its output is told only where it fails."""
    done = subprocess.run(
        [os.fspath(word) for word in argv],
        cwd=cwd,
        env=_environment(cwd),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
        user=owner.pw_uid if owner else None,
        group=owner.pw_gid if owner else None,
        extra_groups=[] if owner else None,
    )
    assert done.returncode == 0, f"{argv[0]} failed:\n{done.stdout.decode(errors='replace')}"


def start_program(
    argv: Sequence[str | Path], owner: pwd.struct_passwd | None, cwd: Path, log: Path, farewell: signal.Signals
) -> subprocess.Popen[bytes]:
    """Start a server that gets `farewell` from the kernel when this process ends, however it ends."""
    parent = os.getpid()

    def die_with_parent() -> None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, int(farewell))
        if os.getppid() != parent:
            os._exit(1)

    with log.open("ab") as output:
        return subprocess.Popen(
            [os.fspath(word) for word in argv],
            cwd=cwd,
            env=_environment(cwd),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            # In a group of its own: Ctrl-C at the terminal ends the tests, which then end the server.
            process_group=0,
            preexec_fn=die_with_parent,
            user=owner.pw_uid if owner else None,
            group=owner.pw_gid if owner else None,
            extra_groups=[] if owner else None,
        )


def wait_until_up(
    process: subprocess.Popen[bytes], log: Path, try_it: Callable[[], object], not_yet: type[Exception]
) -> None:
    """Try until it works; a server that ended, or that never answers, fails with its log."""
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            try_it()
        except not_yet as error:
            over = process.poll() is not None or time.monotonic() > deadline
            if over:
                raise AssertionError(f"the server did not start:\n{log.read_text(errors='replace')[-4000:]}") from error
            time.sleep(0.02)
        else:
            return


def end_process(process: subprocess.Popen[bytes] | None, how: signal.Signals) -> None:
    """Send a signal and wait for the end; what does not end is killed."""
    if process is None or process.poll() is not None:
        return
    process.send_signal(how)
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def children_of(process: int) -> list[int]:
    """Return the processes that a process started and that it has not yet seen end."""
    return [int(child) for child in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


def _environment(home: Path) -> dict[str, str]:
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C.UTF-8", "TZ": "UTC", "HOME": str(home)}
