"""How MySQL and MariaDB write what `sql/scan/mysql/` leaves open: names, conditions on keys, equality as bytes."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from dedupaudit.errors import UsageError
from dedupaudit.sources.tables.catalog import Catalog, Column
from dedupaudit.sources.tables.fence import MYSQL, fence_condition
from dedupaudit.sources.tables.folding import WHITE_SPACE
from dedupaudit.sources.tables.mysql_facts import CollationFacts
from dedupaudit.sources.tables.mysql_values import compared, kind_of, read
from dedupaudit.sources.tables.table import Table

_SPACES = "^[" + "".join(f"\\x{{{ord(character):X}}}" for character in WHITE_SPACE) + "]*$"
_SPACE_BYTES = "^(" + "|".join(f"{ord(character):02X}" for character in WHITE_SPACE if ord(character) < 128) + ")*$"
_QUOTED = re.compile(r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|`(?:[^`]|``)*`""", re.DOTALL)
# A condition that waits, locks, reads files or counts a sequence up does more than read.
_MORE_THAN_READING = re.compile(
    r"\b(INTO|FOR\s+UPDATE|FOR\s+SHARE|LOCK\s+IN\s+SHARE\s+MODE|NEXT\s+VALUE|PROCEDURE)\b|"
    r"\b(SLEEP|BENCHMARK|GET_LOCK|RELEASE_LOCK|RELEASE_ALL_LOCKS|LOAD_FILE|MASTER_POS_WAIT|MASTER_GTID_WAIT|"
    r"SOURCE_POS_WAIT|WAIT_FOR_EXECUTED_GTID_SET|WAIT_UNTIL_SQL_THREAD_AFTER_GTIDS|NEXTVAL|SETVAL|LAST_INSERT_ID)\s*\(",
    re.IGNORECASE,
)
# The declared length of a key that is written as weights; longer ones are left to the server's own grouping.
LONGEST_KEY = 4_096


def quote(name: str) -> str:
    """Return a name as an SQL identifier, whatever is in it."""
    return "`" + name.replace("`", "``") + "`"


def literal(text: str) -> str:
    """Return text as an SQL literal; the session has no backslash escapes."""
    return "'" + text.replace("'", "''") + "'"


def binary_literal(raw: bytes) -> str:
    """Return bytes as an SQL literal that is compared by its bytes."""
    return f"x'{raw.hex()}'"


def check_text(condition: str, where: str) -> None:
    """Raise UsageError unless a condition stays inside its parentheses and calls nothing that does more than read."""
    fence_condition(condition, where, MYSQL)
    if found := more_than_reading(condition):
        raise UsageError(f"{where}: {found} does more than read", "write one plain condition on the table's columns")


def more_than_reading(sql: str) -> str | None:
    """Return the word in SQL that does more than read, or None."""
    found = _MORE_THAN_READING.search(_QUOTED.sub("''", sql))
    return found[0].strip("( ").upper() if found else None


def column_of(catalog: Catalog, column: Column) -> str:
    """Return a column with its table before it: beside another table it is still this one."""
    return f"{catalog.quoted}.{quote(column.name)}"


