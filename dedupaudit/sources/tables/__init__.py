"""The databases that can be audited, by the scheme of their URL. A next one is one more line."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, cast

from dedupaudit.errors import UsageError

if TYPE_CHECKING:
    from dedupaudit.config import DatabaseSettings
    from dedupaudit.interrupt import Interrupt
    from dedupaudit.progress import Progress
    from dedupaudit.sources.tables.protocol import TableSource

# Modules are named, not imported: a driver is paid for by those who use it.
SOURCES = {
    "sqlite": ("dedupaudit.sources.tables.sqlite", "SqliteSource"),
}


def open_source(settings: DatabaseSettings, interrupt: Interrupt, progress: Progress) -> TableSource:
    """Open one database for reading; raises SourceError where it cannot be reached."""
    scheme = settings.url.scheme
    if scheme not in SOURCES:
        raise UsageError(
            f"{scheme}:// cannot be audited by this version of dedupaudit",
            f"it reads {', '.join(f'{name}://' for name in SOURCES)}",
        )
    module, name = SOURCES[scheme]
    return cast("TableSource", getattr(import_module(module), name)(settings, interrupt, progress))
