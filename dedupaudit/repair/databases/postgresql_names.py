"""Names in PostgreSQL: the tool's own tables, and a table by its quoted name."""

from __future__ import annotations

import hashlib
import re

from dedupaudit.repair.databases.postgresql_connection import Connection
from dedupaudit.sources.tables.catalog import Catalog
from dedupaudit.sources.tables.postgresql_sql import literal, quote
from dedupaudit.sqlfiles import fill, sql_text

SCHEMA = "dedupaudit"
_LONGEST = 63
_QUOTED = re.compile(r'"((?:[^"]|"")*)"\."((?:[^"]|"")*)"')


def split(quoted: str) -> tuple[str, str]:
    """Return schema and name of a quoted name."""
    found = _QUOTED.fullmatch(quoted)
    if found is None:
        raise ValueError(f"no quoted name with a schema: {quoted!r}")
    schema, name = (part.replace('""', '"') for part in found.groups())
    return schema, name


def own(name: str) -> str:
    """Return one of the tool's own tables in SQL."""
    return f"{quote(SCHEMA)}.{quote(name)}"


def quarantine(catalog: Catalog) -> str:
    """Return the quoted name of a table's quarantine: the same for every role, whatever its search path is.

    Two tables never share one: what is not plainly named carries a hash of the whole name.
    """
    schema, table = split(catalog.quoted)
    name = f"quarantine_{table}"
    if schema == "public" and len(_encoded(name)) <= _LONGEST:
        return own(name)
    mark = "_" + hashlib.sha256(_encoded(catalog.quoted)).hexdigest()[:12]
    long = f"quarantine_{table}" if schema == "public" else f"quarantine_{schema}_{table}"
    return own(_encoded(long)[: _LONGEST - len(mark)].decode("utf-8", "ignore") + mark)


def _encoded(name: str) -> bytes:
    return name.encode("utf-8", "surrogateescape")


def named(connection: Connection, quoted: str) -> tuple[int, str] | None:
    """Return OID and kind of a table, which the role may have no right on; None where there is none."""
    schema, name = split(quoted)
    parts = {"schema": literal(schema), "name": literal(name)}
    rows = connection.rows(fill(sql_text("repair/postgresql/named.sql"), parts))
    return (int(str(rows[0][0])), str(rows[0][1])) if rows else None
