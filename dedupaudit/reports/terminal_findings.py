"""The terminal's findings: by severity and check, counted, with the worst keys and what to do about them."""

from __future__ import annotations

from rich.text import Text

from dedupaudit.model import SEVERITIES, Finding, Report
from dedupaudit.reports.page import HEADING, QUIET, SEVERITY_STYLES, Page
from dedupaudit.reports.terminal_groups import WORST, Group, Place, grouped, place_of
from dedupaudit.reports.words import folded, is_store, length, listed, parsed, place, plural, raw

EXAMPLES = 3
ADVICE = 3
_MARGIN = 8  # what a severity takes, with a space after it

_CLASS_STYLES = {"conflicting": "bold red", "mergeable": "yellow"}
_CLASSES = ("identical", "mergeable", "conflicting")
_UNSURE = {"in_grace": "in grace", "unknown": "not confirmed"}


def say_findings(page: Page, report: Report) -> None:
    """Say each group of findings, the most severe first, in the order in which the checks ran."""
    groups = grouped(report.findings)
    order = {check: number for number, check in enumerate(report.summary.by_check)}
    for severity, check in sorted(groups, key=lambda group: (SEVERITIES.index(group[0]), order.get(group[1], 99))):
        _say_group(page, report, groups[severity, check])
    _say_cut(page, report, {check for _, check in groups})


def _say_group(page: Page, report: Report, group: Group) -> None:
    first = group.first
    # Exact, unlike what the report holds; a check has one severity.
    total = max(report.summary.by_check.get(first.check, 0), group.held)
    page.blank()
    page.labelled(
        (first.severity.upper(), SEVERITY_STYLES[first.severity]),
        (page.value(first.check), HEADING),
        f"  {plural(total, 'finding')}",
        (f", {group.held:,} of them in this report" if total > group.held else "", QUIET),
        indent=_MARGIN,
    )
    _say_counts(page, report, group)
    if group.has_classes:
        _say_worst(page, group)
    else:
        _say_examples(page, group)
    _say_advice(page, group)


def _say_counts(page: Page, report: Report, group: Group) -> None:
    """Say classes, verdicts and causes, table by table where there are several."""
    order = {label: number for number, label in enumerate(report.summary.tables)}
    places = sorted(group.places.items(), key=lambda item: order.get(".".join(item[0]), len(order)))
    for where, tally in places[:WORST]:
        unsure = {_UNSURE[verdict]: number for verdict, number in tally.verdicts.items() if verdict in _UNSURE}
        causes = {f"{page.value(name)} ({sure})": number for (name, sure), number in tally.causes.most_common(4)}
        facts = [
            listed({name: tally.classes[name] for name in _CLASSES}),
            listed(unsure),
            f"causes: {listed(causes)}" if causes else "",
        ]
        if any(facts) and (len(places) > 1 or tally.classes or causes or group.held > EXAMPLES):
            page.line(f"{_table(page, where)}: ", "; ".join(fact for fact in facts if fact), indent=_MARGIN)


def _say_worst(page: Page, group: Group) -> None:
    """Say the keys with the most rows; a line each where there is room, else two."""
    worst = group.worst
    several = len(group.places) > 1
    if page.wide:
        wide = [_wide_row(page, one, several) for one in worst]
        page.grid(wide, "r" + "l" * (len(wide[0]) - 1), indent=_MARGIN)
    else:
        page.grid([_narrow_row(page, one, several) for one in worst], "rl", indent=_MARGIN)
    _say_rest(page, group.held - len(worst))


def _wide_row(page: Page, finding: Finding, several: bool) -> list[Text]:
    cells = [
        Text(f"{finding.count:,} x"),
        Text(_key(page, finding), style=HEADING, overflow="fold"),
        Text.assemble((finding.row_class or "", _CLASS_STYLES.get(finding.row_class or "", "")), _news(finding)),
        Text(_when(page, finding)),
        Text(_differs(page, finding) + _unsure(finding), overflow="fold"),
    ]
    return [*cells, Text(_table(page, place_of(finding)), style=QUIET, overflow="fold")] if several else cells


