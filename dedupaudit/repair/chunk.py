"""One chunk of a repair, in one transaction: lock, compare, copy, re-point, merge, delete, verify, journal.

Whatever is not exactly as expected raises, and the transaction is rolled back: nothing of a chunk is ever half done.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from dedupaudit.display import visible
from dedupaudit.repair.databases.protocol import digest_of
from dedupaudit.repair.errors import Busy, Surprise
from dedupaudit.repair.journal import Entry, Journal, Run
from dedupaudit.repair.links import Repointing
from dedupaudit.repair.plan import Group, database_value
from dedupaudit.repair.quick import Quick, is_usual
from dedupaudit.repair.site import VICTIMS, Site
from dedupaudit.sources.tables.protocol import Key

Numbered = tuple[int, Group]
"""A line of the plan with its number."""


@dataclass(frozen=True)
class Locked:
    """A group whose rows are locked and are what the plan says: names and hashes, as they are now."""

    line: int
    group: Group
    survivor: tuple[Key, str]
    victims: tuple[tuple[Key, str], ...]


@dataclass
class Chunk:
    """One chunk while it is worked on; `entries` become the journal."""

    site: Site
    journal: Journal
    run: Run
    number: int
    entries: list[Entry] = field(default_factory=list)
    _beside: Counter[str] = field(default_factory=Counter, init=False)

    def apply(self, groups: Sequence[Numbered], last: int, quick: Quick | None = None) -> Run:
        """Repair the groups and return the run as it stands then; `last` is the line that the plan is done up to.

        `quick` has the same groups, ready for the quick way.

        Raises Busy, Violation, Surprise or SourceError: then nothing has changed.
        """
        site = self.site
        if quick is None and groups and is_usual(site, groups):
            quick = Quick(site, groups)
        done = quick.apply(self.journal, self.run, self.number, last) if quick else None
        if done is not None:
            return done
        with site.database.transaction():
            self.journal.fence(self.run)
            locked = self._locked(groups) if groups else []
            if site.database.shape(site.catalog) != site.shape:
                raise Surprise(
                    f"the columns of {visible(site.catalog.name)} were changed while the repair ran",
                    "make a new plan; `dedupaudit repair undo` still restores what was done",
                )
            repointed = self._remove(locked) if locked else 0
            done = self._advanced(locked, repointed, last)
            self.journal.write(done, self.number, self.entries)
            self.journal.save(done)
        return done

    def skip(self, line: int, group: Group, why: str) -> None:
        """Note a group that is left as it is."""
        target = self.site.catalog.quoted
        self.entries.append(Entry(line, "skipped", target, json.dumps(dict(group.key)), note=why))

    def _advanced(self, locked: Sequence[Locked], repointed: int, last: int) -> Run:
        run = self.run
        skipped = sum(entry.action == "skipped" for entry in self.entries)
        return replace(
            run,
            position=last,
            chunks=self.number,
            groups_done=run.groups_done + len(locked),
            groups_skipped=run.groups_skipped + skipped,
            rows_kept=run.rows_kept + len(locked),
            rows_deleted=run.rows_deleted + sum(len(one.victims) for one in locked),
            rows_merged=run.rows_merged + sum(bool(one.group.merge) for one in locked),
            children_repointed=run.children_repointed + repointed,
        )

    # ---- lock and compare

    def _locked(self, groups: Sequence[Numbered]) -> list[Locked]:
        """Lock all rows of the groups, and return those groups that are still what was planned."""
        found = self._by_key(groups) if self.site.by_key else self._by_primary_key(groups)
        return list(found)

    def _by_primary_key(self, groups: Sequence[Numbered]) -> Iterator[Locked]:
        named = {
            line: [self.site.rows.name_of(row) for row in (group.survivor, *group.victims) if row is not None]
            for line, group in groups
        }
        planned = {
            key: row.hash
            for line, group in groups
            for key, row in zip(named[line], (group.survivor, *group.victims), strict=True)
            if row is not None
        }
        wanted, hashes = self.site.rows.named(list(planned), "t."), sorted(planned.values())
        if self.site.rows.digest(wanted, lock=True) == (len(hashes), digest_of(hashes)):
            # All are what they were, and locked: which is nearly always so, and one digest says it.
            for line, group in groups:
                rows = [(key, planned[key]) for key in named[line]]
                yield Locked(line, group, rows[0], tuple(rows[1:]))
            return
        now = dict(self.site.rows.hashes(wanted, lock=True))
        own = self._own_changes(groups, named, now)
        for line, group in groups:
            told = [row for row in (group.survivor, *group.victims) if row is not None]
            why = ""
            for key, row in zip(named[line], told, strict=True):
                digest = now.get(key)
                if digest is None:
                    why = why or f"row {self.site.rows.pk_text(key)} is gone since the plan"
                elif digest not in (row.hash, own.get(key)):
                    why = why or f"row {self.site.rows.pk_text(key)} changed since the plan"
            if why:
                self.skip(line, group, why)
                continue
            rows = [(key, now[key]) for key in named[line]]
            yield Locked(line, group, rows[0], tuple(rows[1:]))

    def _own_changes(
        self, groups: Sequence[Numbered], named: dict[int, list[Key]], now: dict[Key, str]
    ) -> dict[Key, str]:
        """Return the hashes that an earlier chunk of this run left rows with that are not as planned any more.

        A row that refers to its own table was re-pointed, or a key of very many rows merged before.
        """
        texts: dict[str, Key] = {}
        for line, group in groups:
            planned = [row for row in (group.survivor, *group.victims) if row is not None]
            for key, row in zip(named[line], planned, strict=True):
                if now.get(key, row.hash) != row.hash:
                    texts[self.site.rows.pk_text(key)] = key
        if not texts or self.run.chunks == 0:
            return {}
        left = self.journal.later(self.run, self.site.catalog.quoted, texts)
        return {texts[text]: digest for text, digest in left.items()}

    def _by_key(self, groups: Sequence[Numbered]) -> Iterator[Locked]:
        """Find rows by key and tell them apart by hash: those of one hash are the same, and any of them will do."""
        quote = self.site.database.quote
        keys = [tuple(database_value(value) for value in group.key.values()) for _line, group in groups]
        names = [f"t.{quote(column.name)}" for column in self.site.key]
        wanted = self.site.database.is_in(names, list(dict.fromkeys(keys)))
        free: dict[str, list[Key]] = defaultdict(list)
        for handle, digest in reversed(self.site.rows.hashes(wanted, lock=True)):
            free[digest].append(handle)
        survivors: dict[Key, tuple[Key, str]] = {}
        for (line, group), key in zip(groups, keys, strict=True):
            if group.survivor is None:
                continue
            need = Counter(row.hash for row in group.victims)
            if key not in survivors:
                need[group.survivor.hash] += 1
            if any(len(free[digest]) < count for digest, count in need.items()):
                self.skip(line, group, "a row is gone or changed since the plan")
                continue
            if key not in survivors:
                survivors[key] = (free[group.survivor.hash].pop(), group.survivor.hash)
            yield Locked(line, group, survivors[key], tuple((free[row.hash].pop(), row.hash) for row in group.victims))
        self._beside = Counter({digest: len(handles) for digest, handles in free.items()})

    # ---- copy, re-point, merge, delete, verify

    def _remove(self, locked: Sequence[Locked]) -> int:
        """Do the work on groups that are locked; return how many children were re-pointed."""
        rows, run, number = self.site.rows, self.run, self.number
        victims = [handle for one in locked for handle, _digest in one.victims]
        self._expect("copied into quarantine", rows.copy(run, number, VICTIMS, "victim", victims), len(victims))
        repointing = Repointing(self.site, run, number)
        for one in locked:
            for handle, _digest in one.victims:
                repointing.pairs[handle] = one.survivor[0], one.line
        repointed = repointing.repoint() if self.site.links else []
        merged = self._merge([one for one in locked if one.group.merge], repointing.steps + 1)
        self._expect("deleted", rows.delete(victims), len(victims))
        hashes = sorted(digest for one in locked for _handle, digest in one.victims)
        if rows.quarantined(run, number, VICTIMS) != (len(hashes), digest_of(hashes)):
            raise Surprise(
                "the rows in quarantine are not the rows that were read: something changes them on the way",
                "look for triggers and rules on the quarantine table",
            )
        self._note(locked, merged, {entry.pk for entry in repointed if entry.target == self.site.catalog.quoted})
        self.entries += repointed
        return len(repointed)

    def _merge(self, merging: Sequence[Locked], step: int) -> set[int]:
        """Give survivors the values of victims, from the copies; return the lines that were merged."""
        if not merging:
            return set()
        rows, database = self.site.rows, self.site.database
        survivors = list(dict.fromkeys(one.survivor[0] for one in merging))
        self._expect("kept an image of", rows.copy(self.run, self.number, step, "survivor", survivors), len(survivors))
        for one in merging:
            values = []
            for merge in one.group.merge:
                column = database.quote(merge.column)
                source = self._copy_of(one.victims[merge.victim])
                values.append(f"{column} = (SELECT q.{column} FROM {rows.quarantine} AS q WHERE {source})")
            changed = database.execute(
                f"UPDATE {rows.catalog.quoted} SET {', '.join(values)}{rows.kept_as_they_are()}"
                f" WHERE {rows.named([one.survivor[0]])}"
            )
            self._expect("merged", changed, 1)
        return {one.line for one in merging}

    def _copy_of(self, victim: tuple[Key, str]) -> str:
        """Return the condition that finds one victim's copy."""
        rows, database = self.site.rows, self.site.database
        where = rows.copied(self.run, self.number, VICTIMS)
        if self.site.by_key:
            return f"{where} AND {database.row_hash(rows.catalog, 'q')} = {database.literal(victim[1])} LIMIT 1"
        return f"{where} AND {rows.named([victim[0]], 'q.')}"

    def _note(self, locked: Sequence[Locked], merged: set[int], repointed: set[str]) -> None:
        """Read the survivors again, see that nothing happened to them, and write down what became of every row."""
        rows, target = self.site.rows, self.site.catalog.quoted
        now = self._survivors(locked, merged, touched=bool(merged or self.site.links))
        # A key of very many rows has several lines and one survivor, which only one of them merges.
        differing = {one.survivor[0] for one in locked if one.line in merged}
        for one in locked:
            handle, before = one.survivor
            after = now.get(handle)
            pk = rows.pk_text(handle)
            if after is None or (after != before and handle not in differing and pk not in repointed):
                raise Surprise(
                    f"the row that was to stay is not as it was: {visible(pk)}", "nothing was changed: make a new plan"
                )
            self.entries.append(Entry(one.line, "merged" if one.line in merged else "kept", target, pk, before, after))
            for victim, digest in one.victims:
                self.entries.append(Entry(one.line, "deleted", target, rows.pk_text(victim), digest))

    def _survivors(self, locked: Sequence[Locked], merged: set[int], *, touched: bool) -> dict[Key, str]:
        """Return the hashes of the rows that stay; `touched` says that a statement may have changed some of them."""
        rows = self.site.rows
        before = dict(one.survivor for one in locked)
        handles, hashes = list(before), sorted(before.values())
        if not touched and rows.digest(rows.named(handles, "t.")) == (len(hashes), digest_of(hashes)):
            return before
        if not (self.site.by_key and merged):
            return dict(rows.hashes(rows.named(handles, "t.")))
        # An updated row has another ctid. This chunk has one group alone: of its key the survivor is left, beside rows
        # that are not of the plan, because they are not audited or came since.
        ((_line, group),) = [(one.line, one.group) for one in locked]
        key = tuple(database_value(value) for value in group.key.values())
        names = [f"t.{self.site.database.quote(column.name)}" for column in self.site.key]
        found = Counter(digest for _handle, digest in rows.hashes(self.site.database.is_in(names, [key])))
        left = list((found - self._beside).elements())
        if len(left) != 1:
            raise Busy("another session wrote rows of the same key at the same time", "try again")
        return {handles[0]: left[0]}

    def _expect(self, what: str, found: int, wanted: int) -> None:
        if found != wanted:
            raise Surprise(
                f"{found:,} rows were {what}, and not {wanted:,}: a trigger, a rule or another session interfered",
                "nothing was changed by this chunk; `dedupaudit repair show last` tells what was done before",
            )
