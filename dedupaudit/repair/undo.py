"""Takes a run back, the last chunk first: victims return whole, children to their old parents, survivors as they were.

Before the first chunk it is looked at whether all of it can be taken back; what stands in the way is named, and nothing
is changed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from dedupaudit.display import visible
from dedupaudit.errors import Refused
from dedupaudit.repair.databases.protocol import Link, RepairDatabase, digest_of
from dedupaudit.repair.errors import Surprise, Violation
from dedupaudit.repair.images import ALTERED, Images
from dedupaudit.repair.journal import Entry, Journal, Run, key_of
from dedupaudit.repair.restoring import Restoring
from dedupaudit.repair.site import VICTIMS, Rows
from dedupaudit.sources.tables.catalog import Catalog

_SHOWN = 5
_BATCH = 500


class Obstacle(NamedTuple):
    """A row that cannot be taken back, and why."""

    target: str
    pk: str
    why: str


@dataclass
class Undoing:
    """One run while it is taken back. `catalogs` are those of the table and of its children, by their quoted names."""

    database: RepairDatabase
    journal: Journal
    rows: Rows
    catalogs: dict[str, Catalog]
    run: Run
    pointing: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """The columns that refer to the table, by the quoted name of the table that has them."""
    leave_changed: bool = False
    own_links: tuple[Link, ...] = ()
    """The foreign keys by which the table refers to itself."""
    left: int = field(default=0, init=False)
    _seen: set[tuple[str, str]] = field(default_factory=set, init=False)

    def obstacles(self) -> Iterator[Obstacle]:
        """Yield what stands in the way: taken keys, rows that the application changed or removed since."""
        yield from self._taken_keys()
        if not (self.run.rows_merged or self.run.children_repointed):
            return
        for chunk in range(self.run.chunks, 0, -1):
            entries = self.journal.of_chunk(self.run, chunk)
            if not any(entry.action == "restored" for entry in entries):
                yield from self._changed_rows(chunk, entries)

    def refuse_obstacles(self) -> None:
        """Raise Refused, naming the first obstacles, where there is one."""
        self._refuse_purged()
        found = []
        for obstacle in self.obstacles():
            found.append(obstacle)
            if len(found) > _SHOWN:
                break
        if not found:
            return
        shown = "; ".join(f"{visible(one.target)} {visible(one.pk)}: {one.why}" for one in found[:_SHOWN])
        more = " (and more)" if len(found) > _SHOWN else ""
        raise Refused(
            f"run {self.run.id} cannot be taken back as it is: {shown}{more}",
            "move those rows out of the way (drop the unique constraint, undo a later run first); rows that were only"
            " changed since are left as they are with --leave-changed",
        )

    def _refuse_purged(self) -> None:
        """Raise Refused where rows are not in quarantine any more that were not brought back either."""
        journal, literal = self.database.own("journal"), self.database.literal
        told = self.database.fetch(
            (),
            ["SUM(CASE WHEN action = 'deleted' THEN 1 ELSE -1 END)"],
            f"FROM {journal} WHERE run = {literal(self.run.id)} AND action IN ('deleted', 'restored') AND pk <> '{{}}'",
        )
        where = f"FROM {self.rows.quarantine} AS q WHERE {self.rows.copied(self.run, None, VICTIMS)}"
        kept = self.database.fetch((), ["COUNT(*)"], where)
        missing = int(str(told[0][0] or 0)) - int(str(kept[0][0]))
        if missing:
            raise Refused(
                f"run {self.run.id} cannot be taken back: {abs(missing):,} of its rows are not in quarantine any more",
                "`repair purge` drops old quarantine for good; restore those rows from a backup",
            )

    def undo_chunk(self, chunk: int) -> None:
        """Take one chunk back, in one transaction; raises Refused where the database forbids it."""
        with self.database.transaction():
            self.journal.fence(self.run)
            entries = self.journal.of_chunk(self.run, chunk)
            if any(entry.action == "restored" for entry in entries):
                return
            told = self._restore(chunk, entries)
            for step, quoted in sorted(self._steps(chunk), reverse=True):
                if step != VICTIMS:
                    told += self._images(quoted, chunk, step).set_back(entries)
            told = told or [Entry(0, "restored", self.rows.catalog.quoted, "{}", note="nothing was removed")]
            self.journal.write(self.run, chunk, told, first=len(entries))
            self.run = replace(self.run, position=chunk - 1)
            self.journal.save(self.run)
            self.left += sum(entry.action == "left" for entry in told)

    # ---- victims

    def _restore(self, chunk: int, entries: Sequence[Entry]) -> list[Entry]:
        deleted = [entry for entry in entries if entry.action == "deleted"]
        if not deleted:
            return []
        rows, catalog = self.rows, self.rows.catalog
        quote = self.database.quote
        names = [column.name for column in catalog.columns if not column.generated]
        where = rows.copied(self.run, chunk, VICTIMS)
        hidden = self.database.hidden(catalog)
        into, taken = [*map(quote, names)], [f"q.{quote(name)}" for name in names]
        if hidden:
            into.append(hidden)
            taken.append(
                f"CASE WHEN EXISTS (SELECT 1 FROM {catalog.quoted} AS t WHERE t.{hidden} = q.dedupaudit_rowid)"
                " THEN NULL ELSE q.dedupaudit_rowid END"
            )
        try:
            if self.own_links and self.database.checks_each_row:
                restored = Restoring(rows, self.own_links, names, where).insert(len(deleted))
            else:
                restored = self.database.execute(
                    f"INSERT INTO {catalog.quoted} ({', '.join(into)}){self.database.overriding}"
                    f" SELECT {', '.join(taken)} FROM {rows.quarantine} AS q WHERE {where}"
                )
        except Violation as error:
            raise Refused(
                f"run {self.run.id} cannot be taken back: the database refuses its rows: {error.message}",
                "move what stands in the way, then run the same command again: it goes on where it stopped",
            ) from error
        if restored != len(deleted):
            raise Surprise(f"{restored:,} rows of chunk {chunk} are in quarantine, and not {len(deleted):,}", ALTERED)
        self._verify(chunk, deleted)
        rows.drop_copies(self.run, chunk, VICTIMS)
        return [entry._replace(action="restored", hash_after=entry.hash_before) for entry in deleted]

    def _verify(self, chunk: int, deleted: Sequence[Entry]) -> None:
        """See that what was restored has the hashes that were read before it was deleted."""
        rows = self.rows
        hashes = sorted(str(entry.hash_before) for entry in deleted)
        if rows.quarantined(self.run, chunk, VICTIMS) != (len(hashes), digest_of(hashes)):
            raise Surprise(f"the rows of chunk {chunk} in quarantine are not those that were put there", ALTERED)
        if not rows.catalog.primary_key:
            return
        for first in range(0, len(deleted), _BATCH):
            part = deleted[first : first + _BATCH]
            now = dict(rows.hashes(rows.named([key_of(entry.pk) for entry in part], "t.")))
            wrong = [entry.pk for entry in part if now.get(key_of(entry.pk)) != entry.hash_before]
            if wrong:
                raise Surprise(
                    f"a restored row is not what it was: {visible(wrong[0])}",
                    "a trigger, a default or a changed column of the table interferes; nothing was changed",
                )

    # ---- children and survivors

    def _steps(self, chunk: int) -> list[tuple[int, str]]:
        """Return the steps that copied images in a chunk, each with the table whose rows they are of."""
        found = []
        for quoted, catalog in self.catalogs.items():
            rows = Rows(self.database, catalog)
            where = f"WHERE {rows.copied(self.run, chunk, None)} GROUP BY q.dedupaudit_step"
            texts = self.database.fetch((), ["q.dedupaudit_step"], f"FROM {rows.quarantine} AS q {where}")
            found += [(int(str(step)), quoted) for (step,) in texts]
        return found

    def _images(self, quoted: str, chunk: int, step: int) -> Images:
        rows = Rows(self.database, self.catalogs[quoted])
        return Images(rows, self.run, chunk, step, self.pointing.get(quoted, ()))

    # ---- what stands in the way

    def _taken_keys(self) -> Iterator[Obstacle]:
        """Yield quarantined rows whose place in a unique index is taken by a row of the table."""
        rows, quote = self.rows, self.database.quote
        catalog = rows.catalog
        copies = rows.copied(self.run, None, VICTIMS)
        handle = [column for name in catalog.primary_key if (column := catalog.column(name))] or list(
            catalog.columns[:1]
        )
        for index in catalog.indexes:
            if not index.unique or index.partial or None in index.columns or index.prefix:
                continue
            joined = " AND ".join(f"t.{quote(str(name))} = q.{quote(str(name))}" for name in index.columns)
            found = self.database.fetch(
                [(column, f"q.{quote(column.name)}") for column in handle],
                (),
                f"FROM {rows.quarantine} AS q JOIN {catalog.quoted} AS t ON {joined} WHERE {copies} LIMIT {_SHOWN + 1}",
            )
            for row in found:
                pk = ", ".join(visible(part) for part in row)
                yield Obstacle(catalog.name, pk, f"unique index {visible(index.name)} has its key already")

    def _changed_rows(self, chunk: int, entries: Sequence[Entry]) -> Iterator[Obstacle]:
        """Yield merged rows and re-pointed children that are not as the repair left them."""
        if self.leave_changed:
            return
        last: dict[tuple[str, str], Entry] = {}
        for entry in entries:
            if entry.action in ("merged", "repointed"):
                last[entry.target, entry.pk] = entry
        for (target, pk), entry in last.items():
            if (target, pk) in self._seen:
                continue
            self._seen.add((target, pk))
            if self._images(target, chunk, 0).find(entry) is None and not self._goes_itself(target, pk):
                yield Obstacle(target, pk, "it was changed or removed since the repair")

    def _goes_itself(self, target: str, pk: str) -> bool:
        """Say whether a row was removed by a later chunk of this very run: it comes back before it is set back."""
        literal = self.database.literal
        where = (
            f"FROM {self.database.own('journal')} WHERE run = {literal(self.run.id)} AND action = 'deleted'"
            f" AND target = {literal(target)} AND pk = {literal(pk)}"
        )
        return bool(self.database.fetch((), ["pk"], where))
