"""Many rows in few statements, with the outcome of each. Which are there already is asked only where some are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Final

from sqlalchemy.exc import DBAPIError

from dedupaudit.ingest.errors import IdCollision, Rejected
from dedupaudit.ingest.protections.unique import UniqueConstraint, insert_statement
from dedupaudit.ingest.stored import compare, stored_rows, where_keys
from dedupaudit.ingest.transactions import in_transaction
from dedupaudit.ingest.violations import violation_of

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from dedupaudit.ingest.rows import RowWriter
    from dedupaudit.ingest.tables import Described
    from dedupaudit.ingest.values import Encoder, Row

Outcome = bool | IdCollision | Rejected
Numbered = tuple[int, "Row"]

MAX_ROWS: Final = 1000
MAX_PARAMETERS: Final = 30_000
"""SQLite takes 32,766 of them, PostgreSQL 65,535."""
MAX_CHARACTERS: Final = 1_000_000
"""Of all texts in a statement; a fifth of MySQL's max_allowed_packet where that is less."""

_ROUNDS = 3


def write_batch(writer: RowWriter, encoder: Encoder, rows: Sequence[Sequence[object]]) -> list[Outcome]:
    """Store many rows: for each, in their order, whether it was there already, or why it is not stored.

    Statements of up to 1,000 rows, each a transaction of its own: after Unavailable some may be stored, and the whole
    batch is sent again, which finds them as duplicates. Of rows with one key the first is stored. Whatever the
    writer's protection, a batch is kept single by the constraint alone. Raises what `RowWriter.write` raises, but for
    IdCollision and Rejected.
    """
    outcomes: dict[int, Outcome] = {}
    first: dict[Row, Numbered] = {}
    rest: list[Numbered] = []
    for number, values in enumerate(rows):
        try:
            row = encoder.encode(values)
        except Rejected as error:
            if writer.was_altered():
                return write_batch(writer, writer.encoder(encoder.columns), rows)  # nothing is written yet
            outcomes[number] = error
            continue
        if first.setdefault(encoder.key(row), (number, row))[0] != number:
            rest.append((number, row))
    batch = _Batch(writer, encoder, outcomes)
    # In one order for all writers: in opposite orders they would wait for each other.
    for piece in _pieces([first[key] for key in sorted(first, key=_order)], encoder.described):
        batch.store(piece)
    # The first of its key is stored by now, or is the stored row's duplicate, or was refused.
    for piece in _pieces(rest, encoder.described):
        batch.look(piece)
    return [outcomes[number] for number in range(len(rows))]


def _order(key: Row) -> tuple[str, ...]:
    return tuple([part if isinstance(part, str) else repr(part) for part in key])


