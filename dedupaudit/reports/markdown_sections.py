"""The parts of the Markdown report below the findings: totals, what was not checked, thresholds, repairs, a story."""

from __future__ import annotations

from collections.abc import Iterable

from dedupaudit.checks import OBJECT_CHECKS
from dedupaudit.model import Coverage, Explanation, ObjectsSummary, RepairProof, Report
from dedupaudit.reports.markdown_text import Writer, minute, table
from dedupaudit.reports.words import NOT_COUNTED, count, folded, listed, percent, place, plural, size

_TABLES = 20
_STORES = 10
_REASONS = 15
_THRESHOLDS = 30
_REPAIRS = 10
_SENTENCES = 5
_MOMENTS = 60


def say_tables(writer: Writer, report: Report) -> list[str]:
    """Say the totals; of many tables, those with the most surplus rows. What nobody counted is `-`."""
    tables = list(report.summary.tables.items())
    if not tables:
        return []
    if len(tables) > _TABLES:
        tables.sort(key=lambda one: -(one[1].surplus_rows or 0))
    heads = ("Table", ">Rows", ">Distinct IDs", ">Duplicate IDs", ">Surplus rows", ">Inflation", ">NULL", ">Blank")
    rows = (
        [
            writer.cell(label, 100),
            *(count(one) for one in (found.rows, found.distinct_ids, found.duplicate_ids, found.surplus_rows)),
            percent(found.inflation).replace("<", "under"),  # a chat may take it for the beginning of a tag
            count(found.null_ids),
            count(found.blank_ids),
        ]
        for label, found in tables[:_TABLES]
    )
    return ["### Tables", "", *table(heads, rows), *_more(len(tables) - _TABLES, "table")]


def say_objects(writer: Writer, report: Report) -> list[str]:
    """Say each store's totals: what is zero is left out, and what was not looked at is said."""
    stores = list((report.summary.objects or {}).items())
    if not stores:
        return []
    lines = [f"- {writer.code(label, 100)}: {_store(found)}" for label, found in stores[:_STORES]]
    return ["### Objects", "", *lines, *_more(len(stores) - _STORES, "store")]


def _store(found: ObjectsSummary) -> str:
    weight = NOT_COUNTED if found.bytes is None else size(found.bytes)
    counts = {one.name: getattr(found, one.name) for one in OBJECT_CHECKS}
    told = listed({f"`{check}`": number for check, number in counts.items() if number})
    unseen = ", ".join(f"`{check}`" for check, number in counts.items() if number is None)
    facts = [
        f"rows {count(found.rows)}, objects {count(found.objects)}, bytes {weight}",
        told,
        f"{size(found.orphan_bytes)} of orphans" if found.orphan_bytes else "",
        f"not looked at: {unseen}" if unseen else "",
    ]
    return "; ".join(fact for fact in facts if fact)


def say_logs(report: Report) -> list[str]:
    """Say what the logs hold."""
    logs = report.summary.logs
    if logs is None:
        return []
    said = f"{plural(logs.files, 'file')}, {plural(logs.lines, 'line')}, {size(logs.bytes)} unpacked"
    requeued = f"; {plural(logs.requeued_ids, 'ID')} re-queued by a client" if logs.requeued_ids else ""
    return ["### Logs", "", f"- {said}{requeued}"]


def say_not_checked(writer: Writer, report: Report) -> list[str]:
    """Say what failed first, then what did not apply: what was not looked at never looks clean."""
    reasons: dict[tuple[str, str], list[Coverage]] = {}
    for status in ("failed", "stopped", "skipped"):
        for row in report.coverage:
            if row.status == status:
                reasons.setdefault((status, row.reason or "no reason was given"), []).append(row)
    if not reasons:
        return []
    lines = ["### Not checked", ""]
    for (status, reason), rows in list(reasons.items())[:_REASONS]:
        word = status if status == "skipped" else f"**{status}**"
        lines.append(f"- {word}: {_what(writer, rows)}: {writer.prose(reason, 300)}")
    return [*lines, *_more(len(reasons) - _REASONS, "reason")]


