"""Reads blocks of logs in other processes: Python uses one processor alone, and millions of lines are many.

A process is this program's own Python, started with a pipe to either side. It ends when the pipe does, so none outlives
this one, whatever ends it.
"""

from __future__ import annotations

import gc
import os
import pickle
import subprocess
import sys
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from queue import SimpleQueue
from typing import IO, Any, NamedTuple
from zoneinfo import ZoneInfo

from dedupaudit.errors import SourceError
from dedupaudit.sources.logs.blocks import Block
from dedupaudit.sources.logs.clock import Clock
from dedupaudit.sources.logs.protocol import Encoding, LogFile, Span
from dedupaudit.sources.logs.reading import Reading

_MOST = 4
# Isolated (-I), and told where to import from: a `re.py` beside the logs is not to be run.
_START = "import sys; sys.path[:] = sys.argv[1:]; from dedupaudit.sources.logs.side_by_side import serve; serve()"

Start = tuple[str, str, int | None, frozenset[str] | None, Span]
"""What reading a file begins with: its name, the zone, when it was written to, the wanted events, the span."""


class Task(NamedTuple):
    """Some blocks of one file, and what is known of the file so far."""

    number: int
    start: Start
    encoding: Encoding
    blocks: list[Block]


def processors() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def read_side_by_side(tasks: Iterator[Task], files: Sequence[LogFile]) -> Iterator[bytes]:
    """Yield the lines of all tasks, in no order of files that may be relied on; `files` learn how many events they had.

    Raises SourceError where a process dies.
    """
    workers = min(_MOST, processors())
    idle: SimpleQueue[_Process] = SimpleQueue()
    started = [_Process() for _ in range(workers)]
    for process in started:
        idle.put(process)

    def work(task: Task) -> tuple[int, int, bytes]:
        process = idle.get()
        try:
            events, lines = process.ask(task)
        finally:
            idle.put(process)
        return task.number, events, lines

    pool = ThreadPoolExecutor(workers, "logs")
    try:
        running: deque[Future[tuple[int, int, bytes]]] = deque()
        for task in tasks:
            running.append(pool.submit(work, task))
            if len(running) > 2 * workers:
                yield _taken(running, files)
        while running:
            yield _taken(running, files)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        for process in started:
            process.end()


def _taken(running: deque[Future[tuple[int, int, bytes]]], files: Sequence[LogFile]) -> bytes:
    number, events, lines = running.popleft().result()
    files[number].events += events
    return lines


class _Process:
    def __init__(self) -> None:
        command = [sys.executable, "-I", "-c", _START, *(os.path.abspath(path) for path in sys.path if path)]
        self._process = subprocess.Popen(  # noqa: S603 (this program itself)
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, pipesize=1 << 20, start_new_session=True
        )

    def ask(self, task: Task) -> tuple[int, bytes]:
        """Return how many events the blocks have, and their lines."""
        assert self._process.stdin and self._process.stdout  # noqa: S101 (pipes were asked for)
        try:
            _send(self._process.stdin, task)
            events, lines = _received(self._process.stdout)
        except (OSError, EOFError, pickle.UnpicklingError) as error:
            raise SourceError(
                "a process that reads logs ended early", "was it killed, or is the memory short? run again"
            ) from error
        return events, lines

    def end(self) -> None:
        """End the process, whatever it does."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe:
                try:
                    pipe.close()
                except OSError:
                    continue  # what was not sent is wanted no more


def serve() -> None:
    """Answer tasks until there are no more; this is what the other process runs."""
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)  # millions of small values and no cycle, as in running.py
    source, target = sys.stdin.buffer, sys.stdout.buffer
    readings: dict[int, Reading] = {}
    while True:
        try:
            task = _received(source)
        except EOFError:
            return
        number, (name, zone, written, wanted, span), encoding, blocks = task
        if number not in readings:
            readings.clear()  # files come one after the other
            readings[number] = Reading(LogFile(name), Clock(ZoneInfo(zone), written), wanted)
        reading = readings[number]
        reading.file.encoding = encoding
        found = [reading.lines(block, number, span) for block in blocks]
        try:
            _send(target, (sum(events for events, _ in found), b"".join([lines for _, lines in found])))
        except BrokenPipeError:
            return


def _send(pipe: IO[bytes], message: object) -> None:
    pickle.dump(message, pipe, pickle.HIGHEST_PROTOCOL)
    pipe.flush()


def _received(pipe: IO[bytes]) -> tuple[Any, ...]:
    message: tuple[Any, ...] = pickle.load(pipe)  # noqa: S301 (what this program's other half wrote)
    return message
