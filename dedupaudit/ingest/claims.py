"""The transitions of states.py as SQL: each is one statement, whose conditions say all that it relies on.

Every function works in the caller's transaction (READ COMMITTED on servers), knows rows by their exact key only, and
says by the number of rows that it changed whether it happened. Nothing is read first: what was read may be old.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, get_args

from dedupaudit.display import visible
from dedupaudit.ingest.clock import FOREIGN_ZONE, clock_of
from dedupaudit.ingest.errors import Unprotected
from dedupaudit.ingest.states import CLAIM, COMPLETE, FAIL, RENEW, SWEEP, TAKE_OVER, Status, Transition

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from dedupaudit.ingest.protections.protocol import Key
    from dedupaudit.ingest.tables import Described

_LONG_AGO: Final = "1000000000.0"
"""Seconds, for a row that has no time: no lease is so long."""


@dataclass(frozen=True)
class Seen:
    """A row as it was when it was looked at. `token`: of its last claim; `held`: that claim's lease is not over.

    `status` is spelt as in states.py where the database takes it for one of those. `values` has all columns that were
    asked for, by their real names.
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
    sql = _Sql(table)
    statement = sql.change((CLAIM, TAKE_OVER), key, lease=lease)
    if version is not None and table.table.version is not None:
        statement.add(f" AND {table.name(table.table.version)} = {table.mark}", version)
    if table.dialect in ("postgresql", "sqlite"):
        row = statement.add(f" RETURNING {sql.token}, {sql.age}").run(connection).first()
    elif statement.run(connection).rowcount:
        # The row is locked by the update: nobody changes it before this transaction ends.
        row = sql.select(f"{sql.token}, {sql.age}").add(f" WHERE {table.where_key}", *key).run(connection).first()
    else:
        row = None
    if row is None:
        return None
    token, age = row
    if age is None or abs(float(age)) > FOREIGN_ZONE:
        raise Unprotected(
            f"{visible(table.table.column('updated_at'))} of {table.shown} was set just now, and is"
            f" {'NULL' if age is None else f'{float(age):.0f} s old'}: no lease can be kept in it",
            "look for a trigger that sets it to a local time; a time without a zone has to be UTC",
        )
    return int(token)


def complete(connection: Connection, table: Described, key: Key, token: int, written: Mapping[str, object]) -> bool:
    """Say that the object is there; `written` has its columns, by their real names. False: the claim was lost."""
    return _changed(connection, _Sql(table).change((COMPLETE,), key, token=token, written=written))


def fail(connection: Connection, table: Described, key: Key, token: int) -> bool:
    """Give a claim back without a picture. False: it was lost before."""
    return _changed(connection, _Sql(table).change((FAIL,), key, token=token))


def renew(connection: Connection, table: Described, key: Key, token: int) -> bool:
    """Begin the lease anew. False: the claim was lost."""
    sql = _Sql(table)
    if _changed(connection, sql.change((RENEW,), key, token=token)):
        return True
    # A driver that counts changed rows, and not found ones, says 0 where the clock has not moved.
    statement = sql.select("1").add(f" WHERE {table.where_key} AND ", *key)
    return sql.allow(statement, (RENEW,), token=token).run(connection).first() is not None


def sweep(connection: Connection, table: Described, key: Key, token: int, lease: float) -> bool:
    """Take this claim back if its lease is over. False: it was completed, given back, renewed or taken meanwhile."""
    sql = _Sql(table)
    return _changed(connection, sql.change((SWEEP,), key, lease=lease).add(f" AND {sql.token} = {table.mark}", token))


def expired(connection: Connection, table: Described, lease: float, limit: int) -> list[tuple[Key, int]]:
    """Return keys and tokens of claims whose lease is over, `limit` of them at most."""
    sql = _Sql(table)
    columns = ", ".join(table.name(column) for column in table.table.key_columns)
    statement = sql.allow(sql.select(f"{sql.token}, {columns}").add(" WHERE "), (SWEEP,), lease=lease)
    rows = statement.add(f" LIMIT {table.mark}", limit).run(connection)
    return [(tuple(key), int(token)) for token, *key in rows]


