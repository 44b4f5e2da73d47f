"""Conservation: every row that was read under lock is kept or in quarantine, counted and hashed anew at the end."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass

from dedupaudit.repair.journal import Run
from dedupaudit.repair.site import VICTIMS, Site


@dataclass(frozen=True)
class Proof:
    """The figures of one run. It holds where they agree, and no group or hash is out of place."""

    read: int
    """Rows that were read under lock: each has a line in the journal that says what became of it."""
    kept: int
    quarantined: int
    """Rows of the run that are in quarantine now."""
    journalled: int
    """Rows that the journal calls deleted."""
    deleted: int
    """Rows that the database said were deleted."""
    mismatched: int
    """Hashes that are in the journal and not in quarantine, or the other way round."""
    odd_groups: int
    """Groups that do not have exactly one row that stays."""
    seconds: float

    @property
    def holds(self) -> bool:
        """Whether nothing was lost."""
        return (
            self.read == self.kept + self.quarantined
            and self.deleted == self.journalled == self.quarantined
            and self.mismatched == 0
            and self.odd_groups == 0
        )

    def as_json(self) -> str:
        """Return it as it is stored in `runs`."""
        return json.dumps({**asdict(self), "holds": self.holds})


def prove(site: Site, run: Run) -> Proof:
    """Count and hash everything once more: the journal's lines against the rows that lie in quarantine."""
    began = time.monotonic()
    database = site.database
    journal, literal = database.own("journal"), database.literal
    of_run = f"run = {literal(run.id)}"
    copies = site.rows.copied(run, None, VICTIMS)

    def count(what: str, tail: str) -> int:
        ((found,),) = database.fetch((), [what], tail)
        return int(str(found or 0))

    def lines(*actions: str) -> int:
        listed = ", ".join(map(literal, actions))
        return count("COUNT(*)", f"FROM {journal} WHERE {of_run} AND action IN ({listed})")

    hashes = (
        f"SELECT hash_before AS h, 1 AS n FROM {journal} WHERE {of_run} AND action = 'deleted'"
        f" UNION ALL SELECT {database.row_hash(site.catalog, 'q')}, -1 FROM {site.rows.quarantine} AS q WHERE {copies}"
    )
    groups = (
        f"SELECT line FROM {journal} WHERE {of_run} AND action IN ('kept', 'merged', 'deleted') GROUP BY line"
        " HAVING SUM(CASE WHEN action = 'deleted' THEN 0 ELSE 1 END) <> 1"
    )
    uneven = f"SELECT h, SUM(n) AS n FROM ({hashes}) AS told GROUP BY h HAVING SUM(n) <> 0"
    return Proof(
        read=lines("kept", "merged", "deleted"),
        kept=lines("kept", "merged"),
        quarantined=count("COUNT(*)", f"FROM {site.rows.quarantine} AS q WHERE {copies}"),
        journalled=lines("deleted"),
        deleted=run.rows_deleted,
        mismatched=count("SUM(ABS(n))", f"FROM ({uneven}) AS uneven"),
        odd_groups=count("COUNT(*)", f"FROM ({groups}) AS odd"),
        seconds=round(time.monotonic() - began, 3),
    )
