"""The conductor of `scan`: opens the databases, runs the checks on each table, and makes the Report of them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import product

from dedupaudit.building import INTERRUPTED, Building, FindingSink, Learn, Outcome, reason_of, status_of
from dedupaudit.causes.collisions import collisions_of
from dedupaudit.causes.explainer import Explainer, cause_counts
from dedupaudit.checks import TABLE_CHECKS
from dedupaudit.checks.base import Check, Look, Skip, TableScan
from dedupaudit.choosing import choose
from dedupaudit.config import Settings
from dedupaudit.display import visible
from dedupaudit.errors import Cancelled, NothingToCheck, SourceError
from dedupaudit.interrupt import Interrupt
from dedupaudit.model import Status, TableSummary
from dedupaudit.opening import Opening, opened, tables_of
from dedupaudit.progress import Progress
from dedupaudit.repaired import repairs_of
from dedupaudit.sources.tables.protocol import Engine, Reading, TableSource
from dedupaudit.sources.tables.resolve import DEFAULT_TABLES
from dedupaudit.sources.tables.table import Table


@dataclass(frozen=True)
class ScanRequest:
    """What one scan is asked for. `tables` and `checks` are names; none means all that apply."""

    tables: tuple[str, ...] = ()
    checks: tuple[str, ...] = ()
    skipped_checks: tuple[str, ...] = ()
    distrust_indexes: bool = False
    stuck_after: float = 3600.0
    max_findings: int = 1000
    command: str = "scan"
    engine: Engine = "auto"
    memory_limit: int = 256_000_000
    databases: dict[str, str] = field(default_factory=dict)
    """Filled as they are opened: which database each source is, before its first finding."""
    learn: Learn | None = None
    """Who wants to know the tables before the first row is read."""

    @property
    def reading(self) -> Reading:
        """How the sources may read."""
        return Reading(self.engine, self.memory_limit)

    def building(self, sink: FindingSink | None = None) -> Building:
        """Return an empty report of this request."""
        return Building(self.command, self.max_findings, sink, learn=self.learn)


def scan(
    settings: Settings,
    request: ScanRequest,
    *,
    interrupt: Interrupt,
    progress: Progress,
    sink: FindingSink | None = None,
) -> Outcome:
    """Scan the tables of all configured databases; every finding goes to `sink`, the worst into the report.

    Raises UsageError for wrong names, NothingToCheck where no table exists. A source that fails is in `coverage`.
    """
    building = request.building(sink)
    try:
        scan_into(building, settings, request, interrupt=interrupt, progress=progress)
        return building.outcome()
    except Cancelled as cancelled:
        return building.outcome(cancelled.signum)


def scan_into(
    building: Building,
    settings: Settings,
    request: ScanRequest,
    *,
    interrupt: Interrupt,
    progress: Progress,
    opening: Opening = opened,
    explainer: Explainer | None = None,
) -> None:
    """Scan as `scan` does, into a report that is being made; raises Cancelled when the report has all that was seen.

    `opening` opens the databases; `explainer` knows the logs.
    """
    checks = choose(TABLE_CHECKS, request.checks, request.skipped_checks, "scan")
    databases = settings.require_databases()
    try:
        if len(databases) > 1:
            # A typo that only the last shard shows must not cost the scan of the first.
            unheard = request.building()
            for database in databases:
                with opening(database, request.reading, unheard, interrupt, progress) as source:
                    if source is not None:
                        tables_of(source, settings, request.tables, unheard)
        for database in databases:
            with opening(database, request.reading, building, interrupt, progress) as source:
                if source is not None:
                    tables = tables_of(source, settings, request.tables, building)
                    _scan_tables(source, tables, checks, building, request, explainer)
    except Cancelled:
        begun = {row.source for row in building.coverage}
        for name in (database.name for database in databases if database.name not in begun):
            building.cover(name, "*", "*", "stopped", reason=INTERRUPTED)
        raise
    _refuse_nothing(request, building)


def _scan_tables(
    source: TableSource,
    tables: Sequence[Table],
    checks: Sequence[Check],
    building: Building,
    request: ScanRequest,
    explainer: Explainer | None,
) -> None:
    """Scan one table after the other; a signal stops those too that were not begun."""
    for number, table in enumerate(tables):
        try:
            _scan_table(source, table, checks, building, request, explainer)
        except Cancelled:
            for later, check in product(tables[number + 1 :], checks):
                building.cover(source.name, later.name, check.name, "stopped", reason=INTERRUPTED)
            raise
    building.repairs += repairs_of(source, tables)


def _scan_table(
    source: TableSource,
    table: Table,
    checks: Sequence[Check],
    building: Building,
    request: ScanRequest,
    explainer: Explainer | None,
) -> None:
    distrust = request.distrust_indexes or "index_disagrees" in request.checks
    table = replace(table, distrust_indexes=distrust)
    scanning = TableScan(source, table, (), building.now, request.stuck_after, explainer=explainer).wanting(checks)
    try:
        for number, check in enumerate(checks):
            try:
                _run_check(check, scanning, building)
            except Cancelled:
                for rest in checks[number:]:
                    building.cover(source.name, table.name, rest.name, "stopped", reason=INTERRUPTED)
                raise
        building.tables[table.label] = _summary(scanning)
    finally:
        building.tables.setdefault(table.label, scanning.tally.summary())
        building.next_place()


def _summary(scanning: TableScan) -> TableSummary:
    """Return the table's totals, with its causes where they were counted."""
    summary = scanning.tally.summary()
    explainer, label = scanning.explainer, scanning.table.label
    counts = explainer.counts.get(label) if explainer else None
    if counts is None:
        return summary
    return summary.model_copy(update={"causes": cause_counts(counts), "collisions": collisions_of(scanning, counts)})


def _run_check(check: Check, scanning: TableScan, building: Building) -> None:
    source, table = scanning.source.name, scanning.table.name
    started = time.monotonic()
    answer = check.applies(scanning) or check.look(scanning)
    if isinstance(answer, Skip):
        building.cover(source, table, check.name, "skipped", reason=answer.reason)
        return
    building.ran(check.name)
    status: Status = "checked"
    reason = None
    try:
        for finding in answer.findings:
            building.add(check.name, check.severity, finding)
    except SourceError as error:
        status, reason = status_of(error), reason_of(error)
    building.cover(
        source,
        table,
        check.name,
        status,
        reason=reason,
        strategy=answer.strategy,
        why=answer.why,
        rows=_rows_read(scanning, answer) if status == "checked" else None,
        seconds=round(time.monotonic() - started, 3),
    )


def _rows_read(scanning: TableScan, look: Look) -> int | None:
    return None if look.strategy == "catalog" else scanning.tally.rows


def _refuse_nothing(request: ScanRequest, building: Building) -> None:
    """Raise NothingToCheck where no table was there, or no named check applied to any."""
    if any(row.status != "skipped" for row in building.coverage):
        return
    if not building.tables:
        raise NothingToCheck(
            f"nothing to check: none of the tables {', '.join(DEFAULT_TABLES)} exists",
            "name a table (`dedupaudit scan TABLE`), or let `dedupaudit init --db URL` write a configuration",
        )
    reasons = sorted({row.reason or "" for row in building.coverage})
    raise NothingToCheck(
        f"nothing to check: {', '.join(request.checks)} applies to none of {', '.join(map(visible, building.tables))}",
        "; ".join(reasons),
    )
