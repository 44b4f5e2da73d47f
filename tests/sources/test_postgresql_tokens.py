"""What the stream of tokens counts, and how the places of rows are handed on."""

from __future__ import annotations

import io
from collections import Counter
from typing import cast

from hypothesis import given
from hypothesis import strategies as st

from dedupaudit.progress import SILENT
from dedupaudit.sources.tables import postgresql_tokens
from dedupaudit.sources.tables.postgresql_session import Session
from dedupaudit.sources.tables.postgresql_tokens import Counted, gathered, stream_blocks, tids
from dedupaudit.sources.tables.protocol import Value

PLACES = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 99).map(lambda number: f"(0,{number})")), max_size=40)


@given(places=PLACES, least=st.integers(1, 10))
def test_the_rows_of_one_token_are_in_one_batch(places: list[tuple[int, str]], least: int) -> None:
    batches = list(gathered(cast("list[tuple[Value, ...]]", places), least))
    assert Counter(place for batch in batches for place in batch) == Counter(place for _token, place in places)
    assert all(len(batch) >= least for batch in batches[:-1])
    homes = [{token for token, place in places if place in batch} for batch in batches]
    tokens = Counter(token for token, _place in places)
    sizes = [sum(tokens[token] for token in home) for home in homes]
    assert all(size >= len(batch) for size, batch in zip(sizes, batches, strict=True))


def test_places_are_one_literal() -> None:
    assert tids(["(0,1)", "(7,2)"]) == '\'{"(0,1)","(7,2)"}\'::pg_catalog.tid[]'


class Recorded:
    """Answers each range with the same three rows, and notes what it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def allow(self, _started: float) -> None:
        """Take as long as you like."""

    def rows(self, statement: str) -> list[tuple[Value, ...]]:
        self.asked.append(statement)
        return [(3, 2, "ab\ncd")]


def test_every_block_is_in_one_range_and_the_last_has_no_end() -> None:
    session, sink = Recorded(), io.BytesIO()
    blocks = 2 * postgresql_tokens._BLOCKS + 1
    counted = stream_blocks(cast(Session, session), lambda condition: condition, "t.ctid", blocks, sink, SILENT)
    step = postgresql_tokens._BLOCKS
    assert session.asked == [
        f"t.ctid >= '(0,0)'::pg_catalog.tid AND t.ctid < '({step},0)'::pg_catalog.tid",
        f"t.ctid >= '({step},0)'::pg_catalog.tid AND t.ctid < '({2 * step},0)'::pg_catalog.tid",
        f"t.ctid >= '({2 * step},0)'::pg_catalog.tid",
    ]
    assert sink.getvalue() == b"ab\ncd\n" * 3
    assert counted == Counted(9, 3)


def test_an_empty_table_is_asked_once_all_the_same() -> None:
    session = Recorded()
    stream_blocks(cast(Session, session), lambda condition: condition, "ctid", 0, io.BytesIO(), SILENT)
    assert session.asked == ["ctid >= '(0,0)'::pg_catalog.tid"]
