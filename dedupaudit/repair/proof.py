"""Conservation: every row that was read under lock is kept or in quarantine, counted and hashed anew at the end."""

from __future__ import annotations

import time

from dedupaudit.conservation import Proof
from dedupaudit.repair.journal import Run
from dedupaudit.repair.site import VICTIMS, Site


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

    told = database.fetch((), ["action", "COUNT(*)"], f"FROM {journal} WHERE {of_run} GROUP BY action")
    lines = {str(action): int(str(number)) for action, number in told}
    kept, journalled = lines.get("kept", 0) + lines.get("merged", 0), lines.get("deleted", 0)
    groups = (
        f"SELECT line FROM {journal} WHERE {of_run} AND action IN ('kept', 'merged', 'deleted') GROUP BY line"
        " HAVING SUM(CASE WHEN action = 'deleted' THEN 0 ELSE 1 END) <> 1"
    )
    return Proof(
        read=kept + journalled,
        kept=kept,
        quarantined=count("COUNT(*)", f"FROM {site.rows.quarantine} AS q WHERE {copies}"),
        journalled=journalled,
        deleted=run.rows_deleted,
        mismatched=0 if _digests_agree(site, run) else count("SUM(ABS(n))", _uneven(site, run)),
        odd_groups=count("COUNT(*)", f"FROM ({groups}) AS odd"),
        seconds=round(time.monotonic() - began, 3),
    )


def _digests_agree(site: Site, run: Run) -> bool:
    """Say whether the copies of each chunk have the hashes that the journal wrote when they were made.

    Chunk by chunk few hashes are sorted at a time: one GROUP BY over all of them costs the server thrice as much.
    """
    database, rows = site.database, site.rows
    for chunk in range(1, run.chunks + 1):
        copies = rows.quarantined(run, chunk, VICTIMS)
        where = f"j.run = {database.literal(run.id)} AND j.chunk = {chunk} AND j.action = 'deleted'"
        if copies != database.digest("j.hash_before", f"FROM {database.own('journal')} AS j WHERE {where}"):
            return False
    return True


def _uneven(site: Site, run: Run) -> str:
    """Return the FROM of the hashes that the journal and the quarantine do not have equally often."""
    database, rows = site.database, site.rows
    hashes = (
        f"SELECT hash_before AS h, 1 AS n FROM {database.own('journal')}"
        f" WHERE run = {database.literal(run.id)} AND action = 'deleted'"
        f" UNION ALL SELECT {database.row_hash(site.catalog, 'q')}, -1 FROM {rows.quarantine} AS q"
        f" WHERE {rows.copied(run, None, VICTIMS)}"
    )
    return f"FROM (SELECT h, SUM(n) AS n FROM ({hashes}) AS told GROUP BY h HAVING SUM(n) <> 0) AS uneven"
