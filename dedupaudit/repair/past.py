"""What is done with runs of the past: undo, runs, show, purge, from settings to outcome."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from dedupaudit.config import Settings
from dedupaudit.display import visible
from dedupaudit.errors import Cancelled, NothingToCheck, Refused, RunFailed, SourceError
from dedupaudit.interrupt import Interrupt
from dedupaudit.progress import SILENT, Progress
from dedupaudit.repair.apply import SHOWN
from dedupaudit.repair.databases.protocol import RepairDatabase, Trigger
from dedupaudit.repair.errors import Busy
from dedupaudit.repair.journal import PURGED, Entry, Journal, Run
from dedupaudit.repair.opening import acquire, database_of, is_alive, opened, refuse_triggers
from dedupaudit.repair.site import Rows
from dedupaudit.repair.undo import Undoing
from dedupaudit.sources.tables import open_source
from dedupaudit.sources.tables.catalog import Catalog
from dedupaudit.sources.tables.resolve import resolve
from dedupaudit.sources.tables.table import Table
from dedupaudit.times import iso, parse_time
from dedupaudit.units import show_duration

_ATTEMPTS = 10


@dataclass(frozen=True)
class Undone:
    """What an undo came to: the run, and how many rows were left because they changed since."""

    run: Run
    left: int
    signum: int | None = None


def undo_run(
    settings: Settings,
    named: str,
    *,
    interrupt: Interrupt,
    progress: Progress,
    confirm: Callable[[Run, str], None],
    leave_changed: bool = False,
    allowed_triggers: Sequence[str] = (),
    table: str | None = None,
) -> Undone:
    """Take a run back; raises Refused where it cannot be, with what stands in the way."""
    with opened(database_of(settings)) as database:
        run = Journal(database).run(named, table)
    if run.state == "undone":
        raise Refused(f"run {run.id} was taken back already, at {run.finished_at}", "`repair runs` lists the others")
    # Before the connection that writes is open: whoever closes an SQLite file drops all locks of the process on it.
    resolved = _table_of(settings, run, interrupt)
    with opened(database_of(settings)) as database:
        journal = Journal(database)
        confirm(run, database.place)
        undoing = _undoing(database, journal, resolved, run, leave_changed, allowed_triggers)
        undoing.refuse_obstacles()
        progress.start(f"taking back run {run.id}", run.chunks, "chunks")
        try:
            return _taken_back(undoing, interrupt, progress)
        except Cancelled as cancelled:
            return Undone(undoing.run, undoing.left, cancelled.signum)
        except (SourceError, Busy) as error:
            raise RunFailed(
                f"the undo of run {run.id} stopped: {error.message}",
                "run the same command again: it goes on where it stopped",
            ) from error
        finally:
            progress.finish()


def _taken_back(undoing: Undoing, interrupt: Interrupt, progress: Progress) -> Undone:
    """Take back chunk after chunk, the last one first; a signal ends it between two."""
    database, journal, chunks = undoing.database, undoing.journal, undoing.run.chunks
    with interrupt.deferred():
        undoing.run = journal.take_over(undoing.run, "undoing")
        for chunk in range(chunks, 0, -1):
            _patiently(partial(undoing.undo_chunk, chunk), interrupt)
            progress.advance_to(chunks - chunk + 1)
            interrupt.check()
        done = replace(undoing.run, state="undone", finished_at=iso(database.clock()))

        def save() -> None:
            with database.transaction():
                journal.fence(undoing.run)
                journal.save(done)

        _patiently(save, interrupt)
    return Undone(done, undoing.left)


def _undoing(
    database: RepairDatabase,
    journal: Journal,
    table: Table,
    run: Run,
    leave_changed: bool,
    allowed_triggers: Sequence[str],
) -> Undoing:
    """Return a run ready to be taken back, with its table's lock held; raises Refused for what can be seen before."""
    catalog, inspection = table.catalog, database.inspect(table)
    links = inspection.links
    own = tuple(link for link in links if link.child.quoted == catalog.quoted)
    fired = inspection.triggers if run.children_repointed or run.rows_merged else _on(catalog, inspection.triggers)
    refuse_triggers("undo", fired, catalog, "INSERT", allowed_triggers, updates=run.rows_merged > 0 or bool(own))
    touched = {one.quoted: one for one in (*(link.child for link in links), catalog)}
    catalogs = {quoted: _as_it_was(one, run) for quoted, one in touched.items()}
    pointing: dict[str, tuple[str, ...]] = {}
    for link in links:
        known = pointing.get(link.child.quoted, ())
        pointing[link.child.quoted] = tuple(dict.fromkeys((*known, *link.columns)))
    database.prepare(list(touched.values()))
    acquire(database, journal, run.lock)
    rows = Rows(database, catalogs[catalog.quoted])
    # Read anew: it may have gone on until the lock was free.
    return Undoing(database, journal, rows, catalogs, journal.run(run.id), pointing, leave_changed, own)


