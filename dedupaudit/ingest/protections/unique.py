"""The unique constraint: the database lets one row in, and everybody else is told so. Recommended."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, ClassVar

from sqlalchemy.exc import DBAPIError

from dedupaudit.ingest.errors import Unprotected
from dedupaudit.ingest.violations import violation_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection

    from dedupaudit.ingest.protections.protocol import Key
    from dedupaudit.ingest.tables import Described


class UniqueConstraint:
    """Insert, and see whether the key's constraint let it in. What a backend should use."""

    name: ClassVar[str] = "unique"
    limits: ClassVar[str] = (
        "Needs a valid unique constraint on the key, in one database: two shards do not see each other."
    )

    def prepare(self, table: Described) -> None:
        """Raise Unprotected where nothing keeps the key single."""
        need_constraint(table)

    def held(self, key: Key) -> AbstractContextManager[None]:
        """Hold nothing: the constraint is always there."""
        return nullcontext()

    def insert(self, connection: Connection, table: Described, values: Mapping[str, object]) -> bool:
        """Insert a row (see Protection.insert); values are as the driver takes them."""
        columns = tuple(values)
        statement = table.statements.get(columns)
        if statement is None:
            statement = table.statements[columns] = insert_statement(table, columns, 1)
        try:
            return connection.exec_driver_sql(statement, tuple(values.values())).rowcount == 1
        except DBAPIError as error:
            violation = violation_of(error, table)
            if violation is None or not violation.is_of_key(table):
                raise
            return False

    def claim(self, connection: Connection, table: Described, key: Key, lease: float) -> int | None:
        """Claim by one compare-and-swap (see Protection.claim)."""
        from dedupaudit.ingest import claims

        return claims.compare_and_swap(connection, table, key, lease)


def need_constraint(table: Described) -> None:
    """Raise Unprotected where no unique constraint keeps the table's key single."""
    if not table.constraints:
        raise Unprotected(
            f"no unique constraint on {table.shown} keeps ({', '.join(table.table.key_columns)}) single",
            "make one: `dedupaudit migrate plan` shows how, without a pause for writers",
        )


def insert_statement(table: Described, columns: tuple[str, ...], rows: int) -> str:
    """Return the INSERT of some rows: PostgreSQL and SQLite leave out those whose key is there, MySQL takes none then.

    ON CONFLICT names the key: any other violation is an error. SQLite's OR ABORT overrules a table that was made with
    ON CONFLICT REPLACE; the OR IGNORE of triggers too, so that it is said only there. MySQL has no such thing: INSERT
    IGNORE swallows other errors too.
    """
    row = f"({', '.join([table.mark] * len(columns))})"
    verb = "INSERT OR ABORT INTO" if table.resolves else "INSERT INTO"
    names = ", ".join(table.name(column) for column in columns)
    statement = f"{verb} {table.quoted} ({names}) VALUES {', '.join([row] * rows)}"
    if table.dialect in ("mysql", "mariadb"):
        return statement
    return f"{statement} ON CONFLICT ({', '.join(table.name(column) for column in table.table.key_columns)}) DO NOTHING"
