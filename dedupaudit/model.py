"""The one vocabulary: Finding, Evidence, Coverage, Report. Frozen, and exactly what `-f json` prints."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainSerializer

REPORT_SCHEMA: Final = "dedupaudit.report/1"
RUN_ID: Final = r"\d{8}T\d{6}Z-[0-9a-f]{8}"

Severity = Literal["high", "medium", "low"]
Verdict = Literal["confirmed", "in_grace", "unknown"]
RowClass = Literal["identical", "mergeable", "conflicting"]
Status = Literal["checked", "skipped", "failed", "stopped"]
Strategy = Literal["catalog", "pushdown", "snapshot", "spark", "listing", "inventory", "file"]
Confidence = Literal["proved", "likely", "none"]
EvidenceKind = Literal["row", "log", "object", "index"]
News = Literal["new", "known"]

SEVERITIES: tuple[Severity, ...] = ("high", "medium", "low")


class Base64(BaseModel):
    """Bytes, where JSON has none."""

    model_config = ConfigDict(frozen=True)
    base64: str

    @classmethod
    def of(cls, value: bytes) -> Base64:
        """Return bytes in base64."""
        return cls(base64=base64.b64encode(value).decode("ascii"))


KeyValue = str | int | Base64 | None


class _Part(BaseModel):
    """A frozen part of the report. Fields that a newer minor version added survive a load and a save."""

    model_config = ConfigDict(frozen=True, extra="allow", populate_by_name=True)


class Evidence(_Part):
    """One fact that a sceptic can look up: a row, a log line, an object, an index."""

    kind: EvidenceKind
    at: str | None = Field(default=None, description="UTC, ISO 8601 with a Z; null where no time is known")
    where: str = Field(description="where to look: `db.activities pk=7`, `app-console.log:88`")
    text: str


class Cause(_Part):
    """Why a duplicate exists, and how sure that is."""

    name: str
    confidence: Confidence
    why: str
    enabled_by: tuple[str, ...] = ()


class Finding(_Part):
    """One piece of damage, or one condition that lets damage happen."""

    fingerprint: str = Field(description="SHA-256 over check, source, target and key: stable across runs")
    check: str
    severity: Severity
    verdict: Verdict = "confirmed"
    source: str
    target: str
    key: dict[str, KeyValue] = Field(
        default_factory=dict,
        description="real column names to values; {'index': name} for an index, {} for a whole table",
    )
    key_raw: dict[str, Base64] | None = Field(
        default=None, description="the bytes of each part of the key that did not decode"
    )
    count: int = Field(
        description="rows (duplicates, NULL and blank keys, states, objects), keys (near_equal_ids), "
        "IDs (shared_object), or parts (multipart_leftover)"
    )
    row_class: RowClass | None = Field(default=None, alias="class")
    differs: tuple[str, ...] = ()
    first_at: str | None = None
    last_at: str | None = None
    gap_seconds: float | None = Field(default=None, description="last_at - first_at")
    message: str
    evidence: tuple[Evidence, ...] = ()
    cause: Cause | None = None
    suggestion: str = ""
    news: News | None = Field(
        default=None, description="whether the baseline had it; null without a baseline, and where it is not confirmed"
    )
    known_since: str | None = Field(
        default=None, description="when the first run that the baseline knows of found it; null where it is new"
    )


class Coverage(_Part):
    """What became of one check on one target. What is not here was not looked at."""

    source: str
    target: str = Field(description="the table's name; `*` where the whole source could not be read")
    check: str
    status: Status
    reason: str | None = Field(default=None, description="why it was skipped, failed or stopped")
    rows: int | None = Field(default=None, description="rows looked at; null where none were counted")
    strategy: Strategy | None = None
    why: str | None = Field(default=None, description="why this strategy, and what was guessed")
    seconds: float = 0.0


class GroupInflation(_Part):
    """Inflation of one kind (`click`), over all of its rows."""

    group: str | int | None
    rows: int
    distinct_ids: int
    inflation: float


class DaySurplus(_Part):
    """Surplus rows by the UTC day on which they were written; `day` is null for rows without a time."""

    day: str | None
    surplus_rows: int


class CauseCount(_Part):
    """How many findings have one cause, by how sure it is."""

    proved: int = 0
    likely: int = 0
    none: int = 0


class Collisions(_Part):
    """IDs that stand for different events: how many there are, and how many were to be expected."""

    ids: int
    rate: float = Field(description="collisions for each distinct ID")
    expected: float | None = Field(
        description="the birthday bound: of as many events, spread evenly over the milliseconds between the first and "
        "the last; null where the table has no time"
    )
    events_per_second: float | None = Field(description="over all devices, between the first and the last event")
    devices: int | None = Field(description="of the first 100,000 rows; null where the table names none")
    suggested_key: tuple[str, ...]


class TableSummary(_Part):
    """Exact totals of one table, or null where they were not looked at.

    rows = distinct_ids + surplus_rows + null_ids; surplus_rows = duplicate_rows - duplicate_ids;
    inflation = surplus_rows / distinct_ids.
    """

    rows: int | None = None
    distinct_ids: int | None = None
    duplicate_ids: int | None = None
    duplicate_rows: int | None = None
    surplus_rows: int | None = None
    inflation: float | None = None
    null_ids: int | None = None
    blank_ids: int | None = None
    by_group: tuple[GroupInflation, ...] | None = None
    by_day: tuple[DaySurplus, ...] | None = None
    causes: dict[str, CauseCount] | None = Field(
        default=None, description="duplicate IDs by cause.name; null where they were not held against logs"
    )
    collisions: Collisions | None = Field(
        default=None, description="null where no ID stands for different events, or causes were not counted"
    )


class ObjectRequests(_Part):
    """How many requests were sent to the object store; each attempt counts, because each is billed."""

    list: int = 0
    head: int = 0
    other: int = 0


class ObjectsSummary(_Part):
    """Exact totals of one object store, or null where they were not looked at."""

    rows: int | None = Field(default=None, description="rows that were held against the objects")
    objects: int | None = Field(default=None, description="objects below the prefix, without what this tool put there")
    bytes: int | None = None
    missing_object: int | None = None
    orphan_object: int | None = None
    size_mismatch: int | None = None
    etag_mismatch: int | None = None
    shared_object: int | None = None
    unexpected_object: int | None = None
    misplaced_object: int | None = None
    multipart_leftover: int | None = None
    orphan_bytes: int | None = Field(default=None, description="bytes of the orphan objects")
    missing_bytes: int | None = Field(default=None, description="bytes of the missing objects, as their rows say")
    multipart_bytes: int | None = Field(default=None, description="bytes of the parts of interrupted uploads")
    requests: ObjectRequests = Field(default_factory=ObjectRequests)


class GapCount(_Part):
    """How many gaps were at least `from` seconds long, and shorter than `to` (null: no end)."""

    from_: float = Field(alias="from")
    to: float | None
    count: int


class LogGaps(_Part):
    """How long re-queued IDs waited: from a send to the re-queue, and from there to the next send."""

    send_to_requeue: tuple[GapCount, ...] = ()
    requeue_to_send: tuple[GapCount, ...] = ()


class LogFileSummary(_Part):
    """One log file. `damage` says why it, or a part of it, could not be read."""

    file: str
    encoding: str
    compression: str
    lines: int
    bytes: int = Field(description="after unpacking, as far as it was read")
    events: int
    requeues: int
    damage: str | None = None


class LogsSummary(_Part):
    """Exact totals of the logs, or null where they were not looked at."""

    files: int
    lines: int
    bytes: int = Field(description="after unpacking")
    events: dict[str, int]
    requeued_ids: int | None = None
    repeatedly_received_ids: int | None = None
    overlapping_ids: int | None = None
    lost_answers: int | None = Field(default=None, description="lines that say that an answer was lost")
    sent_never_received_ids: int | None = Field(default=None, description="null where no log tells of receives")
    received_never_sent_ids: int | None = Field(default=None, description="null where no log tells of sends")
    gaps: LogGaps | None = None
    clock_skew: dict[str, float] = Field(
        default_factory=dict, description="seconds by which a client's clock is ahead of the backend's, by its log"
    )
    by_file: tuple[LogFileSummary, ...] = ()
    requeues_by_device: dict[str, int] = Field(default_factory=dict)
    requeues_by_hour: dict[str, int] = Field(default_factory=dict, description="by the UTC hour")


class FiveLines(_Part):
    """What an audit comes to: a sentence each, and the two commands that come next."""

    what: str
    how_much: str
    since: str
    why: str
    next: tuple[str, ...]


class GoneFinding(_Part):
    """A finding of the baseline that is there no more, although its check looked."""

    fingerprint: str
    check: str
    severity: Severity
    source: str
    target: str
    key: dict[str, KeyValue] = Field(default_factory=dict)
    known_since: str | None = None


class Changes(_Part):
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


class Tolerance(_Part):
    """A threshold of the configuration, and what was held against it."""

    source: str
    target: str
    check: str
    limit: str = Field(description="as configured: rows (`10`), or per cent of the table's rows (`0.1%`)")
    rows: int | None = Field(description="surplus rows, NULL or blank keys, or findings; null where nobody looked")
    exceeded: bool


class RepairProof(_Part):
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


class Summary(_Part):
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


class Tool(_Part):
    """Who made the report."""

    name: Literal["dedupaudit"] = "dedupaudit"
    version: str


class Run(_Part):
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


class Moment(_Part):
    """One moment of an ID's story."""

    at: str | None = Field(description="UTC, by the backend's clock; null where no time is known")
    offset_seconds: float | None = Field(description="since the first moment")
    source: str = Field(description="`client log`, `backend log`, the table (`db.activities`), or the store's URL")
    kind: EvidenceKind
    where: str
    text: str


class Explanation(_Part):
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


class Report(_Part):
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


_CANONICAL = json.JSONEncoder(sort_keys=True, ensure_ascii=True, separators=(",", ":"))


def fingerprint(check: str, source: str, target: str, key: Mapping[str, KeyValue | bytes | float]) -> str:
    """SHA-256 over check, source, target and key, as hexadecimal text.

    The key is written as canonical JSON, so that 1 and "1", or ("a", "bc") and ("ab", "c"), stay apart. Python's bytes
    are text that did not decode, and stay apart from a database's bytes, which are Base64 here.
    """
    parts = {name: _canonical(value) for name, value in key.items()}
    text = _CANONICAL.encode([check, source, target, parts])
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def _canonical(value: KeyValue | bytes | float) -> object:
    if isinstance(value, bytes):
        return {"text": Base64.of(value).base64}
    return value.model_dump() if isinstance(value, Base64) else value
