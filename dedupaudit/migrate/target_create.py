"""Makes the target schema in a database that has none of its tables."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import nullcontext

from dedupaudit.config import Settings
from dedupaudit.display import visible
from dedupaudit.errors import Refused, RunFailed, SourceError
from dedupaudit.interrupt import Interrupt
from dedupaudit.migrate.target import Comparison, compare, parts_of
from dedupaudit.migrate.target_schema import TARGET, Dialect
from dedupaudit.progress import Progress
from dedupaudit.repair.databases.protocol import RepairDatabase
from dedupaudit.repair.opening import database_of, opened
from dedupaudit.sqlfiles import sql_text

_TABLE = re.compile(r"\b(" + "|".join(table.name for table in TARGET) + r")\b")
_FUNCTION = re.compile(r"\b\w+_set_updated_at(?=\(\))")
_END = re.compile(r";\s*(?:\n|\Z)")


def create(
    settings: Settings, *, interrupt: Interrupt, progress: Progress, confirm: Callable[[Comparison], None]
) -> Comparison:
    """Ask, make the tables, and look at them; returns the look.

    Raises Refused where one of them is there or the role may not, RunFailed where the look sees other tables.
    """
    before = compare(settings, interrupt=interrupt, progress=progress)
    there = [visible(table.real) for table in before.tables if table.exists]
    if there:
        raise Refused(
            f"{before.place} has {', '.join(there)} already: --create is for a database that has none of the tables",
            "without --create, `dedupaudit migrate target` shows what differs; nothing was changed",
        )
    confirm(before)
    with opened(database_of(settings)) as database:
        _make(settings, database, before.dialect)
    after = compare(settings, interrupt=interrupt, progress=progress)
    if not after.same:
        raise RunFailed(
            f"{after.place}: the tables were made, and are not as the target has them",
            "`dedupaudit migrate target` shows what differs; is there an event trigger, or a proxy, that changes them?",
        )
    return after


def _make(settings: Settings, database: RepairDatabase, dialect: Dialect) -> None:
    schema = _schema(database) if dialect == "postgresql" else ()
    names = {}
    for table in TARGET:
        parts = parts_of(settings, table)
        # An index of SQLite cannot name the schema of its table; and there is but one.
        parts = parts[-1:] if dialect == "sqlite" else parts
        names[table.name] = ".".join(map(database.quote, (*(schema if len(parts) == 1 else ()), *parts)))
    prefix = names["screenshots"].rpartition(".")[0] if dialect == "postgresql" else ""
    made = 0
    try:
        # MySQL commits each statement of DDL by itself.
        with nullcontext() if dialect == "mysql" else database.transaction():
            for statement in statements(dialect, names, prefix):
                database.execute(statement)
                made += 1
    except (SourceError, Refused) as error:
        database.clock()  # a server that is gone has refused nothing: this raises then
        left = f"{made} of {len(TARGET)} tables were made and are empty: drop them, and run again"
        hint = left if dialect == "mysql" and made else "nothing was changed"
        raise Refused(error.message, f"{error.hint}; {hint}" if error.hint else hint) from error


def _schema(database: RepairDatabase) -> tuple[str, ...]:
    """Return the schema in which this role makes tables: pg_catalog may be searched first, and takes none."""
    told = "(pg_catalog.array_remove(pg_catalog.current_schemas(false), 'pg_catalog'))[1]"
    ((found,),) = database.fetch((), [told], "")
    if found is None:
        raise Refused("no schema of the search path exists", 'name one: [tables.activities] name = "schema.activities"')
    return (str(found),)


def statements(dialect: Dialect, names: dict[str, str], schema: str = "") -> list[str]:
    """Return the statements of `sql/schema/`, with the tables' quoted names; `schema` is the function's, quoted.

    PostgreSQL takes them all in one call, so that is one text there.
    """
    text = _TABLE.sub(lambda match: names[match[0]], sql_text(f"schema/{dialect}.sql"))
    if dialect == "postgresql":
        return [_FUNCTION.sub(lambda match: f"{schema}.{match[0]}" if schema else match[0], text)]
    return [statement for part in _END.split(text) if (statement := part.strip())]
