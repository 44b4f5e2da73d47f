"""Finds the tokens that repeat among millions: what a server streams out goes in as lines, what repeats comes out.

A token is a hash that the server makes of a key. No key and no other foreign value is in a temporary file.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path
from queue import Queue
from threading import Thread
from types import TracebackType
from typing import TYPE_CHECKING, BinaryIO

from dedupaudit.snapshot.engine import Engine, explained

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

_PIECE = 8_000_000
_BUFFER = 1_000_000
# A hash table of so many tokens fits the memory limit, and what it takes does not depend on how many rows there are.
_PART = 2_000_000


class TokenStore:
    r"""Lines of a token and what finds its row, all 64-bit integers; NULL is `\N`, and repeats nothing.

    Tokens that are `bits` wide are not negative. `hexadecimal` ones are written so: servers do that faster.
    """

    def __init__(
        self, memory_limit: int, columns: Sequence[str] = ("token",), *, bits: int = 64, hexadecimal: bool = False
    ) -> None:
        self._columns = tuple(columns)
        self._first = -(2**63) if bits == 64 else 0
        self._bits = bits
        self._engine = Engine(memory_limit)
        self._loader = _Loader(self._engine, self._columns, hexadecimal)
        self._sink: io.BufferedWriter[_Pieces] = io.BufferedWriter(_Pieces(self._engine.folder, self._loader), _BUFFER)
        self.rows = 0
        """Lines that came in; known after `finish`."""
        self.nulls = 0
        """Lines without a token; known after `finish`."""

    def __enter__(self) -> TokenStore:
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _value: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        self.close()

    def sink(self) -> BinaryIO:
        """Return where the lines go. Writes raise SourceError where a temporary file cannot be written."""
        return self._sink

    def finish(self) -> None:
        """Take in the last line."""
        with explained(self._engine.folder):
            self._sink.flush()
            self._sink.detach().close()
        self._loader.finish()
        with explained(self._engine.folder):
            found = self._engine.connection.execute("SELECT COUNT(*), COUNT(token) FROM tokens").fetchone()
        if found:
            self.rows, self.nulls = found[0], found[0] - found[1]

    def repeated(self, batch: int) -> Iterator[list[tuple[int, ...]]]:
        """Yield the tokens that occur more than once, or the lines of these tokens where rows can be found by them.

        A batch has at least `batch` rows unless it is the last; all rows of a token are in one.
        """
        listed = ", ".join(self._columns)
        repeated = "SELECT token FROM tokens WHERE token BETWEEN $low AND $high GROUP BY token HAVING COUNT(*) > 1"
        statement = f"{repeated} ORDER BY token"
        if len(self._columns) > 1:
            statement = (
                f"SELECT {listed} FROM tokens SEMI JOIN ({repeated}) USING (token)"  # noqa: S608 (own names)
                f" WHERE token BETWEEN $low AND $high ORDER BY {listed}"
            )
        # Hashes are spread evenly, so that the parts are about equal; a table of all of them would not fit the memory.
        parts = max(1, -(-self.rows // _PART))
        bounds = [self._first + (part << self._bits) // parts for part in range(parts + 1)]
        fetches = (self._fetch(statement, low, high - 1) for low, high in pairwise(bounds))
        yield from _batches((rows for fetch in fetches for rows in iter(partial(fetch, batch), [])), batch)

    def _fetch(self, statement: str, low: int, high: int) -> Callable[[int], list[tuple[int, ...]]]:
        with explained(self._engine.folder):
            found = self._engine.connection.execute(statement, {"low": low, "high": high})

        def fetch(rows: int) -> list[tuple[int, ...]]:
            with explained(self._engine.folder):
                return found.fetchmany(rows)

        return fetch

    def close(self) -> None:
        """Drop everything, finished or not."""
        self._loader.abandon()
        self._engine.close()


def _batches(fetched: Iterator[list[tuple[int, ...]]], batch: int) -> Iterator[list[tuple[int, ...]]]:
    held: list[tuple[int, ...]] = []
    for rows in fetched:
        held += rows
        # The last token may go on in what was not fetched yet.
        last = held[-1][0]
        cut = next((place for place in range(len(held), 0, -1) if held[place - 1][0] != last), 0)
        if cut >= batch:
            yield held[:cut]
            held = held[cut:]
    if held:
        yield held


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
        path = self._folder / f"piece-{self._number}"
        with explained(self._folder):
            path.write_bytes(lines)
        self._loader.load(path)


class _Loader:
    """Loads one piece after the other in a thread: the engine works while the next bytes come in."""

    def __init__(self, engine: Engine, columns: Sequence[str], hexadecimal: bool) -> None:
        self._engine = engine
        written = {"token": "VARCHAR" if hexadecimal else "BIGINT"}
        types = ", ".join(f"'{column}': '{written.get(column, 'BIGINT')}'" for column in columns)
        token = "('0x' || token)::BIGINT" if hexadecimal else "token"
        values = ", ".join(token if column == "token" else column for column in columns)
        self._insert = (
            f"INSERT INTO tokens SELECT {values} FROM read_csv(?, delim = '\\t', header = false, quote = '',"  # noqa: S608 (own names)
            f" escape = '', nullstr = '\\N', auto_detect = false, columns = {{{types}}})"
        )
        self._failure: BaseException | None = None
        # Few, so that a slow disk slows the stream down and does not fill with pieces.
        self._queue: Queue[Path | None] = Queue(maxsize=4)
        with explained(engine.folder):
            engine.connection.execute(f"CREATE TABLE tokens ({', '.join(f'{column} BIGINT' for column in columns)})")
        self._thread = Thread(target=self._run, name="load", daemon=True)
        self._thread.start()

    def load(self, path: Path) -> None:
        self._queue.put(path)
        self._complain()

    def finish(self) -> None:
        self._queue.put(None)
        self._thread.join()
        self._complain()

    def abandon(self) -> None:
        """End the thread without loading what is left."""
        if self._thread.is_alive():
            self._failure = self._failure or RuntimeError("abandoned")
            self._engine.connection.interrupt()
            self._queue.put(None)
            self._thread.join()

    def _complain(self) -> None:
        if self._failure is not None:
            raise self._failure

    def _run(self) -> None:
        # A connection is used by one thread at a time; this one is the loader's own.
        connection = self._engine.connection.cursor()
        while (path := self._queue.get()) is not None:
            if self._failure is None:
                try:
                    with explained(self._engine.folder):
                        connection.execute(self._insert, [str(path)])
                except BaseException as error:  # noqa: BLE001 (raised again in the thread that reads)
                    self._failure = error
            path.unlink(missing_ok=True)
        connection.close()