class Writer:
    """Writes the SQL of one table."""

    def __init__(self, table: Table, collations: Mapping[str, CollationFacts], salt: str) -> None:
        self.table = table
        self._collations = collations
        self._salt = salt
        self.key = [self.named(column) for column in table.key]

    def named(self, column: Column) -> str:
        """Return a column with its table before it."""
        return column_of(self.table.catalog, column)

    def fragments(self, locator: Sequence[str]) -> dict[str, str]:
        """Return the text of every placeholder that does not depend on one query."""
        table = self.table
        upload = table.upload
        found = [column for name in locator if (column := table.catalog.column(name))]
        key_is_null = " OR ".join(f"{name} IS NULL" for name in self.key)
        grouping = self.grouping()
        return {
            "table": table.catalog.quoted + self._without_indexes(),
            "where": f"(\n{table.where}\n)" if table.where else "TRUE",
            "locator": _listed([read(column, self.named(column)) for column in found]),
            "key": _listed([read(column, self.named(column)) for column in table.key]),
            "key_is_null": key_is_null,
            "key_is_blank": " OR ".join(self.is_blank(column) for column in table.key),
            "key_is_odd": " OR ".join(self.is_odd(column) for column in table.key),
            "key_grouping": _listed(grouping),
            "key_bytes": _listed([f"CAST({read(column, self.named(column))} AS BINARY)" for column in table.key]),
            "key_named": _listed([f"{name} AS {alias}" for name, alias in zip(grouping, _aliases(table), strict=True)]),
            "key_aliases": _listed(_aliases(table)),
            "key_joined": " AND ".join(
                f"{name} = `dedupaudit repeated`.{alias}" for name, alias in zip(grouping, _aliases(table), strict=True)
            ),
            "joined": self.joined(),
            "time": self._or_null(table.time),
            "group": self._or_null(table.group),
            "kind": f"CAST({self._or_null(table.group)} AS BINARY)",
            "values": _listed([compared(column, self.named(column), self._salt) for column in table.compared]),
            "status": self._or_null(upload.status if upload else None),
            "status_text": self._as_text(upload.status) if upload else "NULL",
            "updated": self._or_null(upload.updated if upload else None),
            "object_key": self._or_null(upload.object_key if upload else None),
            "object_url": self._or_null(upload.object_url if upload else None),
            "object_is_missing": self._object_is_missing(),
            "object_is_named": self._object_is_named(),
        }

    def is_part_of_key(self, ident: str) -> str:
        """Return the condition that the key, or a part of it, is this text; a number is compared as it is written."""
        text = f"_utf8mb4 x'{ident.encode('utf-8', 'replace').hex()}'"
        names = [
            self.named(column) if kind_of(column).text else f"CAST({self.named(column)} AS CHAR)"
            for column in self.table.key
        ]
        return " OR ".join(f"{name} = {text}" for name in names)

    def grouping(self) -> list[str]:
        """Return what rows are grouped by: the columns, and the number of an ENUM, SET or BIT."""
        return [
            f"({name} + 0)" if kind_of(column).numbered else name
            for name, column in zip(self.key, self.table.key, strict=True)
        ]

    def _without_indexes(self) -> str:
        catalog = self.table.catalog
        if not self.table.distrust_indexes or catalog.kind != "table" or not catalog.indexes:
            return ""
        names = ["PRIMARY" if index.primary else quote(index.name) for index in catalog.indexes]
        return f" IGNORE INDEX ({', '.join(names)})"

    # ---- equality as bytes

    def weights(self, column: Column, *, coarse: bool = False) -> str | None:
        """Return SQL whose bytes are equal where the server's = holds; None where no such SQL is known.

        `coarse` may take different keys for equal, where they agree in their first characters.
        """
        name, kind = self.named(column), kind_of(column)
        if kind.real:
            return f"({name} + 0e0)"
        if kind.number or kind.numbered:
            return f"({name} + 0)"
        if kind.bytes or kind.base in ("date", "time", "datetime", "timestamp"):
            return name
        if kind.base in ("uuid", "inet4", "inet6"):
            return f"CAST({name} AS CHAR)"
        facts = self._collations.get(column.collation)
        if not kind.text or facts is None:
            return f"CAST({name} AS CHAR)" if coarse else None
        length = declared_length(column)
        if (kind.unbounded or length > LONGEST_KEY) and not coarse:
            return None
        length = min(length, LONGEST_KEY)
        if facts.weights is None:
            return name if coarse else None
        return weights_of(name, facts, kind.charset, length)

    def token(self) -> str | None:
        """Return SQL for an integer that is equal for equal keys, NULL for a key with a NULL part; None: none known."""
        weights = [self.weights(column) for column in self.table.key]
        known = [weight for weight in weights if weight]
        if len(known) < len(weights):
            return None
        return f"CRC32({known[0]})" if len(known) == 1 else f"CRC32(CONCAT({', '.join(known)}))"

    def joined(self) -> str:
        """Return SQL for a number of 60 bits that is equal for keys that the server takes for equal."""
        weights = [f"SHA2({self.weights(column, coarse=True)}, 256)" for column in self.table.key]
        whole = weights[0] if len(weights) == 1 else f"SHA2(CONCAT({', '.join(weights)}), 256)"
        return f"CONV(LEFT({whole}, 15), 16, 10)"

    # ---- what a key looks like

    def is_blank(self, column: Column) -> str:
        """Return the condition that a value is empty or only white space."""
        name, kind = self.named(column), kind_of(column)
        if kind.text:
            # Most keys begin with a printable character: only the others are looked at by a regular expression.
            return f"(NOT ORD({name}) BETWEEN 33 AND 126 AND {self._utf8(column)} REGEXP {literal(_SPACES)})"
        if kind.bytes:
            return f"(NOT ORD({name}) BETWEEN 33 AND 126 AND HEX({name}) REGEXP {literal(_SPACE_BYTES)})"
        return "FALSE"

    def is_odd(self, column: Column) -> str:
        """Return the condition that a text may not be its own folding: not ASCII, upper case, or space at an edge."""
        name, kind = self.named(column), kind_of(column)
        if not kind.text:
            return "FALSE"
        utf8 = kind.charset.startswith("utf8")
        size = f"LENGTH({name if utf8 else self._utf8(column)})"
        edges = f"ORD({name}) <= 32 OR ORD(RIGHT({name}, 1)) <= 32"
        upper = f"CAST(LOWER({name}) AS BINARY) <> CAST({name} AS BINARY)"
        return f"({size} <> CHAR_LENGTH({name}) OR {upper} OR {edges})"

    def kind(self) -> str:
        """Return the group column as it is compared with some literal bytes of one kind."""
        column = self.table.group
        if column and kind_of(column).text and not kind_of(column).numbered:
            return self.named(column)
        return f"CAST({self._or_null(column)} AS BINARY)"

    def _utf8(self, column: Column) -> str:
        name = self.named(column)
        return name if kind_of(column).charset == "utf8mb4" else f"CONVERT({name} USING utf8mb4)"

    def _as_text(self, column: Column) -> str:
        """Return a column's text in UTF-8, compared by bytes."""
        name = self.named(column)
        return f"CAST({self._utf8(column) if kind_of(column).text else f'CAST({name} AS CHAR)'} AS BINARY)"

    def _or_null(self, column: Column | None) -> str:
        return read(column, self.named(column)) if column else "NULL"

    def _blank_or_null(self, column: Column) -> str:
        return f"({self.named(column)} IS NULL OR {self.is_blank(column)})"

    def _object_is_missing(self) -> str:
        upload = self.table.upload
        columns = [upload.object_key, upload.object_url] if upload else []
        return " OR ".join(self._blank_or_null(column) for column in columns if column) or "FALSE"

    def _object_is_named(self) -> str:
        column = self.table.upload.object_key if self.table.upload else None
        return f"NOT {self._blank_or_null(column)}" if column else "FALSE"


