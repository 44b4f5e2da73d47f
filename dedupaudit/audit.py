"""The conductor: opens the sources, runs the checks on each table, and makes the Report of what they say."""

from __future__ import annotations

import secrets
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from itertools import product

from dedupaudit import __version__
from dedupaudit.checks import TABLE_CHECKS
from dedupaudit.checks.base import Check, Look, Sighting, Skip, TableScan
from dedupaudit.config import DatabaseSettings, Settings
from dedupaudit.display import visible
from dedupaudit.errors import AuditError, Cancelled, ExitCode, NothingToCheck, SourceError, StatementStopped, UsageError
from dedupaudit.interrupt import Interrupt
from dedupaudit.model import (
    SEVERITIES,
    Coverage,
    Finding,
    Report,
    Run,
    Severity,
    Status,
    Summary,
    TableSummary,
    Tool,
    Verdict,
)
from dedupaudit.nearest import nearest
from dedupaudit.progress import Progress
from dedupaudit.sources.tables import open_source
from dedupaudit.sources.tables.protocol import Engine, Reading, TableSource
from dedupaudit.sources.tables.resolve import DEFAULT_TABLES, resolve
from dedupaudit.sources.tables.table import Table
from dedupaudit.times import iso, to_micros
from dedupaudit.worst import Worst

_INTERRUPTED = "the run was interrupted"

FindingSink = Callable[[Finding], None]


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


@dataclass(frozen=True)
class Outcome:
    """A report, how many findings were confirmed, the signal that ended the run early, and remarks for people."""

    report: Report
    confirmed: Counter[Severity]
    signum: int | None = None
    remarks: tuple[str, ...] = ()

    def exit_code(self, fail_on: str, *, exit_zero: bool = False) -> int:
        """Return the contract's exit code; what was not looked at never ends in 0."""
        if self.signum is not None:
            return 128 + self.signum
        failing = SEVERITIES[: SEVERITIES.index(fail_on) + 1] if fail_on in SEVERITIES else ()
        if not exit_zero and any(self.confirmed[severity] for severity in failing):
            return ExitCode.FINDINGS
        return ExitCode.CLEAN if self.report.complete else ExitCode.INCOMPLETE


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
    checks = choose_checks(request)
    building = _Building(request, sink)
    databases = settings.require_databases()
    try:
        if len(databases) > 1:
            # A typo that only the last shard shows must not cost the scan of the first.
            unheard = _Building(request, None)
            for database in databases:
                with _opened(database, unheard, interrupt, progress) as source:
                    if source is not None:
                        _tables(source, settings, request, unheard)
        for database in databases:
            with _opened(database, building, interrupt, progress) as source:
                if source is not None:
                    _scan_tables(source, _tables(source, settings, request, building), checks, building)
    except Cancelled as cancelled:
        begun = {row.source for row in building.coverage}
        for name in (database.name for database in databases if database.name not in begun):
            building.cover(name, "*", "*", "stopped", reason=_INTERRUPTED)
        return building.outcome(cancelled.signum)
    _refuse_nothing(request, building)
    return building.outcome()


def choose_checks(request: ScanRequest) -> tuple[Check, ...]:
    """Return the checks to run, in the registry's order; raises UsageError for a name that no check has."""
    names = [check.name for check in TABLE_CHECKS]
    for name in (*request.checks, *request.skipped_checks):
        if name not in names:
            guess = nearest(name, names)
            raise UsageError(
                f"no check of scan is called {visible(name)}",
                f"did you mean {guess}?" if guess else f"the checks are {', '.join(names)}",
            )
    wanted = request.checks or names
    chosen = tuple(check for check in TABLE_CHECKS if check.name in wanted and check.name not in request.skipped_checks)
    if not chosen:
        raise UsageError("every check is skipped, so there is nothing to do", "leave out a --skip-check")
    return chosen


class _opened:  # noqa: N801 (a context manager that reads as a word)
    """One source, closed at the end; None, with the failure in the coverage, where it cannot be opened."""

    def __init__(
        self, database: DatabaseSettings, building: _Building, interrupt: Interrupt, progress: Progress
    ) -> None:
        reading = Reading(building.request.engine, building.request.memory_limit)
        self._arguments = (database, interrupt, progress, reading)
        self._building = building
        self._source: TableSource | None = None

    def __enter__(self) -> TableSource | None:
        try:
            self._source = open_source(*self._arguments)
        except SourceError as error:
            self._building.cover(self._arguments[0].name, "*", "*", "failed", reason=_reason(error))
        return self._source

    def __exit__(self, *_exception: object) -> None:
        if self._source is not None:
            self._building.remarks += (one for one in self._source.remarks() if one not in self._building.remarks)
            self._source.close()


def _tables(source: TableSource, settings: Settings, request: ScanRequest, building: _Building) -> list[Table]:
    """Resolve all tables of one source before the first is scanned; one that cannot be read leaves the others."""
    named: Sequence[str] = tuple(dict.fromkeys(request.tables)) or tuple(settings.tables)
    tables, seen = [], False
    for name in named or DEFAULT_TABLES:
        try:
            if named or source.catalog((name,)):
                seen = True
                tables.append(resolve(source, name, settings))
        except SourceError as error:
            seen = True
            building.cover(source.name, name, "*", _status(error), reason=_reason(error))
    if not seen:
        # Beside other databases this is more likely the wrong one than one with nothing to check.
        status: Status = "failed" if len(settings.databases) > 1 else "skipped"
        reason = f"none of {', '.join(DEFAULT_TABLES)} exists here: is it the right database?"
        building.cover(source.name, "*", "*", status, reason=reason)
    return tables


