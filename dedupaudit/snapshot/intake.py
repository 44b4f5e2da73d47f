"""Takes lines into the embedded engine: pieces of the stream are loaded while the next one comes in."""

from __future__ import annotations

import io
from contextlib import ExitStack, suppress
from pathlib import Path
from queue import Queue
from threading import Event, Thread
from types import TracebackType
from typing import TYPE_CHECKING, BinaryIO

from dedupaudit.interrupt import held
from dedupaudit.snapshot.engine import Engine, explained

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

_PIECE = 8_000_000
_BUFFER = 1_000_000


class Intake:
    """A stream of lines into one table. A context manager, whose end without an error takes in the last line."""

    def __init__(self, engine: Engine, insert: str) -> None:
        """`insert` is a statement with one parameter: the path of a file of whole lines."""
        self._folder = engine.folder
        self._loader = _Loader(engine, insert)
        self._sink: io.BufferedWriter[_Pieces] = io.BufferedWriter(_Pieces(engine.folder, self._loader), _BUFFER)

    def __enter__(self) -> Intake:
        return self

    def __exit__(
        self, failed: type[BaseException] | None, _value: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        try:
            if failed is None:
                self.finish()
        finally:
            self.abandon()

    def sink(self) -> BinaryIO:
        """Return where the lines go. Writes raise SourceError where a temporary file cannot be written."""
        return self._sink

    def write(self, lines: bytes) -> None:
        """Take whole lines."""
        self._sink.write(lines)

    def finish(self) -> None:
        """Take in the last line."""
        with explained(self._folder):
            self._sink.flush()
            self._sink.detach().close()
        self._loader.finish()

    def abandon(self) -> None:
        """End without loading what is left; after `finish` nothing is."""
        self._loader.abandon()


class _Pieces(io.RawIOBase):
    """Cuts the stream at line ends into files that are loaded while the next one is written."""

    def __init__(self, folder: Path, loader: _Loader) -> None:
        self._folder = folder
        self._loader = loader
        self._number = 0
        self._held: list[bytes] = []
        self._size = 0

    def writable(self) -> bool:
        return True

    def write(self, chunk: ReadableBuffer) -> int:
        block = bytes(chunk)
        self._held.append(block)
        self._size += len(block)
        if self._size >= _PIECE:
            whole, separator, rest = b"".join(self._held).rpartition(b"\n")
            self._held, self._size = [rest], len(rest)
            self._put(whole + separator)
        return len(block)

    def close(self) -> None:
        if not self.closed and self._size:
            self._put(b"".join(self._held))
            self._held, self._size = [], 0
        super().close()

    def _put(self, lines: bytes) -> None:
        if not lines:
            return
        self._number += 1
        path = self._folder / f"piece-{id(self)}-{self._number}"
        with explained(self._folder):
            path.write_bytes(lines)
        self._loader.load(path)


class _Loader:
    """Loads one piece after the other in a thread: the engine works while the next bytes come in."""

    def __init__(self, engine: Engine, insert: str) -> None:
        self._engine = engine
        self._insert = insert
        self._failure: BaseException | None = None
        # Few, so that a slow disk slows the stream down and does not fill with pieces.
        self._queue: Queue[Path | None] = Queue(maxsize=4)
        # Begun with the first piece, when somebody has it to end: it must not outlive the engine that it works with.
        self._thread = Thread(target=self._run, name="load", daemon=True)
        # Not its own word: CPython 3.11 takes a thread for ended whose join() a signal broke off.
        self._ended = Event()

    def load(self, path: Path) -> None:
        # What a writer held back comes when it is collected, maybe after the end.
        self._complain()
        if self._thread.ident is None:
            with held():
                self._thread.start()
        self._queue.put(path)
        self._complain()

    def finish(self) -> None:
        if self._thread.ident is not None:
            self._queue.put(None)
            self._ended.wait()
        self._complain()

    def abandon(self) -> None:
        """End the thread without loading what is left."""
        self._failure = self._failure or RuntimeError("abandoned")
        if self._thread.ident is not None and not self._ended.is_set():
            with held():
                self._engine.connection.interrupt()
                self._queue.put(None)
                self._ended.wait()

    def _complain(self) -> None:
        if self._failure is not None:
            raise self._failure

    def _run(self) -> None:
        try:
            with ExitStack() as stack:
                self._load(stack)
        finally:
            self._ended.set()

    def _load(self, stack: ExitStack) -> None:
        connection = None
        while (path := self._queue.get()) is not None:
            if self._failure is None:
                try:
                    with explained(self._engine.folder):
                        # A connection is used by one thread at a time; this one is the loader's own.
                        connection = connection or stack.enter_context(self._engine.connection.cursor())
                        connection.execute(self._insert, [str(path)])
                except BaseException as error:  # noqa: BLE001 (raised again in the thread that reads)
                    self._failure = error
            with suppress(OSError):  # it goes with its folder
                path.unlink()


def read_lines(columns: dict[str, str]) -> str:
    """Return SQL that reads a file of lines, its path as the parameter, into columns of these types.

    A folder named `key=1` is no column `key`.
    """
    types = ", ".join(f"'{name}': '{kind}'" for name, kind in columns.items())
    return (
        "read_csv(?, delim = '\\t', header = false, quote = '', escape = '', nullstr = '\\N', auto_detect = false,"
        f" hive_partitioning = false, columns = {{{types}}})"
    )