def _narrow_row(page: Page, finding: Finding, several: bool) -> list[Text]:
    body = Text(overflow="fold")
    body.append(_key(page, finding), style=HEADING)
    body.append(f"  {finding.row_class or ''}", style=_CLASS_STYLES.get(finding.row_class or "", ""))
    body.append(*_news(finding))
    body.append(_unsure(finding))
    facts = [
        _when(page, finding),
        _differs(page, finding),
        _table(page, place_of(finding)) if several else "",
    ]
    if said := page.dot.join(fact for fact in facts if fact):
        body.append("\n" + said, style=QUIET)
    return [Text(f"{finding.count:,} x"), body]


def _say_examples(page: Page, group: Group) -> None:
    """Say a few messages; the same one about several tables is said once."""
    one_store = len(group.places) == 1 and is_store(group.first.source, group.first.target)
    shown = 0
    for message in group.messages[:EXAMPLES]:
        first = message.first
        # A store's URL before each of its keys says nothing new where there is no other store.
        told = "" if one_store else f"{folded((_table(page, where) for where in message.places), 4)}: "
        page.line((told, QUIET), page.prose(first.message) + _unsure(first), _news(first), indent=_MARGIN)
        shown += message.findings
    _say_rest(page, group.held - shown)


def _say_rest(page: Page, number: int) -> None:
    if number > 0:
        page.line((f"{page.more} and {number:,} more", QUIET), indent=_MARGIN)


def _say_advice(page: Page, group: Group) -> None:
    """Say each suggestion once; where classes differ in it, say for which."""
    for suggestion, classes in list(group.advice.items())[:ADVICE]:
        told = ", ".join(sorted(classes - {""}))
        prefix = f"{told}: " if len(group.advice) > 1 and told else ""
        page.labelled((f"{' ' * _MARGIN}{page.advice}", "cyan"), prefix + page.prose(suggestion), indent=_MARGIN + 2)
    if len(group.advice) > ADVICE:
        more = plural(len(group.advice) - ADVICE, "more suggestion")
        page.line((f"{page.more} and {more}", QUIET), indent=_MARGIN)


def _say_cut(page: Page, report: Report, shown: set[str]) -> None:
    """Say what the report leaves out, and how to get it."""
    for check, number in report.summary.by_check.items():
        if number and check not in shown:
            page.blank()
            page.line(
                (page.value(check), HEADING),
                f"  {plural(number, 'finding')}, none of them in this report",
                indent=_MARGIN,
            )
    if report.truncated:
        page.blank()
        page.line(
            f"This report holds {len(report.findings):,} of {plural(report.summary.findings, 'finding')}; ",
            ("--findings FILE", HEADING),
            " writes every one (.jsonl, .csv or .parquet).",
        )


def _table(page: Page, where: Place) -> str:
    return page.value(place(*where), 160)


def _unsure(finding: Finding) -> str:
    return f" ({_UNSURE[finding.verdict]})" if finding.verdict in _UNSURE else ""


def _news(finding: Finding) -> tuple[str, str]:
    return ("  NEW", "bold red") if finding.news == "new" else ("", "")


def _differs(page: Page, finding: Finding) -> str:
    return "differs in " + folded((page.value(name, 40) for name in finding.differs), 4) if finding.differs else ""


def _key(page: Page, finding: Finding) -> str:
    """Return the ID; of a composite key, each part under its column."""
    parts = list(finding.key.items())
    if len(parts) == 1:
        return page.value(raw(parts[0][1]))
    return ", ".join(f"{page.value(name, 40)}={page.value(raw(value), 40)}" for name, value in parts)


def _when(page: Page, finding: Finding) -> str:
    """Return first and last time and what lies between; the second day is said only where it is another."""
    first, last = parsed(finding.first_at), parsed(finding.last_at)
    if not first or not last:
        return page.value(finding.first_at or finding.last_at or "") if finding.first_at or finding.last_at else ""
    if finding.gap_seconds == 0:
        return f"{first:%Y-%m-%d %H:%M:%S}, same moment"
    until = f"{last:%H:%M:%S}" if first.date() == last.date() else f"{last:%Y-%m-%d %H:%M:%S}"
    gap = length(finding.gap_seconds)
    return f"{first:%Y-%m-%d %H:%M:%S} {page.arrow} {until}" + (f" ({gap})" if gap else "")
