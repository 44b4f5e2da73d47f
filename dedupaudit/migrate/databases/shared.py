"""What the workmen and scripts of several databases have in common."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

from dedupaudit.errors import AuditError
from dedupaudit.interrupt import Interrupt
from dedupaudit.migrate.databases.protocol import Target
from dedupaudit.migrate.plan import Blocks, Step, StepName
from dedupaudit.sources.tables.watch import Watch

Estimate = Callable[[Target], float]
_UNKNOWN = 32
"""Bytes of a key whose length nobody knows."""

# ---- names


def mark(quoted: str, key: Sequence[str]) -> str:
    """Return 12 hexadecimal digits that stand for a table (its quoted name) and a key in names."""
    text = "\0".join((quoted, *key))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:12]


# ---- what a plan tells of a step


@dataclass(frozen=True)
class Told:
    """Why a step is needed, its lock, whom that keeps out, for an instant or not; and estimates: seconds, bytes."""

    why: str
    lock: str
    blocks: Blocks
    briefly: bool
    seconds: Estimate = lambda _target: 0.0
    bytes: Callable[[Target], int] = lambda _target: 0


WHY_LOOKUP = "no index begins with the key's columns, and the guard looks at the table for each row that is stored"
WHY_GUARD = "without it a writer could store a duplicate between the cleaning and the end of the build, again and again"
WHY_CLEAN = "the same as `repair apply` does: quarantine, journal, proof; `repair undo` takes it back"
WAIT = Told("a snapshot older than the guard may not see a row that is stored", "none", "nothing", False)


def told_steps(
    target: Target,
    order: Sequence[StepName],
    told: Mapping[StepName, Told],
    sql: Callable[[StepName], tuple[str, ...]],
    together: Sequence[StepName] = (),
) -> tuple[Step, ...]:
    """Return the steps of an order that a target needs, each with its SQL; `together` are one transaction."""
    needless: set[StepName] = set()
    needless |= {"lookup"} if target.facts.lookup is not None else set()
    needless |= set() if target.not_null else {"not_null"}
    return tuple(
        Step(
            name=name,
            why=told[name].why,
            sql=sql(name),
            lock=told[name].lock,
            blocks=told[name].blocks,
            briefly=told[name].briefly,
            together=name in together,
            seconds=round(told[name].seconds(target), 1),
            bytes=told[name].bytes(target),
        )
        for name in order
        if name not in needless
    )


@dataclass(frozen=True)
class Speed:
    """Rows a second: of a pass over a table that sorts and writes an index, and of one that only looks."""

    sorted: int
    read: int

    def reading(self, target: Target) -> float:
        """Return the seconds of a look at all rows."""
        return target.facts.rows / self.read

    def building(self, target: Target) -> float:
        """Return the seconds of building an index."""
        return target.facts.rows / self.sorted + self.reading(target)


def key_bytes(target: Target) -> int:
    """Return how many bytes the key of a row has, at most; a guess where nobody knows."""
    known = [min(one for one in (part.longest, part.most, _UNKNOWN) if one is not None) for part in target.facts.key]
    return sum(known) or _UNKNOWN


# ---- statements


@contextmanager
def cancelled_by(
    interrupt: Interrupt, cancel: Callable[[], None], waiting: Callable[[], str | None] | None = None
) -> Iterator[Watch]:
    """Let a signal, or what `waiting` says, end the statement that runs inside; raises Cancelled for the signal."""
    watch = Watch(interrupt, cancel, waiting, every=0.5 if waiting else 2.0)
    try:
        with watch.running():
            yield watch
    except AuditError:
        interrupt.check()
        raise
    finally:
        watch.close()


class _TakenBack(Exception):
    """All went well, and is to be rolled back."""


@contextmanager
def taken_back(transaction: AbstractContextManager[None]) -> Iterator[None]:
    """Roll back whatever is done inside a transaction, and every setting of it."""
    try:
        with transaction:
            yield
            raise _TakenBack
    except _TakenBack:
        pass
