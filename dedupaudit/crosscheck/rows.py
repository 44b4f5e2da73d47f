"""Reads the rows of all tables that speak of objects, at the first look and again at the second."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from dedupaudit.checks.base import TableScan
from dedupaudit.crosscheck.naming import Namer, Template, text_of
from dedupaudit.display import visible
from dedupaudit.progress import Progress
from dedupaudit.snapshot.crossing import Crossing, Looking
from dedupaudit.snapshot.escaping import escape, lines
from dedupaudit.sources.tables.protocol import TableSource

SEEK_AT_MOST = 20_000
"""So many keys are asked for by key at the second look; of more, the table is read again as a whole."""


@dataclass
class RowReader:
    """One table: its source, how its rows name objects, and whether findings are about it."""

    number: int
    scan: TableScan
    namer: Namer
    template: Template | None
    judged: bool

    @property
    def source(self) -> TableSource:
        """The database that the table is in."""
        return self.scan.source

    def read(self, crossing: Crossing, look: Looking, progress: Progress, keys: Sequence[str] | None = None) -> int:
        """Read the rows into the columns, and return how many there were; raises SourceError."""
        table = self.scan.table
        if table.objects is None or table.objects.object_key is None or (keys and len(keys) > SEEK_AT_MOST):
            keys = None
        fields = self.template.columns if self.template else ()
        seen = 0
        progress.start(f"{visible(table.label)}: rows", table.catalog.row_estimate if keys is None else None)
        try:
            with crossing.rows(look) as intake:
                for batch in self.source.object_rows(table, fields, keys):
                    seen += len(batch)
                    named = batch if self.judged else [row._replace(judged=False) for row in batch]
                    intake.write(self.namer.lines(named))
                    progress.advance_to(seen)
        finally:
            progress.finish()
        return seen


def read_referenced(source: TableSource, selects: Sequence[str], crossing: Crossing, look: Looking) -> None:
    """Read the keys that configured SELECTs name; raises SourceError."""
    with crossing.referenced(look) as intake:
        for number, select in enumerate(selects):
            for batch in source.selected(select, f"objects.also_referenced[{number}]"):
                named = (text_of(value) for value in batch)
                intake.write(lines([(escape(key),) for key in named if key is not None]))


def by_source(readers: Sequence[RowReader]) -> Iterator[tuple[TableSource, list[RowReader]]]:
    """Yield each database with its tables."""
    sources = {id(reader.source): reader.source for reader in readers}
    for identity, source in sources.items():
        yield source, [reader for reader in readers if id(reader.source) == identity]
