"""What `--clean` takes away: the scratch of each killed drill, and before it the objects and keys of the same name."""

from __future__ import annotations

import shutil
from contextlib import closing
from typing import TYPE_CHECKING

from dedupaudit.drill.places import folder_of, locks_of, open_store, part_of_bucket, remove_below
from dedupaudit.drill.scratch import leftovers

if TYPE_CHECKING:
    from dedupaudit.config import DatabaseSettings, ObjectsSettings
    from dedupaudit.drill.scratch.owner import Leftover
    from dedupaudit.interrupt import Interrupt


def clean(
    database: DatabaseSettings, objects: ObjectsSettings | None, redis: str | None, interrupt: Interrupt
) -> list[Leftover]:
    """Remove what killed drills left in these places, and return their scratches. Raises SourceError, Cancelled."""
    for left in leftovers.leftovers(database):
        interrupt.check()
        # First what only the name in the database leads to.
        _remove_objects(objects, left.name, interrupt)
        with locks_of(redis, left.name) as locks:
            if locks:
                locks.remove()
    return leftovers.clean(database)


def _remove_objects(objects: ObjectsSettings | None, name: str, interrupt: Interrupt) -> None:
    shutil.rmtree(folder_of(None, name), ignore_errors=True)
    if objects is None:
        return
    if not (objects.url or "").startswith("oss://"):
        shutil.rmtree(folder_of(objects, name), ignore_errors=True)
        return
    part, prefix = part_of_bucket(objects, name)
    with closing(open_store(part, interrupt)) as store:
        remove_below(store, prefix)
