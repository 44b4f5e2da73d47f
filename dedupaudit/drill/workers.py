"""The backend's processes, seen from the clients': made by a nursery, told by a pipe each, killed, stopped, woken."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Self

from dedupaudit.display import visible
from dedupaudit.drill.messages import COMMAND, FromWorker, Job, ToWorker
from dedupaudit.errors import RunFailed
from dedupaudit.redact import scrub

# Isolated (-I), and told where to import from: a `redis.py` beside the user's files is not to be run.
_START = (
    "import sys; sys.path[:] = sys.argv[4:]; from dedupaudit.drill.serving import nurse; "
    "nurse(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3])"
)
_PRELOADED = (
    "dedupaudit.drill.engines", "dedupaudit.drill.shipped", "dedupaudit.drill.places", "dedupaudit.ingest.constraints",
    "sqlalchemy.dialects.sqlite", "sqlalchemy.dialects.postgresql.psycopg2", "sqlalchemy.dialects.mysql.pymysql",
    "psycopg2.extras", "encodings.idna",
)  # fmt: skip
_TAIL = 2000


@dataclass(eq=False)
class Worker:
    """One process. `request` is the number of the one that it works on; `stopped`, whether it sleeps by SIGSTOP."""

    process: int
    pipe: Connection
    request: int | None = None
    stopped: bool = False

    def tell(self, message: ToWorker | Job) -> None:
        """Send a message; that the process is gone is learned where its answer is received."""
        with suppress(OSError):
            self.pipe.send(message)

    def hear(self) -> FromWorker | None:
        """Receive the next message; None where the process has ended."""
        try:
            message: FromWorker = self.pipe.recv()
        except (EOFError, OSError):
            return None
        return message


class Nursery:
    """The process that forks the workers; it has imported what they need. Ends with the block, and they with it."""

    def __init__(self, preload: tuple[str, ...] = ()) -> None:
        ours, theirs = socket.socketpair()
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 (closed by `close`)
        paths = [os.path.abspath(path) for path in sys.path if path]
        words = [str(theirs.fileno()), str(os.getpid()), ",".join((*_PRELOADED, *preload)), *paths]
        with theirs:
            # In a session of its own: Ctrl-C at the terminal is this process's to answer.
            self._process = subprocess.Popen(  # noqa: S603 (this program itself)
                [sys.executable, "-I", "-c", _START, *words],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=self._errors,
                pass_fds=(theirs.fileno(),),
                start_new_session=True,
            )
        self._commands = ours

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def make(self, job: Job) -> Worker:
        """Make a worker and tell it its job; it says Ready or CannotStart."""
        ours, theirs = Pipe()
        try:
            with theirs:
                process = self._ask(0, 0, theirs)
        except BaseException:
            ours.close()
            raise
        worker = Worker(process, ours)
        worker.tell(job)
        return worker

    def signal(self, worker: Worker, signum: signal.Signals) -> None:
        """Send a signal; one that has ended gets none."""
        self._ask(worker.process, signum)

    def close(self) -> None:
        """End the nursery and, by SIGKILL, all its workers."""
        self._commands.close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._errors.close()

    def told(self) -> str:
        """Return the end of what the processes wrote to stderr, for a message."""
        size = self._errors.seek(0, os.SEEK_END)
        self._errors.seek(max(0, size - _TAIL))
        lines = self._errors.read().decode("utf-8", "replace").strip().splitlines()
        return visible(scrub(lines[-1]), 300) if lines else ""

    def _ask(self, process: int, signum: int, pipe: Connection | None = None) -> int:
        command = COMMAND.pack(process, signum)
        try:
            if pipe is None:
                self._commands.sendall(command)
            else:
                socket.send_fds(self._commands, [command], [pipe.fileno()])
            answer = self._commands.recv(COMMAND.size, socket.MSG_WAITALL)
        except OSError:
            answer = b""
        if len(answer) < COMMAND.size:
            raise RunFailed(
                f"the process that makes the drill's workers ended: {self.told() or 'it did not say why'}",
                "was it killed, or is the memory short? run again",
            )
        child: int = COMMAND.unpack(answer)[0]
        return child


class Workers:
    """So many workers of one job. One that ended or is stopped is replaced, so that there are always as many."""

    def __init__(self, nursery: Nursery, job: Job, number: int) -> None:
        self._nursery = nursery
        self._job = job
        self.all: dict[int, Worker] = {}
        """By the number of the file that their pipe is."""
        for _ in range(number):
            self.add()

    def add(self) -> Worker:
        """Make one more."""
        worker = self._nursery.make(self._job)
        self.all[worker.pipe.fileno()] = worker
        return worker

    def kill(self, worker: Worker) -> None:
        """End a worker at once, whatever it does; its pipe then ends."""
        self._nursery.signal(worker, signal.SIGKILL)

    def stop(self, worker: Worker) -> None:
        """Put a worker to sleep."""
        worker.stopped = True
        self._nursery.signal(worker, signal.SIGSTOP)

    def wake(self, worker: Worker) -> None:
        """Wake a worker; it is as it was."""
        worker.stopped = False
        self._nursery.signal(worker, signal.SIGCONT)

    def forget(self, worker: Worker) -> None:
        """Close the pipe of a worker, which then ends where it has not."""
        self.all.pop(worker.pipe.fileno(), None)
        worker.pipe.close()

    def close(self) -> None:
        """End them all, and return when they have ended: what one of them still did would be the next job's."""
        ending = tuple(self.all.values())
        for worker in ending:
            self.kill(worker)
        for worker in ending:
            while worker.hear() is not None:
                continue
            self.forget(worker)
