"""What a database must give to be migrated. The order of things, patience, journal and proof are the same for all.

Three parts: a look (`read_facts`, read-only, at plan time and again before an apply), a script (pure: what would run)
and a workman (`Migration`), who runs it on the connection that also repairs and holds the run's lock.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from dedupaudit.config import DatabaseSettings
from dedupaudit.interrupt import Interrupt
from dedupaudit.migrate.facts import Facts
from dedupaudit.migrate.plan import Behaviour, Step, StrategyName
from dedupaudit.repair.databases.protocol import RepairDatabase
from dedupaudit.sources.tables.table import Table

REFUSED = "was refused by"
"""What stands between statement and constraint where a probe tells of a duplicate that was refused."""
NOTHING = "nothing could be tried: "
"""How a probe begins that could not try."""


@dataclass(frozen=True)
class Target:
    """What is wanted of one table. `table` has no `where`: a constraint is for all rows."""

    table: Table
    constraint: str
    """The name of the constraint (or of the unique index, where there is none else)."""
    not_null: tuple[str, ...]
    """Columns of the key that allow NULL now and must not any more."""
    strategy: StrategyName
    facts: Facts


@dataclass(frozen=True)
class Standing:
    """How far a migration is, read from the catalog: the truth, whatever the journal says."""

    lookup: Literal["none", "invalid", "ready"]
    """The tool's own lookup index; `ready` too where an index of others serves."""
    guard: Literal["none", "partial", "complete"]
    unique: Literal["none", "invalid", "index", "constraint"]
    """The wanted one, by its name and on the key: an invalid leftover, a valid index, or the constraint itself.

    Where a constraint is no more than its index (MySQL, SQLite): `constraint`.
    """
    nulls_forbidden: bool
    """Whether what `Target.not_null` asks for is done."""
    leftovers: tuple[str, ...] = ()
    """All of the tool's own objects around the table, for people: what `status` shows and `rollback` removes."""


@dataclass(frozen=True)
class Patience:
    """How long a statement may wait for others that blocks nobody meanwhile, and who is told whom it waits for."""

    seconds: float
    announce: Callable[[str], None]


class Migration(Protocol):
    """Does the work.

    Statements raise Busy where somebody is in the way (nothing has changed then, or a part that the next call
    finishes), Violation where a duplicate or a NULL stops a build, SourceError and Refused else.

    Each method looks at the catalog first and does what is missing: called again after a kill anywhere, it finishes.
    """

    repair: RepairDatabase
    patience: Patience | None
    """None waits as long as it takes."""

    def standing(self) -> Standing:
        """Look how far it is. Cheap."""

    def do(self, step: Step) -> None:
        """Do one of the steps lock, lookup, guard, not_null, build, attach, unguard; once, without retries.

        Short DDL waits for its lock 1 s and then raises Busy. A build that was stopped, failed on a duplicate or by a
        full disk leaves nothing but what `standing` calls invalid; `do` drops such a leftover before it builds anew.
        While a long statement runs, a signal (`Interrupt`) cancels it on the server and raises Cancelled.
        """

    def older(self) -> list[str]:
        """Return, for people, the transactions that were open when the guard was complete, and are still.

        The first call takes the list, the next ones see who of it is left: later ones do not matter. Empty: the wait is
        over. Raises Refused where the role cannot see others' transactions, with the GRANT.
        """

    def probe(self) -> str:
        """Insert a duplicate of a stored row inside a savepoint, and roll it back; return how it was refused.

        Returns a sentence: `INSERT was refused by activities_activity_id_key (SQLSTATE 23505)`, or why nothing could be
        tried (`the table is empty`). Raises Surprise where it was not refused, or by something else.
        """

    def remove_guard(self) -> None:
        """Remove the guard, the lookup index and every other helper; what is not there is no error."""

    def remove_constraint(self, *, not_null: Sequence[str] = ()) -> None:
        """Remove the wanted constraint or index, valid or not; let these columns have NULL again."""

    def guard_triggers(self) -> tuple[str, ...]:
        """Return the names of the guard's triggers, as `Inspection.triggers` has them: the clean step may fire them."""


@dataclass(frozen=True)
class Dialect:
    """One kind of database, as `databases/__init__.py` registers it."""

    read_facts: Callable[[DatabaseSettings, Table, str, Interrupt], Facts]
    """Of a table and the wanted constraint's name, over a read-only connection of its own; rows, null_keys, blank_keys,
    duplicates and device are left for the planner."""
    steps: Callable[[Target], tuple[Step, ...]]
    """The script of the target's strategy, in the order of the work. Pure."""
    strategies: tuple[StrategyName, ...]
    small_rows: int
    """Up to so many rows one transaction does it all within half a second."""
    behaviour: tuple[Behaviour, ...]
    migration: Callable[[RepairDatabase, Target, Interrupt], Migration]
    default_name: Callable[[Table], str]
    """What a constraint is called where nobody says: as the database itself would call it, or as its users do."""
