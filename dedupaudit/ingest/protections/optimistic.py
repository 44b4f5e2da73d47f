"""A version that every change of a row raises: who read an older one changes nothing, and looks again.

It guards rows that are changed: the claim of a picture. For rows that are only inserted it adds nothing, and the unique
constraint decides.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, ClassVar, Final

from dedupaudit.display import visible
from dedupaudit.ingest.errors import Unprotected
from dedupaudit.ingest.protections.unique import UniqueConstraint
from dedupaudit.ingest.states import CLAIM, TAKE_OVER

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection

    from dedupaudit.ingest.protections.protocol import Key
    from dedupaudit.ingest.tables import Described

_LOOKS: Final = 5
"""A row that changes between look and claim so often is another's: the writer looks at it again anyway."""


class OptimisticVersion:
    """Read status and version, and claim where the version is still that. `Table.version` names its column."""

    name: ClassVar[str] = "version"
    limits: ClassVar[str] = (
        "Needs a version column that every writer of the row raises, and the unique constraint all the same: a version"
        " says nothing of a row that is not there yet. Costs a look before each claim, and one more after a conflict."
    )

    def __init__(self) -> None:
        self._beneath = UniqueConstraint()

    def prepare(self, table: Described) -> None:
        """Raise Unprotected where nothing keeps the key single, or where a row with states has no version."""
        self._beneath.prepare(table)
        if table.table.version is None and table.table.column("status") not in table.columns:
            return
        version = _version_of(table)
        found = table.columns.get(version)
        if found is None or found.nullable or not found.has_default:
            raise Unprotected(
                f"{table.shown} has no column {visible(version)} that is never NULL and has a default",
                "add it: version BIGINT NOT NULL DEFAULT 0",
            )

    def held(self, key: Key) -> AbstractContextManager[None]:
        """Hold nothing."""
        return nullcontext()

    def insert(self, connection: Connection, table: Described, values: Mapping[str, object]) -> bool:
        """Insert a row; the constraint decides (see Protection.insert)."""
        return self._beneath.insert(connection, table, values)

    def claim(self, connection: Connection, table: Described, key: Key, lease: float) -> int | None:
        """Look, and claim what was seen; after a conflict look again (see Protection.claim)."""
        from dedupaudit.ingest import claims

        version = _version_of(table)
        for _ in range(_LOOKS):
            seen = claims.look(connection, table, key, lease, (version,))
            if seen is None:
                return None
            if seen.status not in (*CLAIM.sources, *TAKE_OVER.sources) or seen.held:
                return None
            token = claims.compare_and_swap(connection, table, key, lease, version=seen.values[version])
            if token is not None:
                return token
        return None


def _version_of(table: Described) -> str:
    if table.table.version is None:
        raise Unprotected(f"no version column of {table.shown} is named", 'name it: Table(…, version="version")')
    return table.table.version
