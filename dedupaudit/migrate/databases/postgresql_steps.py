"""The steps of a PostgreSQL migration as a plan tells them: why, with which lock, how long; and what statements do."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from dedupaudit.migrate.databases.postgresql_script import pieces, statements_of, tree_of
from dedupaudit.migrate.databases.protocol import Target
from dedupaudit.migrate.databases.shared import (
    WAIT,
    WHY_CLEAN,
    WHY_GUARD,
    WHY_LOOKUP,
    Speed,
    Told,
    key_bytes,
    told_steps,
)
from dedupaudit.migrate.plan import Behaviour, Step, StepName

_TOGETHER: Final[tuple[StepName, ...]] = ("lock", "clean", "build")
_SMALL: Final[tuple[StepName, ...]] = (*_TOGETHER, "not_null", "attach", "verify", "probe")
_GUARDED: Final[tuple[StepName, ...]] = (
    "lookup", "guard", "wait", "clean", "not_null", "build", "attach", "verify", "probe", "unguard",
)  # fmt: skip

# Measured on two cores.
_SPEED: Final = Speed(sorted=700_000, read=4_000_000)
_ENTRY = 16
"""Bytes of an index entry beside its key."""


def steps(target: Target) -> tuple[Step, ...]:
    """Return the script of the target's strategy, in the order of the work."""
    tree = tree_of(target)

    def sql(name: StepName) -> tuple[str, ...]:
        return statements_of(pieces(target, name, tree))

    match target.strategy:
        case "small":
            return told_steps(target, _SMALL, {**_ONLINE, **_IN_ONE}, sql, _TOGETHER)
        case "partitioned":
            guard = _ONLINE["guard"]
            return told_steps(target, _GUARDED, {**_ONLINE, "guard": replace(guard, why=guard.why + _ROW_BY_ROW)}, sql)
        case _:
            return told_steps(target, _GUARDED, _ONLINE, sql)


def _index_bytes(target: Target) -> int:
    # Pages are filled to nine tenths.
    return round(target.facts.rows * (key_bytes(target) + _ENTRY) / 0.9)


_ONLINE: Final[dict[StepName, Told]] = {
    "lookup": Told(
        WHY_LOOKUP, "SHARE UPDATE EXCLUSIVE", "nothing", False, _SPEED.building, _index_bytes,
    ),
    "guard": Told(
        WHY_GUARD, "SHARE ROW EXCLUSIVE", "writes", True,
    ),
    "wait": WAIT,
    "clean": Told(WHY_CLEAN, "ROW EXCLUSIVE", "nothing", False, _SPEED.building),
    "not_null": Told(
        "as a CHECK first, which is looked through while everybody writes on",
        "ACCESS EXCLUSIVE", "reads and writes", True, _SPEED.reading,
    ),
    "build": Told(
        "CONCURRENTLY: it waits for open transactions and blocks nobody",
        "SHARE UPDATE EXCLUSIVE", "nothing", False, _SPEED.building, _index_bytes,
    ),
    "attach": Told("the index is there: only the catalog changes", "ACCESS EXCLUSIVE", "reads and writes", True),
    "verify": Told("", "ACCESS SHARE", "nothing", False, _SPEED.building),
    "probe": Told("", "ROW EXCLUSIVE", "nothing", True),
    "unguard": Told("the constraint does its work now", "ACCESS EXCLUSIVE", "reads and writes", True),
}  # fmt: skip
_IN_ONE: Final[dict[StepName, Told]] = {
    "lock": Told(
        "the table is small: one transaction cleans it and builds the index, and nobody sees a state in between",
        "EXCLUSIVE", "writes", True,
    ),
    "clean": Told(WHY_CLEAN, "EXCLUSIVE", "writes", False, _SPEED.building),
    "build": Told("plain SELECTs go on meanwhile", "EXCLUSIVE", "writes", False, _SPEED.building, _index_bytes),
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
