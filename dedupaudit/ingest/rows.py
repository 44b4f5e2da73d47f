"""One row by its real column names, stored once: what the writers of events stand on, and what a drill drives."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from sqlalchemy.exc import DBAPIError

from dedupaudit.display import visible
from dedupaudit.ingest.errors import IdCollision, Rejected, Unavailable, Unprotected
from dedupaudit.ingest.protections.unique import UniqueConstraint
from dedupaudit.ingest.stored import differing
from dedupaudit.ingest.tables import Described, Table, describe
from dedupaudit.ingest.transactions import in_transaction
from dedupaudit.ingest.values import Encoder, Row, encoder
from dedupaudit.ingest.violations import Kind, Refusal, violation_of

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from dedupaudit.ingest.protections.protocol import Protection

Encoded = Mapping[str, object]
"""A row as the driver takes it."""

_MISSING: Final[Mapping[Kind, str]] = {
    "foreign_key": "the row that it refers to",
    "partition": "a partition for it",
    # What is sent was looked at before: it is a column that nobody fills.
    "not_null": "a default for the column that it has no value for",
    "encoding": "a connection in UTF-8",
}
_BETWEEN_LOOKS = 1.0
_LOOKS = 5
"""How often a row may be gone again between the insert that met it and the look at it."""


class RowWriter:
    """Stores rows of one table, each key once. Several threads may use one writer.

    The table is described once, at the first write. `columns`: what every row has; `required`: columns that may not be
    blank, beside the key; `as_json`: columns that hold JSON whatever their type, and whose values are written as JSON.
    """

    def __init__(
        self,
        engine: Engine,
        table: Table,
        protection: Protection | None = None,
        *,
        columns: Collection[str] = (),
        required: Collection[str] = (),
        as_json: Collection[str] = (),
    ) -> None:
        self.engine = engine
        self.table = table
        self.protection = protection or UniqueConstraint()
        self._one_insert = isinstance(self.protection, UniqueConstraint)
        self.as_json = frozenset(as_json)
        self._columns = tuple(columns)
        self._required = frozenset(required)
        self._key_columns = table.key_columns
        self._described: Described | None = None
        self._next_look = 0.0
        self._encoders: dict[tuple[str, ...], Encoder] = {}

    def write(self, values: Mapping[str, object]) -> bool:
        """Store one row. True: it was there already, with these very values. A JSON column's value is no text yet.

        Raises IdCollision, Rejected, Unprotected, Unavailable; and the driver's error for what is none of these, such
        as a missing permission. Then nothing is stored, and to write it again is safe.
        """
        return self.write_encoded(self.encode(values))

    def write_batch(
        self, columns: Sequence[str], rows: Sequence[Sequence[object]]
    ) -> list[bool | IdCollision | Rejected]:
        """Store many rows, given as values of these columns; see batches.write_batch."""
        from dedupaudit.ingest.batches import write_batch

        return write_batch(self, self.encoder(tuple(columns)), rows)

    def described(self) -> Described:
        """Return the table as it was when it was last asked for. Raises Unprotected, Unavailable."""
        return self._described or self._describe()

    def encoder(self, columns: tuple[str, ...]) -> Encoder:
        """Return what checks and encodes rows of these columns. Raises Rejected for columns that the table has not."""
        described = self.described()
        found = self._encoders.get(columns)
        if found is None or found.described is not described:
            found = self._encoders[columns] = encoder(described, columns, self._required, self.as_json)
        return found

    def encode(self, values: Mapping[str, object]) -> Encoded:
        """Return a row as the driver takes it. Raises Rejected."""
        try:
            found = self.encoder(tuple(values))
            return found.named(found.encode(tuple(values.values())))
        except Rejected:
            if not self.was_altered():
                raise
        return self.encode(values)

    def was_altered(self) -> bool:
        """Say whether the table is another since it was described: what was too long for a column may fit now.

        Before an event is refused for ever; the catalog is asked once a second at most.
        """
        now = time.monotonic()
        if now < self._next_look:
            return False
        self._next_look = now + _BETWEEN_LOOKS
        before = self.described()
        return self._describe() != before

    def write_encoded(self, row: Encoded) -> bool:
        """Store a row that `encode` returned; see `write`."""
        with self.protection.held(self.key(row)):
            for _ in range(_LOOKS):
                if self.insert(row):
                    return False
                differs = self._differs(row)
                if differs is not None:
                    if differs:
                        raise self.collision(row, differs)
                    return True
        raise Unavailable(
            f"{self.described().shown} refuses a row because its key is there, and no row of that key can be seen",
            "rows that are deleted all the time, a trigger, row security, or a unique index with another collation",
        )

    def key(self, row: Encoded) -> Row:
        """Return the key of a row."""
        return tuple([row[column] for column in self._key_columns])

    def collision(self, row: Encoded, differs: tuple[str, ...]) -> IdCollision:
        """Return what says that another row has this row's key."""
        key = self.key(row)
        shown = ", ".join(visible(part) for part in key)
        return IdCollision(
            f"{self.described().shown} holds another event under {shown}: it differs in"
            f" {', '.join(visible(name) for name in differs)}",
            "nothing was written, and to answer success would lose this event;"
            " where devices choose the same IDs, the key has to be (device, ID)",
            key,
            differs,
        )

    def refusal(self, error: Exception, violation: Refusal) -> Rejected:
        """Return what says that the database refused a row for another reason than its key."""
        named = f" by {visible(violation.constraint)}" if violation.constraint else ""
        kind = violation.kind.replace("_", " ")
        what = f" ({kind})" if violation.kind != "other" else f": {type(getattr(error, 'orig', error)).__name__}"
        missing = _MISSING.get(violation.kind)
        return Rejected(
            f"{self.described().shown} refused this event{named}{what}",
            (f"send it again once there is {missing}; " if missing else "")
            + "nothing was written; the database's own words are in the cause of this error",
            permanent=missing is None,
        )

    def changed(self, violation: Refusal) -> bool:
        """Say whether the table was made another since it was described: a new partition has indexes of its own."""
        described = self.described()
        if violation.kind != "unique" or violation.constraint in (*described.constraints, *described.others):
            return False
        return self._describe() != described

    def _differs(self, row: Encoded) -> tuple[str, ...] | None:
        """Compare with the stored row, in a transaction of its own; see stored.differing."""
        described = self.described()
        return in_transaction(self.engine, lambda connection: differing(connection, described, row, self.as_json))

    def insert(self, row: Encoded) -> bool:
        """Insert a row that `encode` returned. False: one of its key is there. Raises as `write` does."""
        described = self.described()
        try:
            return in_transaction(
                self.engine,
                lambda connection: self.protection.insert(connection, described, row),
                one_insert=self._one_insert,
            )
        except (DBAPIError, UnicodeEncodeError) as error:
            violation = violation_of(error, described)
            if violation is None:
                raise
            if not self.changed(violation):
                raise self.refusal(error, violation) from error
        return self.insert(row)

    def _describe(self) -> Described:
        # Several threads may do this at once: where the database is down, none has to wait for the others' patience.
        described = in_transaction(self.engine, lambda connection: describe(connection, self.table))
        if missing := [name for name in (*self._columns, *self._required) if name not in described.columns]:
            raise Unprotected(
                f"{described.shown} has no column {visible(missing[0])}",
                "Table(columns={…}) says what an event's attribute is called in the table",
            )
        self.protection.prepare(described)
        self._described = described
        return described
