"""Tables and rows made by hand, for what the checks do with facts that no database here would give them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dedupaudit.sources.tables.catalog import Catalog, Column, Index
from dedupaudit.sources.tables.protocol import DuplicateRow, Value
from dedupaudit.sources.tables.table import Table, Upload

ID = Column("id", "TEXT")
UPLOAD_COLUMNS = ("status", "oss_key", "oss_url", "file_size", "etag", "retry_count")


def table_of(
    *names: str, json: Sequence[str] = (), time: bool = False, group: bool = False, upload: bool = False
) -> Table:
    """Return a table keyed by id that compares the named columns."""
    compared = tuple(Column(name, "TEXT", json=name in json) for name in names)
    by_name = {column.name: column for column in compared}
    return Table(
        source="db",
        name="t",
        catalog=Catalog("t", '"t"', "table", (ID, *compared)),
        key=(ID,),
        compared=compared,
        time=Column("created_at", "INTEGER") if time else None,
        group=Column("type", "TEXT") if group else None,
        upload=Upload(
            status=by_name.get("status") or Column("status", "TEXT"),
            object_key=by_name.get("oss_key"),
            object_url=by_name.get("oss_url"),
            size=by_name.get("file_size"),
            etag=by_name.get("etag"),
            retry_count=by_name.get("retry_count"),
        )
        if upload
        else None,
    )


def same(column: Column, first: Value, second: Value) -> bool:
    """Compare as a source does that has no JSON."""
    return type(first) is type(second) and first == second


def group_of(
    key: Value, rows: Sequence[tuple[int | None, Value]], values: tuple[Value, ...] = ()
) -> Iterator[DuplicateRow]:
    """Yield the rows of one key, each with its time (microseconds) and kind."""
    for number, (at, kind) in enumerate(rows):
        yield DuplicateRow(len(rows), (key,), (number,), at, kind, values)


def index_of(*columns: str | None, **more: object) -> Index:
    """Return a unique index over the columns, each with the default collation, unless `more` says otherwise."""
    given: dict[str, object] = {
        "name": "i",
        "columns": columns,
        "collations": ("BINARY",) * len(columns),
        "unique": True,
        **more,
    }
    return Index(**given)  # type: ignore[arg-type]
