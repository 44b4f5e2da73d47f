"""`-f markdown`: for an issue or a chat: headings, lists, tables, bold and code spans, and no more than GitHub takes.

Every list has its most: the longest report has fewer than 60,000 characters, where GitHub takes 65,536.
"""

from __future__ import annotations

from heapq import nsmallest
from typing import TextIO

from dedupaudit.model import SEVERITIES, Changes, Finding, KeyValue, Report
from dedupaudit.reports import Style
from dedupaudit.reports.markdown_sections import (
    say_logs,
    say_not_checked,
    say_objects,
    say_repairs,
    say_story,
    say_tables,
    say_thresholds,
)
from dedupaudit.reports.markdown_text import Writer, minute, table
from dedupaudit.reports.verdict import verdict
from dedupaudit.reports.words import length, listed, parsed, place, raw

FINDINGS = 20
_GONE = 10
_CHECKS = 30
_UNSURE = {"in_grace": " (in grace)", "unknown": " (not confirmed)"}


def render(report: Report, out: TextIO, style: Style) -> None:
    """Write the report: the verdict first, since a chat shows the beginning."""
    writer = Writer(unicode=style.unicode)
    if report.explanation:
        blocks = [say_story(writer, report.explanation), say_not_checked(writer, report)]
    else:
        blocks = [
            _say_verdict(writer, report),
            _say_five_lines(writer, report),
            _say_changes(writer, report.summary.changes),
            say_thresholds(writer, report),
            _say_findings(writer, report),
            say_tables(writer, report),
            say_objects(writer, report),
            say_logs(report),
            say_not_checked(writer, report),
            say_repairs(writer, report),
        ]
    blocks.append(_footer(writer, report))
    out.write("\n\n".join("\n".join(block) for block in blocks if block) + "\n")


def _say_verdict(writer: Writer, report: Report) -> list[str]:
    told = verdict(report)
    title = f"## dedupaudit {writer.code(report.run.command)}: {told.word}"
    return [title, "", f"**{told.rest}**" if told.loud else told.rest] if told.rest else [title]


def _say_five_lines(writer: Writer, report: Report) -> list[str]:
    told = report.summary.five_lines
    if told is None:
        return []
    said = (("What", told.what), ("How much", told.how_much), ("Since", told.since), ("Why", told.why))
    lines = [f"- **{label}:** {writer.prose(text, 600)}" for label, text in said]
    following = ", then ".join(writer.code(command, 200) for command in told.next[:3])
    return [*lines, f"- **Next:** {following}"] if following else lines


def _say_changes(writer: Writer, changes: Changes | None) -> list[str]:
    if changes is None:
        return []
    severities = listed({str(name): number for name, number in changes.new_by_severity.items()})
    new = f"**{changes.new:,} new**" + (f" ({severities})" if severities else "") if changes.new else "nothing new"
    facts = [new, f"{changes.known:,} known", f"{changes.gone:,} gone"]
    if changes.not_looked_at:
        facts.append(f"{changes.not_looked_at:,} that this run did not look at, or could not confirm")
    when = f" of {minute(changes.baseline_at)} UTC" if minute(changes.baseline_at) else ""
    against = f"Held against {writer.code(changes.baseline)}{when}"
    if changes.baseline_run is None:
        against += " (no earlier run: everything is new)"
    lines = ["### News", "", f"{against}: {', '.join(facts)}."]
    if changes.gone_findings:
        lines.append("")
    for gone in changes.gone_findings[:_GONE]:
        since = f" (known since {minute(gone.known_since)})" if minute(gone.known_since) else ""
        key = f" {_key(writer, gone.key)}" if gone.key else ""
        where = writer.code(place(gone.source, gone.target), 100)
        lines.append(f"- gone: {writer.code(gone.check, 40)} on {where}{key}{since}")
    rest = changes.gone - min(len(changes.gone_findings), _GONE)
    return [*lines, f"- and {rest:,} more gone"] if rest > 0 and changes.gone_findings else lines


def _say_findings(writer: Writer, report: Report) -> list[str]:
    """Say the worst: what is new first, what is in grace last."""
    worst = nsmallest(FINDINGS, report.findings, key=_rank)
    if not worst and not report.summary.findings:
        return []
    by_check = [(check, number) for check, number in report.summary.by_check.items() if number]
    counted = ", ".join(f"{writer.code(check, 40)} {number:,}" for check, number in by_check[:_CHECKS])
    more = f" and {len(by_check) - _CHECKS:,} more checks" if len(by_check) > _CHECKS else ""
    lines = ["### Findings", "", f"{counted}{more}" or "None of them is in this report."]
    if worst:
        heads = ("Severity", "Check", "Where", "ID", ">Rows", "Cause", "Since (UTC)")
        lines += ["", *table(heads, (_row(writer, finding) for finding in worst))]
    rest = report.summary.findings - len(worst)
    if rest > 0:
        where = "`--findings FILE` writes every one" if report.truncated else "`-f json` and `-f html` show them"
        lines += ["", f"And {rest:,} more: {where}."]
    return lines


def _rank(finding: Finding) -> tuple[bool, bool, int, int]:
    unsure = finding.verdict == "in_grace"
    return unsure, finding.news != "new", SEVERITIES.index(finding.severity), -finding.count


def _row(writer: Writer, finding: Finding) -> list[str]:
    severity = f"**NEW** {finding.severity}" if finding.news == "new" else finding.severity
    cause = finding.cause
    return [
        severity + _UNSURE.get(finding.verdict, ""),
        writer.cell(finding.check, 40),
        writer.cell(place(finding.source, finding.target), 100),
        _key(writer, finding.key) if finding.key else "the whole table",
        f"{finding.count:,}",
        f"{writer.cell(cause.name, 40)} ({cause.confidence})" if cause else finding.row_class or "",
        minute(finding.first_at) or minute(finding.known_since),
    ]


def _key(writer: Writer, key: dict[str, KeyValue]) -> str:
    """Return the ID; of a composite key, each part under its column. It fits into a table's cell."""
    if len(key) == 1:
        return writer.cell(raw(next(iter(key.values()))))
    parts = [f"{writer.cell(name, 40)} {writer.cell(raw(value), 40)}" for name, value in list(key.items())[:4]]
    return ", ".join(parts) + (f" and {len(key) - 4:,} more" if len(key) > 4 else "")


def _footer(writer: Writer, report: Report) -> list[str]:
    run = report.run
    started, finished = parsed(run.started_at), parsed(run.finished_at)
    facts = [
        f"dedupaudit {writer.code(report.tool.version, 40)}",
        f"run {writer.code(run.id)}",
        f"{started:%Y-%m-%d %H:%M:%S} UTC" if started else "",
        f"took {length((finished - started).total_seconds())}" if started and finished else "",
    ]
    return ["---", "", ", ".join(fact for fact in facts if fact)]
