"""The databases that can be repaired, by the scheme of their URL. A next one is one more line."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from dedupaudit.config import DatabaseSettings
    from dedupaudit.repair.databases.protocol import RepairDatabase

DATABASES = {
    "sqlite": ("dedupaudit.repair.databases.sqlite", "SqliteRepair"),
    "postgresql": ("dedupaudit.repair.databases.postgresql", "PostgresqlRepair"),
    "mysql": ("dedupaudit.repair.databases.mysql", "MysqlRepair"),
    "mariadb": ("dedupaudit.repair.databases.mysql", "MysqlRepair"),
}


def open_database(settings: DatabaseSettings) -> RepairDatabase:
    """Open one database for writing; raises SourceError, or Refused where it takes no writes."""
    module, name = DATABASES[settings.url.scheme]
    return cast("RepairDatabase", getattr(import_module(module), name)(settings))
