"""What `repair` and `migrate` did to the audited tables, read in the audit's own session: no login, no right more.

Where the tool's own tables are not, or the login may not read them, nothing is told, and nothing fails.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pydantic import TypeAdapter, ValidationError

from dedupaudit.conservation import JournalledRun, repair_proof
from dedupaudit.errors import SourceError
from dedupaudit.model import RepairProof
from dedupaudit.sources.tables.protocol import TableSource
from dedupaudit.sources.tables.table import Table
from dedupaudit.sqlfiles import sql_text

_WHERE = "the journal of repairs"
_RUN = TypeAdapter(JournalledRun)


def repairs_of(source: TableSource, tables: Sequence[Table]) -> list[RepairProof]:
    """Return the newest 20 runs on each table, the newest first."""
    try:
        runs = sorted(_runs(source), key=lambda run: (run.started_at, run.id), reverse=True)
    except SourceError:
        return []
    return [
        repair_proof(run, source.name, table.name)
        for table in tables
        for run in runs
        if run.table_real == table.catalog.quoted
    ]


def _runs(source: TableSource) -> Iterator[JournalledRun]:
    folder = f"scan/{source.dialect}"
    # A view of that name would be somebody else's, and would run what somebody else wrote.
    if not any(source.selected(sql_text(f"{folder}/runs_there.sql"), _WHERE)):
        return
    for batch in source.selected(sql_text(f"{folder}/runs.sql"), _WHERE):
        for told in batch:
            try:
                yield _RUN.validate_json(str(told), strict=True)
            except ValidationError:
                continue  # whoever may write there may have written anything
