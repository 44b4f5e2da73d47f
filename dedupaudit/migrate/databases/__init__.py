"""The databases that can be migrated, by the scheme of their URL. A next one is one more line."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from dedupaudit.config import DatabaseSettings
    from dedupaudit.migrate.databases.protocol import Dialect

DIALECTS = {
    "sqlite": "dedupaudit.migrate.databases.sqlite",
    "postgresql": "dedupaudit.migrate.databases.postgresql",
    "mysql": "dedupaudit.migrate.databases.mysql",
    "mariadb": "dedupaudit.migrate.databases.mysql",
}


def dialect_of(settings: DatabaseSettings) -> Dialect:
    """Return what knows how to migrate this kind of database."""
    return cast("Dialect", import_module(DIALECTS[settings.url.scheme]).DIALECT)
