"""The object of one row that is held in memory: what `explain` tells of, and what a repair believes."""

from __future__ import annotations

from dedupaudit.config import ObjectsSettings, Settings
from dedupaudit.crosscheck.naming import Namer, Template
from dedupaudit.crosscheck.stores import bucket_and_prefix
from dedupaudit.sources.tables.protocol import DuplicateRow, Value
from dedupaudit.sources.tables.table import Table


class RowObjects:
    """Says which object a row of one table speaks of; None where the table names none."""

    def __init__(self, table: Table, settings: Settings) -> None:
        self._table = table
        self._namer: Namer | None = None
        self._template: Template | None = None
        if table.objects is not None:
            objects = settings.objects or ObjectsSettings()
            self._template = Template(objects.template, table, settings) if objects.template else None
            bucket, _prefix = bucket_and_prefix(objects.url)
            self._namer = Namer(0, table, self._template, bucket)

    def key_of(self, row: DuplicateRow) -> str | None:
        """Return the key of the row's object; None where nothing tells it."""
        if self._namer is None:
            return None
        values = self._values(row)
        objects = self._table.objects
        columns = (objects.object_key, objects.object_url) if objects else (None, None)
        named, url = (values.get(column.name) if column else None for column in columns)
        fields = [values.get(column.name) for column in self._template.columns] if self._template else ()
        return self._namer.key_of(named, url, fields)

    def is_expected(self, row: DuplicateRow) -> bool:
        """Say whether the row says that its object is there."""
        objects = self._table.objects
        if objects is None:
            return False
        return objects.status is None or self._values(row).get(objects.status.name) == "completed"

    def _values(self, row: DuplicateRow) -> dict[str, Value]:
        """Return the row's compared columns and its key, by name."""
        values = dict(zip((one.name for one in self._table.compared), row.values, strict=False))
        return {**values, **dict(zip(self._table.key_names, row.key, strict=True))}
