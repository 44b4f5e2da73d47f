"""One table as it is audited: the configuration laid over the catalog. Every name in it exists."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, tzinfo

from dedupaudit.sources.tables.catalog import Catalog, Column
from dedupaudit.times import parse_time


@dataclass(frozen=True)
class Upload:
    """The columns of an upload's state; `status` is always there, the rest where the table has them."""

    status: Column
    object_key: Column | None = None
    object_url: Column | None = None
    size: Column | None = None
    etag: Column | None = None
    retry_count: Column | None = None
    updated: Column | None = None

    @property
    def object_columns(self) -> tuple[Column, ...]:
        """What the completed row is believed about, when rows of one upload differ."""
        return tuple(column for column in (self.object_key, self.object_url, self.size, self.etag) if column)

    @property
    def merged_columns(self) -> frozenset[str]:
        """Names of the columns that have a merge rule."""
        rest = (self.status, self.retry_count)
        return frozenset(column.name for column in (*self.object_columns, *rest) if column)


@dataclass(frozen=True)
class ObjectColumns:
    """The columns in which a row speaks of its object; at least one of the first three is there."""

    object_key: Column | None = None
    object_url: Column | None = None
    status: Column | None = None
    size: Column | None = None
    etag: Column | None = None
    updated: Column | None = None


@dataclass(frozen=True)
class Table:
    """A table to audit. `name` is the configured one, `source` the database's.

    With `distrust_indexes` no question about it may be answered from an index.
    """

    source: str
    name: str
    catalog: Catalog
    key: tuple[Column, ...]
    compared: tuple[Column, ...]
    key_why: str = ""
    device: Column | None = None
    time: Column | None = None
    group: Column | None = None
    upload: Upload | None = None
    objects: ObjectColumns | None = None
    where: str | None = None
    zone: tzinfo = UTC
    distrust_indexes: bool = False

    def where_also(self, condition: str) -> Table:
        """Return the table with fewer rows: those for which a condition in the database's SQL holds as well."""
        return replace(self, where=f"({self.where}\n) AND ({condition})" if self.where else condition)

    @property
    def label(self) -> str:
        """`db.activities`: how reports name it."""
        return f"{self.source}.{self.name}"

    @property
    def key_names(self) -> tuple[str, ...]:
        """The real column names of the key."""
        return tuple(column.name for column in self.key)

    @property
    def key_never_null(self) -> bool:
        """Whether the catalog keeps NULL out of every part of the key."""
        return not any(column.nullable for column in self.key)


def extent_of(ends: Sequence[object], table: Table) -> tuple[int, int] | None:
    """Return two times of a table in microseconds since the epoch; None where one is none."""
    first, last = (parse_time(end, table.zone) for end in ends)
    return None if first is None or last is None else (first, last)
