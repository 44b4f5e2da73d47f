"""Runs several iterators in threads of their own and yields what comes, so that waiting for a server overlaps."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from queue import Empty, Full, Queue
from threading import Event, Lock, Thread
from typing import Generic, TypeVar

from dedupaudit.interrupt import Interrupt

T = TypeVar("T")
_GLANCE = 0.1
_FAREWELL = 2.0


def side_by_side(jobs: Sequence[Callable[[], Iterator[T]]], threads: int, interrupt: Interrupt) -> Iterator[T]:
    """Yield the items of all jobs, of at most `threads` at once; the first failure of any is raised.

    A signal is noticed while every thread waits for its server. Few items are held: a slow consumer slows the jobs.
    """
    crew = _Crew(jobs, min(threads, len(jobs)))
    try:
        yield from crew.items(interrupt)
    finally:
        crew.dismiss()


class _Crew(Generic[T]):
    def __init__(self, jobs: Sequence[Callable[[], Iterator[T]]], threads: int) -> None:
        self._jobs = iter(jobs)
        self._next = Lock()
        self._stop = Event()
        self._out: Queue[tuple[T] | BaseException | None] = Queue(maxsize=2 * max(threads, 1))
        # Daemons: one that hangs in a dead connection must not keep the process from ending.
        self._threads = [Thread(target=self._work, name="list", daemon=True) for _ in range(threads)]
        for thread in self._threads:
            thread.start()

    def items(self, interrupt: Interrupt) -> Iterator[T]:
        working = len(self._threads)
        while working:
            interrupt.check()
            try:
                item = self._out.get(timeout=_GLANCE)
            except Empty:
                continue
            if item is None:
                working -= 1
            elif isinstance(item, BaseException):
                raise item
            else:
                yield item[0]

    def dismiss(self) -> None:
        self._stop.set()
        with suppress(Empty):
            while True:
                self._out.get_nowait()
        until = time.monotonic() + _FAREWELL
        for thread in self._threads:
            thread.join(timeout=max(0.0, until - time.monotonic()))

    def _work(self) -> None:
        try:
            while not self._stop.is_set():
                with self._next:
                    job = next(self._jobs, None)
                if job is None:
                    break
                for item in job():
                    if not self._put((item,)):
                        return
        except BaseException as error:  # noqa: BLE001 (raised again in the thread that reads)
            self._put(error)
        self._put(None)

    def _put(self, item: tuple[T] | BaseException | None) -> bool:
        while not self._stop.is_set():
            with suppress(Full):
                self._out.put(item, timeout=_GLANCE)
                return True
        return False
