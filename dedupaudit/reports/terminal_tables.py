"""The terminal's tables: how many rows are too many, of which kind, since when, and whether it goes on."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

from rich.text import Text

from dedupaudit.model import Collisions, DaySurplus, Report, TableSummary
from dedupaudit.reports.page import GOOD, HEADING, LOUD, QUIET, Page
from dedupaudit.reports.words import NOT_COUNTED, count, folded, listed, percent, plural

DAYS = 14
DETAILED = 6  # tables, the worst; the others have their figures
KINDS = 10

_HEADS = (
    "",
    "rows",
    "distinct\nIDs",
    "duplicate\nIDs",
    "surplus\nrows",
    "NULL\nIDs",
    "blank\nIDs",
    "counted\ntoo many",
)


def say_tables(page: Page, report: Report) -> None:
    """Say every table's totals, then the damage of those that have any."""
    tables = report.summary.tables
    if not tables:
        return
    page.blank()
    rows = [tuple(Text(head, style=QUIET) for head in _HEADS)]
    rows += [_totals(page, label, table) for label, table in tables.items()]
    complete = page.fits(rows)
    if not complete:
        # Long names and large figures: two columns become a line, where they have something to say.
        rows = [row[:5] + row[7:] for row in rows]
    page.grid(rows, "l" + "r" * (len(rows[0]) - 1))
    for label, table in () if complete else tables.items():
        without = listed({"NULL IDs": table.null_ids or 0, "blank IDs": table.blank_ids or 0})
        if without:
            page.line(f"{page.value(label)}: ", (without, LOUD), indent=2)
    _say_uncounted(page, report)
    damaged = [label for label, table in tables.items() if table.surplus_rows]
    worst = sorted(damaged, key=lambda label: -(tables[label].surplus_rows or 0))[:DETAILED]
    for label in damaged:
        if label in worst:
            _say_damage(page, report, label, tables[label])
    if len(damaged) > DETAILED:
        page.blank()
        page.line((f"{page.more} and {plural(len(damaged) - DETAILED, 'more damaged table')}", QUIET))


def _totals(page: Page, label: str, table: TableSummary) -> tuple[Text, ...]:
    damaged = bool(table.surplus_rows)
    figures = (
        table.rows, table.distinct_ids, table.duplicate_ids, table.surplus_rows, table.null_ids, table.blank_ids
    )  # fmt: skip
    alarming = (False, False, damaged, damaged, bool(table.null_ids), bool(table.blank_ids))
    cells = [
        Text(count(figure), style=LOUD if alarm else "" if figure is not None else QUIET)
        for figure, alarm in zip(figures, alarming, strict=True)
    ]
    inflation = Text(percent(table.inflation), style=LOUD if table.inflation else "" if damaged else QUIET)
    return (Text(page.value(label), style=HEADING, overflow="fold"), *cells, inflation)


def _say_uncounted(page: Page, report: Report) -> None:
    """Explain each `-`: who looked it up instead of counting, or why nobody could."""
    reasons: dict[str, list[str]] = {}
    for label, table in report.summary.tables.items():
        figures = (table.rows, table.duplicate_ids, table.null_ids, table.blank_ids)
        if None in figures:
            reasons.setdefault(_why_uncounted(report, label), []).append(page.value(label))
    for reason, labels in reasons.items():
        page.labelled((NOT_COUNTED, QUIET), (f"not counted ({reason}): {folded(labels, 6)}", QUIET), indent=2)


def _why_uncounted(report: Report, label: str) -> str:
    rows = [row for row in report.coverage if f"{row.source}.{row.target}" == label]
    if any(row.status in ("failed", "stopped") for row in rows):
        return "could not be read: see NOT CHECKED"
    if any(row.status == "checked" and row.strategy == "catalog" for row in rows if row.check == "duplicate_ids"):
        return "catalog look-up"
    return "not asked for"


