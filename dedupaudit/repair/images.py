"""Gives rows that stayed what they were before, from the images that one step of a chunk kept of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from dedupaudit.display import visible
from dedupaudit.repair.databases.protocol import RepairDatabase
from dedupaudit.repair.errors import Surprise
from dedupaudit.repair.journal import Action, Entry, Run, key_of
from dedupaudit.repair.site import Rows
from dedupaudit.sources.tables.catalog import Column
from dedupaudit.sources.tables.protocol import Key

ALTERED = "somebody altered the quarantine or the journal; nothing was changed by this chunk"
_BATCH = 200


@dataclass
class Images:
    """The images of one step, in the quarantine of one table.

    `pointing` are the columns that a re-pointing changes: nearly always nothing else has to be set back.
    """

    rows: Rows
    run: Run
    chunk: int
    step: int
    pointing: tuple[str, ...] = ()
    _left: dict[Key, str] = field(default_factory=dict, init=False)

    def set_back(self, entries: Sequence[Entry]) -> list[Entry]:
        """Set back the rows of those entries whose images are here; return what became of each."""
        self._left = self._read()
        mine = [entry for entry in reversed(entries) if self._take(entry)]
        plain = [entry for entry in mine if self._named() and not (entry.action == "repointed" and entry.note)]
        told = [self._one(entry) for entry in mine if entry not in plain] if len(plain) < len(mine) else []
        for first in range(0, len(plain), _BATCH):
            told += self._many(plain[first : first + _BATCH])
        if not any(entry.action == "left" for entry in told):
            self.rows.drop_copies(self.run, self.chunk, self.step)
        return told

    @property
    def _database(self) -> RepairDatabase:
        return self.rows.database

    def _where(self) -> str:
        return self.rows.copied(self.run, self.chunk, self.step)

    # ---- which image is whose

    def _named(self) -> list[tuple[Column, str]]:
        """Return what names an image among those of one step: the primary key, the rowid; nothing: the hash does."""
        catalog = self.rows.catalog
        if catalog.primary_key:
            return [(column, f"q.{self._database.quote(column.name)}") for column in self.rows.handle]
        if self._database.hidden(catalog):
            return [(self.rows.handle[0], "q.dedupaudit_rowid")]
        return []

    def _name(self, entry: Entry) -> Key:
        """Return what names the image of an entry; a child whose own name was changed has its old one as the note."""
        if not self._named():
            return (entry.hash_before,)
        return key_of(entry.note if entry.action == "repointed" and entry.note else entry.pk)

    def _read(self) -> dict[Key, str]:
        names = self._named()
        found = self._database.fetch(
            names,
            [self._database.row_hash(self.rows.catalog, "q")],
            f"FROM {self.rows.quarantine} AS q WHERE {self._where()}",
        )
        return {row[:-1] if names else row: str(row[-1]) for row in found}

    def _take(self, entry: Entry) -> bool:
        """Say whether an entry's image is of this step, once for each image."""
        if entry.action not in ("merged", "repointed") or entry.target != self.rows.catalog.quoted:
            return False
        name = self._name(entry)
        if self._left.get(name) != entry.hash_before:
            return False
        del self._left[name]
        return True

    # ---- many rows at once: those that are named by what did not change

    def _many(self, entries: Sequence[Entry]) -> list[Entry]:
        keys = {entry.pk: key_of(entry.pk) for entry in entries}
        now = dict(self.rows.hashes(self.rows.named(list(keys.values()), "t."), lock=True))
        good = [entry for entry in entries if now.get(keys[entry.pk]) == entry.hash_after]
        changed = [entry for entry in entries if now.get(keys[entry.pk]) != entry.hash_after]
        if good:
            wanted = {keys[entry.pk]: entry.hash_before for entry in good}
            if not (self.pointing and self._put(self.pointing, wanted)) and not self._put(self._columns(), wanted):
                raise Surprise(f"rows of {visible(self.rows.catalog.name)} could not be set back", ALTERED)
        return [_done(entry) for entry in good] + [_changed(entry) for entry in changed]

    def _put(self, columns: Sequence[str], wanted: dict[Key, str | None]) -> bool:
        """Set columns of rows to what their images have; say whether the rows are what they were."""
        quote, catalog = self._database.quote, self.rows.catalog
        joined = " AND ".join(
            f"{sql} = {catalog.quoted}.{name}"
            for (_column, sql), name in zip(self._named(), self.rows.handle_names, strict=True)
        )
        values = ", ".join(
            f"{quote(name)} = (SELECT q.{quote(name)} FROM {self.rows.quarantine} AS q"
            f" WHERE {self._where()} AND {joined} LIMIT 1)"
            for name in columns
        )
        updated = [name for name in self._database.auto_updated(catalog) if name not in columns]
        kept = "".join(f", {quote(name)} = {quote(name)}" for name in updated)
        where = self.rows.named(list(wanted))
        self._database.execute(f"UPDATE {catalog.quoted} SET {values}{kept} WHERE {where}")
        return dict(self.rows.hashes(self.rows.named(list(wanted), "t."))) == wanted

    def _columns(self, *, renamed: bool = False) -> list[str]:
        catalog = self.rows.catalog
        return [
            column.name
            for column in catalog.columns
            if not column.generated and (renamed or column.name not in catalog.primary_key)
        ]

    # ---- one row: its own name was changed, or only its hash is known

    def find(self, entry: Entry, *, lock: bool = False) -> Key | None:
        """Return the name of a row that is as the repair left it; None where it is not any more."""
        if self._named():
            found = self.rows.hashes(self.rows.named([key_of(entry.pk)], "t."), lock=lock)
        else:
            # What names such a row does not outlive an update: it is known by its hash alone.
            wanted = self._database.literal(entry.hash_after)
            found = self.rows.hashes(f"{self._database.row_hash(self.rows.catalog, 't')} = {wanted}", lock=lock)
        return next((name for name, digest in found if digest == entry.hash_after), None)

    def _one(self, entry: Entry) -> Entry:
        now = self.find(entry, lock=True)
        if now is None:
            return _changed(entry)
        quote, catalog = self._database.quote, self.rows.catalog
        name = self._name(entry)
        names = [sql for _column, sql in self._named()] or [self._database.row_hash(catalog, "q")]
        image = f"{self._where()} AND {self._database.is_in(names, [name])}"
        values = ", ".join(
            f"{quote(column)} = (SELECT q.{quote(column)} FROM {self.rows.quarantine} AS q WHERE {image} LIMIT 1)"
            for column in self._columns(renamed=bool(self._named()) and name != now)
        )
        self._database.execute(f"UPDATE {catalog.quoted} SET {values} WHERE {self.rows.named([now])}")
        if self._named():
            back = [digest for _name, digest in self.rows.hashes(self.rows.named([name], "t."))]
            if back != [entry.hash_before]:
                raise Surprise(f"a row of {visible(catalog.name)} could not be set back: {visible(entry.pk)}", ALTERED)
        return _done(entry)


def _done(entry: Entry) -> Entry:
    action: Action = "unmerged" if entry.action == "merged" else "pointed_back"
    return entry._replace(action=action, hash_before=entry.hash_after, hash_after=entry.hash_before)


def _changed(entry: Entry) -> Entry:
    return entry._replace(action="left", note="changed since the repair")
