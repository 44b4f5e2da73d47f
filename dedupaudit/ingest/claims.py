"""The transitions of states.py as SQL: each is one statement, whose conditions say all that it relies on.

Every function works in the caller's transaction (READ COMMITTED on servers), knows rows by their exact key only, and
says by the number of rows that it changed whether it happened. Nothing is read first: what was read may be old.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import (
    ColumnClause,
    ColumnElement,
    Connection,
    Update,
    and_,
    case,
    column,
    func,
    literal_column,
    or_,
    select,
    table,
    update,
)
from sqlalchemy.sql import quoted_name

from dedupaudit.display import visible
from dedupaudit.ingest.clock import FOREIGN_ZONE, clock_of
from dedupaudit.ingest.errors import Unprotected
from dedupaudit.ingest.protections.protocol import Key
from dedupaudit.ingest.states import CLAIM, COMPLETE, FAIL, RENEW, SWEEP, TAKE_OVER, Transition
from dedupaudit.ingest.tables import Described

_LONG_AGO: Final = 1e9
"""Seconds, for a row that has no time: no lease is so long."""


@dataclass(frozen=True)
class Claim:
    """A row as it is now. `token`: of the last claim; `held`: somebody uploads, and the lease is not over.

    `values` has all columns that were asked for, by their real names.
    """

    status: str
    token: int
    held: bool
    values: Mapping[str, Any]


def compare_and_swap(
    connection: Connection, table: Described, key: Key, lease: float, *, version: int | None = None
) -> int | None:
    """Claim a row that is `pending` or `failed`, or whose lease is over: the fencing token, or None for the losers.

    With `version`, only where the table's version is still that. Raises Unprotected where the clock of `updated_at`
    turns out to be another zone's, as a trigger can make it: no lease would be kept.
    """
    parts = _Parts(table)
    statement = parts.change((CLAIM, TAKE_OVER), key, lease=lease)
    if version is not None:
        statement = statement.where(parts.named(table.table.version or "") == version)
    answer = (parts.token, parts.age)
    if table.dialect in ("postgresql", "sqlite"):
        row = connection.execute(statement.returning(*answer)).first()
    elif connection.execute(statement).rowcount:
        # The row is locked by the update: nobody changes it before this transaction ends.
        row = connection.execute(select(*answer).where(parts.of(key))).first()
    else:
        row = None
    if row is None:
        return None
    token, age = row
    if age is None or abs(float(age)) > FOREIGN_ZONE:
        raise Unprotected(
            f"{visible(table.table.column('updated_at'))} of {visible(table.quoted)} was set just now, and is"
            f" {'NULL' if age is None else f'{float(age):.0f} s old'}: no lease can be kept in it",
            "look for a trigger that sets it to a local time; a time without a zone has to be UTC",
        )
    return int(token)


def complete(connection: Connection, table: Described, key: Key, token: int, written: Mapping[str, object]) -> bool:
    """Say that the object is there; `written` has its columns, by their real names. False: the claim was lost."""
    return _changed(connection, _Parts(table).change((COMPLETE,), key, token=token, values=written))


def fail(connection: Connection, table: Described, key: Key, token: int) -> bool:
    """Give a claim back without a picture. False: it was lost before."""
    return _changed(connection, _Parts(table).change((FAIL,), key, token=token))


def renew(connection: Connection, table: Described, key: Key, token: int) -> bool:
    """Begin the lease anew. False: the claim was lost."""
    parts = _Parts(table)
    if _changed(connection, parts.change((RENEW,), key, token=token)):
        return True
    # A driver that counts changed rows, and not found ones, says 0 where the clock has not moved.
    return (
        connection.execute(select(parts.token).where(parts.of(key), parts.allows(RENEW, token=token))).first()
        is not None
    )


def sweep(connection: Connection, table: Described, key: Key, token: int, lease: float) -> bool:
    """Take one claim back whose lease is over. False: it was completed, given back or renewed meanwhile."""
    return _changed(connection, _Parts(table).change((SWEEP,), key, lease=lease, token=token))


def expired(connection: Connection, table: Described, lease: float, limit: int) -> list[tuple[Key, int]]:
    """Return keys and tokens of claims whose lease is over, `limit` of them at most."""
    parts = _Parts(table)
    statement = select(*parts.key, parts.token).where(parts.allows(SWEEP, lease=lease)).limit(limit)
    return [(tuple(key), int(token)) for *key, token in connection.execute(statement)]


def look(connection: Connection, table: Described, key: Key, lease: float, columns: Sequence[str]) -> Claim | None:
    """Return a row as it is, with these columns (real names); None: there is no row of this key."""
    parts = _Parts(table)
    asked = [parts.named(name) for name in columns]
    held = case((parts.allows(TAKE_OVER, lease=lease), 0), else_=1)
    row = connection.execute(select(parts.status, parts.token, held, *asked).where(parts.of(key))).first()
    if row is None:
        return None
    status, token, held_now, *values = row
    return Claim(
        status, int(token), status in TAKE_OVER.sources and bool(held_now), dict(zip(columns, values, strict=True))
    )


class _Parts:
    """The pieces of a table's statements."""

    def __init__(self, described: Described) -> None:
        self._described = described
        *schema, name = (quoted_name(part, quote=True) for part in described.table.name)
        columns: list[ColumnClause[Any]] = [column(quoted_name(name, quote=True)) for name in described.columns]
        self.table = table(name, *columns, schema=schema[0] if schema else None)
        self._clock = clock_of(described)
        self.status = self._column("status")
        self.token = func.coalesce(self._column("retry_count"), literal_column("0"))
        self.key = [self.named(name) for name in described.table.key_columns]
        self.age = self._clock.age

    def named(self, name: str) -> ColumnElement[Any]:
        return self.table.c[name]

    def _column(self, attribute: str) -> ColumnElement[Any]:
        return self.named(self._described.table.column(attribute))

    def of(self, key: Key) -> ColumnElement[bool]:
        return and_(*(part == value for part, value in zip(self.key, key, strict=True)))

    def allows(
        self, transition: Transition, *, lease: float | None = None, token: int | None = None
    ) -> ColumnElement[bool]:
        """Return what has to be true of a row before a transition."""
        conditions: list[ColumnElement[bool]] = [self.status.in_(transition.sources)]
        if transition.lease_over:
            conditions.append(func.coalesce(self.age, literal_column(str(_LONG_AGO))) > lease)
        if transition.by_token or token is not None:
            conditions.append(self.token == token)
        return and_(*conditions)

    def change(
        self,
        transitions: Sequence[Transition],
        key: Key,
        *,
        lease: float | None = None,
        token: int | None = None,
        values: Mapping[str, object] | None = None,
    ) -> Update:
        """Return the statement of one transition, or of several to one status of which at most one fits a row."""
        described = self._described
        allowed = [self.allows(one, lease=lease, token=token) for one in transitions]
        counts = case(*((self.status.in_(one.sources), int(one.counts)) for one in transitions), else_=0)
        # In this order: MySQL computes each from what those before it have set already.
        changes: list[tuple[Any, Any]] = [
            (self._column("retry_count"), self.token + counts),
            (self._column("status"), transitions[0].target),
            (self._column("updated_at"), self._clock.now),
        ]
        if described.table.version is not None:
            counted = self.named(described.table.version)
            changes.append((counted, counted + 1))
        changes += [(self.named(name), value) for name, value in (values or {}).items()]
        return update(self.table).where(self.of(key), or_(*allowed)).ordered_values(*changes)


def _changed(connection: Connection, statement: Update) -> bool:
    return bool(connection.execute(statement).rowcount)
