"""Bytes of the key against what one entry of an index may hold."""

from __future__ import annotations

from collections.abc import Iterator

from dedupaudit.display import visible
from dedupaudit.migrate.facts import Facts
from dedupaudit.migrate.plan import Concern
from dedupaudit.migrate.preflight.base import Asked, key_of, note, quote, refusal, rows_where, warning

_LARGEST = 3_072
"""Bytes of a whole key in InnoDB, whatever the row format."""

_BY_TYPE = ("mysql", "mariadb")
"""They judge by the declared length, when the index is made; the others by each value."""


def look(facts: Facts, asked: Asked) -> Iterator[Concern]:
    """Refuse a key that does not fit; warn of one that later values may not fit."""
    if facts.key_limit is None or not all(column.indexable for column in facts.key):
        return
    if facts.product in _BY_TYPE:
        yield from _by_type(facts, asked, facts.key_limit)
    else:
        yield from _by_value(facts, asked, facts.key_limit)


def _by_type(facts: Facts, asked: Asked, limit: int) -> Iterator[Concern]:
    """Judge as InnoDB: each column has a limit of its row format, and the whole key the largest of these."""
    worst = max(facts.key, key=lambda column: float("inf") if column.most is None else column.most)
    most = sum(column.most or 0 for column in facts.key)
    place = f"an index of {visible(asked.table)} holds"
    if worst.most is None:
        message = (
            f"column {visible(worst.name)} is {visible(worst.declared)}, without a limit, and {place} {limit:,} bytes"
        )
    elif worst.most > limit:
        format_ = f" (row format {visible(facts.row_format)})" if facts.row_format else ""
        message = (
            f"column {visible(worst.name)} takes up to {worst.most:,} bytes, and {place} {limit:,} of each{format_}"
        )
    elif most > _LARGEST:
        message = f"the key {key_of(asked)} takes up to {most:,} bytes, and {place} {_LARGEST:,}"
    else:
        return
    longest = f"; its longest value has {worst.longest:,} bytes" if worst.longest is not None else ""
    dynamic = (
        f", or ALTER TABLE {asked.quoted} ROW_FORMAT=DYNAMIC, which takes {_LARGEST:,}" if limit < _LARGEST else ""
    )
    yield refusal(
        message,
        f"make {quote(facts.product, worst.name)} shorter, a VARCHAR(n) that its values fit{longest}{dynamic}; a prefix"
        " index is no answer, it calls different IDs equal",
    )


def _by_value(facts: Facts, asked: Asked, limit: int) -> Iterator[Concern]:
    longest = sum(column.longest or 0 for column in facts.key)
    # PostgreSQL 15 takes 2,692 bytes in one column: an entry has a header, and each long value a length.
    beside = 8 + 4 * len(facts.key)
    open_ended = [column for column in facts.key if column.most is None or column.most + beside > limit]
    if longest + beside > limit:
        worst = max(facts.key, key=lambda column: column.longest or 0)
        name = quote(facts.product, worst.name)
        yield refusal(
            f"the longest key {key_of(asked)} of {visible(asked.table)} has {longest:,} bytes, and an entry of an index"
            f" holds {limit - beside:,}",
            f"see them: {rows_where(asked, f'ORDER BY octet_length({name}::text) DESC LIMIT 10')};"
            " an ID is not that long: something else got into the column",
        )
    elif open_ended and longest > limit // 2:
        yield warning(
            f"the longest key {key_of(asked)} of {visible(asked.table)} has {longest:,} bytes; once the index stands,"
            f" an INSERT of more than {limit - beside:,} fails (SQLSTATE 54000)",
            "limit the length where the rows come from, or by a CHECK",
        )
    elif open_ended:
        yield note(
            f"column {visible(open_ended[0].name)} of {visible(asked.table)} is {visible(open_ended[0].declared)}: once"
            f" the index stands, an INSERT of a key of more than {limit - beside:,} bytes fails (SQLSTATE 54000)"
        )
