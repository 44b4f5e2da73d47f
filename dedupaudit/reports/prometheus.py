r"""`-f prometheus`: gauges for node_exporter's textfile collector; what nobody looked at is absent, and never 0.

Of every run: `dedupaudit_run_info{version}` 1, `_complete` 0/1, `_last_run_timestamp_seconds`,
`_last_complete_timestamp_seconds` (absent while no complete run is known), `_run_duration_seconds`,
`_coverage{source,target,check,status}`, `_findings{check,severity}` (with the zeros of what looked),
`_findings_by_verdict{verdict}`. With a baseline: `_new_findings{severity}`, `_known_findings`, `_gone_findings`,
`_baseline_not_looked_at_findings`, `_baseline_timestamp_seconds`. With thresholds:
`_threshold_exceeded{source,target,check}` 0/1, `_threshold_rows`. Of each table, `{source,table}`: `_rows`,
`_distinct_ids`, `_duplicate_ids`, `_duplicate_rows`, `_surplus_rows`, `_inflation_ratio`, `_null_ids`, `_blank_ids`,
`_duplicate_ids_by_cause{cause,confidence}`; of its repairs `_repair_runs{kind,state}` and `_repair_runs_broken{kind}`.
Of each object store, `{store}`: `_objects`, `_object_rows`, `_object_bytes{state}`, `_object_findings{check}`,
`_object_requests{method}`. Of the logs: `_log_files`, `_log_lines`, `_log_bytes`, `_log_events{event}`,
`_log_ids{state}`.

All carry `command`, so that a scan's file and an audit's may lie in one folder. No ID and no key is ever a label.
"""

from __future__ import annotations

from collections import Counter
from math import isfinite
from typing import TextIO

from dedupaudit.checks import LOG_CHECKS, OBJECT_CHECKS, TABLE_CHECKS
from dedupaudit.checks.base import NamedCheck
from dedupaudit.display import escape, to_ascii
from dedupaudit.model import Report
from dedupaudit.reports import Style
from dedupaudit.reports.streams import is_utf8
from dedupaudit.reports.words import parsed

Number = int | float | bool | None

_TABLE = {
    "rows": ("rows", "Rows that were looked at."),
    "distinct_ids": ("distinct_ids", "Different IDs."),
    "duplicate_ids": ("duplicate_ids", "IDs that are stored more than once."),
    "duplicate_rows": ("duplicate_rows", "All rows of the duplicate IDs."),
    "surplus_rows": ("surplus_rows", "Rows that one row for each ID would not have."),
    "inflation": ("inflation_ratio", "Surplus rows for each different ID."),
    "null_ids": ("null_ids", "Rows whose ID is NULL."),
    "blank_ids": ("blank_ids", "Rows whose ID is empty or white space."),
}
_STORE_BYTES = {"bytes": "all", "orphan_bytes": "orphan", "missing_bytes": "missing", "multipart_bytes": "multipart"}
_LOG_IDS = {
    "requeued_ids": "requeued",
    "repeatedly_received_ids": "repeatedly_received",
    "overlapping_ids": "overlapping",
    "sent_never_received_ids": "sent_never_received",
    "received_never_sent_ids": "received_never_sent",
}


def render(report: Report, out: TextIO, style: Style) -> None:
    """Write the gauges, family by family; a stream that is not UTF-8 gets the same text in ASCII."""
    gauges = _Gauges(report.run.command, ascii_only=not is_utf8(out))
    _say_run(gauges, report)
    _say_findings(gauges, report)
    _say_changes(gauges, report)
    _say_tables(gauges, report)
    _say_repairs(gauges, report)
    _say_objects(gauges, report)
    _say_logs(gauges, report)
    out.write(gauges.text())


