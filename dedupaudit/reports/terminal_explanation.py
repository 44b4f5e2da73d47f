"""The terminal's story of one ID: a timeline with its gaps marked, what it comes to, and what to do."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from rich.text import Text

from dedupaudit.model import Explanation, Moment, Report
from dedupaudit.reports.page import GOOD, HEADING, LOUD, QUIET, Page
from dedupaudit.reports.terminal_coverage import say_not_checked
from dedupaudit.reports.words import length, parsed

_LONG = 5.0  # seconds in which nothing happened that are marked
_STYLES = {"row": "bold yellow", "object": "cyan", "log": ""}


def say_explanation(page: Page, report: Report, told: Explanation) -> None:
    """Say the moments in their order, then the verdict and the advice."""
    page.blank()
    page.line((page.value(told.id), HEADING))
    page.blank()
    if told.timeline:
        page.grid(_lines(page, told), "rlll" + ("l" if page.wide else ""), indent=2)
    else:
        page.line("No source tells of it.", indent=2)
    page.blank()
    damaged = told.cause is not None
    page.labelled(("VERDICT", LOUD if damaged else GOOD), page.prose(told.verdict), indent=9)
    page.labelled((f"      {page.advice}", "cyan"), page.prose(told.advice), indent=9)
    say_not_checked(page, report)


def _lines(page: Page, told: Explanation) -> Iterator[list[Text]]:
    earlier: Moment | None = None
    for moment in told.timeline:
        gap = _gap(earlier, moment)
        at = parsed(moment.at)
        if at and (earlier is None or _day(earlier) != at.date()):
            yield _row(page, "", f"{at:%Y-%m-%d}", "", "", "", style=QUIET)
        if gap is not None and gap >= _LONG:
            yield _row(page, "", f"{page.more} {length(gap)}", "", "", "", style=QUIET)
        yield _told(page, moment, at)
        earlier = moment


def _told(page: Page, moment: Moment, at: datetime | None) -> list[Text]:
    offset = "" if moment.offset_seconds is None else f"T+{_offset(moment.offset_seconds)}"
    clock = f"{at:%H:%M:%S}.{at.microsecond // 1000:03d}" if at else "no time"
    style = _STYLES.get(moment.kind, "")
    where = page.value(moment.where, 160)
    text = Text(page.prose(moment.text), style=style, overflow="fold")
    source = page.value(moment.source, 40)
    cells = [Text(offset, style=HEADING), Text(clock), Text(source, style=QUIET, overflow="fold")]
    if page.wide:
        return [*cells, text, Text(where, style=QUIET, overflow="fold")]
    text.append("\n" + where, style=QUIET)
    return [*cells, text]


def _offset(seconds: float) -> str:
    """Return `0`, `13 ms`, `30.0 s`, `120.0 s`: figures that can be compared down the column."""
    if seconds == 0:
        return "0"
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    return f"{seconds:,.1f} s" if seconds < 3600 else length(seconds)


def _row(page: Page, *cells: str, style: str) -> list[Text]:
    return [Text(cell, style=style) for cell in cells[: 5 if page.wide else 4]]


def _gap(earlier: Moment | None, later: Moment) -> float | None:
    if earlier is None or earlier.offset_seconds is None or later.offset_seconds is None:
        return None
    return later.offset_seconds - earlier.offset_seconds


def _day(moment: Moment) -> object:
    at = parsed(moment.at)
    return at.date() if at else None