def _patiently(write: Callable[[], None], interrupt: Interrupt) -> None:
    """Write, again and again while others are in the way; raises Busy where they stay there."""
    for attempt in range(1, _ATTEMPTS):
        try:
            return write()
        except Busy:
            time.sleep(min(0.1 * 2**attempt, 2.0))
            interrupt.check()
    return write()


def _table_of(settings: Settings, run: Run, interrupt: Interrupt) -> Table:
    """Return the table of a run, as it is now."""
    source = open_source(database_of(settings), interrupt, SILENT)
    try:
        table = resolve(source, run.table_name, settings)
    finally:
        source.close()
    if table.catalog.quoted != run.table_real:
        raise Refused(
            f"run {run.id} was on {visible(run.table_real)}; {visible(run.table_name)} is"
            f" {visible(table.catalog.quoted)} now",
            f"name it in dedupaudit.toml: [tables.{visible(run.table_name)}] name = …",
        )
    return table


def _on(catalog: Catalog, triggers: Sequence[Trigger]) -> list[Trigger]:
    """Return the triggers of the table itself."""
    return [trigger for trigger in triggers if trigger.table == catalog.name or trigger.event == "INSERT"]


def _as_it_was(catalog: Catalog, run: Run) -> Catalog:
    """Return the table with the columns that it had for the run: a later one takes its default in what comes back."""
    there = {column.name: column for column in catalog.columns}
    names = json.loads(run.columns).get(catalog.quoted)
    if names is None:
        return catalog  # it refers to the table only since: the run changed nothing of it
    gone = [name for name in names if name not in there]
    if gone:
        raise Refused(
            f"run {run.id} cannot be taken back: {visible(catalog.name)} has lost the column"
            f"{'s' if len(gone) > 1 else ''} {', '.join(map(visible, gone))} since, and would lose what was in it",
            "ALTER TABLE … ADD COLUMN with its old name and type, then run the same command again",
        )
    return replace(catalog, columns=tuple(there[name] for name in names))


@dataclass(frozen=True)
class Known:
    """A run as `runs` shows it: one that calls itself running, and whose lock nobody holds, was interrupted."""

    run: Run
    state: str


def known_runs(settings: Settings) -> list[Known]:
    """Return all runs of the database, the oldest first."""
    with opened(database_of(settings)) as database:
        return [known(database, run) for run in Journal(database).runs()]


def known_run(settings: Settings, named: str) -> tuple[Known, list[Entry]]:
    """Return one run, and the first groups that it skipped."""
    with opened(database_of(settings)) as database:
        journal = Journal(database)
        run = journal.run(named)
        return known(database, run), journal.skipped(run, SHOWN)


def known(database: RepairDatabase, run: Run) -> Known:
    """Return a run with the state that it truly is in."""
    if run.state in ("running", "undoing"):
        return Known(run, run.state if is_alive(database, run) else "interrupted")
    return Known(run, run.state)


def purge(
    settings: Settings, table: str, older_than: float, *, confirm: Callable[[Sequence[Run], int, str], None]
) -> tuple[int, int]:
    """Drop the quarantine of finished runs that ended longer ago; return how many runs and rows.

    The journal stays: it holds no row, and says what became of each.
    """
    with opened(database_of(settings)) as database:
        journal = Journal(database)
        limit = database.clock() - int(older_than * 1_000_000)
        old = [run for run in journal.runs() if _is_old(run, limit) and run.table_name == table]
        tables = database.quarantines()
        of_runs = f"dedupaudit_run IN ({', '.join(database.literal(run.id) for run in old)})"
        counts = {name: _count(database, name, of_runs) for name in tables} if old else {}
        rows = sum(counts.values())
        if not rows:
            raise NothingToCheck(
                f"nothing to purge: no quarantine of {visible(table)} is older than {show_duration(older_than)}",
                "`dedupaudit repair runs` lists the runs",
            )
        confirm(old, rows, database.place)
        # Nobody takes back meanwhile what is dropped here.
        for lock in dict.fromkeys(run.lock for run in old):
            acquire(database, journal, lock)
        for name in (one for one, count in counts.items() if count):
            with database.transaction():
                database.execute(f"DELETE FROM {name} WHERE {of_runs}")
        dropped = f"{PURGED} at {iso(database.clock())}: it cannot be taken back any more"
        for run in old:
            with database.transaction():
                journal.save(replace(run, message=dropped))
        return len(old), rows


def _is_old(run: Run, limit: int) -> bool:
    ended = parse_time(run.finished_at) if run.finished_at else None
    return run.state in ("done", "undone") and ended is not None and ended <= limit


def _count(database: RepairDatabase, table: str, condition: str) -> int:
    ((found,),) = database.fetch((), ["COUNT(*)"], f"FROM {table} WHERE {condition}")
    return int(str(found))
