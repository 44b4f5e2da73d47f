"""What runs in the other processes: a nursery, which forks workers, and in each worker one backend.

The nursery has imported everything that is slow to import; a worker is there in a few milliseconds, clean, and ends
when its pipe does.
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any

from dedupaudit.display import visible
from dedupaudit.drill.faults import FaultyEngine, FaultyStore
from dedupaudit.drill.messages import COMMAND, Answered, CannotStart, Job, Order, Ready, Swept, Uploading
from dedupaudit.drill.protocol import Answer, Backend, Place
from dedupaudit.ingest.events import Activity
from dedupaudit.redact import scrub

_PR_SET_PDEATHSIG = 1


def nurse(control: int, parent: int, preload: str) -> None:
    """Fork workers and signal them, until there is nobody who asks; then end them all."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _die_with(parent)
    for name in preload.split(","):
        # What cannot be imported is told by the worker that needs it.
        with suppress(Exception):
            importlib.import_module(name)
    gc.freeze()
    children: set[int] = set()
    with socket.socket(fileno=control) as commands:
        while True:
            message, handles, _flags, _address = socket.recv_fds(commands, COMMAND.size, 1)
            if len(message) < COMMAND.size:
                break
            child, signum = COMMAND.unpack(message)
            if handles:
                child = _fork(handles[0], commands)
                children.add(child)
            _reap(children)
            # One that is reaped has no number any more: whoever got it next is not to be signalled.
            if child in children and signum:
                os.kill(child, signum)
            commands.sendall(COMMAND.pack(child if child in children else 0, 0))
    for child in children:
        os.kill(child, signal.SIGKILL)


def _fork(pipe: int, commands: socket.socket) -> int:
    nursery = os.getpid()
    child = os.fork()
    if child:
        os.close(pipe)
        return child
    code = 1
    try:
        commands.close()
        _die_with(nursery)
        serve(Connection(pipe))
        code = 0
    except BaseException as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        sys.stderr.flush()
    finally:
        os._exit(code)


def _reap(children: set[int]) -> None:
    for child in tuple(children):
        if os.waitpid(child, os.WNOHANG)[0]:
            children.discard(child)


def _die_with(parent: int) -> None:
    """Have the kernel end this process with its parent, where it can: a stopped process reads no pipe."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL))
    if os.getppid() != parent:
        os._exit(1)


def serve(pipe: Connection) -> None:
    """Answer orders, one at a time, until the pipe ends."""
    with suppress(EOFError, BrokenPipeError, ConnectionResetError):
        job: Job = pipe.recv()
        try:
            worker = _Worker(job, pipe)
        except Exception as error:
            pipe.send(CannotStart(_told(error)))
            return
        pipe.send(Ready())
        while True:
            message = pipe.recv()
            pipe.send(worker.answer(message) if isinstance(message, Order) else worker.sweep())


class _Worker:
    def __init__(self, job: Job, pipe: Connection) -> None:
        from dedupaudit.drill.places import open_redis, open_store

        self._pipe = pipe
        self._number = 0
        engine = job.scratch.engine()
        self._store = FaultyStore(open_store(job.objects), job.times.slow_upload, self._announce, self._wait)
        tables = {name: job.scratch.table(name) for name in ("activities", "screenshots")}
        redis = open_redis(job.redis) if job.redis else None
        place = Place(engine, self._store, job.prefix, tables, job.times, redis, job.redis_prefix, job.against)
        module, _, name = job.backend.partition(":")
        self._backend: Backend = getattr(importlib.import_module(module), name)(place)
        # The connection is made now: requests that are let go together are to arrive together.
        with engine.connect():
            pass
        self._engine = FaultyEngine(engine)

    def answer(self, order: Order) -> Answered:
        self._number = order.number
        self._store.begin(order.fault)
        self._engine.begin(order.fault)
        take: Callable[[Any], Answer] = (
            self._backend.activity if isinstance(order.event, Activity) else self._backend.screenshot
        )
        began = time.monotonic()
        try:
            answer = take(order.event)
        except Exception as error:
            answer = Answer("failed", error=_told(error))
        seconds = time.monotonic() - began
        missed = self._store.missed or self._engine.missed
        return Answered(order.number, answer, began, seconds, self._store.puts(), self._engine.deadlocks, missed)

    def sweep(self) -> Swept:
        sweep = getattr(self._backend, "sweep", None)
        try:
            if sweep:
                sweep()
        except Exception as error:
            return Swept(_told(error))
        return Swept("")

    def _announce(self) -> None:
        self._pipe.send(Uploading(self._number))

    def _wait(self) -> None:
        try:
            self._pipe.recv()
        except EOFError:
            os._exit(0)  # in mid-upload, as whoever kills a backend ends it


def _told(error: Exception) -> str:
    return visible(scrub(f"{type(error).__name__}: {error}"), 300)
