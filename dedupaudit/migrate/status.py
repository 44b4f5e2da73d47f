"""What `migrate status` sees: each table's constraint, what is left of migrations, and which of them can go on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dedupaudit.config import Settings
from dedupaudit.interrupt import Interrupt
from dedupaudit.migrate.databases.protocol import Standing
from dedupaudit.migrate.wanted import Wish, names_of, wanted_of
from dedupaudit.progress import Progress
from dedupaudit.repair.journal import Journal, Run
from dedupaudit.repair.opening import database_of, opened
from dedupaudit.repair.past import Known, known
from dedupaudit.sources.tables import open_source
from dedupaudit.sources.tables.resolve import resolve


@dataclass(frozen=True)
class TableStatus:
    """One table: what keeps its key unique (None: nothing does), and how far a migration of it is."""

    table: str
    place: str
    key: tuple[str, ...]
    protecting: str | None
    wanted: str
    standing: Standing
    invalid: tuple[str, ...]
    """Invalid indexes that are not the tool's."""
    runs: tuple[Known, ...]
    """The migrations of the table, the oldest first."""


def status_of(
    settings: Settings, tables: Sequence[str], *, interrupt: Interrupt, progress: Progress
) -> list[TableStatus]:
    """Look at the named tables, or at all that are configured or usual; changes nothing."""
    database = database_of(settings)
    source = open_source(database, interrupt, progress)
    try:
        found = [resolve(source, name, settings) for name in names_of(settings, tables, interrupt, progress)]
    finally:
        source.close()
    wanted = [wanted_of(settings, database, table, Wish(), interrupt) for table in found]
    told = []
    with opened(database) as writer:
        runs = Journal(writer).runs("migrate")
        for one in wanted:
            mine = [run for run in runs if run.table_real == one.table.catalog.quoted]
            target = one.target_of(last_alive(mine))
            told.append(
                TableStatus(
                    table=one.table.name,
                    place=writer.place,
                    key=one.table.key_names,
                    protecting=one.facts.protecting,
                    wanted=target.constraint,
                    standing=one.dialect.migration(writer, target, interrupt).standing(),
                    invalid=one.facts.invalid_indexes,
                    runs=tuple(known(writer, run) for run in mine),
                )
            )
    return told


def last_alive(runs: Sequence[Run]) -> Run | None:
    """Return the last migration that was not rolled back."""
    alive = [run for run in runs if run.state != "undone"]
    return alive[-1] if alive else None
