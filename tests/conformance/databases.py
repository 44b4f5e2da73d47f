"""The databases that the conformance suite runs over. A next one is one more adapter in `DATABASES`."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import Protocol

from dedupaudit.sources.tables.protocol import Engine, TableSource
from tests.conformance.mariadb import Mariadb
from tests.conformance.postgresql import Postgresql
from tests.conformance.sqlite import Sqlite
from tests.conformance.tables import Col, RawText, Refused, Stored, Tab, Type

__all__ = ["DATABASES", "Col", "Database", "RawText", "Refused", "Stored", "Tab", "Type"]


class Database(Protocol):
    """What the suite must be able to ask of a database; none of it uses the product."""

    name: str
    """What tests are called by."""

    engines: tuple[Engine, ...]
    """Ways to read that must make no difference to what the scan says."""

    variants: tuple[str, ...]
    """Ways to store a table that must make no difference either."""

    types: tuple[Type, ...]
    """Types of columns that it has."""

    exact: str
    """A collation that tells every two texts apart, but perhaps for spaces at their end."""

    abilities: frozenset[str]
    """What cases may need: `forge` (a unique index that lies), `failed build` (an invalid index), `NUL in text`."""

    names: tuple[str, ...]
    """Names that a table and its columns may have, the odd ones."""

    no_conditions: tuple[str, ...]
    """What is no condition there, beside what is none anywhere."""

    conditions: tuple[tuple[str, int], ...]
    """Conditions, and how many rows of test_read_only's table they choose, beside those that all databases read."""

    endless: str
    """A condition that takes far longer than a test may."""

    def collations(self, variant: str) -> tuple[str, ...]:
        """Return the collations of text, the default (empty) first."""

    def create(self, folder: Path, table: Tab, variant: str = "plain") -> str:
        """Create the table in a database that has no other, and return its URL."""

    def located(self, table: Tab, variant: str) -> tuple[str, ...]:
        """Return the name under which the scan finds the table, one part or two."""

    def can_store(self, value: Stored, column: Col, variant: str) -> bool:
        """Say whether the value can be in this column of this variant."""

    def stored(self, url: str, table: Tab, variant: str) -> list[tuple[Stored, ...]]:
        """Return the rows as the database holds them, after its own conversions."""

    def equal(self, columns: Sequence[Col], first: Sequence[Stored], second: Sequence[Stored], variant: str) -> bool:
        """Ask a unique index of a scratch table whether two keys without NULL are equal."""

    def forge_unique(self, url: str, index: str) -> None:
        """Make a plain index claim that it is unique."""

    def content(self, url: str, folder: Path) -> Hashable:
        """Return what changes whenever the database, or a file in the folder, does."""

    def execute(self, source: TableSource, statement: str) -> list[tuple[object, ...]]:
        """Run a statement on the audit's own connection, outside any transaction of the audit.

        Raises Refused where the database refuses it because the connection may only read.
        """

    def writes(self, folder: Path) -> tuple[str, ...]:
        """Return statements that must be refused there; the table is called t."""


DATABASES: tuple[Database, ...] = (Sqlite(), Postgresql(), Mariadb())
