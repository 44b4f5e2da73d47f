"""Holds a report against the truth, and says in sentences where they differ."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from dedupaudit.demo.truth import OBJECT_CHECKS, STORE, Expected, Truth
from dedupaudit.display import visible
from dedupaudit.model import Base64, Coverage, Finding, KeyValue, Report

# Which check must have looked before a total can be held against the truth.
_LOOKED_BY = {
    "rows": "duplicate_ids",
    "distinct_ids": "duplicate_ids",
    "duplicate_ids": "duplicate_ids",
    "duplicate_rows": "duplicate_ids",
    "surplus_rows": "duplicate_ids",
    "null_ids": "null_ids",
    "blank_ids": "blank_ids",
}

_Name = tuple[str, str, tuple[tuple[str, str | int | None], ...]]


def disagreements(report: Report, truth: Truth) -> list[str]:
    """Return a sentence for everything in which a report of the demo differs from its truth; none where it is right.

    What a check found is compared where the coverage says `checked`. A check that failed or was stopped, a table that
    no check looked at, and a report that was cut short are disagreements too: nothing agrees by not having looked.
    """
    checked = {(_target(report, row), row.check) for row in report.coverage if row.status == "checked"}
    return [
        *_unlooked(report, truth, checked),
        *_totals(report, truth, checked),
        *_store(report, truth, checked),
        *_findings(report, truth, checked),
        *_causes(report, truth, checked),
        *_logs(report, truth),
    ]


def _unlooked(report: Report, truth: Truth, checked: set[tuple[str, str]]) -> Iterator[str]:
    for row in report.coverage:
        if row.status in ("failed", "stopped") and (row.check in truth.checks or row.check == "*"):
            reason = f": {visible(row.reason)}" if row.reason else ""
            became = "failed" if row.status == "failed" else "was stopped"
            yield f"{row.check} on {visible(_target(report, row))} {became}{reason}"
    looked_at = {target for target, check in checked if check in truth.checks}
    yield from (f"no check looked at {table}" for table in truth.tables if table not in looked_at)
    if report.run.command == "demo" and (STORE, "orphan_object") not in checked:
        yield "no check looked at the objects"
    if report.truncated:
        yield f"the report shows {len(report.findings)} of {report.summary.findings} findings: raise --max-findings"


def _totals(report: Report, truth: Truth, checked: set[tuple[str, str]]) -> Iterator[str]:
    summaries = {label.partition(".")[2]: summary for label, summary in report.summary.tables.items()}
    for table, totals in truth.tables.items():
        asked = [name for name, check in _LOOKED_BY.items() if (table, check) in checked]
        summary = summaries.get(table)
        if asked and summary is None:
            yield f"the report has no totals of {table}"
            continue
        for name in asked:
            told, true = getattr(summary, name), getattr(totals, name)
            if told != true:
                yield f"{table}: {name} should be {true}, and the report says {told}"


def _store(report: Report, truth: Truth, checked: set[tuple[str, str]]) -> Iterator[str]:
    """Hold the totals of the store against the truth, and the counts of its findings."""
    if (STORE, "orphan_object") not in checked:
        return
    summaries = list((report.summary.objects or {}).values())
    if len(summaries) != 1:
        yield f"the report should have the totals of one store, and has those of {len(summaries)}"
        return
    expected = {
        "rows": truth.tables["screenshots"].rows,
        "objects": truth.objects.stored,
        "bytes": truth.objects.bytes,
        "orphan_bytes": truth.objects.orphan_bytes,
        "missing_bytes": truth.objects.missing_bytes,
    }
    asked = {check for _, check in checked}
    for check in OBJECT_CHECKS:
        if check in asked:
            expected[check] = sum(finding.check == check for finding in truth.findings)
    if "missing_object" not in asked:
        del expected["missing_bytes"]
    for name, true in expected.items():
        told = getattr(summaries[0], name)
        if told != true:
            yield f"{STORE}: {name} should be {true}, and the report says {told}"


def _target(report: Report, told: Coverage | Finding) -> str:
    """Return the name that the truth has for a target: the store's URL tells where the demo's folder is."""
    return STORE if told.target in (report.summary.objects or ()) else told.target


def _findings(report: Report, truth: Truth, checked: set[tuple[str, str]]) -> Iterator[str]:
    expected: dict[_Name, list[Expected]] = {}
    for planted in truth.findings:
        if (planted.target, planted.check) in checked:
            expected.setdefault(_name(planted.check, planted.target, planted.key), []).append(planted)
    told: dict[_Name, list[Finding]] = {}
    for finding in report.findings:
        if finding.check in truth.checks:
            told.setdefault(_name(finding.check, _target(report, finding), finding.key), []).append(finding)
    for name in sorted({*expected, *told}, key=repr):
        wanted, found = expected.get(name, []), told.get(name, [])
        if len(found) < len(wanted):
            yield f"{_described(name)} was planted and is not in the report"
        elif len(found) > len(wanted):
            yield f"{_described(name)} is reported and was not planted" + (" so often" if wanted else "")
        else:
            yield from _details(name, wanted, found)


def _causes(report: Report, truth: Truth, checked: set[tuple[str, str]]) -> Iterator[str]:
    """Hold the cause of every planted duplicate and missing object against the truth, where logs were read."""
    if report.summary.logs is None:
        return
    told = {(finding.target, finding.check, str(finding.key.get("id"))): finding.cause for finding in report.findings}
    for case in truth.cases:
        check = "missing_object" if case.cause == "row_before_object" else "duplicate_ids"
        if case.cause is None or (case.table, check) not in checked:
            continue
        # What is not reported at all is named as such.
        for item in (one for one in case.ids if (case.table, check, str(one)) in told):
            cause = told.get((case.table, check, str(item)))
            found = cause.name if cause else "none"
            if found != case.cause:
                yield f"{visible(item)}: the cause should be {case.cause}, and the report says {found}"
            elif cause is not None and sorted(cause.enabled_by) != sorted(case.enabled_by):
                let = ", ".join(cause.enabled_by) or "nothing"
                yield f"{visible(item)}: {', '.join(case.enabled_by)} let it happen, and the report says {let}"


def _logs(report: Report, truth: Truth) -> Iterator[str]:
    """Hold the totals of the logs against the truth."""
    logs = report.summary.logs
    if logs is None:
        if report.run.command == "demo":
            yield "no log was read"
        return
    expected = {
        "files": truth.logs.files,
        "lines": truth.logs.lines,
        "bytes": truth.logs.bytes,
        "events": truth.logs.events,
        "requeued_ids": len(truth.logs.requeued_ids),
        "repeatedly_received_ids": len(truth.logs.repeatedly_received_ids),
        "overlapping_ids": len(truth.logs.overlapping_ids),
    }
    for name, true in expected.items():
        said = getattr(logs, name)
        if name == "events":
            said = {event: number for event, number in said.items() if number}
        if said != true:
            yield f"logs: {name} should be {true}, and the report says {said}"


def _details(name: _Name, wanted: list[Expected], found: list[Finding]) -> Iterator[str]:
    # One key has one finding of a check, but for the states of several rows: those are equal, and so compared in order.
    for true, told in zip(wanted, found, strict=True):
        if true.count is not None and told.count != true.count:
            yield f"{_described(name)}: count should be {true.count}, and the report says {told.count}"
        if told.row_class != true.row_class:
            yield f"{_described(name)}: class should be {true.row_class}, and the report says {told.row_class}"
        if sorted(told.differs) != sorted(true.differs):
            columns = ", ".join(map(visible, told.differs)) or "nothing"
            yield f"{_described(name)}: {', '.join(true.differs) or 'nothing'} should differ, the report says {columns}"
        if told.verdict != "confirmed":
            yield f"{_described(name)}: the verdict should be confirmed, and the report says {told.verdict}"


def _name(check: str, target: str, key: Mapping[str, KeyValue]) -> _Name:
    parts = ((column, value.base64 if isinstance(value, Base64) else value) for column, value in sorted(key.items()))
    return check, target, tuple(parts)


def _described(name: _Name) -> str:
    check, target, key = name
    of = ", ".join(f"{visible(column)} {visible(value)}" for column, value in key)
    return f"{check} on {visible(target)}{' of ' if of else ''}{of}"
