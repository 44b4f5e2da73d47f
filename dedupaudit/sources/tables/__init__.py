"""The databases that can be audited, by the scheme of their URL. A next one is one more line."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from dedupaudit.config import DatabaseSettings
    from dedupaudit.interrupt import Interrupt
    from dedupaudit.progress import Progress
    from dedupaudit.sources.tables.protocol import Reading, TableSource

# Modules are named, not imported: a driver is paid for by those who use it.
SOURCES = {
    "sqlite": ("dedupaudit.sources.tables.sqlite", "SqliteSource"),
    "postgresql": ("dedupaudit.sources.tables.postgresql", "PostgresqlSource"),
    "mysql": ("dedupaudit.sources.tables.mysql", "MysqlSource"),
    "mariadb": ("dedupaudit.sources.tables.mysql", "MysqlSource"),
}


def open_source(
    settings: DatabaseSettings, interrupt: Interrupt, progress: Progress, reading: Reading | None = None
) -> TableSource:
    """Open one database for reading; raises SourceError where it cannot be reached."""
    from dedupaudit.sources.tables.protocol import Reading

    module, name = SOURCES[settings.url.scheme]
    return cast(
        "TableSource", getattr(import_module(module), name)(settings, interrupt, progress, reading or Reading())
    )
