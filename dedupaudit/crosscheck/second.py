"""The second look: objects first, then the rows in a new transaction; what is young is left to come."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import NamedTuple

from dedupaudit.building import reason_of
from dedupaudit.checks.crossing import CrossScan
from dedupaudit.config import ObjectsSettings
from dedupaudit.crosscheck.looking import Looker
from dedupaudit.crosscheck.rows import SEEK_AT_MOST, RowReader, by_source, read_referenced
from dedupaudit.crosscheck.stores import Store
from dedupaudit.display import visible
from dedupaudit.errors import SourceError
from dedupaudit.interrupt import Interrupt
from dedupaudit.progress import Progress
from dedupaudit.snapshot.crossing import Crossing, object_lines
from dedupaudit.snapshot.escaping import escape, lines
from dedupaudit.snapshot.suspects import Found

_WINDOW = 1_000
_ROWS_ALONE = ("shared_object", "misplaced_object")
_CLOCKS = 15 * 60 * 1_000_000


class _Due(NamedTuple):
    """A key that the second look is about: whether its object is to be looked at, and whether the listing had none."""

    key: str
    looked: bool
    missed: bool


def look_again(
    crossing: Crossing,
    scan: CrossScan,
    store: Store,
    readers: list[RowReader],
    objects: ObjectsSettings,
    interrupt: Interrupt,
    progress: Progress,
) -> None:
    """Fill the columns of the second look; what cannot be looked at is noted, and makes its suspects unknown."""
    _look_at_objects(crossing, scan, store, interrupt, progress)
    keys = crossing.sought_keys(SEEK_AT_MOST)
    if keys == []:
        return
    for source, tables in by_source(readers):
        try:
            source.renew()
            for reader in tables:
                reader.read(crossing, "again", progress, keys)
            read_referenced(source, objects.also_referenced, crossing, "again")
        except SourceError as error:
            scan.unread.update((reader.number, error.message) for reader in tables)
            scan.unsure = (
                scan.unsure or f"the rows of {visible(source.name)} could not be read again: {reason_of(error)}"
            )


def _look_at_objects(
    crossing: Crossing, scan: CrossScan, store: Store, interrupt: Interrupt, progress: Progress
) -> None:
    """Look at the object of each suspect that is not young, in the order of the keys."""
    looker = None
    if store.live is not None:
        threads = store.threads if store.bucket else 1
        looker = Looker(store.live, interrupt, threads, listed=bool(store.bucket))
    # What was written since may have come after its page was read; the two clocks may differ by a quarter of an hour.
    written_before = min(scan.young_after, scan.since - _CLOCKS)
    progress.start(f"{visible(store.shown)}: suspects", None)
    looked = 0
    try:
        with crossing.sought() as sought, crossing.objects("again") as found, crossing.unseen() as unseen:
            for window in _windows(_suspects(crossing, scan)):
                looks = {key: needs and looker is not None for key, needs, _ in window}
                missed = {key for key, _, missing in window if missing}
                sought.write(lines([(escape(key), "1" if look else "0") for key, look in looks.items()]))
                if looker is not None:
                    wanted = [key for key, look in looks.items() if look]
                    for key, fact, reason in looker.look(wanted, crossing.between):
                        if fact is not None:
                            found.write(object_lines([fact]))
                            scan.left_out += key in missed and fact.modified < written_before
                        elif reason is not None:
                            unseen.write(lines([(escape(key), escape(reason))]))
                looked += len(window)
                progress.advance_to(looked)
    finally:
        progress.finish()
    crossing.keep_unlooked()


def _suspects(crossing: Crossing, scan: CrossScan) -> Iterator[_Due]:
    """Yield the keys that are due; a young suspect is not."""
    for key, found in groupby(crossing.first_found(), key=lambda one: one.key):
        due = [one.check for one in found if not _is_young(scan, one)]
        if due:
            yield _Due(key, any(check not in _ROWS_ALONE for check in due), "missing_object" in due)


def _is_young(scan: CrossScan, found: Found) -> bool:
    if found.table is not None and scan.is_young(found.table, found.written, found.changed):
        return True
    return found.check not in _ROWS_ALONE and (found.object_modified or 0) > scan.young_after


def _windows(suspects: Iterator[_Due]) -> Iterator[list[_Due]]:
    window: list[_Due] = []
    for suspect in suspects:
        window.append(suspect)
        if len(window) == _WINDOW:
            yield window
            window = []
    if window:
        yield window
