"""The whole report: what a run saw, what it did not see, and what it makes of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field, PlainSerializer

from dedupaudit.model.finding import Cause, Coverage, EvidenceKind, Finding, KeyValue, Part, Severity, Verdict
from dedupaudit.model.totals import LogsSummary, ObjectsSummary, TableSummary

REPORT_SCHEMA: Final = "dedupaudit.report/1"
RUN_ID: Final = r"\d{8}T\d{6}Z-[0-9a-f]{8}"


class FiveLines(Part):
    """What an audit comes to: a sentence each, and the two commands that come next."""

    what: str
    how_much: str
    since: str
    why: str
    next: tuple[str, ...]


class GoneFinding(Part):
    """A finding of the baseline that is there no more, although its check looked."""

    fingerprint: str
    check: str
    severity: Severity
    source: str
    target: str
    key: dict[str, KeyValue] = Field(default_factory=dict)
    known_since: str | None = None


class Changes(Part):
    """The confirmed findings held against a baseline's. new + known = the confirmed findings of this run."""

    baseline: str = Field(description="what the run was held against: a file, a run's ID, or `history`")
    baseline_run: str | None = Field(description="the ID of the newest run that it holds; null for the first run")
    baseline_at: str | None = Field(description="when that run ended")
    new: int
    known: int
    gone: int
    not_looked_at: int = Field(
        description="findings of the baseline whose check did not look, or could not confirm them"
    )
    new_by_severity: dict[Severity, int]
    gone_findings: tuple[GoneFinding, ...] = Field(default=(), description="the first 100")


class Tolerance(Part):
    """A threshold of the configuration, and what was held against it."""

    source: str
    target: str
    check: str
    limit: str = Field(description="as configured: rows (`10`), or per cent of the table's rows (`0.1%`)")
    rows: int | None = Field(description="surplus rows, NULL or blank keys, or findings; null where nobody looked")
    exceeded: bool


class RepairProof(Part):
    """What a run of `repair` or `migrate` did to a table, by the journal in the audited database."""

    run: str
    kind: Literal["repair", "migrate"] = "repair"
    source: str
    target: str
    state: str
    started_at: str
    finished_at: str | None = None
    by: str = Field(default="", description="who, on which host")
    groups: int | None = Field(default=None, description="duplicate keys that were repaired")
    rows_deleted: int | None = None
    rows_journalled: int | None = None
    rows_in_quarantine: int | None = None
    holds: bool | None = Field(
        default=None, description="deleted = journalled = in quarantine; null where nobody looked"
    )
    said: tuple[str, ...] = Field(default=(), description="the proof in sentences")


class Summary(Part):
    """Exact totals over everything that was looked at, whatever `findings` was cut to."""

    findings: int
    by_check: dict[str, int]
    by_severity: dict[Severity, int]
    by_verdict: dict[Verdict, int]
    tables: dict[str, TableSummary]
    objects: dict[str, ObjectsSummary] | None = Field(
        default=None, description="by the store's URL; null where no object store was looked at"
    )
    logs: LogsSummary | None = Field(default=None, description="null where no logs were read")
    five_lines: FiveLines | None = Field(default=None, description="of an audit; null for the other commands")
    changes: Changes | None = Field(default=None, description="null without a baseline")
    thresholds: tuple[Tolerance, ...] = Field(default=(), description="those of the configuration that were looked at")


class Tool(Part):
    """Who made the report."""

    name: Literal["dedupaudit"] = "dedupaudit"
    version: str


class Run(Part):
    """Which run it was, and when."""

    id: str
    command: str
    started_at: str
    finished_at: str
    databases: dict[str, str] | None = Field(
        default=None, description="what tells each database from every other, hashed, by its source's name"
    )
    last_complete_at: str | None = Field(
        default=None, description="when the newest complete run of the same sources ended; null where none is known"
    )


class Moment(Part):
    """One moment of an ID's story."""

    at: str | None = Field(description="UTC, by the backend's clock; null where no time is known")
    offset_seconds: float | None = Field(description="since the first moment")
    source: str = Field(description="`client log`, `backend log`, the table (`db.activities`), or the store's URL")
    kind: EvidenceKind
    where: str
    text: str


class Explanation(Part):
    """One ID's whole story across database, object store and logs, and what it comes to."""

    id: str
    timeline: tuple[Moment, ...]
    verdict: str
    advice: str
    cause: Cause | None = None


def _frozen(findings: Sequence[Finding]) -> Sequence[Finding]:
    return tuple(findings) if isinstance(findings, list) else findings


def _every(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    return tuple(findings)


# A tuple, but for a big saved report: its findings are made one by one, as they are looked at.
Findings = Annotated[Sequence[Finding], AfterValidator(_frozen), PlainSerializer(_every)]


class Report(Part):
    """What a run saw, what it did not see, and what it makes of it."""

    schema_: Literal["dedupaudit.report/1"] = Field(default=REPORT_SCHEMA, alias="schema")
    tool: Tool
    run: Run
    complete: bool
    coverage: tuple[Coverage, ...]
    summary: Summary
    findings: Findings
    truncated: bool
    explanation: Explanation | None = Field(default=None, description="what `explain` was asked for; else null")
    repairs: tuple[RepairProof, ...] = Field(
        default=(), description="runs of `repair` and `migrate` that changed what was audited"
    )
