"""Many rows in few statements, with the outcome of each. Which are there already is asked only where some are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from sqlalchemy.exc import DBAPIError

from dedupaudit.ingest.errors import IdCollision, Rejected
from dedupaudit.ingest.protections.unique import UniqueConstraint, insert_statement
from dedupaudit.ingest.stored import compare, stored_rows, where_keys
from dedupaudit.ingest.transactions import in_transaction
from dedupaudit.ingest.violations import violation_of

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from dedupaudit.ingest.rows import Row, RowWriter
    from dedupaudit.ingest.tables import Described

Outcome = bool | IdCollision | Rejected
Numbered = tuple[int, "Row"]

MAX_ROWS: Final = 1000
MAX_PARAMETERS: Final = 30_000
"""SQLite takes 32,766 of them, PostgreSQL 65,535."""
MAX_CHARACTERS: Final = 1_000_000
"""Of all texts in a statement: MySQL's packets may be no larger than 4 MB on old servers."""

_ROUNDS = 3


def write_batch(writer: RowWriter, rows: Sequence[Mapping[str, object]]) -> list[Outcome]:
    """Store many rows: for each, in their order, whether it was there already, or why it is not stored.

    Statements of up to 1,000 rows, each a transaction of its own: after Unavailable some may be stored, and the whole
    batch is sent again, which finds them as duplicates. Of rows with one key the first is stored. Whatever the
    writer's protection, a batch is kept single by the constraint alone. Raises what `RowWriter.write` raises, but for
    IdCollision and Rejected.
    """
    outcomes: dict[int, Outcome] = {}
    first: dict[tuple[tuple[str, ...], tuple[object, ...]], Numbered] = {}
    rest: list[Numbered] = []
    for number, values in enumerate(rows):
        try:
            row = writer.encode(values)
        except Rejected as error:
            outcomes[number] = error
            continue
        identity = (tuple(row), writer.key(row))
        if identity in first:
            rest.append((number, row))
        else:
            first[identity] = (number, row)
    # In one order for all writers: in opposite orders they would wait for each other.
    in_order = sorted(first.items(), key=lambda item: (item[0][0], repr(item[0][1])))
    for piece in _pieces([numbered for _identity, numbered in in_order]):
        _store(writer, piece, outcomes)
    # The first of its key is stored by now, or is the stored row's duplicate, or was refused.
    for piece in _pieces(rest):
        _look(writer, piece, outcomes)
    return [outcomes[number] for number in range(len(rows))]


def _pieces(rows: Sequence[Numbered]) -> Iterator[list[Numbered]]:
    """Split rows so that each piece fits a statement; all rows of a piece have the same columns."""
    piece: list[Numbered] = []
    characters = 0
    for numbered in rows:
        row = numbered[1]
        size = sum(len(value) for value in row.values() if isinstance(value, str | bytes))
        full = len(piece) >= min(MAX_ROWS, MAX_PARAMETERS // len(row)) or characters + size > MAX_CHARACTERS
        if piece and (full or piece[0][1].keys() != row.keys()):
            yield piece
            piece, characters = [], 0
        piece.append(numbered)
        characters += size
    if piece:
        yield piece


def _store(writer: RowWriter, piece: list[Numbered], outcomes: dict[int, Outcome]) -> None:
    """Insert a piece; where the database refuses a row of it, halves of it, so that the others do not suffer."""
    if len(piece) == 1:
        _alone(writer, piece[0], outcomes)
        return
    described = writer.described()
    rows = [row for _number, row in piece]
    insert = _insert_and_ask if described.dialect in ("mysql", "mariadb") else _insert_returning
    try:
        stored = in_transaction(writer.engine, lambda connection: insert(connection, described, rows))
    except DBAPIError as error:
        if violation_of(error, described) is None:
            raise
        half = len(piece) // 2
        _store(writer, piece[:half], outcomes)
        _store(writer, piece[half:], outcomes)
        return
    outcomes.update((number, False) for (number, _row), was_stored in zip(piece, stored, strict=True) if was_stored)
    _look(writer, [one for one, was_stored in zip(piece, stored, strict=True) if not was_stored], outcomes)


def _alone(writer: RowWriter, numbered: Numbered, outcomes: dict[int, Outcome]) -> None:
    number, row = numbered
    try:
        outcomes[number] = writer.write_encoded(row)
    except (IdCollision, Rejected) as error:
        outcomes[number] = error


def _insert_returning(connection: Connection, table: Described, rows: Sequence[Row]) -> list[bool]:
    """Insert with ON CONFLICT DO NOTHING, and say of each row whether it went in."""
    statement = insert_statement(table, tuple(rows[0]), len(rows))
    names = [table.name(column) for column in table.table.key_columns]
    parameters = tuple(value for row in rows for value in row.values())
    returned = connection.exec_driver_sql(f"{statement} RETURNING {', '.join(names)}", parameters).fetchall()
    if len(returned) == len(rows):
        return [True] * len(rows)
    keys = {tuple(key) for key in returned}
    return [_key(table, row) in keys for row in rows]


def _insert_and_ask(connection: Connection, table: Described, rows: Sequence[Row]) -> list[bool]:
    """Insert in one plain statement; where a key is there, ask which, and insert the others. Never INSERT IGNORE."""
    left = dict(enumerate(rows))
    for _ in range(_ROUNDS):
        if not left or _goes_in(connection, table, list(left.values())):
            break
        there = _keys_there(connection, table, list(left.values()))
        left = {number: row for number, row in left.items() if _key(table, row) not in there}
    else:
        # Keys that are equal by their collation only, or writers who were faster each time.
        left = {number: row for number, row in left.items() if UniqueConstraint().insert(connection, table, row)}
    return [number in left for number in range(len(rows))]


def _goes_in(connection: Connection, table: Described, rows: Sequence[Row]) -> bool:
    """Insert all rows, or none where a key is there."""
    try:
        connection.exec_driver_sql(
            insert_statement(table, tuple(rows[0]), len(rows)), tuple(value for row in rows for value in row.values())
        )
    except DBAPIError as error:
        violation = violation_of(error, table)
        if violation is None or not violation.is_of_key(table):
            raise
        return False
    return True


def _keys_there(connection: Connection, table: Described, rows: Sequence[Row]) -> set[tuple[object, ...]]:
    names = ", ".join(table.name(column) for column in table.table.key_columns)
    asked = f"SELECT {names} FROM {table.quoted} WHERE {where_keys(table, len(rows))}"
    parameters = tuple(part for row in rows for part in _key(table, row))
    return {tuple(key) for key in connection.exec_driver_sql(asked, parameters)}


def _look(writer: RowWriter, piece: Sequence[Numbered], outcomes: dict[int, Outcome]) -> None:
    """Compare rows that met a row of their key, all in one statement; the odd ones one by one."""
    if not piece:
        return
    table = writer.described()

    def look(connection: Connection) -> dict[int, tuple[str, ...]]:
        found = stored_rows(connection, table, [row for _number, row in piece])
        return {
            number: compare(connection, table, row, found[_key(table, row)], writer.as_json)
            for number, row in piece
            if _key(table, row) in found
        }

    differences = in_transaction(writer.engine, look)
    for number, row in piece:
        if number not in differences:
            # Deleted meanwhile, or stored in another spelling.
            _alone(writer, (number, row), outcomes)
        elif differences[number]:
            outcomes[number] = writer.collision(row, differences[number])
        else:
            outcomes[number] = True


def _key(table: Described, row: Row) -> tuple[object, ...]:
    return tuple(row[column] for column in table.table.key_columns)
