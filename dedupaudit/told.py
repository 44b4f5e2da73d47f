"""What an audit comes to, in five lines: what happened, how much, since when, why, and which commands come next."""

from __future__ import annotations

import shlex
from collections import Counter

from dedupaudit.display import visible
from dedupaudit.model import FiveLines, Report, TableSummary
from dedupaudit.reports.words import percent, plural, size
from dedupaudit.times import day_number, day_text, parse_time

_KINDS = 3


def five_lines(report: Report) -> FiveLines:
    """Return the lines; what was not looked at is said, never taken for nothing."""
    return FiveLines(
        what=_what(report),
        how_much=_how_much(report),
        since=_since(report),
        why=_why(report),
        next=_next(report),
    )


def _damaged(report: Report) -> dict[str, TableSummary]:
    return {label: table for label, table in report.summary.tables.items() if table.duplicate_ids}


def _of_objects(report: Report, name: str) -> int:
    """Return a total over all stores; what was not looked at adds nothing."""
    return sum(getattr(one, name) or 0 for one in (report.summary.objects or {}).values())


def _what(report: Report) -> str:
    damaged = _damaged(report)
    said = []
    total = sum(table.duplicate_ids or 0 for table in damaged.values())
    if total:
        where = ", ".join(f"{visible(label)} {table.duplicate_ids:,}" for label, table in damaged.items())
        said.append(f"{plural(total, 'ID is', 'IDs are')} stored more than once ({where})")
    elif report.summary.by_check.get("duplicate_ids") == 0:
        said.append("no ID is stored more than once")
    missing, orphans = _of_objects(report, "missing_object"), _of_objects(report, "orphan_object")
    if missing:
        said.append(f"{plural(missing, 'ID misses its object', 'IDs miss their object')}")
    if orphans:
        said.append(f"no row knows {plural(orphans, 'object')}")
    rest = report.summary.findings - sum(
        report.summary.by_check.get(check, 0) for check in ("duplicate_ids", "missing_object", "orphan_object")
    )
    if rest > 0:
        said.append(plural(rest, "other finding" if said else "finding"))
    if not report.complete:
        said.append("NOT EVERYTHING could be looked at")
    return _sentence(said or ["nothing was looked at"])


def _how_much(report: Report) -> str:
    said = []
    for label, table in _damaged(report).items():
        worst = [one for one in table.by_group or () if one.group is not None and one.inflation > 0]
        worst.sort(key=lambda one: -one.inflation)
        kinds = ", ".join(f"{visible(one.group, 40)} {percent(one.inflation)}" for one in worst[:_KINDS])
        said.append(f"{percent(table.inflation)} in {visible(label)}{f' ({kinds})' if kinds else ''}")
    if said:
        surplus = sum(table.surplus_rows or 0 for table in _damaged(report).values())
        said = [f"reports count too many: {', '.join(said)}; {plural(surplus, 'surplus row')}"]
    missing, orphan_bytes = _of_objects(report, "missing_object"), _of_objects(report, "orphan_bytes")
    if missing:
        said.append(f"users get a 404 for {plural(missing, 'picture')}")
    if orphan_bytes:
        said.append(f"orphans take up {size(orphan_bytes)}")
    return _sentence(said or ["nothing is counted twice, and nothing is lost, in what was looked at"])


def _since(report: Report) -> str:
    days = sorted({one.day for table in _damaged(report).values() for one in table.by_day or () if one.day})
    if not days:
        return _sentence(["the rows do not say since when" if _damaged(report) else "nothing began"])
    began = parse_time(report.run.started_at)
    today = day_number(began) if began is not None else 0
    last_day = parse_time(days[-1])
    ago = today - day_number(last_day) if last_day is not None else 0
    begun = f"since {days[0]} (UTC)"
    if ago <= 1:
        rows = sum(
            one.surplus_rows
            for table in _damaged(report).values()
            for one in table.by_day or ()
            if one.day in (day_text(today), day_text(today - 1))
        )
        still = f"and it is STILL GOING ON: {plural(rows, 'surplus row')} yesterday and today"
    else:
        still = f"and none after {days[-1]}, {ago:,} days before this run"
    return _sentence([f"{begun}, {still}"])


def _why(report: Report) -> str:
    said = []
    causes: Counter[str] = Counter()
    proved = 0
    for table in report.summary.tables.values():
        for name, one in (table.causes or {}).items():
            causes[name] += one.proved + one.likely + one.none
            proved += one.proved
    if causes:
        total = sum(causes.values())
        told = ", ".join(f"{name} {number:,}" for name, number in causes.most_common())
        said.append(f"causes: {told} (of {plural(total, 'duplicate ID')}, {proved:,} proved by the logs)")
    elif _damaged(report):
        said.append("without logs causes are no more than likely")
    collisions = [table.collisions for table in report.summary.tables.values() if table.collisions]
    if collisions:
        keys = {", ".join(visible(name) for name in one.suggested_key) for one in collisions}
        key = f": make ({keys.pop()}) the key" if len(keys) == 1 else ""
        total = sum(one.ids for one in collisions)
        said.append(f"{plural(total, 'ID stands', 'IDs stand')} for different events{key}")
    bare = sorted({f"{one.source}.{one.target}" for one in report.findings if one.check == "missing_unique"})
    if bare:
        said.append(f"nothing keeps the ID unique in {', '.join(visible(one) for one in bare)}")
    return _sentence(said or ["there is nothing to explain"])


def _next(report: Report) -> tuple[str, ...]:
    commands = []
    worst = next((one for one in report.findings if one.check == "duplicate_ids" and len(one.key) == 1), None)
    if worst is not None:
        value = next(iter(worst.key.values()))
        if isinstance(value, str | int) and visible(value) == str(value):
            commands.append(f"dedupaudit explain {shlex.quote(str(value))}")
    if report.summary.findings:
        commands.append("dedupaudit audit --findings findings.csv")
    else:
        commands.append("dedupaudit audit --distrust-indexes")
    if len(commands) < 2:
        commands.append("dedupaudit audit -f json -o report.json")
    return tuple(commands[:2])


def _sentence(parts: list[str]) -> str:
    text = "; ".join(parts)
    return text[:1].upper() + text[1:] + "."
