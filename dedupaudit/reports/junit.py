"""`-f junit`: a suite for each table or store, a test case for each check, for CI that shows test results.

The elements are those that Jenkins, GitLab and Ant know. A case fails only for what `--fail-on` would look at: findings
that are confirmed, new where there is a baseline, and over their threshold where there is one.
"""

from __future__ import annotations

import html
from collections.abc import Iterator, Sequence
from datetime import UTC
from math import isfinite
from typing import TextIO

from dedupaudit.display import escape, visible
from dedupaudit.model import Finding, KeyValue, RepairProof, Report
from dedupaudit.reports import Style
from dedupaudit.reports.cases import SHOWN, Case, Sort, cases
from dedupaudit.reports.streams import is_utf8
from dedupaudit.reports.words import parsed, place, plural

_MESSAGE = 500
_LONGEST = 1e9
"""Seconds: what a report that was changed by hand says beyond it is nonsense, and no number to some readers."""
_TOLD: tuple[tuple[Sort, str], ...] = (("known", "known"), ("tolerated", "tolerated"), ("in_grace", "in grace"))


def render(report: Report, out: TextIO, style: Style) -> None:
    """Write the report as one XML document."""
    suites: dict[str, list[Case]] = {}
    for case in cases(report):
        suites.setdefault(visible(place(case.place.source, case.place.target)), []).append(case)
    every = [case for some in suites.values() for case in some]
    failures = sum(case.outcome == "failure" for case in every) + sum(one.holds is False for one in report.repairs)
    errors = sum(case.outcome == "error" for case in every) + (not report.complete)
    tests = len(every) + len(report.repairs) + 1
    total = {
        "name": f"dedupaudit {visible(report.run.command)}",
        "tests": tests,
        "failures": failures,
        "errors": errors,
    }
    total["time"] = _seconds(sum(_time(case) for case in every))
    whole = is_utf8(out)
    for line in (
        '<?xml version="1.0" encoding="UTF-8"?>',
        f"<testsuites{_attributes(total)}>",
        *_run(report),
        *(line for name, some in suites.items() for line in _suite(report, name, some)),
        *(_repairs(report, report.repairs) if report.repairs else ()),
        "</testsuites>",
    ):
        out.write((line if whole else line.encode("ascii", "xmlcharrefreplace").decode()) + "\n")


def _run(report: Report) -> Iterator[str]:
    """Say which run it was; a case of its own says whether it looked at everything."""
    changes = report.summary.changes
    properties: dict[str, object] = {
        "run": report.run.id,
        "command": report.run.command,
        "version": report.tool.version,
        "complete": "true" if report.complete else "false",
        "findings": report.summary.findings,
        "truncated": "true" if report.truncated else "false",
    }
    if changes:
        properties |= {"baseline": changes.baseline, "new": changes.new, "known": changes.known, "gone": changes.gone}
        properties["not_looked_at"] = changes.not_looked_at
    yield _opening(report, "dedupaudit", tests=1, errors=int(not report.complete))
    yield "    <properties>"
    for name, value in properties.items():
        yield f"      <property{_attributes({'name': name, 'value': value})}/>"
    yield "    </properties>"
    told = "the run is incomplete: not everything that was asked for could be checked"
    inside = [] if report.complete else [_outcome("error", "incomplete", told, ())]
    yield from _case("dedupaudit", "complete", 0.0, inside)
    yield "  </testsuite>"


def _suite(report: Report, name: str, some: Sequence[Case]) -> Iterator[str]:
    outcomes = [case.outcome for case in some]
    yield _opening(
        report,
        name,
        tests=len(some),
        failures=outcomes.count("failure"),
        errors=outcomes.count("error"),
        skipped=outcomes.count("skipped"),
        time=_seconds(sum(map(_time, some))),
    )
    for case in some:
        yield from _case(name, _named(case), _time(case), list(_inside(case)))
    yield "  </testsuite>"


def _named(case: Case) -> str:
    return "every check" if case.place.check == "*" else visible(case.place.check)


