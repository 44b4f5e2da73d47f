"""The steps of a migration on MySQL and MariaDB as a plan tells them: why, with which lock, how long."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from dedupaudit.migrate.databases.mysql_script import statements
from dedupaudit.migrate.databases.protocol import Target
from dedupaudit.migrate.plan import Behaviour, Blocks, Step, StepName

_ORDER: Final[tuple[StepName, ...]] = (
    "lookup", "guard", "wait", "clean", "not_null", "build", "verify", "unguard", "probe",
)  # fmt: skip
# Rows a second: one pass over a table that sorts and writes an index, one that looks only. Measured on two cores.
_SORTED, _READ = 300_000, 1_500_000
_ENTRY = 14
"""Bytes of an index entry beside its key and the primary key's eight."""
_UNKNOWN = 32


@dataclass(frozen=True)
class _Told:
    why: str
    lock: str
    blocks: Blocks
    briefly: bool
    seconds: Callable[[Target], float] = lambda _target: 0.0
    bytes: Callable[[Target], int] = lambda _target: 0


def steps(target: Target) -> tuple[Step, ...]:
    """Return the script, in the order of the work."""
    found = []
    for name in _ORDER:
        if (name == "lookup" and target.facts.lookup is not None) or (name == "not_null" and not target.not_null):
            continue
        one = _TOLD[name]
        found.append(
            Step(
                name=name,
                why=one.why,
                sql=statements(target, name),
                lock=one.lock,
                blocks=one.blocks,
                briefly=one.briefly,
                seconds=round(one.seconds(target), 1),
                bytes=one.bytes(target),
            )
        )
    return tuple(found)


def _index_bytes(target: Target) -> int:
    known = [min(one for one in (part.longest, part.most, _UNKNOWN) if one is not None) for part in target.facts.key]
    # Pages are filled to fifteen sixteenths.
    return round(target.facts.rows * ((sum(known) or _UNKNOWN) + _ENTRY + 8) * 16 / 15)


def _reading(target: Target) -> float:
    return target.facts.rows / _READ


def _building(target: Target) -> float:
    return target.facts.rows / _SORTED + _reading(target)


def _rebuilding(target: Target) -> int:
    return target.facts.table_bytes or 0


_DDL: Final = "metadata lock, exclusive at its begin and its end"
_TOLD: Final[dict[StepName, _Told]] = {
    "lookup": _Told(
        "no index begins with the key's columns, and the guard looks at the table for each row that is stored",
        _DDL, "reads and writes", True, _building, _index_bytes,
    ),
    "guard": _Told(
        "without it a writer could store a duplicate between the cleaning and the end of the build, again and again",
        "metadata lock, exclusive, for each trigger", "reads and writes", True,
    ),
    "wait": _Told("a snapshot older than the guard may not see a row that is stored", "none", "nothing", False),
    "clean": _Told(
        "the same as `repair apply` does: quarantine, journal, proof; `repair undo` takes it back",
        "row locks", "nothing", False, _building,
    ),
    "not_null": _Told(
        "the table is rebuilt beside the writers; with a strict sql_mode a NULL stops it",
        _DDL, "reads and writes", True, _building, _rebuilding,
    ),
    "build": _Told(
        "INPLACE, LOCK=NONE: a duplicate that it meets rolls all of it back",
        _DDL, "reads and writes", True, _building, _index_bytes,
    ),
    "verify": _Told("", "none", "nothing", False, _reading),
    "unguard": _Told(
        "the index does its work now; the guard's triggers would refuse before it does",
        "metadata lock, exclusive, for each trigger", "reads and writes", True,
    ),
    "probe": _Told("", "row locks", "nothing", True),
}  # fmt: skip

_STORED, _FAILS, _ALL = "stored as a duplicate", "fails with 1062", "fails with 1062, with all its rows"
BEHAVIOUR: Final[tuple[Behaviour, ...]] = (
    Behaviour(statement="INSERT of one row", before=_STORED, under=_FAILS, after=_FAILS),
    Behaviour(statement="INSERT of several rows, LOAD DATA", before=_STORED, under=_ALL, after=_ALL),
    Behaviour(
        statement="INSERT IGNORE",
        before=_STORED,
        under="fails with 1062, with all its rows",
        after="skips the row, with a warning",
    ),
    Behaviour(
        statement="REPLACE",
        before=_STORED,
        under="fails with 1062; of a row with the same primary key and key it works as ever",
        after="deletes the stored row without a word, and stores the new one",
    ),
    Behaviour(
        statement="INSERT … ON DUPLICATE KEY UPDATE",
        before="stored as a duplicate, or updates the row with its primary key",
        under="fails with 1062 where it would store a duplicate; an update by the primary key works as ever",
        after="updates the stored row that has the key",
    ),
    Behaviour(statement="UPDATE of the key", before=_STORED, under=_FAILS, after=_FAILS),
    Behaviour(statement="UPDATE IGNORE of the key", before=_STORED, under=_FAILS, after="skips the row"),
    Behaviour(statement="UPDATE that leaves the key as it is", before="works", under="works", after="works"),
    Behaviour(
        statement="INSERT while another session deletes the stored row",
        before="stored",
        under="waits until that is committed, then is stored",
        after="waits until that is committed, then is stored",
    ),
)
"""What statements do that would store a duplicate."""
