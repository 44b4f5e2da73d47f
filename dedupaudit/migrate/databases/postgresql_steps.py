"""The steps of a PostgreSQL migration as a plan tells them: why, with which lock, how long; and what statements do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from dedupaudit.migrate.databases.postgresql_script import pieces, statements_of, tree_of
from dedupaudit.migrate.databases.protocol import Target
from dedupaudit.migrate.plan import Behaviour, Blocks, Step, StepName

_TOGETHER: Final[tuple[StepName, ...]] = ("lock", "clean", "build")
_SMALL: Final[tuple[StepName, ...]] = (*_TOGETHER, "not_null", "attach", "verify", "probe")
_GUARDED: Final[tuple[StepName, ...]] = (
    "lookup", "guard", "wait", "clean", "not_null", "build", "attach", "verify", "probe", "unguard",
)  # fmt: skip

# Rows a second: one pass over a table that sorts and writes an index, one that looks only. Measured on two cores.
_SORTED, _READ = 700_000, 4_000_000
_ENTRY = 16
"""Bytes of an index entry beside its key."""
_UNKNOWN = 32
"""Bytes of a key whose length nobody knows."""


@dataclass(frozen=True)
class _Told:
    why: str
    lock: str
    blocks: Blocks
    briefly: bool
    seconds: Callable[[Target], float] = lambda _target: 0.0
    bytes: Callable[[Target], int] = lambda _target: 0


def steps(target: Target) -> tuple[Step, ...]:
    """Return the script of the target's strategy, in the order of the work."""
    small = target.strategy == "small"
    told = {**_ONLINE, **_IN_ONE} if small else _ONLINE
    found = []
    for name in _SMALL if small else _GUARDED:
        if (name == "lookup" and target.facts.lookup is not None) or (name == "not_null" and not target.not_null):
            continue
        one = told[name]
        found.append(
            Step(
                name=name,
                why=one.why + (_ROW_BY_ROW if name == "guard" and target.strategy == "partitioned" else ""),
                sql=statements_of(pieces(target, name, tree_of(target))),
                lock=one.lock,
                blocks=one.blocks,
                briefly=one.briefly,
                together=small and name in _TOGETHER,
                seconds=round(one.seconds(target), 1),
                bytes=one.bytes(target),
            )
        )
    return tuple(found)


def _width(target: Target) -> int:
    known = [min(one for one in (part.longest, part.most, _UNKNOWN) if one is not None) for part in target.facts.key]
    return sum(known) or _UNKNOWN


def _index_bytes(target: Target) -> int:
    # Pages are filled to nine tenths.
    return round(target.facts.rows * (_width(target) + _ENTRY) / 0.9)


def _reading(target: Target) -> float:
    return target.facts.rows / _READ


def _building(target: Target) -> float:
    return target.facts.rows / _SORTED + _reading(target)


_CLEAN_WHY = "the same as `repair apply` does: quarantine, journal, proof; `repair undo` takes it back"
_ONLINE: Final[dict[StepName, _Told]] = {
    "lookup": _Told(
        "no index begins with the key's columns, and the guard looks at the table for each row that is stored",
        "SHARE UPDATE EXCLUSIVE", "nothing", False, _building, _index_bytes,
    ),
    "guard": _Told(
        "without it a writer could store a duplicate between the cleaning and the end of the build, again and again",
        "SHARE ROW EXCLUSIVE", "writes", True,
    ),
    "wait": _Told("a snapshot older than the guard may not see a row that is stored", "none", "nothing", False),
    "clean": _Told(_CLEAN_WHY, "ROW EXCLUSIVE", "nothing", False, _building),
    "not_null": _Told(
        "as a CHECK first, which is looked through while everybody writes on",
        "ACCESS EXCLUSIVE", "reads and writes", True, _reading,
    ),
    "build": _Told(
        "CONCURRENTLY: it waits for open transactions and blocks nobody",
        "SHARE UPDATE EXCLUSIVE", "nothing", False, _building, _index_bytes,
    ),
    "attach": _Told("the index is there: only the catalog changes", "ACCESS EXCLUSIVE", "reads and writes", True),
    "verify": _Told("", "ACCESS SHARE", "nothing", False, _building),
    "probe": _Told("", "ROW EXCLUSIVE", "nothing", True),
    "unguard": _Told("the constraint does its work now", "ACCESS EXCLUSIVE", "reads and writes", True),
}  # fmt: skip
_IN_ONE: Final[dict[StepName, _Told]] = {
    "lock": _Told(
        "the table is small: one transaction cleans it and builds the index, and nobody sees a state in between",
        "EXCLUSIVE", "writes", True,
    ),
    "clean": _Told(_CLEAN_WHY, "EXCLUSIVE", "writes", False, _building),
    "build": _Told("plain SELECTs go on meanwhile", "EXCLUSIVE", "writes", False, _building, _index_bytes),
}  # fmt: skip

_ROW_BY_ROW = "; in a partitioned table it looks row by row: an INSERT of many rows takes up to three times as long"
_STORED = "stored as a duplicate"
_ALL_FAIL = "fails with 23505, with all its rows"
BEHAVIOUR: Final[tuple[Behaviour, ...]] = (
    Behaviour(statement="INSERT of one row", before=_STORED, under="fails with 23505", after="fails with 23505"),
    Behaviour(statement="INSERT of several rows, COPY", before=_STORED, under=_ALL_FAIL, after=_ALL_FAIL),
    Behaviour(
        statement="INSERT … ON CONFLICT DO NOTHING",
        before=_STORED,
        under="fails with 23505: the guard is no index that it could look into",
        after="skips the row",
    ),
    Behaviour(
        statement="INSERT … ON CONFLICT (the key) DO UPDATE",
        before="fails with 42P10: there is no such constraint",
        under="fails with 42P10",
        after="updates the stored row",
    ),
    Behaviour(
        statement="INSERT … ON CONFLICT (another key) DO UPDATE",
        before=_STORED,
        under="fails with 23505",
        after="fails with 23505",
    ),
    Behaviour(statement="UPDATE of the key", before=_STORED, under="fails with 23505", after="fails with 23505"),
    Behaviour(
        statement="UPDATE that leaves the key as it is", before="works", under="works", after="works"
    ),
    Behaviour(
        statement="INSERT while another session deletes the stored row",
        before="stored",
        under="fails with 23505 until that is committed",
        after="waits until that is committed, then is stored",
    ),
    Behaviour(
        statement="logical replication, session_replication_role = replica",
        before=_STORED,
        under="fails with 23505: the guard's triggers fire there too",
        after="fails with 23505",
    ),
)  # fmt: skip
"""What statements do that would store a duplicate."""
