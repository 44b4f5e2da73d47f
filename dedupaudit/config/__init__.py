"""Configuration: `dedupaudit.toml`, environment and flags become one Settings. Imports pydantic: import it late."""

from __future__ import annotations

from dedupaudit.config.load import config_schema, load_settings
from dedupaudit.config.models import (
    DatabaseSettings,
    LogEventSettings,
    LogsSettings,
    ObjectsSettings,
    Options,
    Settings,
    TableSettings,
)
from dedupaudit.config.values import parse_table_name

__all__ = [
    "DatabaseSettings",
    "LogEventSettings",
    "LogsSettings",
    "ObjectsSettings",
    "Options",
    "Settings",
    "TableSettings",
    "config_schema",
    "load_settings",
    "parse_table_name",
]
