"""What the HTML page draws: inflation by kind, surplus rows by day, causes, and how long the gaps were."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from itertools import dropwhile
from math import isfinite

from dedupaudit.display import visible
from dedupaudit.model import GapCount, Report, TableSummary
from dedupaudit.reports.html_charts import Chart, Series, lying_bars, standing_bars
from dedupaudit.reports.html_findings import Gathered
from dedupaudit.reports.words import NOT_COUNTED, count, percent, plural

_TABLES = 4
_KINDS = 12
_DAYS = 60
_LISTED_DAYS = 400
_CAUSES = 10
_EDGES = (0, 1, 5, 10, 20, 25, 29, 31, 35, 40, 60, 90, 120, 300, 3_600, 86_400)
"""Seconds. Fine around 30, the usual timeout of a client, where a spike tells the story."""


def figures(report: Report, gathered: Gathered) -> list[Chart]:
    """Return the charts that have something to show."""
    return [
        *_kinds(report),
        *_days(report),
        *_causes(report),
        *_log_gaps(report),
        *_row_gaps(gathered),
    ]


def _damaged(report: Report) -> list[tuple[str, TableSummary]]:
    tables = [(label, table) for label, table in report.summary.tables.items() if table.surplus_rows]
    return sorted(tables, key=lambda one: -(one[1].surplus_rows or 0))


def _kinds(report: Report) -> Iterator[Chart]:
    with_kinds = [(label, table.by_group) for label, table in _damaged(report) if table.by_group]
    for number, (label, groups) in enumerate(with_kinds[:_TABLES]):
        worst = sorted((one for one in groups if isfinite(one.inflation)), key=lambda one: -one.inflation)[:_KINDS]
        if not worst or worst[0].inflation <= 0:
            continue
        title = f"Inflation by kind: {visible(label, 60)}"
        names = [visible(one.group) for one in worst]
        rest = len(groups) - len(worst)
        yield Chart(
            title=title,
            note="Surplus rows for each distinct ID of a kind: by so much its count is too high."
            + (f" The worst {len(worst)} of {plural(len(groups), 'kind')}." if rest else ""),
            svg=lying_bars(f"kinds-{number}", title, names, [Series("", [one.inflation for one in worst])], percent),
            heads=("Kind", "Inflation", "Rows", "Distinct IDs"),
            rows=tuple(
                (name, percent(one.inflation), count(one.rows), count(one.distinct_ids))
                for name, one in zip(names, worst, strict=True)
            ),
        )


def _days(report: Report) -> Iterator[Chart]:
    """Draw the last days, those without a surplus row too, so that a pause is seen; the table has them all."""
    by_table: dict[str, Counter[date]] = {}
    undated = 0
    for label, table in _damaged(report):
        for row in table.by_day or ():
            day = _date(row.day)
            if day is None:
                undated += row.surplus_rows
            else:
                by_table.setdefault(_folded(label, by_table), Counter())[day] += row.surplus_rows
    days = sorted({day for counter in by_table.values() for day in counter})
    if not days:
        return
    last = days[-1]
    first = max(days[0], last - timedelta(days=_DAYS - 1)) if last.toordinal() > _DAYS else days[0]
    shown = [first + timedelta(days=number) for number in range((last - first).days + 1)]
    title = "Surplus rows by day (UTC)"
    series = [Series(label, [counter[day] for day in shown]) for label, counter in by_table.items()]
    earlier = sum(number for counter in by_table.values() for day, number in counter.items() if day < first)
    notes = [
        "The day on which the rows that are too many were written.",
        f"{plural(earlier, 'row')} of earlier days are in the table below." if earlier else "",
        f"{plural(undated, 'row')} without a time." if undated else "",
    ]
    yield Chart(
        title=title,
        note=" ".join(note for note in notes if note),
        svg=standing_bars("days", title, [f"{day:%m-%d}" for day in shown], series, lambda value: f"{value:,.0f}"),
        heads=("Day", *by_table),
        rows=tuple(
            (day.isoformat(), *(count(counter[day]) for counter in by_table.values())) for day in days[-_LISTED_DAYS:]
        ),
        legend=tuple(by_table) if len(by_table) > 1 else (),
    )


def _folded(label: str, known: Mapping[str, object]) -> str:
    shown = visible(label, 60)
    return shown if shown in known or len(known) < _TABLES else "other tables"


def _date(text: str | None) -> date | None:
    try:
        return date.fromisoformat(text or "")
    except ValueError:
        return None


def _causes(report: Report) -> Iterator[Chart]:
    sure: dict[str, Counter[str]] = {}
    for table in report.summary.tables.values():
        for name, one in (table.causes or {}).items():
            sure.setdefault(visible(name, 60), Counter()).update(proved=one.proved, likely=one.likely, none=one.none)
    worst = sorted((one for one in sure.items() if one[1].total() > 0), key=lambda one: -one[1].total())[:_CAUSES]
    if not worst:
        return
    levels = [level for level in ("proved", "likely", "none") if any(counter[level] for _, counter in worst)]
    words = {"proved": "proved by the logs", "likely": "likely, by times and rows", "none": "not explained"}
    title = "Duplicate IDs by cause"
    series = [Series(level, [counter[level] for _, counter in worst]) for level in levels]
    yield Chart(
        title=title,
        note="Why an ID is stored more than once, and how sure that is.",
        svg=lying_bars("causes", title, [name for name, _ in worst], series, lambda value: f"{value:,.0f}"),
        heads=("Cause", "Proved", "Likely", "Not explained"),
        rows=tuple((name, count(one["proved"]), count(one["likely"]), count(one["none"])) for name, one in worst),
        legend=tuple(words[level] for level in levels),
    )


def _log_gaps(report: Report) -> Iterator[Chart]:
    gaps = report.summary.logs.gaps if report.summary.logs else None
    if gaps is None:
        return
    told = (
        (
            "requeue-gaps",
            "From a send to its re-queue",
            "How long clients waited before they gave up.",
            gaps.send_to_requeue,
        ),
        (
            "resend-gaps",
            "From a re-queue to the next send",
            "How long IDs then waited to be sent again.",
            gaps.requeue_to_send,
        ),
    )
    for name, title, note, some in told:
        yield from _histogram(name, title, note, [(_span(one), one.count) for one in some if one.count > 0])


def _row_gaps(gathered: Gathered) -> Iterator[Chart]:
    """Draw how far apart the first and the last row of an ID are; each class between two that are filled is shown."""
    classes: Counter[int] = Counter()
    for seconds, number in gathered.gaps.items():
        if isfinite(seconds) and seconds >= 0:
            classes[bisect_right(_EDGES, seconds) - 1] += number
    if not classes:
        return
    whole = [
        GapCount.model_validate({"from": edge, "to": to, "count": classes[at]})
        for at, (edge, to) in enumerate(zip(_EDGES, [*_EDGES[1:], None], strict=True))
    ]
    some = list(dropwhile(lambda one: not one.count, whole[: max(classes) + 1]))
    note = "From the first row of an ID to its last; a retry shows as a spike just above the client's timeout."
    yield from _histogram(
        "row-gaps", "Gaps between the rows of one ID", note, [(_span(one), one.count) for one in some]
    )


def _histogram(name: str, title: str, note: str, classes: Sequence[tuple[str, int]]) -> Iterable[Chart]:
    if not classes:
        return []
    labels = [label for label, _ in classes]
    svg = lying_bars(
        name, title, labels, [Series("", [number for _, number in classes])], lambda value: f"{value:,.0f}"
    )
    rows = tuple((label, count(number)) for label, number in classes)
    return [Chart(title=title, note=note, svg=svg, heads=("Gap", "How often"), rows=rows)]


def _span(gap: GapCount) -> str:
    if not isfinite(gap.from_):
        return NOT_COUNTED
    if gap.to is None:
        return f"{gap.from_:g} s and more"
    return f"{gap.from_:g} to {gap.to:g} s"