class _Gauges:
    """Gathers samples by family: those of one family have to stand together, each series once."""

    def __init__(self, command: str, *, ascii_only: bool) -> None:
        self._command, self._ascii = command, ascii_only
        self._families: dict[str, tuple[str, dict[str, str]]] = {}

    def add(self, name: str, meaning: str, number: Number, **labels: str) -> None:
        """Add one sample, unless nobody knows its number. Of a series that was told already the first stays."""
        value = _number(number)
        if value is None:
            return
        every = {"command": self._command, **labels}
        series = ",".join(f'{label}="{self._label(text)}"' for label, text in every.items())
        _, samples = self._families.setdefault(f"dedupaudit_{name}", (meaning, {}))
        samples.setdefault(series, value)

    def text(self) -> str:
        """Return the exposition format, version 0.0.4."""
        lines = []
        for name, (meaning, samples) in self._families.items():
            lines += [f"# HELP {name} {meaning}", f"# TYPE {name} gauge"]
            lines += [f"{name}{{{series}}} {value}" for series, value in samples.items()]
        return "".join(f"{line}\n" for line in lines)

    def _label(self, text: str) -> str:
        r"""Return a label's value. Control characters are seen as `\x1b`; a backslash of the text itself is doubled."""
        shown = escape(text.replace("\\", "\\\\"))
        if self._ascii:
            shown = to_ascii(shown)
        return shown.replace("\\", "\\\\").replace('"', '\\"')


def _number(number: Number) -> str | None:
    """Return a number as Prometheus reads it, or None for what is none to it: a saved report may hold anything."""
    try:
        if number is None or not isfinite(number):
            return None
    except OverflowError:
        return None
    return repr(number) if isinstance(number, float) else str(int(number))


def _seconds(moment: str | None) -> float | None:
    """Return a report's time in seconds since the epoch."""
    found = parsed(moment)
    return found.timestamp() if found else None


def _say_run(gauges: _Gauges, report: Report) -> None:
    run = report.run
    started, finished = _seconds(run.started_at), _seconds(run.finished_at)
    duration = None if started is None or finished is None else round(finished - started, 3)
    last = finished if report.complete else _seconds(run.last_complete_at)
    gauges.add("run_info", "Which dedupaudit wrote this; always 1.", 1, version=report.tool.version)
    gauges.add("complete", "1 where everything asked for was looked at, else 0.", report.complete)
    gauges.add("last_run_timestamp_seconds", "When this run ended.", finished)
    gauges.add("last_complete_timestamp_seconds", "When the newest complete run of the same sources ended.", last)
    gauges.add("run_duration_seconds", "How long this run took.", duration)
    covered = Counter((row.source, row.target, row.check, row.status) for row in report.coverage)
    for (source, target, check, status), number in covered.items():
        meaning = "What became of each check; a failed or stopped one was not looked at."
        gauges.add("coverage", meaning, number, source=source, target=target, check=check, status=status)
    exceeded: dict[tuple[str, str, str], bool] = {}
    for one in report.summary.thresholds:
        place = (one.source, one.target, one.check)
        exceeded[place] = exceeded.get(place, False) or one.exceeded
        labels = {"source": one.source, "target": one.target, "check": one.check}
        gauges.add("threshold_rows", "What was held against a configured threshold.", one.rows, **labels)
    for (source, target, check), over in exceeded.items():
        meaning = "1 where a configured threshold is exceeded, else 0."
        gauges.add("threshold_exceeded", meaning, over, source=source, target=target, check=check)


def _say_findings(gauges: _Gauges, report: Report) -> None:
    severities = _severities()
    if not severities.keys() >= report.summary.by_check.keys():
        # Another version's check: only its findings tell, and reading them all takes seconds.
        for finding in report.findings:
            severities.setdefault(finding.check, finding.severity)
    for check, number in report.summary.by_check.items():
        severity = severities.get(check, "")
        gauges.add("findings", "Findings of each check that looked.", number, check=check, severity=severity)
    for verdict, number in report.summary.by_verdict.items():
        gauges.add("findings_by_verdict", "Findings, by how sure they are.", number, verdict=verdict)


def _severities() -> dict[str, str]:
    """Return how bad the findings of each check are: one that found nothing has a severity too."""
    checks: tuple[NamedCheck, ...] = (*TABLE_CHECKS, *OBJECT_CHECKS, *LOG_CHECKS)
    return {check.name: check.severity for check in checks}


