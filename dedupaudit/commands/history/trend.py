"""The runs of the history as a table with sparklines for people, and as a document for programs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict

from dedupaudit.display import to_ascii, visible
from dedupaudit.history.past import PastRun, Pruned
from dedupaudit.reports.words import count, parsed, plural

_BARS, _ASCII_BARS = "▁▂▃▄▅▆▇█", "_.-:=+*#"
_POINTS = 60
_SERIES = 8

Column = tuple[str, Callable[[PastRun], str], bool]
"""The heading, a run's cell, and whether it is a figure."""

_COLUMNS: tuple[Column, ...] = (
    ("RUN", lambda one: visible(one.id), False),
    ("ENDED (UTC)", lambda one: _when(one.finished_at), False),
    ("COMMAND", lambda one: visible(one.command), False),
    ("SOURCES", lambda one: visible(", ".join(one.sources), 40), False),
    ("EXIT", lambda one: str(one.exit_code), True),
    ("WHOLE", lambda one: "yes" if one.complete else "NO", False),
    ("HIGH", lambda one: count(one.by_severity["high"]), True),
    ("MED", lambda one: count(one.by_severity["medium"]), True),
    ("LOW", lambda one: count(one.by_severity["low"]), True),
    ("NEW", lambda one: count(one.new), True),
    ("GONE", lambda one: count(one.gone), True),
    ("STILL", lambda one: count(one.still), True),
)
_OF_TABLE: tuple[Column, ...] = (
    *_COLUMNS[:6],
    ("CONFIRMED", lambda one: count(one.confirmed), True),
    *_COLUMNS[9:],
)
_FIRST_LEFT_OUT = ("ENDED (UTC)", "SOURCES")


def trend_lines(past: Sequence[PastRun], width: int, table: str | None, nothing: str, *, unicode: bool) -> list[str]:
    """Return the table, the newest run last, and below it a sparkline of each kind of run."""
    if not past:
        return [nothing if table is None else f"no kept run has looked at {visible(table)}"]
    columns = _COLUMNS if table is None else _OF_TABLE
    for heading in _FIRST_LEFT_OUT:
        if _width(columns, past) > width:
            columns = tuple(column for column in columns if column[0] != heading)
    gap = "  " if _width(columns, past) <= width else " "
    lines = [*_rows(columns, past, gap), "", *_sparklines(past, table, _BARS if unicode else _ASCII_BARS, width)]
    return lines if unicode else [to_ascii(line) for line in lines]


def _cells(column: Column, past: Sequence[PastRun]) -> list[str]:
    return [column[0], *map(column[1], past)]


def _width(columns: Sequence[Column], past: Sequence[PastRun]) -> int:
    return sum(max(map(len, _cells(column, past))) for column in columns) + 2 * (len(columns) - 1)


def _rows(columns: Sequence[Column], past: Sequence[PastRun], gap: str) -> list[str]:
    aligned = []
    for column in columns:
        cells = _cells(column, past)
        wide = max(map(len, cells))
        aligned.append([cell.rjust(wide) if column[2] else cell.ljust(wide) for cell in cells])
    return [gap.join(row).rstrip() for row in zip(*aligned, strict=True)]


def _when(moment: str) -> str:
    found = parsed(moment)
    return f"{found:%Y-%m-%d %H:%M}" if found else visible(moment)


def _sparklines(past: Sequence[PastRun], table: str | None, bars: str, width: int) -> list[str]:
    """Return a trend for each command and its sources: runs over different sources have none in common."""
    series: dict[tuple[str, tuple[str, ...], tuple[str, ...]], list[PastRun]] = {}
    for one in past:
        series.setdefault((one.command, one.sources, one.places), []).append(one)
    alike = Counter(key[:2] for key in series)
    points = max(min(_POINTS, width - 20), 8)
    lines = []
    for (command, sources, _places), runs in list(series.items())[-_SERIES:]:
        found = [one.findings if table is None else one.confirmed for one in runs][-points:]
        new = [one.new for one in runs][-points:]
        what = f"{visible(command)} of {visible(', '.join(sources), 60)}" if sources else visible(command)
        # Two databases of one name: which of them it is, its newest run says.
        which = f", the last {visible(runs[-1].id)}" if alike[command, sources] > 1 else ""
        lines += [
            f"{what}, {plural(len(found), 'run')}{which}",
            f"  findings  {sparkline(found, bars)}  {_range(found)}",
            f"  new       {sparkline(new, bars)}  {_range(new)}",
        ]
    return lines


def sparkline(values: Sequence[int | None], bars: str = _BARS) -> str:
    """Return a bar for each value, the highest for the largest, the lowest for 0 alone; a space where none is known."""
    most = max((value for value in values if value is not None), default=0)
    return "".join(_bar(value, most, bars) for value in values)


def _bar(value: int | None, most: int, bars: str) -> str:
    if value is None:
        return " "
    return bars[0] if value <= 0 else bars[max(1, round(value / most * (len(bars) - 1)))]


def _range(values: Sequence[int | None]) -> str:
    known = [value for value in values if value is not None]
    if not known:
        return "not all findings were seen"
    newest = count(values[-1])
    return newest if min(known) == max(known) else f"{min(known):,} to {max(known):,}, now {newest}"


def run_json(one: PastRun) -> dict[str, object]:
    """Return a run as a document."""
    told = {name: value for name, value in asdict(one).items() if name != "places"}
    return {**told, "sources": list(one.sources), "still": one.still}


def pruned_lines(pruned: Pruned, store: str, *, dry_run: bool) -> list[str]:
    """Say what was removed."""
    if not pruned.runs:
        return [f"no run in {store} is old enough: nothing {'would be' if dry_run else 'was'} removed"]
    ends = f"from {_when(pruned.oldest or '')} to {_when(pruned.newest or '')} UTC"
    gone = f"; {plural(pruned.episodes, 'finding')} that had gone before" if pruned.episodes else ""
    done = "would be removed" if dry_run else "removed"
    return [f"{done}: {plural(pruned.runs, 'run')} {ends}{gone}", "what is open stays known"]
