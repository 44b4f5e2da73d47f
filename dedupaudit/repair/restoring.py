"""Gives rows back to a table that refers to itself, where the server checks foreign keys row by row (MySQL, MariaDB).

Of rows that refer to each other the parents have to come first; in a circle there is no first one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dedupaudit.repair.databases.protocol import Link
from dedupaudit.repair.site import Rows


@dataclass(frozen=True)
class Restoring:
    """The victims of one chunk. `links` are the table's to itself, `where` finds the rows in quarantine (as q)."""

    rows: Rows
    links: Sequence[Link]
    names: Sequence[str]
    where: str

    def insert(self, wanted: int) -> int:
        """Insert the rows, parents first; return how many."""
        ready = " AND ".join(f"({self._has_parent(link)})" for link in self.links)
        count = 0
        while count < wanted:
            found = self._insert({}, ready)
            if not found:
                return count + self._insert_circles()
            count += found
        return count

    def _insert(self, instead: Mapping[str, str], condition: str = "") -> int:
        """Insert those that are not there yet; `instead` is what some columns take for now."""
        quote, table = self.rows.database.quote, self.rows.catalog.quoted
        taken = ", ".join(instead.get(name) or f"q.{quote(name)}" for name in self.names)
        return self.rows.database.execute(
            f"INSERT INTO {table} ({', '.join(map(quote, self.names))}) SELECT {taken}"
            f" FROM {self.rows.quarantine} AS q WHERE {self._left}{f' AND {condition}' if condition else ''}"
        )

    @property
    def _left(self) -> str:
        """The condition that finds the victims in quarantine that are not in the table."""
        joined = " AND ".join(f"t.{name} = q.{name}" for name in self.rows.handle_names)
        return f"{self.where} AND NOT EXISTS (SELECT 1 FROM {self.rows.catalog.quoted} AS t WHERE {joined})"

    def _has_parent(self, link: Link) -> str:
        """Return the condition that a row's parent is there, or is itself, or that it has none."""
        quote = self.rows.database.quote
        pairs = [(quote(column), quote(other)) for column, other in zip(link.columns, link.referenced, strict=True)]
        none = " OR ".join(f"q.{column} IS NULL" for column, _other in pairs)
        itself = " AND ".join(f"q.{column} = q.{other}" for column, other in pairs)
        parent = " AND ".join(f"p.{other} = q.{column}" for column, other in pairs)
        there = f"EXISTS (SELECT 1 FROM {self.rows.catalog.quoted} AS p WHERE {parent})"
        return f"{none} OR ({itself}) OR {there}"

    # ---- circles

    def _insert_circles(self) -> int:
        """Insert what is left without its parents, and then point it to them."""
        rows, quote = self.rows, self.rows.database.quote
        named = tuple((column, f"q.{name}") for column, name in zip(rows.handle, rows.handle_names, strict=True))
        left = rows.database.fetch(named, (), f"FROM {rows.quarantine} AS q WHERE {self._left}")
        if not left:
            return 0
        instead = self._instead()
        count = self._insert(instead)
        same = " AND ".join(f"q.{name} = {rows.catalog.quoted}.{name}" for name in rows.handle_names)
        values = ", ".join(
            f"{quote(name)} = (SELECT q.{quote(name)} FROM {rows.quarantine} AS q WHERE {self.where} AND {same})"
            for name in instead
        )
        rows.database.execute(
            f"UPDATE {rows.catalog.quoted} SET {values}{rows.kept_as_they_are()} WHERE {rows.named(left)}"
        )
        return count

    def _instead(self) -> dict[str, str]:
        """Return what stands in columns until the parents are there: NULL, else what makes the row its own parent."""
        catalog, quote = self.rows.catalog, self.rows.database.quote
        instead: dict[str, str] = {}
        for link in self.links:
            able = [name for name in link.columns if (column := catalog.column(name)) and column.nullable]
            if able:
                instead[able[0]] = "NULL"
                continue
            for name, other in zip(link.columns, link.referenced, strict=True):
                if name not in catalog.primary_key:
                    instead[name] = f"q.{quote(other)}"
        return instead