def _say_changes(gauges: _Gauges, report: Report) -> None:
    changes = report.summary.changes
    if changes is None:
        return
    for severity in ("high", "medium", "low"):
        number = changes.new_by_severity.get(severity, 0)
        gauges.add("new_findings", "Confirmed findings that the baseline had not.", number, severity=severity)
    gauges.add("known_findings", "Confirmed findings that the baseline had.", changes.known)
    gauges.add("gone_findings", "Findings of the baseline that are there no more.", changes.gone)
    unseen = "Findings of the baseline that this run did not look at, or could not confirm."
    gauges.add("baseline_not_looked_at_findings", unseen, changes.not_looked_at)
    gauges.add("baseline_timestamp_seconds", "When the baseline's run ended.", _seconds(changes.baseline_at))


def _say_tables(gauges: _Gauges, report: Report) -> None:
    # A label is `source.table`, and only the coverage tells which of its dots is meant.
    known = {f"{row.source}.{row.target}": (row.source, row.target) for row in report.coverage}
    named = []
    for label, table in report.summary.tables.items():
        source, name = known.get(label, label.partition(".")[::2])
        named.append((source, name, table))
    for field, (family, meaning) in _TABLE.items():
        for source, name, table in named:
            gauges.add(family, meaning, getattr(table, field), source=source, table=name)
    for source, name, table in named:
        for cause, counts in (table.causes or {}).items():
            for confidence in ("proved", "likely", "none"):
                gauges.add(
                    "duplicate_ids_by_cause",
                    "Duplicate IDs by cause, and how sure that is.",
                    getattr(counts, confidence),
                    source=source,
                    table=name,
                    cause=cause,
                    confidence=confidence,
                )


def _say_repairs(gauges: _Gauges, report: Report) -> None:
    runs = Counter((one.source, one.target, str(one.kind), one.state) for one in report.repairs)
    for (source, table, kind, state), number in runs.items():
        meaning = "Runs of repair and migrate on an audited table."
        gauges.add("repair_runs", meaning, number, source=source, table=table, kind=kind, state=state)
    tables = dict.fromkeys((source, table, kind) for source, table, kind, _ in runs)
    broken = Counter((one.source, one.target, str(one.kind)) for one in report.repairs if one.holds is False)
    for source, table, kind in tables:
        meaning = "Runs whose rows deleted, journalled and in quarantine are not equally many."
        number = broken[source, table, kind]
        gauges.add("repair_runs_broken", meaning, number, source=source, table=table, kind=kind)


def _say_objects(gauges: _Gauges, report: Report) -> None:
    stores = report.summary.objects or {}
    for store, found in stores.items():
        gauges.add("objects", "Objects below the prefix.", found.objects, store=store)
        gauges.add("object_rows", "Rows that were held against the objects.", found.rows, store=store)
        for field, state in _STORE_BYTES.items():
            meaning = "Bytes of all objects, and of those that are no use or not there."
            gauges.add("object_bytes", meaning, getattr(found, field), store=store, state=state)
        for check in (one.name for one in OBJECT_CHECKS):
            gauges.add("object_findings", "Findings of a store.", getattr(found, check), store=store, check=check)
        sent = {"list": found.requests.list, "head": found.requests.head, "other": found.requests.other}
        for method, number in sent.items():
            gauges.add("object_requests", "Requests that the run sent to a store.", number, store=store, method=method)


def _say_logs(gauges: _Gauges, report: Report) -> None:
    logs = report.summary.logs
    if logs is None:
        return
    gauges.add("log_files", "Log files that were read.", logs.files)
    gauges.add("log_lines", "Lines of the logs.", logs.lines)
    gauges.add("log_bytes", "Bytes of the logs after unpacking.", logs.bytes)
    for event, number in logs.events.items():
        gauges.add("log_events", "Events that the logs tell of.", number, event=event)
    for field, state in _LOG_IDS.items():
        gauges.add("log_ids", "IDs by what the logs tell of them.", getattr(logs, field), state=state)
