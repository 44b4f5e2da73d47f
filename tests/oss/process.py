"""The fake OSS in a process of its own, so that a benchmark's processor time is the client's alone."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable
from functools import partial
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any, Self, TypeVar

from tests.oss.objects import described
from tests.oss.server import REGION, FakeOss

T = TypeVar("T")


def _numbered(count: int, template: str, server: FakeOss) -> None:
    server.bucket.fill((template.format(number) for number in range(count)), described)
    server.prerender()


def numbered(count: int, template: str = "pictures/{:010}.jpg") -> Callable[[FakeOss], None]:
    """Return what fills the server's bucket with so many objects and renders the pages of its listing."""
    return partial(_numbered, count, template)


class OssProcess:
    """A fake OSS in its own process, inside a `with` block.

    What is called in it gets its FakeOss and must be importable there: a function of a module, or a `partial` of one.
    """

    def __init__(self, fill: Callable[[FakeOss], object]) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, there = context.Pipe()
        self._process = context.Process(target=_serve, args=(there, fill), name="fake OSS", daemon=True)
        self._there = there
        self.region = REGION
        self.endpoint = ""

    def call(self, function: Callable[[FakeOss], T]) -> T:
        """Call a function in the server's process and return what it returns, or raise what it raises."""
        self._pipe.send(function)
        returned: T = self._answer()
        return returned

    def counts(self) -> dict[str, int]:
        """Return the number of requests of each kind so far."""
        return self.call(_counts)

    def forget(self) -> None:
        """Empty the log and the counters."""
        self.call(FakeOss.forget)

    def cpu(self) -> float:
        """Return the processor time that the server has used, in seconds."""
        return self.call(_cpu)

    def __enter__(self) -> Self:
        self._process.start()
        self._there.close()
        try:
            self.endpoint = self._answer()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def _end(self) -> None:
        self._pipe.close()  # the server's process ends at the end of its pipe
        self._process.join(timeout=10)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
        self._process.close()

    def _answer(self) -> Any:
        try:
            fine, value = self._pipe.recv()
        except EOFError:
            raise RuntimeError("the process of the fake OSS ended early") from None
        if not fine:
            raise value
        return value


def _counts(server: FakeOss) -> dict[str, int]:
    return dict(server.counts)


def _cpu(server: FakeOss) -> float:
    return time.process_time()


def _serve(pipe: Connection, fill: Callable[[FakeOss], object]) -> None:
    with FakeOss() as server:
        call: Callable[[FakeOss], object] = partial(_begin, fill)
        while True:
            try:
                pipe.send((True, call(server)))
            except BrokenPipeError:
                return
            except Exception as error:
                pipe.send((False, error))
            try:
                call = pipe.recv()
            except EOFError:
                return


def _begin(fill: Callable[[FakeOss], object], server: FakeOss) -> str:
    fill(server)
    return server.endpoint
