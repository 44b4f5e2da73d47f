"""Opens a database as the audit does, and resolves one of its tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from dedupaudit.config import DatabaseSettings, Settings, TableSettings
from dedupaudit.interrupt import Interrupt
from dedupaudit.progress import SILENT
from dedupaudit.sources.tables import open_source
from dedupaudit.sources.tables.protocol import ObjectRow, TableSource
from dedupaudit.sources.tables.resolve import resolve
from dedupaudit.sources.tables.table import Table
from dedupaudit.urls import parse_database_url


@contextmanager
def opened(url: str, settings: TableSettings | None = None, name: str = "t") -> Iterator[tuple[TableSource, Table]]:
    """Open a database and return its source with one table."""
    database = DatabaseSettings("db", parse_database_url(url))
    source = open_source(database, Interrupt(), SILENT)
    configuration = Settings(databases=(database,), tables={name: settings or TableSettings(key=("id",))})
    try:
        yield source, resolve(source, name, configuration)
    finally:
        source.close()


def all_rows(
    source: TableSource, table: Table, fields: Sequence[str] = (), keys: Sequence[str] | None = None
) -> list[ObjectRow]:
    """Return what object_rows yields, of all batches."""
    columns = [column for name in fields if (column := table.catalog.column(name))]
    assert len(columns) == len(fields)
    batches = list(source.object_rows(table, columns, keys))
    assert all(batches)
    return [row for batch in batches for row in batch]
