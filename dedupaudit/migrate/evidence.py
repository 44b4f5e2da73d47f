"""What a migration came to: what was seen at the end, and the rows of its clean steps."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from dedupaudit.errors import ExitCode
from dedupaudit.migrate.applying import Migrating
from dedupaudit.repair.journal import Run


@dataclass(frozen=True)
class Evidence:
    """What was seen at the end, not believed. Rows are those of all clean rounds, each proved by itself."""

    constraint: str
    index_state: str
    duplicates: int
    probe: str
    rows_read: int
    """Rows that were read under lock."""
    rows_kept: int
    rows_quarantined: int
    holds: bool
    """Whether each round's proof of conservation holds."""
    seconds: float
    cleaning_seconds: float

    @classmethod
    def of(cls, work: Migrating, constraint: str, rounds: Sequence[Run], seconds: float) -> Evidence:
        """Return what a migration saw; rounds that were taken back since count for nothing."""
        alive = [run for run in rounds if run.state != "undone"]
        kept, quarantined = sum(run.rows_kept for run in alive), sum(run.rows_deleted for run in alive)
        return cls(
            constraint=constraint,
            index_state=work.verified.index_state,
            duplicates=work.verified.duplicates or 0,
            probe=work.verified.probe,
            rows_read=kept + quarantined,
            rows_kept=kept,
            rows_quarantined=quarantined,
            holds=all(json.loads(run.proof or "{}").get("holds") for run in alive),
            seconds=round(seconds, 3),
            cleaning_seconds=round(work.cleaning_seconds, 3),
        )

    @classmethod
    def told_by(cls, run: Run) -> Evidence | None:
        """Return what a run wrote down at its end."""
        return cls(**json.loads(run.proof)) if run.proof else None


@dataclass(frozen=True)
class Migrated:
    """What an apply came to. `cleaned` are its repairs; `stopped` says why it did not get to the end.

    Without a run nothing was to do: `protecting` kept the key unique already.
    """

    run: Run | None
    cleaned: tuple[Run, ...] = ()
    evidence: Evidence | None = None
    protecting: str | None = None
    stopped: str | None = None
    stays: str = ""
    """What a run that stopped left in the database, for people."""
    signum: int | None = None

    @property
    def exit_code(self) -> int:
        """Return the contract's exit code."""
        if self.signum is not None:
            return 128 + self.signum
        return ExitCode.CLEAN if self.stopped is None else ExitCode.INCOMPLETE