def _scan_tables(source: TableSource, tables: Sequence[Table], checks: Sequence[Check], building: _Building) -> None:
    """Scan one table after the other; a signal stops those too that were not begun."""
    for number, table in enumerate(tables):
        try:
            _scan_table(source, table, checks, building)
        except Cancelled:
            for later, check in product(tables[number + 1 :], checks):
                building.cover(source.name, later.name, check.name, "stopped", reason=_INTERRUPTED)
            raise


def _scan_table(source: TableSource, table: Table, checks: Sequence[Check], building: _Building) -> None:
    scanning = building.table_scan(source, table, checks)
    try:
        for number, check in enumerate(checks):
            try:
                _run_check(check, scanning, building)
            except Cancelled:
                for rest in checks[number:]:
                    building.cover(source.name, table.name, rest.name, "stopped", reason=_INTERRUPTED)
                raise
    finally:
        building.tables[table.label] = scanning.tally.summary()


def _run_check(check: Check, scanning: TableScan, building: _Building) -> None:
    source, table = scanning.source.name, scanning.table.name
    started = time.monotonic()
    answer = check.applies(scanning) or check.look(scanning)
    if isinstance(answer, Skip):
        building.cover(source, table, check.name, "skipped", reason=answer.reason)
        return
    building.ran(check)
    status: Status = "checked"
    reason = None
    try:
        for finding in answer.findings:
            building.add(check, finding)
    except SourceError as error:
        status, reason = _status(error), _reason(error)
    building.cover(
        source,
        table,
        check.name,
        status,
        reason=reason,
        look=answer,
        rows=_rows_read(scanning, answer) if status == "checked" else None,
        seconds=round(time.monotonic() - started, 3),
    )


def _rows_read(scanning: TableScan, look: Look) -> int | None:
    return None if look.strategy == "catalog" else scanning.tally.rows


def _status(error: SourceError) -> Status:
    return "stopped" if isinstance(error, StatementStopped) else "failed"


def _reason(error: AuditError) -> str:
    return f"{error.message}; {error.hint}" if error.hint else error.message


def _refuse_nothing(request: ScanRequest, building: _Building) -> None:
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


def _itself(finding: Finding) -> Finding:
    return finding


@dataclass
class _Building:
    """The report while it is made."""

    request: ScanRequest
    sink: FindingSink | None
    started: datetime = field(default_factory=lambda: datetime.now(UTC))
    coverage: list[Coverage] = field(default_factory=list)
    tables: dict[str, TableSummary] = field(default_factory=dict)
    by_check: dict[str, int] = field(default_factory=dict)
    severities: Counter[Severity] = field(default_factory=Counter)
    verdicts: Counter[Verdict] = field(default_factory=Counter)
    confirmed: Counter[Severity] = field(default_factory=Counter)
    remarks: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.worst = Worst(self.request.max_findings, [check.name for check in TABLE_CHECKS])

    def table_scan(self, source: TableSource, table: Table, checks: Sequence[Check]) -> TableScan:
        distrust = self.request.distrust_indexes or "index_disagrees" in self.request.checks
        return TableScan(
            source,
            replace(table, distrust_indexes=distrust),
            wanted=(),
            now=to_micros(self.started),
            stuck_after=self.request.stuck_after,
        ).wanting(checks)

    def ran(self, check: Check) -> None:
        self.by_check.setdefault(check.name, 0)

    def add(self, check: Check, found: Finding | Sighting) -> None:
        """Count a finding, offer it to the report, and write it out where a sink takes them all."""
        verdict: Verdict
        if not isinstance(found, Sighting):
            verdict = found.verdict
            found = Sighting(found.count, (found.fingerprint,), partial(_itself, found))
        else:
            verdict = "confirmed"
        self.by_check[check.name] += 1
        self.severities[check.severity] += 1
        self.verdicts[verdict] += 1
        if verdict == "confirmed":
            self.confirmed[check.severity] += 1
        # Of equals those of an earlier table go first, then what the finding itself says: never who found it first.
        self.worst.add(check.name, verdict, found.rows, (len(self.tables), *found.order), found.write)
        if self.sink:
            self.sink(found.write())

    def cover(
        self,
        source: str,
        target: str,
        check: str,
        status: Status,
        *,
        reason: str | None = None,
        look: Look | None = None,
        rows: int | None = None,
        seconds: float = 0.0,
    ) -> None:
        self.coverage.append(
            Coverage(
                source=source,
                target=target,
                check=check,
                status=status,
                reason=reason,
                rows=rows,
                strategy=look.strategy if look else None,
                why=look.why if look else None,
                seconds=seconds,
            )
        )

    def outcome(self, signum: int | None = None) -> Outcome:
        findings = self.worst.findings()
        total = sum(self.by_check.values())
        unfinished = any(row.status in ("failed", "stopped") for row in self.coverage)
        report = Report(
            tool=Tool(version=__version__),
            run=Run(
                id=f"{self.started:%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}",
                command=self.request.command,
                started_at=iso(to_micros(self.started)),
                finished_at=iso(to_micros(datetime.now(UTC))),
            ),
            complete=signum is None and not unfinished and not self.verdicts["unknown"],
            coverage=tuple(self.coverage),
            summary=Summary(
                findings=total,
                by_check=self.by_check,
                by_severity={severity: self.severities[severity] for severity in SEVERITIES},
                by_verdict={verdict: self.verdicts[verdict] for verdict in ("confirmed", "in_grace", "unknown")},
                tables=self.tables,
            ),
            findings=findings,
            truncated=len(findings) < total,
        )
        return Outcome(report, self.confirmed, signum, tuple(self.remarks))
