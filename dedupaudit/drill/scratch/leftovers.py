"""What killed drills left behind: found by the marker table, and by an owner that is certainly gone."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from dedupaudit.drill.scratch import SCRATCHES
from dedupaudit.drill.scratch.owner import Leftover

if TYPE_CHECKING:
    from dedupaudit.config import DatabaseSettings


def leftovers(database: DatabaseSettings) -> list[Leftover]:
    """Return the scratch schemas whose drill is gone: its lock is free, and no process of this host is it.

    Raises SourceError where the database cannot be reached.
    """
    return _abandoned(database, drop=False)


def clean(database: DatabaseSettings) -> list[Leftover]:
    """Drop what `leftovers` finds, each under its own lock, and return what was dropped. Raises SourceError."""
    return _abandoned(database, drop=True)


def _abandoned(database: DatabaseSettings, *, drop: bool) -> list[Leftover]:
    found: list[Leftover] = import_module(SCRATCHES[database.url.scheme]).abandoned(database, drop=drop)
    return found
