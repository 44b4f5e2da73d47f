"""What a database's catalog says of one table: plain facts, the same for every dialect."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

TableKind = Literal["table", "view", "materialized view", "foreign table", "virtual"]


@dataclass(frozen=True, slots=True)
class Column:
    """One column. `bytewise` says that the database compares it by its bytes and not by a looser collation."""

    name: str
    declared: str
    nullable: bool = True
    generated: bool = False
    json: bool = False
    auto_increment: bool = False
    collation: str = ""
    bytewise: bool = True


@dataclass(frozen=True, slots=True)
class Index:
    """One index. A column is None where the index holds an expression; `prefix` means that it holds a part of a value.

    `valid` and `ready` are PostgreSQL's two flags; elsewhere an index that exists is both.
    """

    name: str
    columns: tuple[str | None, ...]
    collations: tuple[str, ...] = ()
    unique: bool = False
    primary: bool = False
    valid: bool = True
    ready: bool = True
    partial: bool = False
    prefix: bool = False


@dataclass(frozen=True, slots=True)
class Catalog:
    """One table as the catalog describes it. `name` is shown to people, `quoted` goes into SQL."""

    name: str
    quoted: str
    kind: TableKind
    columns: tuple[Column, ...]
    primary_key: tuple[str, ...] = ()
    indexes: tuple[Index, ...] = ()
    row_estimate: int | None = None

    def column(self, name: str) -> Column | None:
        """Return the column of that name: the exact one, else the only one that differs in case alone."""
        for column in self.columns:
            if column.name == name:
                return column
        alike = [column for column in self.columns if column.name.lower() == name.lower()]
        return alike[0] if len(alike) == 1 else None


def shortfall(index: Index, key: tuple[Column, ...]) -> str | None:
    """Say why a unique index does not keep `key` unique, or None where it truly does.

    A subset of the key's columns is enough (what is unique in a part is unique in the whole); a superset is not.
    """
    names = {column.name for column in key}
    if not index.unique:
        return "it is not unique"
    if not index.valid or not index.ready:
        return "it is not valid: the build that made it failed"
    if index.partial:
        return "it is partial and covers only some rows"
    if any(column is None for column in index.columns):
        return "it is on an expression, not on the column"
    if index.prefix:
        return "it compares only the first characters of a value"
    extra = [column for column in index.columns if column not in names]
    if extra:
        return f"it also holds {', '.join(str(column) for column in extra)}, so one ID may repeat"
    return _finer_collation(index, key)


def _finer_collation(index: Index, key: tuple[Column, ...]) -> str | None:
    columns = {column.name: column for column in key}
    for name, collation in zip(index.columns, index.collations, strict=False):
        column = columns[str(name)]
        if not column.bytewise and collation != column.collation:
            return f"it compares {column.name} by {collation}, the column by {column.collation}"
    return None


def guard(catalog: Catalog, key: tuple[Column, ...]) -> Index | None:
    """Return an index that truly keeps the key unique: the primary key before any other."""
    holding = [index for index in catalog.indexes if shortfall(index, key) is None]
    return min(holding, key=lambda index: (not index.primary, len(index.columns), index.name), default=None)
