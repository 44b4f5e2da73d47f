"""Which engine finds the duplicates of a PostgreSQL table, and why, in words that a DBA can check."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from dedupaudit.display import visible
from dedupaudit.sources.tables.postgresql_catalog import Description
from dedupaudit.sources.tables.postgresql_sql import token_of
from dedupaudit.sources.tables.protocol import Engine
from dedupaudit.sources.tables.table import Table

# Below so many rows a GROUP BY is done before a stream has begun.
SMALL = 200_000
# Older servers compare each row with each of a list of tokens: only a primary key finds rows there.
_HASHED_LISTS = 140_000


@dataclass(frozen=True)
class Way:
    """`index` sorts the keys (pushdown); `place` is a primary key that finds a row by number (snapshot)."""

    strategy: Literal["pushdown", "snapshot"]
    why: str
    index: str | None = None
    place: str | None = None


def choose_way(table: Table, described: Description, engine: Engine, version: int) -> Way:
    """Return how to find duplicates. `version` is the server's number: 150018 is 15.18."""
    index = _index(table, described)
    place = _place(table, described)
    grouping = "GROUP BY in PostgreSQL, " + (
        f"along index {visible(index)}" if index else "a hash or a sort of all keys (no index on them)"
    )
    unable = _unable(table, described, place, version)
    if engine == "pushdown":
        return Way("pushdown", grouping, index)
    if unable:
        asked = "snapshot is not possible" if engine == "snapshot" else "no snapshot"
        return Way("pushdown", f"{grouping}; {asked}: {unable}", index)
    streaming = "hashes of the keys were streamed out and grouped here; equality is PostgreSQL's"
    if engine == "snapshot":
        return Way("snapshot", streaming, place=place)
    if index:
        return Way("pushdown", grouping, index)
    rows = table.catalog.row_estimate
    if rows is not None and rows < SMALL:
        return Way("pushdown", f"{grouping}; about {rows:,} rows are few")
    about = f"about {rows:,} rows, no index on the key" if rows is not None else "no index on the key"
    return Way("snapshot", f"{about}: {streaming}", place=place)


def _index(table: Table, described: Description) -> str | None:
    """Return an index that begins with the key, in any order of its columns, and holds every row."""
    if table.distrust_indexes:
        return None
    names = set(table.key_names)
    for index in table.catalog.indexes:
        begins = set(index.columns[: len(names)]) == names
        if begins and index.name in described.sorted_indexes and not index.partial:
            return index.name
    return None


def _place(table: Table, described: Description) -> str | None:
    """Return a primary key of one integer column, which finds a row by a number."""
    key = table.catalog.primary_key
    if len(key) != 1 or described.types[key[0]].family != "integer":
        return None
    return key[0]


def _unable(table: Table, described: Description, place: str | None, version: int) -> str | None:
    """Say why no tokens can be streamed, or None."""
    if token_of(table, described.types) is None:
        return "a type in the key has no hash function that SQL can call"
    if version < _HASHED_LISTS and (place is None or table.distrust_indexes):
        return "PostgreSQL 13 finds rows again by a primary key of one integer alone"
    return None
