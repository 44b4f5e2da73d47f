"""Runs configured SELECTs on PostgreSQL, and says how far the server is behind its primary."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg2

from dedupaudit.display import visible
from dedupaudit.errors import SourceError, UsageError
from dedupaudit.sources.tables.fence import POSTGRESQL, SELECT_HINT, fence_select
from dedupaudit.sources.tables.object_rows import BATCH
from dedupaudit.sources.tables.postgresql_asking import Asking
from dedupaudit.sources.tables.postgresql_session import name_of
from dedupaudit.sources.tables.postgresql_sql import WORD, literal, texts
from dedupaudit.sources.tables.protocol import Value

_VALUE = '"dedupaudit value"'
_AS_THEY_ARE = ("bytea", "bigint", "integer", "smallint")


def check_select(ask: Asking, select: str, where: str) -> None:
    """Raise UsageError unless SQL is one SELECT of one column that calls nothing VOLATILE; nothing of it runs."""
    fence_select(select, where, POSTGRESQL)
    statement = ask.filled("selected", {"columns": "*", "select": select})
    with ask.session.question(where):
        with _refusals(where):
            # The server takes the text as one statement or not at all, plans it, and runs nothing of it.
            ask.session.execute(f"SELECT pg_catalog.query_to_xmlschema({literal(statement)}, false, false, '')")
        _refuse_volatile(ask, select, where)
        with _refusals(where):
            _type(ask, select)


@contextmanager
def _refusals(where: str) -> Iterator[None]:
    """Tell a mistake in the SELECT from what only the server or its grants can change."""
    try:
        yield
    except (psycopg2.DataError, psycopg2.NotSupportedError, psycopg2.ProgrammingError) as error:
        if error.pgcode == "42501":
            raise
        said = (error.diag.message_primary if error.diag else None) or str(error).partition("\n")[0]
        raise UsageError(f"{where}: PostgreSQL refuses the SELECT: {visible(said, 300)}", SELECT_HINT) from None


def _refuse_volatile(ask: Asking, select: str, where: str) -> None:
    names = sorted({*WORD.findall(select), *WORD.findall(select.lower())})
    asked = ask.filled("volatile_functions", {"names": texts(names)})
    volatile = [name_of(row[0]) for row in ask.session.rows(asked)]
    if volatile:
        raise UsageError(
            f"{where}: the SELECT calls {', '.join(map(visible, volatile))}, which may change something",
            "write it with functions that are STABLE or IMMUTABLE",
        )


def _type(ask: Asking, select: str) -> str:
    return str(ask.session.rows(ask.filled("selected_type", {"select": select}))[0][0])


def selected(ask: Asking, select: str, where: str) -> Iterator[list[Value]]:
    """Yield the values of a SELECT that `check_select` let pass."""
    session = ask.session

    def values() -> Iterator[list[Value]]:
        with session.question(where):
            whole = _VALUE if _type(ask, select) in _AS_THEY_ARE else f"{_VALUE}::pg_catalog.text"
            statement = ask.filled("selected", {"columns": whole, "select": select})
            for rows in session.batches(statement, BATCH):
                yield [row[0] for row in rows]

    return session.streamed(values)


def lag(ask: Asking) -> float | None:
    """Return how many seconds the server may be behind its primary, as `TableSource.lag` does."""
    try:
        with ask.session.question("replication"):
            seconds = ask.session.rows(ask.filled("lag", {}))[0][0]
    except SourceError as error:
        cause = error.__cause__
        if isinstance(cause, psycopg2.ProgrammingError | psycopg2.NotSupportedError):
            return None
        raise
    return max(0.0, seconds) if isinstance(seconds, float) else None
