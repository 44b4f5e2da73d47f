"""What scratches on servers have in common: a lock and a marker tell whose they are, and whether that drill is gone."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import ClassVar, Protocol

from dedupaudit.display import visible
from dedupaudit.drill.scratch.owner import Leftover, is_of_this_host, may_live
from dedupaudit.errors import SourceError


class ServerSession(Protocol):
    """One connection to a server with scratches on it. Its methods raise SourceError."""

    place: str
    called: ClassVar[str]
    """What a scratch is there, for people: `schema {} in`."""

    def sees_every_lock(self) -> bool:
        """Say whether a drill that another host has begun would have its lock here: not in a cluster of servers."""

    def marked(self) -> list[str]:
        """Return the names of the scratches that this role can see: a drill's name, and a marker of its columns."""

    def lock(self, name: str) -> bool:
        """Take the lock of a scratch for this session, unless another session has it."""

    def unlock(self, name: str) -> None:
        """Give the lock back."""

    def owners(self, name: str) -> Sequence[tuple[object, ...]]:
        """Return the rows of a marker, which has one."""

    def remove(self, name: str) -> None:
        """Drop a scratch and all that is in it; what is not there is no error."""


def abandoned_on(opened: ServerSession, *, drop: bool) -> list[Leftover]:
    """Return the scratches of killed drills on a server, and drop them where that is asked for, each under its lock."""
    found = []
    for name in opened.marked():
        if not opened.lock(name):
            continue
        try:
            row = _gone(opened, name)
            if row is not None:
                if drop:
                    opened.remove(name)
                told = visible(f"process {row[1]} on {row[0]}, {row[3]}")
                found.append(Leftover(name, f"{opened.called.format(name)} {opened.place} ({told})"))
        finally:
            opened.unlock(name)
    return found


def _gone(opened: ServerSession, name: str) -> tuple[object, ...] | None:
    """Return the marker's row of a drill that is certainly gone."""
    with suppress(SourceError):
        rows = opened.owners(name)
        if len(rows) == 1 and not may_live(rows[0]) and (is_of_this_host(rows[0]) or opened.sees_every_lock()):
            return rows[0]
    return None
