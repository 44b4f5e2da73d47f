"""Finds the tokens that repeat among millions: what a server streams out goes in as lines, what repeats comes out.

A token is a hash that the server makes of a key. No key and no other foreign value is in a temporary file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import pairwise
from types import TracebackType
from typing import BinaryIO

from dedupaudit.snapshot.engine import Engine, explained
from dedupaudit.snapshot.intake import Intake, read_lines

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
        self._intake = self._begin(hexadecimal)
        self.rows = 0
        """Lines that came in; known after `finish`."""
        self.nulls = 0
        """Lines without a token; known after `finish`."""

    def _begin(self, hexadecimal: bool) -> Intake:
        written = {"token": "VARCHAR" if hexadecimal else "BIGINT"}
        token = "('0x' || token)::BIGINT" if hexadecimal else "token"
        values = ", ".join(token if column == "token" else column for column in self._columns)
        with explained(self._engine.folder):
            listed = ", ".join(f"{column} BIGINT" for column in self._columns)
            self._engine.connection.execute(f"CREATE TABLE tokens ({listed})")
        lines = read_lines({column: written.get(column, "BIGINT") for column in self._columns})
        return Intake(self._engine, f"INSERT INTO tokens SELECT {values} FROM {lines}")  # noqa: S608 (own names)

    def __enter__(self) -> TokenStore:
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _value: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        self.close()

    def sink(self) -> BinaryIO:
        """Return where the lines go. Writes raise SourceError where a temporary file cannot be written."""
        return self._intake.sink()

    def finish(self) -> None:
        """Take in the last line."""
        self._intake.finish()
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
        self._intake.abandon()
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
