"""Starts the program as `python -m dedupaudit` does, but from an interpreter that has imported everything already.

Most of what a short run costs is imports. `python -m tests.warm` imports, opens nothing, and forks for each order; the
new process gets its streams, variables and folder, and is from there on one like any other, to its very end. The tests
of the wheel, of start-up, streams and signals start an interpreter of their own (`tests/cli/launching.py`).
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import pkgutil
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from subprocess import PIPE
from threading import Lock, Thread
from typing import Any

ROOT = Path(__file__).parent.parent
# What commands import when they need it. Not DuckDB, which complains at the end of a process that was forked with it.
_LAZY = ("csv", "psycopg2.extras", "pymysql.cursors", "rich.progress", "rich.table", "sqlite3")
# What an interpreter looks at when it starts.
_EARLY = ("LANG", "LC_", "LD_", "PYTHON")


class WarmStarter:
    """An interpreter that starts programs, several at once if need be."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self._env = dict(env)
        self._ordering = Lock()
        self._link, theirs = socket.socketpair()
        with theirs:
            # Pipes, as those of the programs will be: Python asks once what its streams can do.
            self._server = subprocess.Popen(
                [sys.executable, "-m", "tests.warm", str(theirs.fileno())],
                env=self._env,
                cwd=ROOT,
                pass_fds=[theirs.fileno()],
                stdin=PIPE,
                stdout=PIPE,
                stderr=PIPE,
            )

    def can(self, env: Mapping[str, str]) -> bool:
        """Say whether `env` differs from its own in nothing that an interpreter looks at when it starts."""
        early = {name for name in (*self._env, *env) if name.startswith(_EARLY)}
        return all(self._env.get(name) == env.get(name) for name in early)

    def run(
        self, arguments: Sequence[str], env: Mapping[str, str], cwd: Path, stdin: bytes, timeout: float
    ) -> subprocess.CompletedProcess[bytes]:
        """Run to the end. Raises subprocess.TimeoutExpired, when the program is gone."""
        order = json.dumps({"arguments": list(arguments), "env": dict(env), "cwd": str(cwd)}).encode()
        (theirs_in, into), (out, theirs_out), (err, theirs_err), (told, theirs_told) = (os.pipe() for _ in range(4))
        with self._ordering:
            socket.send_fds(
                self._link, [len(order).to_bytes(8, "big")], [theirs_in, theirs_out, theirs_err, theirs_told]
            )
            self._link.sendall(order)
        for fd in (theirs_in, theirs_out, theirs_err, theirs_told):
            os.close(fd)
        Thread(target=_write, args=(into, stdin), daemon=True).start()
        read = [_Reading(out), _Reading(err)]
        with open(told, "rb", buffering=0) as status:
            pid = int(status.readline())
            in_time = bool(select.select([status], [], [], timeout)[0])
            if not in_time:
                os.kill(pid, signal.SIGKILL)
            code = int(status.readline())
        output, errors = (one.whole() for one in read)
        if not in_time:
            raise subprocess.TimeoutExpired(list(arguments), timeout, output, errors)
        return subprocess.CompletedProcess(list(arguments), code, output, errors)

    def close(self) -> None:
        """End the interpreter."""
        self._link.close()
        self._server.communicate()


class _Reading(Thread):
    def __init__(self, fd: int) -> None:
        super().__init__(daemon=True)
        self._fd, self._data = fd, b""
        self.start()

    def run(self) -> None:
        with open(self._fd, "rb") as stream:
            self._data = stream.read()

    def whole(self) -> bytes:
        self.join()
        return self._data


def _write(fd: int, data: bytes) -> None:
    try:
        with open(fd, "wb", buffering=0) as stream:
            stream.write(data)
    except BrokenPipeError:
        pass  # the program did not want it


# ---- the warm interpreter


def _serve(link: socket.socket) -> bool:
    """Fork for each order; return True in each child, which is then the program, and False at the end."""
    while True:
        head, fds, _flags, _address = socket.recv_fds(link, 8, 4)
        if not head:
            return False
        length, order = int.from_bytes(head, "big"), b""
        while len(order) < length:
            order += link.recv(length - len(order))
        if not os.fork():
            link.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            if pid := os.fork():
                _watch(pid, *fds)
            _become(json.loads(order), fds)
            return True
        for fd in fds:
            os.close(fd)


def _watch(pid: int, stdin: int, stdout: int, stderr: int, told: int) -> None:
    """Tell the number of a process, and its exit code when it has ended; does not return."""
    for fd in (stdin, stdout, stderr):
        os.close(fd)
    os.write(told, b"%d\n" % pid)
    _pid, status = os.waitpid(pid, 0)
    os.write(told, b"%d\n" % os.waitstatus_to_exitcode(status))
    os._exit(0)


def _become(order: dict[str, Any], fds: Sequence[int]) -> None:
    """Take the streams, the variables and the folder of a new program."""
    import tempfile
    import time

    *streams, told = fds
    for number, fd in enumerate(streams):
        os.dup2(fd, number)
        os.close(fd)
    os.close(told)
    os.environ.clear()
    os.environ.update(order["env"])
    os.chdir(order["cwd"])
    time.tzset()
    tempfile.tempdir = None
    sys.argv = [str(ROOT / "dedupaudit" / "__main__.py"), *order["arguments"]]
    # Processes that it starts by itself take it for `python -m dedupaudit`.
    sys.modules["__main__"].__spec__ = importlib.util.find_spec("dedupaudit.__main__")


def import_everything() -> None:
    """Import all that the program may need, so that what is forked from here on costs no import."""
    import dedupaudit

    for module in pkgutil.walk_packages(dedupaudit.__path__, "dedupaudit."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    for name in _LAZY:
        importlib.import_module(name)
    # What is there stays: no process looks through it again, not even at its end.
    gc.freeze()
    assert len(os.listdir("/proc/self/task")) == 1, "a process with threads is not to be forked"


if __name__ == "__main__":
    import_everything()
    # Nobody waits for those that watch.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    if _serve(socket.socket(fileno=int(sys.argv[1]))):
        from dedupaudit.main import main

        main()
