"""The steps of a migration on MySQL and MariaDB as a plan tells them: why, with which lock, how long."""

from __future__ import annotations

from typing import Final

from dedupaudit.migrate.databases.mysql_script import statements
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

_ORDER: Final[tuple[StepName, ...]] = (
    "lookup", "guard", "wait", "clean", "not_null", "build", "verify", "unguard", "probe",
)  # fmt: skip
# Measured on two cores.
_SPEED: Final = Speed(sorted=300_000, read=1_500_000)
_ENTRY = 14
"""Bytes of an index entry beside its key and the primary key's eight."""


def steps(target: Target) -> tuple[Step, ...]:
    """Return the script, in the order of the work."""
    return told_steps(target, _ORDER, _TOLD, lambda name: statements(target, name))


def _index_bytes(target: Target) -> int:
    # Pages are filled to fifteen sixteenths.
    return round(target.facts.rows * (key_bytes(target) + _ENTRY + 8) * 16 / 15)


def _rebuilding(target: Target) -> int:
    return target.facts.table_bytes or 0


_DDL: Final = "metadata lock, exclusive at its begin and its end"
_TOLD: Final[dict[StepName, Told]] = {
    "lookup": Told(
        WHY_LOOKUP,
        _DDL, "reads and writes", True, _SPEED.building, _index_bytes,
    ),
    "guard": Told(
        WHY_GUARD,
        "metadata lock, exclusive, for each trigger", "reads and writes", True,
    ),
    "wait": WAIT,
    "clean": Told(WHY_CLEAN, "row locks", "nothing", False, _SPEED.building),
    "not_null": Told(
        "the table is rebuilt beside the writers; with a strict sql_mode a NULL stops it",
        _DDL, "reads and writes", True, _SPEED.building, _rebuilding,
    ),
    "build": Told(
        "INPLACE, LOCK=NONE: a duplicate that it meets rolls all of it back",
        _DDL, "reads and writes", True, _SPEED.building, _index_bytes,
    ),
    "verify": Told("", "none", "nothing", False, _SPEED.reading),
    "unguard": Told(
        "the index does its work now; the guard's triggers would refuse before it does",
        "metadata lock, exclusive, for each trigger", "reads and writes", True,
    ),
    "probe": Told("", "row locks", "nothing", True),
}  # fmt: skip

_STORED, _FAILS, _ALL = "stored as a duplicate", "fails with 1062", "fails with 1062, with all its rows"
BEHAVIOUR: Final[tuple[Behaviour, ...]] = (
    Behaviour(statement="INSERT of one row", before=_STORED, under=_FAILS, after=_FAILS),
    Behaviour(statement="INSERT of several rows, LOAD DATA", before=_STORED, under=_ALL, after=_ALL),
    Behaviour(
        statement="INSERT IGNORE",
        before=_STORED,
        under=_ALL,
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
