"""Streams one token a row out of a PostgreSQL table, block range by block range, and counts its rows meanwhile.

A statement a range, whose answer is one text: for the server, the driver and this process that is a fraction of what
a message for each row costs (bench/RESULTS.md).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import BinaryIO

from dedupaudit.progress import Progress
from dedupaudit.sources.tables.postgresql_session import Session
from dedupaudit.sources.tables.protocol import Value

BITS = 40
"""How wide a token is: in a thousand million rows, half a million pairs share one by chance."""
MASK = (1 << BITS) - 1

# About 16 MB of a table, 2 MB of tokens: enough that a statement's own cost does not count.
_BLOCKS = 2_000


@dataclass(frozen=True)
class Counted:
    """What the stream counted: rows, and rows whose key has a NULL part."""

    rows: int
    nulls: int


def stream_blocks(
    session: Session, statement: Callable[[str], str], place: str, blocks: int, sink: BinaryIO, progress: Progress
) -> Counted:
    """Write the tokens of all blocks into `sink`. `statement` makes the query of a condition on `place`, the ctid.

    The last range has no end: what was added since `blocks` was asked for is not in the snapshot, what was before is.
    """
    counted = whole = 0
    started = time.monotonic()
    bounds: list[int | None] = [*range(0, max(blocks, 1), _BLOCKS), None]
    for first, end in pairwise(bounds):
        session.allow(started)
        condition = f"{place} >= '({first},0)'::pg_catalog.tid"
        if end is not None:
            condition += f" AND {place} < '({end},0)'::pg_catalog.tid"
        rows, with_key, tokens = session.rows(statement(condition))[0]
        counted += int(str(rows))
        whole += int(str(with_key))
        if isinstance(tokens, str):
            sink.write(tokens.encode("ascii"))
            sink.write(b"\n")
        progress.advance_to(counted)
    return Counted(counted, counted - whole)


def gathered(places: Sequence[tuple[Value, ...]], least: int) -> Iterator[list[str]]:
    """Yield the places of (token, place), at least `least` at a time; those of one token are never apart."""
    batch: list[str] = []
    by_token: dict[Value, list[str]] = {}
    for token, place in places:
        by_token.setdefault(token, []).append(str(place))
    for same in by_token.values():
        batch += same
        if len(batch) >= least:
            yield batch
            batch = []
    if batch:
        yield batch


def tids(places: Sequence[str]) -> str:
    """Return an array of row places as SQL."""
    return "'{" + ",".join(f'"{place}"' for place in places) + "}'::pg_catalog.tid[]"
