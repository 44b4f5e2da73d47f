"""Which database, store or logs a finding is of: two projects that share a history never meet in it."""

from __future__ import annotations

import hashlib
import json
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dedupaudit.config import DatabaseSettings, Settings


class Scopes:
    """The scopes of a run's sources. `databases` is filled by the run, as each database says which one it is."""

    def __init__(self, settings: Settings) -> None:
        self.databases: dict[str, str] = {}
        self.earlier: dict[str, str] = {}
        """The scope that earlier runs found at an address: tonight's failure is of the same database."""
        self._settings = settings
        # The fingerprints of a masked run are keyed: to another mask they say nothing.
        self._mask = sorted(settings.options.mask)
        self._known: dict[tuple[str, str, str | None], str] = {}

    def scope(self, source: str, target: str) -> str:
        """Return which database, store or logs a place belongs to; a replica is the same as its primary."""
        known = (source, target if source == "objects" else "", self.databases.get(source))
        if source == "objects" or known not in self._known:
            self._known[known] = self._scope(source, target)
        return self._known[known]

    def _scope(self, source: str, target: str) -> str:
        if source == "logs":
            return self.address(source)
        if source == "objects":
            # Whether a row knows an object depends on the databases that were asked.
            return _hashed("objects", target, *sorted(map(self._database, self._names())), *self._mask)
        earlier = self.earlier.get(self.address(source))
        if source not in self.databases and earlier:
            return earlier
        return _hashed("database", self._database(source), *self._mask)

    def address(self, source: str) -> str:
        """Return what the settings alone say of a source: it may not have said yet who it is, or never does."""
        if source == "logs":
            files = self._settings.logs.files if self._settings.logs else ()
            return _hashed("logs", *sorted(map(os.path.abspath, files)), *self._mask)
        if source == "objects":
            objects = self._settings.objects
            store = (objects.url, objects.inventory, objects.endpoint) if objects else ()
            return _hashed("objects", *map(str, store), *sorted(map(self._address, self._names())), *self._mask)
        return _hashed("database", self._address(source), *self._mask)

    def _names(self) -> list[str]:
        return [database.name for database in self._settings.databases]

    def _database(self, name: str) -> str:
        return self.databases.get(name) or f"at {self._address(name)}"

    def _address(self, name: str) -> str:
        found = next((one for one in self._settings.databases if one.name == name), None)
        return _place(found) if found else name


def _place(database: DatabaseSettings) -> str:
    url = database.url
    path = os.path.abspath(url.database or "") if url.scheme == "sqlite" else url.database
    return _hashed(url.scheme, str(url.host), str(url.port), str(path))


def _hashed(*parts: str) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]
