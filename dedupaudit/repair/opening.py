"""Opens the table that a plan or a run is of, and refuses whatever is not what it was, before anything changes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from dedupaudit.config import DatabaseSettings, Settings
from dedupaudit.display import visible
from dedupaudit.errors import Locked, Refused, UsageError
from dedupaudit.interrupt import Interrupt
from dedupaudit.progress import SILENT
from dedupaudit.repair.databases import open_database
from dedupaudit.repair.databases.protocol import Inspection, RepairDatabase, Trigger
from dedupaudit.repair.journal import Journal, Run
from dedupaudit.repair.plan import PlanHeader, shape_of
from dedupaudit.repair.site import Rows, Site
from dedupaudit.sources.tables import open_source
from dedupaudit.sources.tables.catalog import Catalog
from dedupaudit.sources.tables.resolve import resolve
from dedupaudit.sources.tables.table import Table


def database_of(settings: Settings, name: str | None = None) -> DatabaseSettings:
    """Return the one database to repair: the named one where several are configured. Raises UsageError."""
    databases = settings.require_databases()
    if len(databases) == 1:
        return databases[0]
    for database in databases:
        if database.name == name:
            return database
    shown = ", ".join(visible(database.name) for database in databases)
    raise UsageError(
        f"a repair works on one database at a time, and there are several: {shown}", "name one by --db URL"
    )


def planned_table(settings: Settings, database: DatabaseSettings, header: PlanHeader, interrupt: Interrupt) -> Table:
    """Return the table of a plan as it is now; raises Refused where it is not the planned one any more."""
    again = f"make a new plan with `dedupaudit {header.kind} plan`"
    source = open_source(database, interrupt, SILENT)
    try:
        if source.identity() != header.database:
            raise Refused(
                f"the plan was made for another database: {_shown(header.database)};"
                f" this is {_shown(source.identity())}",
                f"name that database by --db, or {again} here",
            )
        table = resolve(source, header.table, settings)
    finally:
        source.close()
    catalog = table.catalog
    was = (header.real, header.key, header.primary_key, header.columns)
    if was != (catalog.quoted, table.key_names, catalog.primary_key, shape_of(catalog)):
        raise Refused(f"table {visible(header.table)} is not as it was when the plan was made", again)
    return table


def _shown(identity: dict[str, str]) -> str:
    return " ".join(f"{name}={visible(value)}" for name, value in identity.items())


GUARD = "dedupaudit_guard_"
"""How the names of a migration's triggers begin."""


@contextmanager
def opened(settings: DatabaseSettings) -> Iterator[RepairDatabase]:
    """Open a database for writing, and close it at the end."""
    database = open_database(settings)
    try:
        yield database
    finally:
        database.close()


def refuse(inspection: Inspection, table: Table, allowed: Sequence[str], *, updates: bool) -> None:
    """Raise Refused for whatever stands in a repair's way. `updates` says that rows of the table itself are updated."""
    if inspection.refusals:
        raise Refused(
            f"table {visible(table.name)} cannot be repaired: {inspection.refusals[0]}",
            "; ".join(inspection.refusals[1:]),
        )
    refuse_triggers("repair", inspection.triggers, table.catalog, "DELETE", allowed, updates=updates)


def refuse_triggers(
    what: str, triggers: Sequence[Trigger], catalog: Catalog, event: str, allowed: Sequence[str], *, updates: bool
) -> None:
    """Raise Refused where a repair or its undo would fire a trigger that nobody allowed.

    `event` is what happens to rows of the table itself; `updates` says that some of them are updated as well.
    """
    fired = [
        trigger
        for trigger in triggers
        if trigger.name not in allowed
        and (trigger.event == event or (trigger.event == "UPDATE" and (trigger.table != catalog.name or updates)))
    ]
    if any(trigger.name.startswith(GUARD) for trigger in fired):
        raise Refused(
            f"the guard of a migration is on table {visible(catalog.name)}: one is under way, or was stopped",
            "`dedupaudit migrate status` shows it: let it end, apply its plan again, or `dedupaudit migrate rollback`",
        )
    if fired:
        shown = ", ".join(f"{visible(one.name)} ({one.event} on {visible(one.table)})" for one in fired)
        flags = " ".join(f"--allow-trigger {visible(name)}" for name in dict.fromkeys(one.name for one in fired))
        raise Refused(
            f"the {what} would fire triggers, and what they do is not taken back: {shown}",
            f"read them; where what they do is harmless: {flags}",
        )


def site_of(database: RepairDatabase, table: Table, inspection: Inspection, shape: str) -> Site:
    """Return the table under repair; `shape` is what its columns were when it was looked at."""
    return Site(
        database=database,
        rows=Rows(database, table.catalog),
        key=table.key,
        by_key=not table.catalog.primary_key,
        links=inspection.links,
        fires=any(trigger.event == "DELETE" for trigger in inspection.triggers),
        shape=shape,
    )


def acquire(database: RepairDatabase, journal: Journal, lock: str) -> None:
    """Take the table's lock for as long as the connection lives; raises Locked, naming who has it."""
    if database.acquire(lock):
        return
    at_work = [run for run in (*journal.runs(), *journal.runs("migrate")) if run.state in ("running", "undoing")]
    # A migration's repairs work under its lock: it is the one to name.
    holders = [run for run in at_work if run.lock == lock and run.parent is None]
    who = f": {visible(holders[-1].holder, 300)}" if holders else ""
    seen = "migrate status" if holders and holders[-1].kind == "migrate" else "repair runs"
    raise Locked(f"another run works on {visible(lock)}{who}", f"wait until it is done; `dedupaudit {seen}` shows it")


def is_alive(database: RepairDatabase, run: Run) -> bool:
    """Say whether a run that calls itself running has its lock."""
    return run.state in ("running", "undoing") and database.is_held(run.lock)
