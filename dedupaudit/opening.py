"""Opens one database of a run and resolves its tables; what fails there is in the coverage, and the rest goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext, suppress

from dedupaudit.building import Building, reason_of, status_of
from dedupaudit.config import DatabaseSettings, Settings
from dedupaudit.errors import SourceError
from dedupaudit.interrupt import Interrupt
from dedupaudit.model import Status
from dedupaudit.progress import Progress
from dedupaudit.sources.tables import open_source
from dedupaudit.sources.tables.protocol import Reading, TableSource
from dedupaudit.sources.tables.resolve import DEFAULT_TABLES, resolve
from dedupaudit.sources.tables.table import Table

Opening = Callable[
    [DatabaseSettings, Reading, Building, Interrupt, Progress], AbstractContextManager[TableSource | None]
]


@contextmanager
def opened(
    database: DatabaseSettings, reading: Reading, building: Building, interrupt: Interrupt, progress: Progress
) -> Iterator[TableSource | None]:
    """Open a source and close it at the end; None, with the failure in the coverage, where it cannot be opened."""
    try:
        source = open_source(database, interrupt, progress, reading)
    except SourceError as error:
        building.cover(database.name, "*", "*", "failed", reason=reason_of(error))
        yield None
        return
    try:
        # A server that does not say who it is can be audited all the same.
        with suppress(SourceError):
            building.came_from(database.name, source.identity())
        yield source
    finally:
        building.remark(source.remarks())
        source.close()


def opened_once(stack: ExitStack, building: Building) -> Opening:
    """Return what opens each database once and closes it with `stack`: all parts of a run read one snapshot.

    What fails, and what a source remarks, goes into `building`, whoever opens it first.
    """
    known: dict[str, TableSource | None] = {}

    def open_once(
        database: DatabaseSettings, reading: Reading, _building: Building, interrupt: Interrupt, progress: Progress
    ) -> AbstractContextManager[TableSource | None]:
        if database.name not in known:
            context = opened(database, reading, building, interrupt, progress)
            known[database.name] = stack.enter_context(context)
        return nullcontext(known[database.name])

    return open_once


def tables_of(source: TableSource, settings: Settings, asked: Sequence[str], building: Building) -> list[Table]:
    """Resolve all tables of one source before the first is read; one that cannot be read leaves the others."""
    named: Sequence[str] = tuple(dict.fromkeys(asked)) or tuple(settings.tables)
    tables, seen = [], False
    for name in named or DEFAULT_TABLES:
        try:
            if named or source.catalog((name,)):
                seen = True
                tables.append(resolve(source, name, settings))
        except SourceError as error:
            seen = True
            building.cover(source.name, name, "*", status_of(error), reason=reason_of(error))
    if not seen:
        # Beside other databases this is more likely the wrong one than one with nothing to check.
        status: Status = "failed" if len(settings.databases) > 1 else "skipped"
        reason = f"none of {', '.join(DEFAULT_TABLES)} exists here: is it the right database?"
        building.cover(source.name, "*", "*", status, reason=reason)
    if building.learn:
        building.learn(source.name, tables)
    return tables
