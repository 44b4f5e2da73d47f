"""The report while it is made: findings are counted and the worst kept, coverage is written down row by row."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial

from dedupaudit import __version__
from dedupaudit.checks import CHECK_NAMES
from dedupaudit.checks.base import Sighting
from dedupaudit.errors import AuditError, ExitCode, SourceError, StatementStopped
from dedupaudit.model import (
    SEVERITIES,
    Coverage,
    Explanation,
    Finding,
    LogsSummary,
    ObjectsSummary,
    RepairProof,
    Report,
    Run,
    Severity,
    Status,
    Strategy,
    Summary,
    TableSummary,
    Tool,
    Verdict,
)
from dedupaudit.sources.tables.table import Table
from dedupaudit.times import iso, to_micros
from dedupaudit.worst import Worst

FindingSink = Callable[[Finding], None]
Learn = Callable[[str, Sequence[Table]], None]
"""Takes a source's name and the tables that are audited there, when they are known."""
INTERRUPTED = "the run was interrupted"


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


def status_of(error: SourceError) -> Status:
    """Return what became of a check that ended in this error."""
    return "stopped" if isinstance(error, StatementStopped) else "failed"


def reason_of(error: AuditError) -> str:
    """Return an error as the reason that stands in the coverage."""
    return f"{error.message}; {error.hint}" if error.hint else error.message


def _itself(finding: Finding) -> Finding:
    return finding


@dataclass
class Building:
    """The report while it is made."""

    command: str
    max_findings: int
    sink: FindingSink | None = None
    learn: Learn | None = None
    started: datetime = field(default_factory=lambda: datetime.now(UTC))
    coverage: list[Coverage] = field(default_factory=list)
    tables: dict[str, TableSummary] = field(default_factory=dict)
    by_check: dict[str, int] = field(default_factory=dict)
    severities: Counter[Severity] = field(default_factory=Counter)
    verdicts: Counter[Verdict] = field(default_factory=Counter)
    confirmed: Counter[Severity] = field(default_factory=Counter)
    objects: dict[str, ObjectsSummary] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)
    explanation: Explanation | None = None
    logs: LogsSummary | None = None
    databases: dict[str, str] = field(default_factory=dict)
    repairs: list[RepairProof] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.worst = Worst(self.max_findings, CHECK_NAMES)
        self._place = 0

    @property
    def now(self) -> int:
        """When the run began, in microseconds since the epoch: ages are counted from it."""
        return to_micros(self.started)

    def next_place(self) -> None:
        """Begin the findings of another table: of equals those of an earlier one go first."""
        self._place += 1

    def came_from(self, source: str, identity: Mapping[str, str]) -> None:
        """Note which database a source is, so that another one is never taken for it; a hash tells nobody more."""
        text = json.dumps(identity, sort_keys=True)
        self.databases[source] = hashlib.sha256(text.encode()).hexdigest()[:32]

    def remark(self, remarks: Iterable[str]) -> None:
        """Take sentences for people, each once."""
        self.remarks += (one for one in remarks if one not in self.remarks)

    def ran(self, check: str) -> None:
        """Note that a check looked: its zero is a zero."""
        self.by_check.setdefault(check, 0)

    def add(self, check: str, severity: Severity, found: Finding | Sighting) -> None:
        """Count a finding, offer it to the report, and write it out where a sink takes them all."""
        if not isinstance(found, Sighting):
            found = Sighting(found.count, (found.fingerprint,), partial(_itself, found), found.verdict)
        verdict = found.verdict
        self.by_check[check] += 1
        self.severities[severity] += 1
        self.verdicts[verdict] += 1
        if verdict == "confirmed":
            self.confirmed[severity] += 1
        # Of equals those of an earlier table go first, then what the finding itself says: never who found it first.
        self.worst.add(check, verdict, found.rows, (self._place, *found.order), found.write)
        if self.sink:
            self.sink(found.write())

    def add_unseen(self, check: str, severity: Severity, number: int) -> None:
        """Count confirmed findings that are no worse than those that the report has room for."""
        self.by_check[check] += number
        self.severities[severity] += number
        self.verdicts["confirmed"] += number
        self.confirmed[severity] += number

    def cover(
        self,
        source: str,
        target: str,
        check: str,
        status: Status,
        *,
        reason: str | None = None,
        strategy: Strategy | None = None,
        why: str | None = None,
        rows: int | None = None,
        seconds: float = 0.0,
    ) -> None:
        """Write down what became of one check on one target."""
        self.coverage.append(
            Coverage(
                source=source,
                target=target,
                check=check,
                status=status,
                reason=reason,
                rows=rows,
                strategy=strategy,
                why=why,
                seconds=seconds,
            )
        )

    def outcome(self, signum: int | None = None) -> Outcome:
        """Return the report as far as it came; `signum` is the signal that ended the run early."""
        findings = self.worst.findings()
        total = sum(self.by_check.values())
        unfinished = any(row.status in ("failed", "stopped") for row in self.coverage)
        report = Report(
            tool=Tool(version=__version__),
            run=Run(
                id=f"{self.started:%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}",
                command=self.command,
                started_at=iso(self.now),
                finished_at=iso(to_micros(datetime.now(UTC))),
                databases=self.databases or None,
            ),
            complete=signum is None and not unfinished and not self.verdicts["unknown"],
            coverage=tuple(self.coverage),
            summary=Summary(
                findings=total,
                by_check=self.by_check,
                by_severity={severity: self.severities[severity] for severity in SEVERITIES},
                by_verdict={verdict: self.verdicts[verdict] for verdict in ("confirmed", "in_grace", "unknown")},
                tables=self.tables,
                objects=self.objects or None,
                logs=self.logs,
            ),
            findings=findings,
            truncated=len(findings) < total,
            explanation=self.explanation,
            repairs=tuple(self.repairs),
        )
        return Outcome(report, self.confirmed, signum, tuple(self.remarks))