def _inside(case: Case) -> Iterator[str]:
    """Yield what stands in a case: its outcome, and what is to be told besides."""
    if case.outcome != "passed":
        sort: Sort = "failing" if case.outcome == "failure" else "unknown"
        yield _outcome(case.outcome, case.kind, "; ".join(case.reasons), _findings(case, sort))
    told = []
    if case.tolerance:
        rows = "no count" if case.tolerance.rows is None else plural(case.tolerance.rows, "row")
        told.append(
            f"threshold {visible(case.tolerance.limit)}: {rows}, {'tolerated' if case.tolerated else 'exceeded'}"
        )
    for sort, word in _TOLD:
        if case.counts[sort]:
            told += [f"{plural(case.counts[sort], 'finding')} {word}:", *_findings(case, sort)]
    told += [f"gone: {_key(one.key)}{_since(one.known_since)}" for one in case.gone[:SHOWN]]
    if len(case.gone) > SHOWN:
        told.append(f"and {len(case.gone) - SHOWN:,} more gone")
    if told:
        yield f"<system-out>{_text(told)}</system-out>"


def _findings(case: Case, sort: Sort) -> Iterator[str]:
    shown = case.shown.get(sort, [])
    for finding in shown:
        yield from _finding(finding)
    if case.counts[sort] > len(shown):
        yield f"and {case.counts[sort] - len(shown):,} more"


def _finding(finding: Finding) -> Iterator[str]:
    new = "NEW " if finding.news == "new" else ""
    yield f"{new}{finding.severity}: {_key(finding.key)}: {visible(finding.message, _MESSAGE)}" + _since(
        finding.known_since
    )
    if finding.cause:
        cause = finding.cause
        yield f"  cause: {visible(cause.name)} ({cause.confidence}): {visible(cause.why, _MESSAGE)}"
    if finding.suggestion:
        yield f"  next: {visible(finding.suggestion, _MESSAGE)}"


def _key(key: dict[str, KeyValue]) -> str:
    """Return `activity_id=a1, part=2`; a whole table has no key."""
    parts = (f"{visible(name)}={visible(getattr(value, 'base64', value))}" for name, value in key.items())
    return ", ".join(parts) or "all"


def _since(moment: str | None) -> str:
    return f" (since {visible(moment)})" if moment else ""


def _repairs(report: Report, proofs: Sequence[RepairProof]) -> Iterator[str]:
    broken, unseen = (sum(one.holds is state for one in proofs) for state in (False, None))
    yield _opening(report, "repairs", tests=len(proofs), failures=broken, skipped=unseen)
    for proof in proofs:
        inside = []
        if proof.holds is None:
            inside.append(_outcome("skipped", "not looked at", "nobody held its figures against each other", ()))
        elif not proof.holds:
            figures = f"{proof.rows_deleted} deleted, {proof.rows_journalled} journalled, "
            figures += f"{proof.rows_in_quarantine} in quarantine"
            inside.append(_outcome("failure", "high", f"its figures disagree: {figures}", ()))
        if proof.said:
            inside.append(f"<system-out>{_text([visible(one, _MESSAGE) for one in proof.said])}</system-out>")
        name = f"{proof.kind} {proof.run} of {place(proof.source, proof.target)} ({proof.state})"
        yield from _case("repairs", name, 0.0, inside)
    yield "  </testsuite>"


def _opening(report: Report, name: str, **counts: object) -> str:
    begun: dict[str, object] = {}
    if moment := parsed(report.run.started_at):
        # Without an offset: Ant's form has none.
        begun["timestamp"] = moment.replace(tzinfo=moment.tzinfo or UTC).isoformat(timespec="seconds")[:19]
    return f"  <testsuite{_attributes({'name': name, 'failures': 0, 'errors': 0, 'skipped': 0, **counts, **begun})}>"


def _case(suite: str, name: str, seconds: float, inside: Sequence[str]) -> Iterator[str]:
    opening = f"    <testcase{_attributes({'classname': suite, 'name': name, 'time': _seconds(seconds)})}"
    if not inside:
        yield opening + "/>"
        return
    yield opening + ">"
    for element in inside:
        yield f"      {element}"
    yield "    </testcase>"


def _outcome(element: str, kind: str, message: str, lines: Iterator[str] | tuple[()]) -> str:
    attributes = _attributes({"type": kind, "message": visible(message, _MESSAGE)})
    return f"<{element}{attributes}>{_text(lines)}</{element}>"


def _text(lines: Iterator[str] | Sequence[str]) -> str:
    return html.escape("\n".join(lines), quote=False)


def _attributes(named: dict[str, object]) -> str:
    return "".join(f' {name}="{html.escape(escape(str(value)))}"' for name, value in named.items())


def _time(case: Case) -> float:
    return sum(row.seconds for row in case.coverage if isfinite(row.seconds) and row.seconds > 0)


def _seconds(number: float) -> str:
    return f"{min(number, _LONGEST):.3f}"
