"""Cuts the rows of `sql/scan/mysql/` into their parts and decodes them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from dedupaudit.errors import SourceError
from dedupaudit.sources.tables.mysql_session import Raw
from dedupaudit.sources.tables.mysql_sql import binary_literal, column_of
from dedupaudit.sources.tables.mysql_values import Decode, decoder, encode, kind_of, moment_decoder, read
from dedupaudit.sources.tables.near_equal import OddKey
from dedupaudit.sources.tables.protocol import DuplicateRow, Key, SuspectRow
from dedupaudit.sources.tables.table import Table
from dedupaudit.times import parse_time


class Reader:
    """Decodes the rows of one table."""

    def __init__(self, table: Table, locator: Sequence[str]) -> None:
        self._table = table
        self._locator = [decoder(column) for name in locator if (column := table.catalog.column(name))]
        self._key = [decoder(column) for column in table.key]
        self._group = decoder(table.group) if table.group else bytes
        self._values = [decoder(column) for column in table.compared]
        self._time = moment_decoder(table.time) if table.time else bytes
        self._begin_key = 2 + max(1, len(self._locator))
        self._begin_rest = self._begin_key + len(self._key)
        # What is not zoned is read in the table's zone; TIMESTAMP says its zone itself.
        self._zone = table.zone

    def groups(self, rows: Iterable[Raw]) -> Iterator[DuplicateRow]:
        """Yield rows of duplicate_rows.sql: n, the number of the group, then the rest. Keys with n = 1 are left out.

        Raises SourceError where a group has not the rows that the server counted.
        """
        group, left = None, 0
        for row in rows:
            if row[1] != group:
                if left:
                    break
                group, left = row[1], int(row[0] or 0)
            left -= 1
            if left < 0:
                break
            if row[0] != b"1":
                yield self.duplicate(row)
        if left:
            raise SourceError(
                f"{self._table.label}: the server's GROUP BY and its own = do not agree on how many rows a key has",
                "an index or the table is damaged (CHECK TABLE), or a collation is: try --distrust-indexes",
            )

    def duplicate(self, row: Raw) -> DuplicateRow:
        """Return one row."""
        key, rest = self._begin_key, self._begin_rest
        at, group = row[rest], row[rest + 1]
        return DuplicateRow(
            int(row[0] or 0),
            _decoded(self._key, row[key:rest]),
            _decoded(self._locator, row[2:key]),
            None if at is None else parse_time(self._time(at), self._zone),
            None if group is None else self._group(group),
            _decoded(self._values, row[rest + 2 :]),
        )

    def suspect(self, row: Raw) -> SuspectRow:
        """Return one row of suspect_rows.sql: the locator, the key, and an upload's times and state."""
        table, upload = self._table, self._table.upload
        begin = max(1, len(self._locator))
        rest = begin + len(self._key)
        at, updated = row[rest], row[rest + 1]
        columns = (upload.status, upload.object_key, upload.object_url) if upload else (None, None, None)
        state = [
            None if value is None or column is None else decoder(column)(value)
            for column, value in zip(columns, row[rest + 2 :], strict=True)
        ]
        changed = None
        if updated is not None and upload and upload.updated:
            changed = parse_time(moment_decoder(upload.updated)(updated), table.zone)
        return SuspectRow(
            _decoded(self._locator, row[:begin]),
            _decoded(self._key, row[begin:rest]),
            None if at is None else parse_time(self._time(at), table.zone),
            changed,
            *state,
        )

    def odd(self, row: Raw) -> OddKey:
        """Return one row of odd_keys.sql: the key, the number of its class, and its rows."""
        return OddKey(_decoded(self._key, row[:-2]), int(row[-2] or 0), int(row[-1] or 0))

    # ---- keys that are looked up byte for byte

    def whole(self) -> str:
        """Return SQL for a key's bytes as one value; lengths before them keep ('a', 'bc') from being ('ab', 'c')."""
        catalog = self._table.catalog
        names = [f"CAST({read(column, column_of(catalog, column))} AS BINARY)" for column in self._table.key]
        return names[0] if len(names) == 1 else _joined(names)

    def literal(self, key: Key) -> str | None:
        """Return the SQL of a key as `whole` has it; None where the column cannot hold it."""
        parts = []
        for column, value in zip(self._table.key, key, strict=True):
            kind = kind_of(column)
            if isinstance(value, float):
                # Only the server writes a number as the server does.
                parts.append(f"CAST(({value!r} + 0e0) AS BINARY)")
                continue
            raw: bytes | None
            if isinstance(value, bytes):
                raw = value
            elif isinstance(value, int):
                raw = str(value).encode()
            else:
                raw = encode(value, kind.charset if kind.text else "utf8mb4")
            if raw is None:
                return None
            parts.append(binary_literal(raw))
        return parts[0] if len(parts) == 1 else _joined(parts)


def _joined(parts: Sequence[str]) -> str:
    return f"CONCAT({', '.join(f'LENGTH({part}), 0x3A, {part}' for part in parts)})"


def _decoded(decoders: Sequence[Decode], values: Sequence[bytes | None]) -> Key:
    return tuple(None if value is None else decode(value) for decode, value in zip(decoders, values, strict=False))
