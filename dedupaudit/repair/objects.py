"""Whether the object that a row names exists: asked only where rows of one upload name different ones."""

from __future__ import annotations

from contextlib import ExitStack

from dedupaudit.config import Settings
from dedupaudit.crosscheck.one_row import RowObjects
from dedupaudit.crosscheck.stores import Store, open_store
from dedupaudit.errors import SourceError
from dedupaudit.interrupt import Interrupt
from dedupaudit.repair.choose import ObjectExists
from dedupaudit.repair.pace import Announce
from dedupaudit.sources.tables.protocol import DuplicateRow
from dedupaudit.sources.tables.table import Table

_HASH = "sha256:"
"""What a source writes in place of a long text: no object is looked for by it."""


def object_exists(
    settings: Settings, table: Table, interrupt: Interrupt, announce: Announce, stack: ExitStack
) -> ObjectExists | None:
    """Return what looks for the object of an upload's row; None where the table has none, or no store is known."""
    if not (table.upload and settings.objects and settings.objects.url):
        return None
    return ObjectLook(settings, table, interrupt, announce, stack).exists


class ObjectLook:
    """Looks at objects. The store is opened by the first look; where it cannot be asked, nothing is known of any."""

    def __init__(
        self, settings: Settings, table: Table, interrupt: Interrupt, announce: Announce, stack: ExitStack
    ) -> None:
        self._settings, self._interrupt, self._announce, self._stack = settings, interrupt, announce, stack
        self._objects = RowObjects(table, settings)
        self._store: Store | None = None
        self._failed = False
        self._known: dict[str, bool] = {}

    def exists(self, row: DuplicateRow) -> bool | None:
        """Say whether a row's object is there; a row that names none has none. None where that cannot be said."""
        key = self._objects.key_of(row)
        if key is None:
            return False
        if key.startswith(_HASH) or not key.isprintable():
            return None
        if key not in self._known:
            try:
                found = self._ask(key)
            except SourceError as error:
                if not self._failed:
                    self._announce(f"objects cannot be asked, so rows that name different ones stay: {error.message}")
                self._failed = True
                return None
            if found is None:
                return None
            self._known[key] = found
        return self._known[key]

    def _ask(self, key: str) -> bool | None:
        if self._failed:
            return None
        if self._store is None:
            self._store = open_store(self._settings, self._interrupt)
            self._stack.callback(self._store.close)
            self._store.preflight()
        if self._store.live is None:
            raise SourceError("an inventory cannot be looked at now", "name the store by --objects")
        return self._store.live.look(key) is not None
