"""How a row of MySQL or MariaDB is known again: the hash of all of it, and its primary key written as SQL."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

from dedupaudit.sources.tables.catalog import Catalog, Column
from dedupaudit.sources.tables.mysql_sql import binary_literal, quote
from dedupaudit.sources.tables.mysql_values import Kind, decoder, kind_of, read
from dedupaudit.sources.tables.protocol import Key, Undecodable, Value

HASH_LENGTH = 64
"""Any other length is no hash: see `row_hash`."""

CLOCK = "SELECT CAST(UNIX_TIMESTAMP(NOW(6)) * 1000000 AS UNSIGNED)"

_LONG = {"mediumtext", "longtext", "mediumblob", "longblob"}
_WORDS = {"uuid", "inet4", "inet6"}


def row_hash(catalog: Catalog, alias: str) -> str:
    """Return SQL for a hash of a whole row, hexadecimal; where the server cannot make one, text that never repeats.

    What is hashed begins with one item a column, none with a comma in it: a number or a time itself, of all else the
    length in bytes, of NULL an N. The bytes follow in the same order, so no two rows have one text. NULL is
    what the server makes of a text above max_allowed_packet: it must be equal to nothing, so it becomes a UUID.
    """
    items: list[str] = []
    bodies: list[str] = []
    for column in catalog.columns:
        name, kind = f"{alias}.{quote(column.name)}", kind_of(column)
        own, body = _parts(name, kind)
        items += own
        bodies += [body] if body else []
    # The separator is binary, and so is the whole. CAST: MariaDB would make the hash a UUID too, which it is not.
    return f"IFNULL(SHA2(CONCAT_WS(x'2C', {', '.join(items + bodies)}), 256), CAST(UUID() AS CHAR))"


def _parts(name: str, kind: Kind) -> tuple[list[str], str]:
    """Return the items of one column, and what its bytes are; CONCAT_WS leaves out the bytes of NULL."""
    if kind.real:
        # FLOAT's own text has six digits, and both write -0 as 0.
        return [f"IFNULL({name} * 1e0, 'N')", f"IF({name} = 0, ATAN2({name}, -1e0) < 0, 0)"], ""
    if kind.base == "bit":
        return [f"IFNULL({name} + 0, 'N')"], ""
    if kind.base in ("enum", "set"):
        # The number too: '' is either a member or what the server stores for none.
        return [f"IFNULL({name} + 0, 'N')", f"IFNULL(LENGTH({name}), 'N')"], f"CAST({name} AS BINARY)"
    if kind.base in _WORDS:
        return [f"IFNULL(CAST({name} AS CHAR), 'N')"], ""
    if kind.base in _LONG:
        # Hashed by itself: together they may be above max_allowed_packet.
        return [f"IFNULL(SHA2({name}, 256), 'N')"], ""
    if kind.base == "json":
        return [f"IFNULL(SHA2(CAST({name} AS CHAR), 256), 'N')"], ""
    if kind.text or kind.bytes:
        return [f"IFNULL(LENGTH({name}), 'N')"], f"CAST({name} AS BINARY)"
    if kind.opaque:
        return [f"IFNULL(SHA2(CAST({name} AS BINARY), 256), 'N')"], ""
    return [f"IFNULL({name}, 'N')"], ""


# ---- keys


def value_literal(value: Value) -> str:
    """Return a value, as `mysql_values` decodes it, as an SQL literal that finds it by an index on its column.

    A text is in utf8mb4, and the server writes it in the column's character set, so that the column's equality
    decides and its index is used. What was not decoded is compared byte by byte, which no index does.
    """
    if value is None:
        return "NULL"
    if isinstance(value, Undecodable):
        return binary_literal(value.raw)
    if isinstance(value, bytes):
        return binary_literal(value)
    if isinstance(value, str):
        return f"_utf8mb4 {binary_literal(value.encode('utf-8', 'surrogatepass'))}"
    if isinstance(value, float):
        written = repr(value)
        # Without an exponent it would be a DECIMAL.
        return written if "e" in written else f"{written}e0"
    return str(int(value))


def is_in(names: Sequence[str], keys: Sequence[Key]) -> str:
    """Return the condition that columns, as SQL, have one of these values: found by an index that begins with them."""
    if not keys:
        return "FALSE"
    if len(names) == 1:
        return f"{names[0]} IN ({', '.join(value_literal(key[0]) for key in keys)})"
    # Not (a, b) IN ((…), …): MariaDB finds no row by a text there whose column has another character set.
    rows = (
        " AND ".join(f"{name} = {value_literal(value)}" for name, value in zip(names, key, strict=True)) for key in keys
    )
    return f"({' OR '.join(f'({row})' for row in rows)})"


def hashes_query(catalog: Catalog, locators: Sequence[Key]) -> str:
    """Return the SELECT of the primary key and the hash of some rows."""
    columns = primary_key(catalog)
    names = [f"t.{quote(column.name)}" for column in columns]
    shown = [read(column, name) for column, name in zip(columns, names, strict=True)]
    return (
        f"SELECT {', '.join([*shown, row_hash(catalog, 't')])}"  # noqa: S608 (quoted names, literals)
        f" FROM {catalog.quoted} AS t WHERE {is_in(names, locators)}"
    )


def by_locator(catalog: Catalog, rows: Sequence[Sequence[bytes | None]]) -> dict[Key, str]:
    """Return the hashes that `hashes_query` asked for, by locator."""
    decode = [decoder(column) for column in primary_key(catalog)]
    return {
        tuple(None if raw is None else one(raw) for one, raw in zip(decode, row[:-1], strict=True)): (
            row[-1] or b""
        ).decode("ascii")
        for row in rows
    }


def primary_key(catalog: Catalog) -> tuple[Column, ...]:
    """Return the columns of the primary key, in its order; empty where there is none."""
    found = [catalog.column(name) for name in catalog.primary_key]
    return tuple(column for column in found if column is not None)


# ---- the server


def identity_query(product: str) -> str:
    """Return the SELECT of what `identity` takes."""
    if product == "MySQL":
        return "SELECT DATABASE(), @@server_uuid"
    return "SELECT DATABASE(), @@hostname, @@port, @@server_id, @@datadir"


def identity(product: str, row: Sequence[str | None]) -> dict[str, str]:
    """Return what tells this database from every other.

    MySQL's server_uuid is made once for a data directory. MariaDB has nothing of the kind (its server_uid is made of
    the network card): host, port, server_id and data directory together stay over a restart, and two servers share
    them only where one is a copy of the other's machine. Hashed: a path is nobody's business.
    """
    database, *server = (text or "" for text in row)
    said = server[0] if product == "MySQL" else hashlib.sha256("\0".join(server).encode()).hexdigest()[:32]
    return {"dialect": product.lower(), "database": database, "server": said}


def lacks_hash(rows: Mapping[Key, str]) -> bool:
    """Say whether the server could not make one of these hashes."""
    return any(len(found) != HASH_LENGTH for found in rows.values())