def weights_of(name: str, facts: CollationFacts, charset: str, length: int) -> str:
    """Return the bytes that a collation compares a text by, in the way that the server was seen to keep."""
    match facts.weights:
        case "padded":
            return f"WEIGHT_STRING({name} AS CHAR({max(1, length)}))"
        case "trimmed":
            space = f"WEIGHT_STRING(CONVERT(' ' USING {charset}) COLLATE {facts.name})"
            return f"TRIM(TRAILING {space} FROM WEIGHT_STRING({name}))"
        case _:
            return f"WEIGHT_STRING({name})"


def declared_length(column: Column) -> int:
    """Return the characters (or bytes) that a column may hold, as its type says: 255 of `varchar(255)`."""
    kind = kind_of(column)
    if kind.base in ("enum", "set"):
        return len(column.declared)
    found = re.search(r"\((\d+)\)", column.declared)
    if found:
        return int(found[1])
    lengths = {"char": 1, "binary": 1, "tinytext": 255, "tinyblob": 255, "text": 65_535, "blob": 65_535}
    return lengths.get(kind.base, 1 << 24)


def _aliases(table: Table) -> list[str]:
    return [f"`dedupaudit key {number}`" for number in range(len(table.key))]


def _listed(parts: Sequence[str]) -> str:
    return ", ".join(parts) if parts else "NULL"
