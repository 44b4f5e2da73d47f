"""What a live table has beyond its `Catalog`: defaults, and which columns are set by an update. Read-only."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from dedupaudit.migrate.target_schema import Dialect
from dedupaudit.sources.tables.catalog import Catalog
from dedupaudit.sources.tables.protocol import TableSource
from dedupaudit.sqlfiles import fill, sql_text

_WHERE = "migrate target"
_SET = re.compile(r"\bnew\s*\.\s*\"?(\w+)\"?\s*:?=", re.IGNORECASE)
_MYSQL_NAME = re.compile(r"`((?:[^`]|``)*)`")


@dataclass(frozen=True)
class Live:
    """A table that is there. `defaults` are as the server writes them, by column; `updated` are set by each update."""

    catalog: Catalog
    defaults: dict[str, str] = field(default_factory=dict)
    updated: frozenset[str] = frozenset()


def read_live(source: TableSource, catalog: Catalog, dialect: Dialect) -> Live:
    """Look at a table of a server; raises SourceError."""
    if catalog.kind == "view":
        return Live(catalog)
    return _mysql(source, catalog) if dialect == "mysql" else _postgresql(source, catalog)


def _mysql(source: TableSource, catalog: Catalog) -> Live:
    schema, table = (part.replace("``", "`") for part in _MYSQL_NAME.findall(catalog.quoted))
    defaults, updated = {}, set()
    asked = {"schema": f"_utf8mb4 x'{schema.encode().hex()}'", "table": f"_utf8mb4 x'{table.encode().hex()}'"}
    for row in _rows(source, "mysql/defaults", **asked):
        name, default, extra = json.loads(row)
        if default is not None:
            defaults[name] = default
        if "on update" in extra.lower():
            updated.add(name)
    return Live(catalog, defaults, frozenset(updated))


def _postgresql(source: TableSource, catalog: Catalog) -> Live:
    # As bytes: a name needs no quotes then, whatever is in it.
    table = f"pg_catalog.convert_from(pg_catalog.decode('{catalog.quoted.encode().hex()}', 'hex'), 'UTF8')"
    defaults = dict(json.loads(row) for row in _rows(source, "postgresql/defaults", table=table))
    updated = set[str]()
    for row in _rows(source, "postgresql/on_update", table=table):
        function, body, arguments = json.loads(row)
        # contrib's function takes the column as its argument.
        updated |= set(arguments.split(r"\000")) if function == "moddatetime" else set(_SET.findall(body))
    return Live(catalog, defaults, frozenset(name.lower() for name in updated))


def _rows(source: TableSource, name: str, **parts: str) -> Iterator[str]:
    for batch in source.selected(fill(sql_text(f"schema/{name}.sql"), parts), _WHERE):
        yield from map(str, batch)