def _pieces(rows: Sequence[Numbered], table: Described) -> Iterator[list[Numbered]]:
    """Split rows so that each piece fits a statement; a character has up to four bytes."""
    piece: list[Numbered] = []
    characters = 0
    longest = min(MAX_CHARACTERS, table.packet // 5) if table.packet else MAX_CHARACTERS
    most = min(MAX_ROWS, MAX_PARAMETERS // len(rows[0][1])) if rows and table.transactions else 1
    for numbered in rows:
        size = sum([len(value) for value in numbered[1] if type(value) is str or type(value) is bytes])
        if piece and (len(piece) == most or characters + size > longest):
            yield piece
            piece, characters = [], 0
        piece.append(numbered)
        characters += size
    if piece:
        yield piece


class _Batch:
    """One batch on its way; outcomes are put where the caller looks for them."""

    def __init__(self, writer: RowWriter, encoder: Encoder, outcomes: dict[int, Outcome]) -> None:
        self._writer = writer
        self._encoder = encoder
        self._outcomes = outcomes
        self._table = encoder.described

    def store(self, piece: list[Numbered]) -> None:
        """Insert a piece; where the database refuses a row of it, halves of it, so that the others do not suffer."""
        if len(piece) == 1:
            self._alone(*piece[0])
            return
        rows = [row for _number, row in piece]
        insert = self._insert_and_ask if self._table.dialect in ("mysql", "mariadb") else self._insert_returning
        try:
            stored = in_transaction(self._writer.engine, lambda connection: insert(connection, rows))
        except (DBAPIError, UnicodeEncodeError) as error:
            if violation_of(error, self._table) is None:
                raise
            half = len(piece) // 2
            self.store(piece[:half])
            self.store(piece[half:])
            return
        self._outcomes.update(
            (number, False) for (number, _row), is_stored in zip(piece, stored, strict=True) if is_stored
        )
        self.look([one for one, is_stored in zip(piece, stored, strict=True) if not is_stored])

    def look(self, piece: Sequence[Numbered]) -> None:
        """Compare rows that met a row of their key, all in one statement; the odd ones one by one."""
        if not piece:
            return
        named = {number: self._encoder.named(row) for number, row in piece}

        def compared(connection: Connection) -> dict[int, tuple[str, ...]]:
            found = stored_rows(connection, self._table, list(named.values()))
            return {
                number: compare(connection, self._table, named[number], found[key], self._writer.as_json)
                for number, row in piece
                if (key := self._encoder.key(row)) in found
            }

        try:
            differences = in_transaction(self._writer.engine, compared)
        except (DBAPIError, UnicodeEncodeError) as error:
            if violation_of(error, self._table) is None:
                raise
            differences = {}  # what no column of the key takes cannot be looked for either
        for number, row in piece:
            if number not in differences:
                # Deleted meanwhile, stored in another spelling, or refused.
                self._alone(number, row)
            elif differences[number]:
                self._outcomes[number] = self._writer.collision(named[number], differences[number])
            else:
                self._outcomes[number] = True

    def _alone(self, number: int, row: Row) -> None:
        try:
            self._outcomes[number] = self._writer.write_encoded(self._encoder.named(row))
        except (IdCollision, Rejected) as error:
            self._outcomes[number] = error

    def _insert_returning(self, connection: Connection, rows: Sequence[Row]) -> list[bool]:
        """Insert with ON CONFLICT DO NOTHING, and say of each row whether it went in."""
        table = self._table
        statement = insert_statement(table, self._encoder.columns, len(rows))
        names = ", ".join(table.name(column) for column in table.table.key_columns)
        returned = connection.exec_driver_sql(f"{statement} RETURNING {names}", _flat(rows)).fetchall()
        if len(returned) == len(rows):
            return [True] * len(rows)
        keys = {self._encoder.spelled(key) for key in returned}
        return [self._encoder.key(row) in keys for row in rows]

    def _insert_and_ask(self, connection: Connection, rows: Sequence[Row]) -> list[bool]:
        """Insert in one plain statement, never IGNORE; where a key is there, ask which, and insert the others."""
        left = dict(enumerate(rows))
        for _ in range(_ROUNDS):
            if not left or self._goes_in(connection, list(left.values())):
                break
            there = self._keys_there(connection, list(left.values()))
            left = {number: row for number, row in left.items() if self._encoder.key(row) not in there}
        else:
            # Keys that are equal by their collation only, or writers who were faster each time.
            insert = UniqueConstraint().insert
            left = {
                number: row for number, row in left.items() if insert(connection, self._table, self._encoder.named(row))
            }
        return [number in left for number in range(len(rows))]

    def _goes_in(self, connection: Connection, rows: Sequence[Row]) -> bool:
        """Insert all rows, or none where a key is there."""
        statement = insert_statement(self._table, self._encoder.columns, len(rows))
        try:
            connection.exec_driver_sql(statement, _flat(rows))
        except DBAPIError as error:
            violation = violation_of(error, self._table)
            if violation is None or not violation.is_of_key(self._table):
                raise
            return False
        return True

    def _keys_there(self, connection: Connection, rows: Sequence[Row]) -> set[Row]:
        table = self._table
        names = ", ".join(table.name(column) for column in table.table.key_columns)
        asked = f"SELECT {names} FROM {table.quoted} WHERE {where_keys(table, len(rows))}"
        parameters = _flat([self._encoder.key(row) for row in rows])
        return {tuple(key) for key in connection.exec_driver_sql(asked, parameters)}


def _flat(rows: Sequence[Row]) -> Row:
    return tuple(chain.from_iterable(rows))