def look(connection: Connection, table: Described, key: Key, lease: float, columns: Sequence[str]) -> Seen | None:
    """Return a row as it is, with these columns (real names); None: there is no row of this key."""
    sql = _Sql(table)
    asked = "".join(f", {table.name(column)}" for column in columns)
    statement = sql.allow(_Statement(f"SELECT {sql.state}, {sql.token}, CASE WHEN "), (TAKE_OVER,), lease=lease)
    statement.add(f" THEN 1 ELSE 0 END{asked} FROM {table.quoted} WHERE {table.where_key}", *key)
    row = statement.run(connection).first()
    if row is None:
        return None
    status, token, over, *values = row
    return Seen(status, int(token), status == "uploading" and not over, dict(zip(columns, values, strict=True)))


class _Statement:
    """A statement that grows: its text, and what stands for its marks."""

    def __init__(self, text: str, *values: object) -> None:
        self._texts, self._values = [text], list(values)

    def add(self, text: str, *values: object) -> _Statement:
        self._texts.append(text)
        self._values += values
        return self

    def run(self, connection: Connection) -> Any:
        return connection.exec_driver_sql("".join(self._texts), tuple(self._values))


class _Sql:
    """What statements about one table are made of."""

    def __init__(self, table: Described) -> None:
        self._table = table
        self._clock = clock_of(table)
        self.status = self._column("status")
        # Which of ours a status is, the database says, here as in each condition: by its collation and its padding.
        ours = "".join(f" WHEN {self.status} = '{state}' THEN '{state}'" for state in get_args(Status))
        self.state = f"CASE{ours} ELSE {self.status} END"
        self.token = f"coalesce({self._column('retry_count')}, 0)"
        self.age = self._clock.age

    def _column(self, attribute: str) -> str:
        return self._table.name(self._table.table.column(attribute))

    def select(self, what: str) -> _Statement:
        return _Statement(f"SELECT {what} FROM {self._table.quoted}")

    def allow(
        self,
        statement: _Statement,
        transitions: Sequence[Transition],
        *,
        lease: float | None = None,
        token: int | None = None,
    ) -> _Statement:
        """Add the condition that one of the transitions is allowed."""
        mark = self._table.mark
        statement.add("(")
        for number, transition in enumerate(transitions):
            statement.add(f"{' OR ' if number else ''}({_is(self.status, transition)}")
            if transition.lease_over:
                # No claim wrote a time that is further ahead than a lease: a clock went wrong, or an older backend
                # wrote its local time. Nobody would ever renew that, or see it end.
                ahead = max(lease or 0.0, FOREIGN_ZONE)
                statement.add(f" AND coalesce({self.age}, {_LONG_AGO}) NOT BETWEEN {mark} AND {mark}", -ahead, lease)
            if transition.by_token:
                statement.add(f" AND {self.token} = {mark}", token)
            statement.add(")")
        return statement.add(")")

    def change(
        self,
        transitions: Sequence[Transition],
        key: Key,
        *,
        lease: float | None = None,
        token: int | None = None,
        written: Mapping[str, object] | None = None,
    ) -> _Statement:
        """Return the statement of one transition, or of several to one status of which one at most fits a row."""
        table = self._table
        counts = "".join(f" WHEN {_is(self.status, one)} THEN {int(one.counts)}" for one in transitions)
        # In this order: MySQL computes each from what those before it have set already.
        statement = _Statement(
            f"UPDATE {table.quoted} SET {self._column('retry_count')} = {self.token} + CASE{counts} ELSE 0 END,"
            f" {self.status} = '{transitions[0].target}', {self._column('updated_at')} = {self._clock.now}"
        )
        if table.table.version is not None:
            version = table.name(table.table.version)
            statement.add(f", {version} = {version} + 1")
        for column, value in (written or {}).items():
            statement.add(f", {table.name(column)} = {table.mark}", value)
        statement.add(f" WHERE {table.where_key} AND ", *key)
        return self.allow(statement, transitions, lease=lease, token=token)


def _is(status: str, transition: Transition) -> str:
    sources = ", ".join(f"'{source}'" for source in transition.sources)
    return f"{status} IN ({sources})"


def _changed(connection: Connection, statement: _Statement) -> bool:
    return bool(statement.run(connection).rowcount)
