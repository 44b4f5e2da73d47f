"""Finds the duplicated rows of a PostgreSQL table, by either engine."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import BinaryIO

from dedupaudit.display import visible
from dedupaudit.errors import SourceError
from dedupaudit.snapshot.tokens import TokenStore
from dedupaudit.sources.tables.postgresql_asking import Asking, as_number
from dedupaudit.sources.tables.postgresql_session import Row
from dedupaudit.sources.tables.postgresql_sql import integers, qualified
from dedupaudit.sources.tables.postgresql_tokens import BITS, MASK, Counted, gathered, stream_blocks, tids
from dedupaudit.sources.tables.protocol import DuplicateRow
from dedupaudit.sources.tables.table import Table
from dedupaudit.times import parse_time

_BATCH_OF_TOKENS = 50_000
_BATCH_OF_PLACES = 20_000
# Places of rows that are held at once; more rows of some tokens than that come by the token, through a cursor.
_MOST_PLACES = 200_000
# From this version on the rows of a range of blocks are found without reading the others.
_TID_RANGES = 140_000
_ALONG_INDEX = dict.fromkeys(("enable_hashjoin", "enable_mergejoin", "enable_hashagg", "enable_seqscan"), "off")
_BY_PRIMARY_KEY = {"enable_seqscan": "off"}
# So few columns that workers are worth their while, which the planner does not know of an expression.
_BY_WORKERS = {"parallel_setup_cost": "0", "parallel_tuple_cost": "0"}
_BY_PLACE = {"enable_tidscan": "on", "enable_seqscan": "off"}


class Duplicates:
    """The duplicated rows of the tables of one source."""

    def __init__(self, ask: Asking) -> None:
        self._ask = ask
        self.counted: dict[Table, Counted] = {}
        """What was counted while tokens were streamed, and need not be counted again."""

    def rows(self, table: Table) -> Iterator[DuplicateRow]:
        """Yield every row of every key that occurs more than once, as `TableSource.duplicate_rows` does."""
        ask = self._tokens_first if self._ask.way(table).strategy == "snapshot" else self._joined
        return _whole_keys(self._ask.session.streamed(lambda: ask(table)), table)

    def rows_of(self, table: Table, ident: str) -> Iterator[DuplicateRow]:
        """Yield the rows of one ID, as `TableSource.rows_of` does."""
        found = table.where_also(self._ask.is_part_of_key(table, ident))

        def ask() -> Iterator[DuplicateRow]:
            with self._ask.running("rows of one ID", table):
                statement = self._ask.filled("rows", self._ask.fragments(found))
                yield from self._made(found, self._ask.session.stream(statement))

        return self._ask.session.streamed(ask)

    def _joined(self, table: Table) -> Iterator[DuplicateRow]:
        """Let the server find the keys and join their rows (pushdown)."""
        parts = self._ask.fragments(table)
        planner = _ALONG_INDEX if self._ask.way(table).index else {}
        with self._ask.running("duplicate keys", table, planner):
            yield from self._made(table, self._ask.session.stream(self._ask.filled("duplicate_rows_joined", parts)))

    def _tokens_first(self, table: Table) -> Iterator[DuplicateRow]:
        """Let the server hash the keys, find here which hashes repeat, and ask for the rows of those (snapshot)."""
        parts = self._ask.fragments(table)
        parts["token"] = f"({parts['token']} & {MASK})"
        blocks = self._blocks(table)
        place = None if blocks is not None else self._ask.way(table).place
        columns = ("token", "place") if place else ("token",)
        with TokenStore(self._ask.reading.memory_limit, columns, bits=BITS, hexadecimal=True) as store:
            with self._ask.running("duplicate keys", table, {"enable_tidscan": "on"}):
                if blocks is not None:
                    self.counted[table] = self._stream_blocks(table, parts, blocks, store.sink())
                else:
                    parts["place"] = f", {qualified(table, place)}::pg_catalog.int8" if place else ""
                    self._ask.session.copy(self._ask.filled("tokens", parts), store.sink())
            store.finish()
            if blocks is None:
                self.counted[table] = Counted(store.rows, store.nulls)
            if place:
                yield from self._by_key(table, parts, place, store)
                return
            for batch in store.repeated(_BATCH_OF_TOKENS):
                found = f"{parts['token']} = ANY ({integers([row[0] for row in batch])})"
                yield from self._by_tokens(table, {**parts, "found": found}, in_blocks=blocks is not None)

    def _stream_blocks(self, table: Table, parts: dict[str, str], blocks: int, sink: BinaryIO) -> Counted:
        def statement(condition: str) -> str:
            return self._ask.filled("tokens_by_blocks", {**parts, "blocks": condition})

        place = qualified(table, "ctid")
        return stream_blocks(self._ask.session, statement, place, blocks, sink, self._ask.progress)

    def _by_key(self, table: Table, parts: dict[str, str], place: str, store: TokenStore) -> Iterator[DuplicateRow]:
        """Ask for the rows of repeated tokens by an integer primary key."""
        planner = {} if table.distrust_indexes else _BY_PRIMARY_KEY
        for batch in store.repeated(_BATCH_OF_PLACES):
            found = f"{qualified(table, place)} = ANY ({integers([row[1] for row in batch])})"
            with self._ask.running("duplicate rows", table, planner):
                yield from self._made(
                    table, self._ask.session.stream(self._ask.filled("duplicate_rows", {**parts, "found": found}))
                )

    def _by_tokens(self, table: Table, parts: dict[str, str], *, in_blocks: bool) -> Iterator[DuplicateRow]:
        """Ask for the rows of some tokens: first where they are, which workers help with, then for the rows there."""
        if in_blocks:
            parts["place"], parts["limit"] = qualified(table, "ctid"), str(_MOST_PLACES + 1)
            with self._ask.running("duplicate rows", table, _BY_WORKERS):
                places = self._ask.session.rows(self._ask.filled("places", parts))
            if len(places) <= _MOST_PLACES:
                for batch in gathered(places, _BATCH_OF_PLACES):
                    found = f"{parts['place']} = ANY ({tids(batch)})"
                    with self._ask.running("duplicate rows", table, _BY_PLACE):
                        rows = self._ask.session.stream(self._ask.filled("duplicate_rows", {**parts, "found": found}))
                        yield from self._made(table, rows)
                return
        with self._ask.running("duplicate rows", table):
            yield from self._made(table, self._ask.session.stream(self._ask.filled("duplicate_rows", parts)))

    def _blocks(self, table: Table) -> int | None:
        """Return how many blocks a table lies in, or None where its rows cannot be found by block."""
        relation = self._ask.known(table).relation
        if self._ask.session.version < _TID_RANGES or relation.kind not in ("r", "m") or relation.branches:
            return None
        with self._ask.question(table):
            found = self._ask.session.rows(self._ask.filled("blocks", {"oid": str(relation.oid)}))
        return as_number(found[0][0]) if found and found[0][0] is not None else None

    def _made(self, table: Table, rows: Iterator[Row]) -> Iterator[DuplicateRow]:
        key = 1 + max(1, len(self._ask.locator(table)))
        at = key + len(table.key)
        zone = table.zone
        for row in rows:
            yield DuplicateRow(
                as_number(row[0]), row[key:at], row[1:key], parse_time(row[at], zone), row[at + 1], row[at + 2 :]
            )


def _whole_keys(rows: Iterator[DuplicateRow], table: Table) -> Iterator[DuplicateRow]:
    """Pass on the rows, and make sure that each key has as many as the server counted."""
    for first in rows:
        yield first
        rest = 1
        for row in islice(rows, first.n - 1):
            rest += 1
            yield row
        if rest < first.n:
            raise SourceError(
                f"{visible(table.label)}: a key has {first.n} rows and {rest} were found: an index is corrupt",
                "run again with --distrust-indexes, and REINDEX the table",
            )