def _say_damage(page: Page, report: Report, label: str, table: TableSummary) -> None:
    page.blank()
    parts: list[str | tuple[str, str]] = [(page.value(label), HEADING)]
    if table.inflation:
        parts += [": reports count ", (f"{percent(table.inflation)} too many", LOUD)]
    parts += [f" ({plural(table.surplus_rows or 0, 'surplus row')}"]
    parts += [f" of {plural(table.duplicate_ids, 'duplicate ID')})" if table.duplicate_ids else ")"]
    page.line(*parts)
    if table.by_group:
        _say_kinds(page, table)
    if table.by_day:
        _say_days(page, report, table.by_day)
    if table.collisions:
        _say_collisions(page, table.collisions)


def _say_collisions(page: Page, collisions: Collisions) -> None:
    """Say how often IDs stand for different events, how often they must, and which key would hold."""
    key = ", ".join(page.value(name, 60) for name in collisions.suggested_key)
    said = [f"{plural(collisions.ids, 'ID stands', 'IDs stand')} for different events ({percent(collisions.rate)})"]
    if collisions.expected is not None and collisions.events_per_second is not None:
        devices = f" from {plural(collisions.devices, 'device')}" if collisions.devices else ""
        said.append(
            f"the birthday bound of {collisions.events_per_second:,.2g} events a second{devices}"
            f" is {collisions.expected:,.2g}, and events that come in bursts collide more often"
        )
    page.line(("collisions: ", QUIET), "; ".join(said), f"; a key that holds: ({key})", indent=2)


def _say_kinds(page: Page, table: TableSummary) -> None:
    kinds = table.by_group or ()
    rows = [
        (
            Text(page.value(kind.group, 40), overflow="fold"),
            plural(kind.rows, "row"),
            plural(kind.distinct_ids, "event"),
            Text(f"+{percent(kind.inflation)}", style=LOUD if kind.inflation else QUIET),
        )
        for kind in kinds[:KINDS]
    ]
    page.line(("by kind", QUIET), indent=2)
    page.grid(rows, "lrrr", indent=4)
    if len(kinds) > KINDS:
        page.line((f"{page.more} and {plural(len(kinds) - KINDS, 'more kind')}", QUIET), indent=4)


def _say_days(page: Page, report: Report, days: tuple[DaySurplus, ...]) -> None:
    dated = sorted((day, row.surplus_rows) for row in days if (day := _date(row.day)))
    undated = sum(row.surplus_rows for row in days if not _date(row.day))
    page.line(("surplus rows by day (UTC)", QUIET), *_course(report, dated), indent=2)
    shown = dated[-DAYS:]
    earlier = dated[: len(dated) - len(shown)]
    most = max((surplus for _, surplus in shown), default=1)
    room = max(min(page.width - 36, 60), 10)
    rows: list[tuple[str | Text, str | Text, str | Text]] = []
    if earlier:
        total = sum(surplus for _, surplus in earlier)
        noun = plural(len(earlier), "earlier day")
        rows.append((Text(f"{page.more} and {noun}", style=QUIET), count(total), ""))
    before: date | None = None
    for day, surplus in shown:
        if before and (quiet := (day - before).days - 1) > 0:
            rows.append((Text(f"({plural(quiet, 'day')} without)", style=QUIET), "", ""))
        bar = page.bar * max(round(surplus / most * room), 1)
        rows.append((day.isoformat(), count(surplus), Text(bar, style="red")))
        before = day
    if undated:
        rows.append((Text("no time known", style=QUIET), count(undated), ""))
    if len(rows) > 1:
        page.grid(rows, "lrl", indent=4)


def _course(report: Report, dated: list[tuple[date, int]]) -> Iterator[str | tuple[str, str]]:
    """Say when it began and whether it goes on, by the day on which the run was made."""
    run = _date(report.run.started_at[:10])
    if not dated or run is None:
        return
    first, last = dated[0][0], dated[-1][0]
    yield f": since {first}, " if first < last else ": "
    if last >= run - timedelta(days=1):
        when = "the day of this run" if last >= run else "the day before this run"
        yield (f"and it goes on: last on {last}, {when}" if first < last else f"on {last}, {when}", LOUD)
    else:
        word = "none after" if first < last else "only on"
        yield (f"{word} {last}, {plural((run - last).days, 'day')} before this run", GOOD)


def _date(text: str | None) -> date | None:
    try:
        return date.fromisoformat(text or "")
    except ValueError:
        return None
