"""`-f sarif`: SARIF 2.1.0 (OASIS), for code scanning and other viewers of results.

A check is a rule and a finding a result, at its table or store, and in the log where a line proves it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC
from typing import Any, TextIO
from urllib.parse import quote

from pydantic_core import to_json

from dedupaudit.display import json_safe, visible
from dedupaudit.model import Coverage, Evidence, Finding, GoneFinding, KeyValue, Report, Severity
from dedupaudit.reports import Style
from dedupaudit.reports.cases import Place
from dedupaudit.reports.rules import RULES
from dedupaudit.reports.streams import is_utf8, json_in_ascii
from dedupaudit.reports.words import parsed, place, plural

_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_NO_RESULTS = '\n      "results": []'
"""Inside a string no line ends, and nothing else is indented so and named so: see `_run`."""
_LEVELS: dict[Severity, str] = {"high": "error", "medium": "warning", "low": "note"}
_STATUS_LEVELS = {"failed": "error", "stopped": "error", "skipped": "note"}
_BASELINE = {"new": "new", "known": "unchanged"}
_TEXT = 2_000
_NAME = 500
_LINE = re.compile(r"(.+):(\d{1,9})")

Json = dict[str, Any]


def render(report: Report, out: TextIO, style: Style) -> None:
    """Write the report as one SARIF log with one run."""
    ascii_only = not is_utf8(out)

    def text(value: Json, indent: int | None = None) -> str:
        plain = json_safe(to_json(value, indent=indent, inf_nan_mode="null").decode())
        return json_in_ascii(plain) if ascii_only else plain

    rules = _rules(report)
    numbers = {check: number for number, check in enumerate(rules)}
    log = {"$schema": _SCHEMA, "version": "2.1.0", "runs": [_run(report, rules, numbers)]}
    before, _, after = text(log, indent=2).partition(_NO_RESULTS)
    out.write(before)
    separator, end = '\n      "results": [\n        ', _NO_RESULTS
    for result in _results(report, numbers):
        out.write(separator + text(result))
        separator, end = ",\n        ", "\n      ]"
    out.write(f"{end}{after}\n")


def _rules(report: Report) -> list[str]:
    """Return the checks that were to be run, in their order; `*` is none."""
    changes = report.summary.changes
    named = [row.check for row in report.coverage] + list(report.summary.by_check)
    named += [one.check for one in changes.gone_findings] if changes else []
    return list(dict.fromkeys(name for name in named if name != "*"))


def _run(report: Report, rules: list[str], numbers: Mapping[str, int]) -> Json:
    changes, summary = report.summary.changes, report.summary
    told: Json = {
        "complete": report.complete,
        "truncated": report.truncated,
        "findings": summary.findings,
        "bySeverity": summary.by_severity,
    }
    if changes:
        told |= changes.model_dump(mode="json", include={"baseline", "new", "known", "gone", "not_looked_at"})
    if report.repairs:
        told["repairs"] = [one.model_dump(mode="json", exclude_none=True) for one in report.repairs]
    return {
        "tool": {
            "driver": {
                "name": "dedupaudit",
                "version": report.tool.version,
                "rules": [_rule(check) for check in rules],
            }
        },
        "automationDetails": {"id": f"dedupaudit/{report.run.command}/{report.run.id}"},
        "invocations": [_invocation(report, numbers)],
        "columnKind": "unicodeCodePoints",
        "results": [],
        "properties": told,
    }


def _rule(check: str) -> Json:
    rule = RULES.get(check)
    if rule is None:
        return {"id": check, "shortDescription": _message(check)}
    return {
        "id": check,
        "shortDescription": {"text": f"{rule.finds}."},
        "help": {"text": f"{rule.finds}. {rule.matters}"},
        "defaultConfiguration": {"level": _LEVELS[rule.severity]},
    }


def _invocation(report: Report, numbers: Mapping[str, int]) -> Json:
    found: Json = {"executionSuccessful": report.complete}
    for name, moment in (("startTimeUtc", report.run.started_at), ("endTimeUtc", report.run.finished_at)):
        if utc := _utc(moment):
            found[name] = utc
    notifications = [_not_checked(row, numbers) for row in report.coverage if row.status != "checked"]
    if report.truncated:
        told = f"this report holds {len(report.findings):,} of {plural(report.summary.findings, 'finding')}"
        notifications.append({"level": "warning", "message": _message(told), "descriptor": {"id": "truncated"}})
    found["toolExecutionNotifications"] = notifications
    return found


def _utc(moment: str) -> str | None:
    found = parsed(moment)
    if found is None:
        return None
    try:
        return found.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    except OverflowError:
        return None


def _not_checked(row: Coverage, numbers: Mapping[str, int]) -> Json:
    what = "every check" if row.check == "*" else row.check
    told = f"{what} on {place(row.source, row.target)} {'was ' if row.status != 'failed' else ''}{row.status}"
    found: Json = {
        "level": _STATUS_LEVELS[row.status],
        "message": _message(f"{told}: {row.reason or 'no reason told'}"),
        "descriptor": {"id": row.status},
        "locations": [{"logicalLocations": [_target(row.source, row.target)]}],
    }
    if row.check in numbers:
        found["associatedRule"] = {"id": row.check, "index": numbers[row.check]}
    return found


def _results(report: Report, numbers: Mapping[str, int]) -> Iterator[Json]:
    """Yield each finding as a result, then those of the baseline that are gone."""
    tolerated = {
        Place(one.source, one.target, one.check): f"the threshold {visible(one.limit)} allows it"
        for one in report.summary.thresholds
        if not one.exceeded
    }
    for finding in report.findings:
        yield _result(finding, numbers, tolerated.get(Place(finding.source, finding.target, finding.check)))
    if report.summary.changes:
        for gone in report.summary.changes.gone_findings:
            told = f"{gone.check} is gone: {_key(gone.key) or place(gone.source, gone.target)}"
            absent = {**_common(gone, numbers), "level": _LEVELS[gone.severity], "message": _message(told)}
            known = {"known_since": gone.known_since} if gone.known_since else {}
            yield {**absent, "baselineState": "absent", "properties": {"key": gone.key, **known}}


def _result(finding: Finding, numbers: Mapping[str, int], tolerated: str | None) -> Json:
    found = _common(finding, numbers)
    confirmed = finding.verdict == "confirmed"
    # `open`: whether there is a problem could not be decided, yet or at all; such a result has no level.
    found |= {"kind": "fail", "level": _LEVELS[finding.severity]} if confirmed else {"kind": "open", "level": "none"}
    found["message"] = _message(finding.message)
    if finding.news:
        found["baselineState"] = _BASELINE[finding.news]
    if finding.verdict == "in_grace":
        found["suppressions"] = [_suppression("underReview", "younger than the grace period")]
    elif confirmed and tolerated:
        found["suppressions"] = [_suppression("accepted", tolerated)]
    lines = [one for one in map(_in_log, finding.evidence) if one]
    if lines:
        found["locations"][0]["physicalLocation"] = lines[0]
    if finding.evidence:
        found["relatedLocations"] = [_related(number, one) for number, one in enumerate(finding.evidence, start=1)]
    found["properties"] = _properties(finding)
    return found


def _common(one: Finding | GoneFinding, numbers: Mapping[str, int]) -> Json:
    found: Json = {"ruleId": one.check}
    if one.check in numbers:
        found["ruleIndex"] = numbers[one.check]
    logical = [_target(one.source, one.target)]
    if key := _key(one.key):
        logical.append({"fullyQualifiedName": f"{place(one.source, one.target)} {key}", "name": key, "kind": "element"})
    found["locations"] = [{"logicalLocations": logical}]
    found["partialFingerprints"] = {"dedupaudit/v1": one.fingerprint}
    return found


def _properties(finding: Finding) -> Json:
    found: Json = {
        "severity": finding.severity,
        "verdict": finding.verdict,
        "source": finding.source,
        "target": finding.target,
        "key": finding.key,
        "count": finding.count,
        "class": finding.row_class,
        "differs": finding.differs or None,
        "first_at": finding.first_at,
        "last_at": finding.last_at,
        "gap_seconds": finding.gap_seconds,
        "cause": finding.cause,
        "suggestion": finding.suggestion or None,
        "known_since": finding.known_since,
    }
    return {name: value for name, value in found.items() if value is not None}


def _suppression(status: str, why: str) -> Json:
    return {"kind": "external", "status": status, "justification": why}


def _target(source: str, target: str) -> Json:
    return {"fullyQualifiedName": place(source, target), "name": target, "kind": "resource"}


def _key(key: Mapping[str, KeyValue]) -> str:
    return ", ".join(f"{visible(name)}={visible(getattr(one, 'base64', one), _NAME)}" for name, one in key.items())


def _related(number: int, evidence: Evidence) -> Json:
    found: Json = {"id": number, "message": _message(evidence.text)}
    if line := _in_log(evidence):
        return {**found, "physicalLocation": line}
    kind = "element" if evidence.kind == "row" else "resource"
    return {**found, "logicalLocations": [{"fullyQualifiedName": evidence.where, "kind": kind}]}


def _in_log(evidence: Evidence) -> Json | None:
    """Return the line of `logs/app.log:88`, or None where there is none, or the path leads out of where it begins."""
    match = _LINE.fullmatch(evidence.where) if evidence.kind == "log" else None
    if match is None or not int(match[2]) or ".." in match[1].split("/") or match[1].startswith("//"):
        return None
    path = quote(match[1], safe="/")
    uri = f"file://{path}" if path.startswith("/") else path
    return {"artifactLocation": {"uri": uri}, "region": {"startLine": int(match[2])}}


def _message(text: str) -> Json:
    """Return text in which a viewer sees no placeholder (`{0}`) and no link (`[text](target)`) of its own accord."""
    shown = visible(text, _TEXT).replace("{", "{{").replace("}", "}}")
    if "](" in shown:
        shown = shown.replace("[", "\\[").replace("]", "\\]")
    return {"text": shown}
