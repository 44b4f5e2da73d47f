"""The usual chunk, in few statements: groups of a table that nobody refers to, with nothing to merge.

Rows travel nowhere, and their hashes as one digest. Where a digest is not the planned one the transaction is rolled
back, and the chunk is done in the way of chunk.py, which finds out what is different.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from dedupaudit.repair.databases.protocol import digest_of
from dedupaudit.repair.journal import Entry, Journal, Run
from dedupaudit.repair.plan import Group, PlannedRow
from dedupaudit.repair.site import VICTIMS, Site
from dedupaudit.sources.tables.protocol import Key


class _Otherwise(Exception):
    """Something is not as planned: nothing has changed, and the long way tells what it is."""


class Quick:
    """The rows of one chunk's groups, sorted into those that stay and those that go; all is made ready in advance."""

    def __init__(self, site: Site, groups: Sequence[tuple[int, Group]]) -> None:
        self._site = site
        self.groups = len(groups)
        self.kept: dict[Key, str] = {}
        self.victims: dict[Key, str] = {}
        self.entries: list[Entry] = []
        for line, group in groups:
            if group.survivor is not None:
                self._take(line, group.survivor, group.victims)
        # What is deleted and copied by one statement is locked by it.
        locked = self.kept if site.database.moves else {**self.kept, **self.victims}
        self._locking, self._locked = site.rows.named(list(locked), "t."), _digest(locked)
        self._leaving, self._moved = list(self.victims), _digest(self.victims)

    def _take(self, line: int, survivor: PlannedRow, victims: Sequence[PlannedRow]) -> None:
        rows, target = self._site.rows, self._site.catalog.quoted
        key = rows.name_of(survivor)
        self.kept[key] = survivor.hash
        self.entries.append(Entry(line, "kept", target, rows.pk_text(key), survivor.hash, survivor.hash))
        for row in victims:
            key = rows.name_of(row)
            self.victims[key] = row.hash
            self.entries.append(Entry(line, "deleted", target, rows.pk_text(key), row.hash))

    def apply(self, journal: Journal, run: Run, number: int, last: int) -> Run | None:
        """Do the chunk and return the run as it stands then; None, and nothing changed, where something is different.

        Raises what a statement raises: then nothing has changed either.
        """
        database, rows = self._site.database, self._site.rows
        try:
            with database.transaction():
                journal.fence(run)
                # Asked before anything is deleted: it locks the table against DDL.
                if database.shape(rows.catalog) != self._site.shape:
                    raise _Otherwise
                if rows.digest(self._locking, lock=True) != self._locked:
                    raise _Otherwise
                if rows.move(run, number, VICTIMS, "victim", self._leaving) != self._moved:
                    raise _Otherwise
                done = self._advanced(run, number, last)
                journal.write(done, number, self.entries)
                journal.save(done)
        except _Otherwise:
            return None
        return done

    def _advanced(self, run: Run, number: int, last: int) -> Run:
        return replace(
            run,
            position=last,
            chunks=number,
            groups_done=run.groups_done + self.groups,
            rows_kept=run.rows_kept + self.groups,
            rows_deleted=run.rows_deleted + len(self.victims),
        )


def is_usual(site: Site, groups: Sequence[tuple[int, Group]]) -> bool:
    """Say whether a chunk can be done so: by primary key, without children, triggers, merges or a key of two lines."""
    if site.by_key or site.links or site.fires:
        return False
    return not any(group.merge or len(group.victims) + 1 < group.rows for _line, group in groups)


def _digest(rows: dict[Key, str]) -> tuple[int, str]:
    return len(rows), digest_of(sorted(rows.values()))
