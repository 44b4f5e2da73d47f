"""Lays the configuration over the catalog: usual names, a guessed key, and an error for each wrong name."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC
from zoneinfo import ZoneInfo

from dedupaudit.config import Settings, TableSettings
from dedupaudit.display import visible
from dedupaudit.errors import UsageError
from dedupaudit.nearest import nearest
from dedupaudit.sources.tables.catalog import Catalog, Column
from dedupaudit.sources.tables.guess import guess_key
from dedupaudit.sources.tables.protocol import TableSource
from dedupaudit.sources.tables.table import ObjectColumns, Table, Upload

DEFAULT_TABLES = ("activities", "screenshots", "processes")

USUAL = {
    "device": ("device_id", "deviceId", "device"),
    "time": ("created_at", "createdAt", "create_time", "inserted_at", "timestamp"),
    "group": ("type", "event_type", "kind"),
    "status": ("status",),
    "object_key": ("oss_key", "object_key"),
    "object_url": ("oss_url", "object_url"),
    "size": ("file_size", "size"),
    "etag": ("etag",),
}
_UPDATED = ("updated_at", "updatedAt", "update_time")
_RETRIES = ("retry_count", "retryCount")
_VOLATILE = ("created_at", "updated_at")


def resolve(source: TableSource, name: str, configuration: Settings) -> Table:
    """Return the table to audit; raises UsageError for a table or column that does not exist."""
    settings = configuration.tables.get(name) or TableSettings()
    catalog = find_catalog(source, name, configuration)
    columns = _Columns(catalog, name, configuration, settings)
    key, why = columns.key()
    found = {role: columns.role(role) for role in USUAL}
    upload = _upload(columns, found, explicit=bool(settings.status))
    condition = settings.where or None
    if condition:
        source.check_condition(catalog, condition, configuration.where("tables", name, "where"))
    return Table(
        source=source.name,
        name=name,
        catalog=catalog,
        key=key,
        key_why=why,
        compared=_compared(columns, key, settings.volatile),
        device=found["device"],
        time=found["time"],
        group=found["group"],
        upload=upload,
        objects=_objects(columns, found, upload),
        where=condition,
        zone=UTC if settings.timezone == "UTC" else ZoneInfo(settings.timezone),
    )


def find_catalog(source: TableSource, name: str, configuration: Settings) -> Catalog:
    """Return the catalog of a configured or named table; raises UsageError with the nearest name."""
    settings = configuration.tables.get(name)
    parts = (settings and settings.name) or (name,)
    catalog = source.catalog(parts)
    if catalog is not None:
        return catalog
    shown = ".".join(parts)
    guess = nearest(shown, [*source.names(), *configuration.tables])
    said = f"{configuration.where('tables', name)}: " if settings else ""
    raise UsageError(
        f"{said}database {visible(source.name)} has no table {visible(shown)}",
        f"did you mean {visible(guess)}?" if guess else "`dedupaudit init --db URL -o -` shows what is there",
    )


class _Columns:
    """The columns of one table, asked for by the names that its configuration gives."""

    def __init__(self, catalog: Catalog, name: str, configuration: Settings, settings: TableSettings) -> None:
        self.catalog = catalog
        self._name = name
        self._configuration = configuration
        self._settings = settings

    def named(self, option: str, name: str) -> Column:
        column = self.catalog.column(name)
        if column is None:
            guess = nearest(name, [column.name for column in self.catalog.columns])
            where = self._configuration.where("tables", self._name, option)
            raise UsageError(
                f"{where}: table {visible(self.catalog.name)} has no column {visible(name)}",
                f"did you mean {visible(guess)}?" if guess else "it has " + self._shown(),
            )
        return column

    def usual(self, names: Sequence[str]) -> Column | None:
        return next((column for name in names if (column := self.catalog.column(name))), None)

    def role(self, role: str) -> Column | None:
        """Return the column configured for a role, else the usual one; False in the configuration means none."""
        configured = getattr(self._settings, role)
        if configured is None:
            return self.usual(USUAL[role])
        return self.named(role, configured) if configured else None

    def key(self) -> tuple[tuple[Column, ...], str]:
        if self._settings.key:
            return tuple(self.named("key", name) for name in self._settings.key), ""
        guessed = guess_key(self.catalog, self._name)
        if guessed is None:
            raise UsageError(
                f"table {visible(self.catalog.name)}: which column holds the ID that must be unique?",
                f'say so in dedupaudit.toml: [tables.{visible(self._name)}] key = ["COLUMN"]; it has ' + self._shown(),
            )
        return guessed

    def _shown(self) -> str:
        return ", ".join(visible(column.name) for column in self.catalog.columns[:20])


def _upload(columns: _Columns, found: dict[str, Column | None], *, explicit: bool) -> Upload | None:
    """Return an upload's columns: a `status` counts beside an object's key or URL, or where it is configured."""
    status = found["status"]
    if status is None or not (explicit or found["object_key"] or found["object_url"]):
        return None
    return Upload(
        status=status,
        object_key=found["object_key"],
        object_url=found["object_url"],
        size=found["size"],
        etag=found["etag"],
        retry_count=columns.usual(_RETRIES),
        updated=columns.usual(_UPDATED),
    )


def _objects(columns: _Columns, found: dict[str, Column | None], upload: Upload | None) -> ObjectColumns | None:
    """Return the columns that speak of an object; a status alone does where it is an upload's."""
    if not (found["object_key"] or found["object_url"] or upload):
        return None
    return ObjectColumns(
        object_key=found["object_key"],
        object_url=found["object_url"],
        status=found["status"],
        size=found["size"],
        etag=found["etag"],
        updated=columns.usual(_UPDATED),
    )


def _compared(columns: _Columns, key: tuple[Column, ...], volatile: Sequence[str] | None) -> tuple[Column, ...]:
    """All that rows of one key must agree on to be identical: the key's bytes too, where the collation is looser."""
    if volatile is None:
        names = {column.name for column in key}
        left_out = {name for name in columns.catalog.primary_key if name not in names}
        left_out |= {column.name for name in _VOLATILE if (column := columns.catalog.column(name))} - names
    else:
        left_out = {columns.named("volatile", name).name for name in volatile}
    return tuple(column for column in columns.catalog.columns if column.name not in left_out and not column.generated)
