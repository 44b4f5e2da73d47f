"""How SQLite writes what `sql/scan/sqlite/` leaves open: quoted names and the conditions on keys."""

from __future__ import annotations

import re
from collections.abc import Sequence

from dedupaudit.sources.tables.catalog import Column
from dedupaudit.sources.tables.folding import WHITE_SPACE
from dedupaudit.sources.tables.payload import LONG
from dedupaudit.sources.tables.table import Table

_QUOTED = re.compile(r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|`(?:[^`]|``)*`|\[[^\]]*\]""")
_SPACES = "char(" + ",".join(str(ord(character)) for character in WHITE_SPACE) + ")"
_ASCII_SPACES = "char(" + ",".join(str(ord(character)) for character in WHITE_SPACE if character.isascii()) + ")"


def quote(name: str) -> str:
    """Return a name as an SQL identifier, whatever is in it."""
    return '"' + name.replace('"', '""') + '"'


def names_only(condition: str) -> str:
    """Return a condition with its "names" in backticks: SQLite takes a "name" that no column has for text, silently."""
    return _QUOTED.sub(lambda match: _in_backticks(match[0]), condition)


def _in_backticks(quoted: str) -> str:
    if not quoted.startswith('"'):
        return quoted
    return "`" + quoted[1:-1].replace('""', '"').replace("`", "``") + "`"


def fragments(table: Table, rowid: str | None, locator: Sequence[str]) -> dict[str, str]:
    """Return the text of every placeholder that does not depend on one query.

    Where indexes are distrusted none is read: NOT INDEXED, and a unary + keeps a primary key from giving the order.
    """
    key = [quote(column.name) for column in table.key]
    upload = table.upload
    distrust = table.distrust_indexes
    plus = "+" if distrust else ""
    return {
        "table": table.catalog.quoted + (" NOT INDEXED" if distrust and table.catalog.kind == "table" else ""),
        "where": f"(\n{table.where}\n)" if table.where else "TRUE",
        "rowid": rowid or "NULL",
        "locator": _listed([quote(name) if name != rowid else name for name in locator]),
        "key": _listed(key),
        "key_is_null": " OR ".join(f"{name} IS NULL" for name in key),
        "key_is_blank": " OR ".join(map(_is_blank, key)),
        "key_is_odd": " OR ".join(map(_is_odd, key)),
        "key_grouping": _listed([plus + name for name in key]),
        "key_by_bytes": _listed([f"{name} COLLATE BINARY" for name in key]),
        "key_bytewise": _listed([f"{name} COLLATE BINARY" for name in _key_aliases(table)]),
        "key_named": _listed([f"{name} AS {alias}" for name, alias in zip(key, _key_aliases(table), strict=True)]),
        "key_names": _listed(_key_aliases(table)),
        "folded": _listed(list(map(_folded, key))),
        "folded_named": _listed(
            [f"{_folded(name)} AS {alias}" for name, alias in zip(key, _folds(table), strict=True)]
        ),
        "folds": _listed(_folds(table)),
        "time": _or_null(table.time),
        "group": _or_null(table.group),
        "kind": _or_null(table.group) + " COLLATE BINARY",
        "values": _listed([_value(column) for column in table.compared]),
        "status": _or_null(upload.status if upload else None),
        "updated": _or_null(upload.updated if upload else None),
        "object_key": _or_null(upload.object_key if upload else None),
        "object_url": _or_null(upload.object_url if upload else None),
        "object_is_missing": _object_is_missing(table),
        "object_is_named": _object_is_named(table),
    }


def _listed(parts: Sequence[str]) -> str:
    return ", ".join(parts) if parts else "NULL"


def _or_null(column: Column | None) -> str:
    return quote(column.name) if column else "NULL"


def _key_aliases(table: Table) -> list[str]:
    return [f'"dedupaudit key {number}"' for number in range(len(table.key))]


def _folds(table: Table) -> list[str]:
    return [f'"dedupaudit fold {number}"' for number in range(len(table.key))]


def _is_blank(name: str) -> str:
    # Most keys begin with a printable character, and trim() with all of Unicode's spaces costs four times the look.
    return f"(NOT {name} GLOB '[!-~]*' AND typeof({name}) IN ('text', 'blob') AND trim({name}, {_SPACES}) = '')"


def _is_odd(name: str) -> str:
    """ASCII that is its own folding is not odd; more bytes than characters means that not all is ASCII, or a NUL."""
    return (
        f"((length({name}) <> length(CAST({name} AS BLOB))"
        f" OR {name} COLLATE BINARY <> lower(trim({name}, {_ASCII_SPACES}))) AND typeof({name}) = 'text')"
    )


def _folded(name: str) -> str:
    """Fold text; other types stay themselves, and blobs become hexadecimal text so that they equal no folded text.

    ASCII is folded by SQLite itself; dedupaudit_fold is called for the rest alone. In a UTF-16 database the bytes are
    never as many as the characters, so there everything that is odd takes the call.
    """
    return (
        f"CASE typeof({name}) WHEN 'text' THEN CASE"
        f" WHEN NOT {_is_odd(name)} THEN CAST({name} AS BLOB)"
        f" WHEN length(CAST({name} AS BLOB)) = length({name}) THEN CAST(lower(trim({name}, {_ASCII_SPACES})) AS BLOB)"
        f" ELSE dedupaudit_fold(CAST({name} AS BLOB)) END"
        f" WHEN 'blob' THEN hex({name}) ELSE {name} END"
    )


def _value(column: Column) -> str:
    name = quote(column.name)
    call = "dedupaudit_hash_json" if column.json else "dedupaudit_hash"
    return f"CASE WHEN length({name}) > {LONG} THEN {call}(typeof({name}), CAST({name} AS BLOB)) ELSE {name} END"


def _blank_or_null(column: Column) -> str:
    name = quote(column.name)
    return f"coalesce(trim({name}, {_SPACES}), '') = ''"


def _object_is_missing(table: Table) -> str:
    columns = [table.upload.object_key, table.upload.object_url] if table.upload else []
    return " OR ".join(_blank_or_null(column) for column in columns if column) or "FALSE"


def _object_is_named(table: Table) -> str:
    column = table.upload.object_key if table.upload else None
    return f"NOT {_blank_or_null(column)}" if column else "FALSE"
