"""The table under repair with all that a chunk needs to know of it, and the SQL that reads, copies and removes rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from dedupaudit.repair.databases.protocol import RUN_COLUMNS, Link, RepairDatabase
from dedupaudit.repair.journal import Run, pk_text
from dedupaudit.repair.plan import PlannedRow, database_value
from dedupaudit.sources.tables.catalog import Catalog, Column
from dedupaudit.sources.tables.protocol import Key

VICTIMS = 1
"""The step of a chunk that copies victims; the ones after it copy what is changed and stays."""


@dataclass(frozen=True)
class Rows:
    """One table's rows over the connection that repairs: the repaired table, or a child of it."""

    database: RepairDatabase
    catalog: Catalog

    @cached_property
    def handle(self) -> tuple[Column, ...]:
        """The columns that name a row within a transaction."""
        return self.database.handle(self.catalog)

    @cached_property
    def handle_names(self) -> tuple[str, ...]:
        """Their SQL names, without the table."""
        return tuple(self.database.quote(column.name) for column in self.handle)

    @cached_property
    def quarantine(self) -> str:
        """The quoted name of its quarantine table."""
        return self.database.quarantine(self.catalog)

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """The SQL names of all its columns, generated ones too, and of what is hidden but can be given back."""
        return tuple(self.database.quote(column.name) for column in self.catalog.columns)

    def named(self, keys: Sequence[Key], alias: str = "") -> str:
        """Return the condition that a row is one of these."""
        return self.database.is_in([f"{alias}{name}" for name in self.handle_names], keys)

    def pk_text(self, handle: Key) -> str:
        """Return a row's name as the journal has it."""
        return pk_text([column.name for column in self.handle], handle)

    def name_of(self, row: PlannedRow) -> Key:
        """Return what a planned row is named by."""
        pk = row.pk or {}
        if len(self.handle) == 1 and type(value := pk.get(self.handle[0].name)) is int:
            return (value,)
        return tuple([database_value(pk.get(column.name)) for column in self.handle])

    def hashes(self, condition: str, *, lock: bool = False) -> list[tuple[Key, str]]:
        """Return name and hash of the rows that a condition (over the alias t) holds for; with `lock` they are locked.

        They come in the order of their names, so that two that lock rows never wait for each other in a circle.
        """
        database, width = self.database, len(self.handle)
        names = [f"t.{name}" for name in self.handle_names]
        tail = f"FROM {self.catalog.quoted} AS t WHERE {condition} ORDER BY {', '.join(names)}"
        rows = database.fetch(
            tuple(zip(self.handle, names, strict=True)),
            [database.row_hash(self.catalog, "t")],
            tail + (database.locking if lock else ""),
        )
        return [(row[:width], str(row[width])) for row in rows]

    def digest(self, condition: str, *, lock: bool = False) -> tuple[int, str]:
        """Return how many rows a condition (over the alias t) holds for, and the digest of their hashes."""
        names = ", ".join(f"t.{name}" for name in self.handle_names)
        order = f" ORDER BY {names}" if lock else ""
        tail = f"FROM {self.catalog.quoted} AS t WHERE {condition}{order}"
        return self.database.digest(self.database.row_hash(self.catalog, "t"), tail, lock=lock)

    def copy(self, run: Run, chunk: int, step: int, role: str, keys: Sequence[Key]) -> int:
        """Copy rows whole into quarantine; return how many."""
        hidden = self.database.hidden(self.catalog)
        into = [*RUN_COLUMNS, *(["dedupaudit_rowid"] if hidden else [])]
        taken = [*([f"t.{hidden}"] if hidden else []), *(f"t.{name}" for name in self.columns)]
        literal = self.database.literal
        return self.database.execute(
            f"INSERT INTO {self.quarantine} ({', '.join(map(self.database.quote, into))}, {', '.join(self.columns)})"
            f" SELECT {literal(run.id)}, {chunk}, {step}, {literal(role)}, {', '.join(taken)}"
            f" FROM {self.catalog.quoted} AS t WHERE {self.named(keys, 't.')}"
        )

    def move(self, run: Run, chunk: int, step: int, role: str, keys: Sequence[Key]) -> tuple[int, str]:
        """Copy locked rows into quarantine and delete them; return how many, and the digest of the copies.

        Where the database can do that in one statement, the rows need not be locked before.
        """
        database = self.database
        if database.moves:
            literal = database.literal
            own = (literal(run.id), str(chunk), str(step), literal(role))
            return database.move(self.catalog, own, self.named(keys, "t."))
        copied, deleted = self.copy(run, chunk, step, role, keys), self.delete(keys)
        return self.quarantined(run, chunk, step) if copied == deleted == len(keys) else (-1, "")

    def drop_copies(self, run: Run, chunk: int, step: int) -> None:
        """Drop what a chunk's step copied: it is back in the table."""
        where = self.copied(run, chunk, step).replace("q.dedupaudit_", "dedupaudit_")
        self.database.execute(f"DELETE FROM {self.quarantine} WHERE {where}")

    def copied(self, run: Run, chunk: int | None, step: int | None) -> str:
        """Return the condition (over the alias q) that a quarantined row is of this run, chunk and step."""
        literal = self.database.literal
        parts = [f"q.dedupaudit_run = {literal(run.id)}"]
        parts += [f"q.dedupaudit_chunk = {chunk}"] if chunk is not None else []
        parts += [f"q.dedupaudit_step = {step}"] if step is not None else []
        return " AND ".join(parts)

    def quarantined(self, run: Run, chunk: int, step: int) -> tuple[int, str]:
        """Return how many rows a chunk's step copied, and the digest of their hashes, made of the copies."""
        where = f"FROM {self.quarantine} AS q WHERE {self.copied(run, chunk, step)}"
        return self.database.digest(self.database.row_hash(self.catalog, "q"), where)

    def delete(self, keys: Sequence[Key]) -> int:
        """Delete rows; return how many."""
        return self.database.execute(f"DELETE FROM {self.catalog.quoted} WHERE {self.named(keys)}")

    def values(self, columns: Sequence[str], keys: Sequence[Key]) -> dict[Key, Key]:
        """Return some columns of rows, by the rows' names."""
        read = [column for name in columns if (column := self.catalog.column(name))]
        names = [*self.handle_names, *(self.database.quote(column.name) for column in read)]
        width = len(self.handle)
        rows = self.database.fetch(
            tuple((column, f"t.{name}") for column, name in zip((*self.handle, *read), names, strict=True)),
            (),
            f"FROM {self.catalog.quoted} AS t WHERE {self.named(keys, 't.')}",
        )
        return {row[:width]: row[width:] for row in rows}

    def kept_as_they_are(self) -> str:
        """Return what an UPDATE says so that the server changes nothing by itself."""
        quote = self.database.quote
        return "".join(f", {quote(name)} = {quote(name)}" for name in self.database.auto_updated(self.catalog))


@dataclass(frozen=True)
class Site:
    """The table under repair and who refers to it. `by_key` says that rows have no primary key to be found by."""

    database: RepairDatabase
    rows: Rows
    key: tuple[Column, ...]
    by_key: bool
    links: tuple[Link, ...]
    fires: bool
    """Whether a trigger or a rule sees rows deleted."""
    shape: str

    @property
    def catalog(self) -> Catalog:
        """The table."""
        return self.rows.catalog

    def children(self, link: Link) -> Rows:
        """Return the rows of a link's child."""
        return Rows(self.database, link.child)
