"""What `migrate rollback` does: it removes the constraint, the guard and their traces, and leaves the quarantine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from dedupaudit.config import Settings
from dedupaudit.display import visible
from dedupaudit.errors import Cancelled, NothingToCheck, RunFailed, SourceError
from dedupaudit.interrupt import Interrupt
from dedupaudit.migrate.clean import close_rounds
from dedupaudit.migrate.databases.protocol import Migration, Standing, Target
from dedupaudit.migrate.status import last_alive
from dedupaudit.migrate.wanted import Wish, wanted_of
from dedupaudit.progress import Progress
from dedupaudit.repair.databases.protocol import RepairDatabase
from dedupaudit.repair.errors import Busy
from dedupaudit.repair.journal import Journal, Run
from dedupaudit.repair.opening import acquire, database_of, opened
from dedupaudit.repair.pace import Announce, Kindness, Pace
from dedupaudit.sources.tables import open_source
from dedupaudit.sources.tables.resolve import resolve
from dedupaudit.times import iso


@dataclass(frozen=True)
class RollbackOffer:
    """What is shown before anything is removed; `run` is the migration that made it, None where nobody knows."""

    table: str
    place: str
    removes: tuple[str, ...]
    run: Run | None


@dataclass(frozen=True)
class RolledBack:
    """What a rollback came to."""

    run: Run | None
    removed: tuple[str, ...]
    signum: int | None = None


def roll_back(
    settings: Settings,
    name: str,
    *,
    interrupt: Interrupt,
    progress: Progress,
    announce: Announce,
    confirm: Callable[[RollbackOffer], None],
    wait: float = 600.0,
) -> RolledBack:
    """Remove what migrations of a table made; raises NothingToCheck where there is nothing, RunFailed, Locked.

    A constraint that no migration made stays; of one that failed, its leftovers are found without any journal.
    """
    database = database_of(settings)
    source = open_source(database, interrupt, progress)
    try:
        table = resolve(source, name, settings)
    finally:
        source.close()
    wanted = wanted_of(settings, database, table, Wish(), interrupt)
    with opened(database) as writer:
        journal = Journal(writer)
        run = last_alive([one for one in journal.runs("migrate") if one.table_real == table.catalog.quoted])
        target = wanted.target_of(run)
        migration = wanted.dialect.migration(writer, target, interrupt)
        removes = _removes(migration.standing(), target, run)
        if not removes and (run is None or run.state == "done"):
            raise NothingToCheck(
                f"nothing to roll back: no migration of {visible(name)} left anything here",
                "`dedupaudit migrate status` shows what keeps the key unique",
            )
        confirm(RollbackOffer(name, writer.place, removes, run))
        acquire(writer, journal, table.catalog.quoted)
        pace = Pace(writer, Kindness(), interrupt, announce, lambda: None)
        try:
            with interrupt.deferred():
                if run is not None:
                    # Refuses own tables that somebody altered.
                    pace.patiently(lambda: writer.prepare(()), wait)
                    run = journal.take_over(run, "undoing")
                pace.patiently(lambda: _remove(migration, target, run), wait)
                if run is not None:
                    close_rounds(writer, journal, wanted.table, run)
                    run = _closed(writer, journal, run)
        except Cancelled as cancelled:
            return RolledBack(run, (), cancelled.signum)
        except (SourceError, Busy) as error:
            raise RunFailed(
                f"the rollback of {visible(name)} stopped: {error.message}",
                f"{error.hint + '; ' if error.hint else ''}run the same command again: it goes on",
            ) from error
        return RolledBack(run, removes)


def _removes(standing: Standing, target: Target, run: Run | None) -> tuple[str, ...]:
    """Return what a rollback would remove, for people."""
    removes = list(standing.leftovers)
    if standing.unique == "invalid" or (run is not None and standing.unique != "none"):
        word = {"invalid": "the invalid index", "index": "the unique index"}.get(standing.unique, "the constraint")
        removes.append(f"{word} {visible(target.constraint)}")
    if run is not None and target.not_null and standing.nulls_forbidden:
        removes.append(f"NOT NULL of {', '.join(map(visible, target.not_null))}")
    return tuple(removes)


def _remove(migration: Migration, target: Target, run: Run | None) -> None:
    standing = migration.standing()
    # The guard goes last: until then no new duplicate is stored.
    if standing.unique == "invalid" or run is not None:
        migration.remove_constraint(not_null=target.not_null)
    migration.remove_guard()


def _closed(writer: RepairDatabase, journal: Journal, run: Run) -> Run:
    done = replace(run, state="undone", finished_at=iso(writer.clock()), message="rolled back")
    with writer.transaction():
        journal.fence(run)
        journal.save(done)
    return done
