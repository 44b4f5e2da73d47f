"""The places that a drill makes for itself, by the scheme of the database's URL. A next one is one more line."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from dedupaudit.config import DatabaseSettings
    from dedupaudit.drill.protocol import Scratch
    from dedupaudit.interrupt import Interrupt

# Modules are named, not imported: a driver is paid for by those who use it.
SCRATCHES = {
    "sqlite": "dedupaudit.drill.scratch.sqlite",
    "postgresql": "dedupaudit.drill.scratch.postgresql",
    "mysql": "dedupaudit.drill.scratch.mysql",
    "mariadb": "dedupaudit.drill.scratch.mysql",
}


def open_scratch(database: DatabaseSettings, interrupt: Interrupt) -> Scratch:
    """Make a scratch schema, database or file, with its marker and nothing else; the caller drops it.

    Raises SourceError where the database cannot be reached, takes no writes, is too old, or grants no such thing.
    """
    return cast("Scratch", import_module(SCRATCHES[database.url.scheme]).make(database, interrupt))
