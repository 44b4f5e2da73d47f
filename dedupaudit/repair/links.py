"""Re-points the children of victims to the survivor, and keeps an image of each child as it was before."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

from dedupaudit.display import visible
from dedupaudit.repair.databases.protocol import Link
from dedupaudit.repair.errors import Surprise
from dedupaudit.repair.journal import Entry, Run
from dedupaudit.repair.site import VICTIMS, Rows, Site
from dedupaudit.sources.tables.protocol import Key

_INTERFERED = (
    "a trigger or another session interfered, and nothing of this chunk was changed: run the same command again"
)


@dataclass
class Repointing:
    """The children of one chunk's victims. `pairs` says for each victim which row stays, and the plan's line.

    `steps` is the number of the last step that copied images.
    """

    site: Site
    run: Run
    chunk: int
    pairs: dict[Key, tuple[Key, int]] = field(default_factory=dict)
    steps: int = VICTIMS

    def repoint(self) -> list[Entry]:
        """Re-point the children of every foreign key; return what is to be journalled."""
        return [entry for link in self.site.links for entry in self._follow(link)]

    def _follow(self, link: Link) -> list[Entry]:
        children = self.site.children(link)
        found = self._found(link, children)
        if not found:
            return []
        into = self._survivors_of(link, {victim for victim, _child, _digest in found})
        moving: dict[Key, list[tuple[Key, str]]] = defaultdict(list)
        for victim, child, digest in found:
            if into[victim][0] != victim:
                moving[victim].append((child, digest))
        if not moving:
            return []
        self.steps += 1
        # A victim that refers to a victim is in quarantine as it was: it needs no image.
        own = link.child.quoted == self.site.catalog.quoted
        images = [
            child for several in moving.values() for child, _digest in several if not (own and child in self.pairs)
        ]
        if images and children.copy(self.run, self.chunk, self.steps, "child", images) != len(images):
            raise Surprise(f"not every child row of {visible(link.name)} could be copied", _INTERFERED)
        for victim, several in moving.items():
            self._move(link, children, victim, into[victim][0], len(several))
        if self._found(link, children, only=moving):
            raise Surprise(f"child rows of {visible(link.name)} still refer to rows that go", _INTERFERED)
        return self._entries(link, children, moving, into, set(images))

    def _found(
        self, link: Link, children: Rows, only: dict[Key, list[tuple[Key, str]]] | None = None
    ) -> list[tuple[Key, Key, str]]:
        """Return each child of a victim: what it refers to, its name, its hash; locked."""
        database, rows = self.site.database, self.site.rows
        quote = database.quote
        referenced = [column for name in link.referenced if (column := self.site.catalog.column(name))]
        joined = " AND ".join(
            f"t.{quote(column)} = q.{quote(other)}" for column, other in zip(link.columns, link.referenced, strict=True)
        )
        found = database.fetch(
            [
                *((column, f"q.{quote(column.name)}") for column in referenced),
                *((column, f"t.{name}") for column, name in zip(children.handle, children.handle_names, strict=True)),
            ],
            [database.row_hash(link.child, "t")],
            f"FROM {rows.quarantine} AS q JOIN {link.child.quoted} AS t ON {joined}"
            f" WHERE {rows.copied(self.run, self.chunk, VICTIMS)}{database.locking}",
        )
        width = len(referenced)
        told = [(row[:width], row[width:-1], str(row[-1])) for row in found]
        return [one for one in told if only is None or one[0] in only]

    def _survivors_of(self, link: Link, victims: set[Key]) -> dict[Key, tuple[Key, int]]:
        """Return, for what a victim is referred to by, what its survivor is referred to by, and the plan's line."""
        rows = self.site.rows
        if link.referenced == tuple(column.name for column in rows.handle):
            return {victim: self.pairs[victim] for victim in victims}
        handles = [*self.pairs, *(survivor for survivor, _line in self.pairs.values())]
        values = rows.values(link.referenced, list(dict.fromkeys(handles)))
        return {values[victim]: (values[survivor], line) for victim, (survivor, line) in self.pairs.items()}

    def _move(self, link: Link, children: Rows, victim: Key, survivor: Key, wanted: int) -> None:
        database = self.site.database
        names = [database.quote(column) for column in link.columns]
        values = ", ".join(f"{name} = {database.literal(value)}" for name, value in zip(names, survivor, strict=True))
        changed = database.execute(
            f"UPDATE {link.child.quoted} SET {values}{children.kept_as_they_are()}"
            f" WHERE {database.is_in(names, [victim])}"
        )
        if changed != wanted:
            raise Surprise(
                f"{changed} child rows of {visible(link.name)} were re-pointed, and not {wanted}", _INTERFERED
            )

    def _entries(
        self,
        link: Link,
        children: Rows,
        moving: dict[Key, list[tuple[Key, str]]],
        into: dict[Key, tuple[Key, int]],
        images: set[Key],
    ) -> list[Entry]:
        """Return a line for each child that stays; a child whose own name changed has its old one as the note."""
        told = []
        for victim, several in moving.items():
            survivor, line = into[victim]
            put = dict(zip(link.columns, survivor, strict=True))
            for child, digest in several:
                if child in images:
                    name = tuple(
                        put.get(column.name, part) for column, part in zip(children.handle, child, strict=True)
                    )
                    told.append((line, child, name, digest))
        now = (
            dict(children.hashes(children.named([name for _line, _child, name, _digest in told], "t."))) if told else {}
        )
        entries = []
        for line, child, name, digest in told:
            if name not in now:
                raise Surprise(f"a child row of {visible(link.name)} is gone after it was re-pointed", _INTERFERED)
            note = None if child == name else children.pk_text(child)
            entries.append(Entry(line, "repointed", link.child.quoted, children.pk_text(name), digest, now[name], note))
        return entries
