"""The terminal's part about logs: what they hold, how long things took, and where re-queues happened."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.text import Text

from dedupaudit.model import GapCount, LogsSummary, Report
from dedupaudit.reports.page import HEADING, LOUD, QUIET, Page
from dedupaudit.reports.words import listed, plural, size

_MOST = 5
_WORST_FILES = 8


def say_logs(page: Page, report: Report) -> None:
    """Say the totals, the gaps as bars (a spike at 30 s tells the story), and the worst files, devices and hours."""
    logs = report.summary.logs
    if logs is None:
        return
    page.blank()
    page.line(
        ("logs", HEADING),
        f"  {plural(logs.files, 'file')}, {plural(logs.lines, 'line')}, {size(logs.bytes)} unpacked",
    )
    told = {name: number for name, number in logs.events.items() if number}
    page.line(listed(told) or "no event", indent=2)
    _say_ids(page, logs)
    _say_skew(page, logs.clock_skew)
    if logs.gaps:
        _say_gaps(page, "from a send to its re-queue", logs.gaps.send_to_requeue)
        _say_gaps(page, "from a re-queue to the next send", logs.gaps.requeue_to_send)
    if report.run.command == "logs":
        _say_places(page, logs)


def _say_ids(page: Page, logs: LogsSummary) -> None:
    facts = (
        (logs.requeued_ids, "ID", "re-queued by a client"),
        (logs.repeatedly_received_ids, "ID", "received more than once"),
        (logs.overlapping_ids, "ID", "sent again while an upload still ran"),
        (logs.lost_answers, "answer", "lost"),
        (logs.sent_never_received_ids, "ID", "sent, and never received"),
        (logs.received_never_sent_ids, "ID", "received, whose send no log has"),
    )
    rows = [
        (Text(f"{number:,}", style="bold"), Text(f"{thing if number == 1 else f'{thing}s'} {what}"))
        for number, thing, what in facts
        if number
    ]
    if rows:
        page.grid(rows, "rl", indent=2)


def _say_skew(page: Page, skew: Mapping[str, float]) -> None:
    for stream, ahead in list(skew.items())[:_MOST]:
        way = "ahead of" if ahead > 0 else "behind"
        page.line((f"{page.value(stream, 160)}: its clock is {abs(ahead):,.1f} s {way} the backend's", QUIET), indent=2)


def _say_gaps(page: Page, title: str, gaps: Sequence[GapCount]) -> None:
    if not gaps:
        return
    page.line((title, QUIET), indent=2)
    most = max(gap.count for gap in gaps)
    widest = max(20, min(page.width - 40, 60))
    rows = []
    for gap in gaps:
        bar = page.bar * max(1, round(gap.count / most * widest))
        rows.append((Text(_class(gap)), Text(f"{gap.count:,}"), Text(bar, style="yellow")))
    page.grid(rows, "rrl", indent=4)


def _class(gap: GapCount) -> str:
    if gap.to is None:
        return f"{gap.from_:g} s and more"
    return f"{gap.from_:g} to {gap.to:g} s"


def _say_places(page: Page, logs: LogsSummary) -> None:
    files = sorted(logs.by_file, key=lambda one: -one.requeues)
    shown = [one for one in files if one.requeues or one.damage or len(files) <= _WORST_FILES][:_WORST_FILES]
    if shown:
        page.line(("by file", QUIET), indent=2)
    for file in shown:
        coded = file.encoding if file.compression == "none" else f"{file.encoding}, {file.compression}"
        said = f"{plural(file.requeues, 're-queue')}, {plural(file.events, 'event')}, {plural(file.lines, 'line')}"
        page.line(
            page.value(file.file, 160),
            (f"  {said} ({coded})", QUIET),
            (f"  {page.prose(file.damage)}" if file.damage else "", LOUD),
            indent=4,
        )
    if len(files) > len(shown):
        page.line((f"{page.more} and {plural(len(files) - len(shown), 'more file')}", QUIET), indent=4)
    _say_counts(page, "re-queues by device", logs.requeues_by_device)
    _say_counts(page, "worst hours (UTC)", logs.requeues_by_hour)


def _say_counts(page: Page, title: str, counts: Mapping[str, int]) -> None:
    if not counts:
        return
    worst = sorted(counts.items(), key=lambda one: (-one[1], one[0]))[:_MOST]
    said = ", ".join(f"{page.value(name, 40)} {number:,}" for name, number in worst)
    more = f", {page.more}" if len(counts) > len(worst) else ""
    page.line((f"{title}: ", QUIET), f"{said}{more}", indent=2)