def _what(writer: Writer, rows: list[Coverage]) -> str:
    """Return checks and tables of one reason: `stuck_upload`, `illegal_state` on `db.activities`."""
    checks = folded((writer.code(row.check, 40) for row in rows if row.check != "*"), 8)
    places = folded((writer.code(place(row.source, row.target), 60) for row in rows), 4)
    return f"{checks} on {places}" if checks else places


def say_thresholds(writer: Writer, report: Report) -> list[str]:
    """Say each configured threshold, those that are exceeded first."""
    tolerances = sorted(report.summary.thresholds, key=lambda one: not one.exceeded)
    if not tolerances:
        return []
    lines = [
        f"- {'**EXCEEDED**' if one.exceeded else 'kept'}: {writer.code(one.check, 40)} on"
        f" {writer.code(place(one.source, one.target), 60)}: {count(one.rows)} of at most {writer.code(one.limit, 40)}"
        for one in tolerances[:_THRESHOLDS]
    ]
    return ["### Thresholds", "", *lines, *_more(len(tolerances) - _THRESHOLDS, "threshold")]


def say_repairs(writer: Writer, report: Report) -> list[str]:
    """Say what repairs and migrations did, and whether their figures agree; first the ones that do not."""
    repairs = sorted(report.repairs, key=lambda one: one.holds is not False)
    if not repairs:
        return []
    lines = [line for one in repairs[:_REPAIRS] for line in _repair(writer, one)]
    return ["### Repairs", "", *lines, *_more(len(repairs) - _REPAIRS, "run")]


def _repair(writer: Writer, one: RepairProof) -> list[str]:
    word = {True: "**proved**", False: "**THE FIGURES DISAGREE**", None: "not proved"}[one.holds]
    figures = [
        f"{count(number)} {what}"
        for number, what in (
            (one.rows_deleted, "deleted"),
            (one.rows_journalled, "journalled"),
            (one.rows_in_quarantine, "in quarantine"),
        )
        if number is not None
    ]
    facts = [
        f"{writer.code(one.state, 40)} {minute(one.finished_at or one.started_at)}".strip(),
        f"by {writer.code(one.by)}" if one.by else "",
        f"{plural(one.groups, 'ID')} repaired" if one.groups is not None else "",
        f"rows: {' = '.join(figures) if one.holds else ', '.join(figures)}" if figures else "",
        word if one.kind == "repair" or one.holds is not None else "",
    ]
    what = f"{one.kind} {writer.code(one.run)} of {writer.code(place(one.source, one.target), 60)}"
    lines = [f"- {what}: {', '.join(fact for fact in facts if fact)}"]
    return [*lines, *(f"  - said: {writer.prose(text)}" for text in one.said[:_SENTENCES])]


def say_story(writer: Writer, told: Explanation) -> list[str]:
    """Say one ID's moments in their order, then the verdict and the advice."""
    lines = [f"## dedupaudit: {writer.code(told.id)}", ""]
    if told.timeline:
        rows = (
            [
                writer.cell(moment.at, 40) if moment.at else "no time",
                writer.cell(moment.source, 40),
                writer.cell(moment.text, 200),
                writer.cell(moment.where, 100),
            ]
            for moment in told.timeline[:_MOMENTS]
        )
        lines += table(("When", "Source", "What", "Where"), rows)
        lines += _more(len(told.timeline) - _MOMENTS, "moment")
    else:
        lines.append("No source tells of it.")
    return [*lines, "", f"- **Verdict:** {writer.prose(told.verdict)}", f"- **Advice:** {writer.prose(told.advice)}"]


def _more(number: int, what: str) -> Iterable[str]:
    return ["", f"And {plural(number, 'more ' + what)}."] if number > 0 else []
