"""What a drill says to people: first what holds and what does not, then the table, the holes and where it was."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from shlex import quote
from typing import TYPE_CHECKING

from dedupaudit.display import visible
from dedupaudit.drill.answering import would_duplicate
from dedupaudit.drill.protocol import DrillResult, Hole, StrategyResult, TableShape
from dedupaudit.drill.scenario import ENOUGH_IDS
from dedupaudit.reports.prose import labelled, prose
from dedupaudit.reports.words import NOT_COUNTED, count, length, plural

if TYPE_CHECKING:
    from dedupaudit.drill.run import DrillRequest

BESIDES = 8
"""Sessions beside the writers': of those that sleep or were killed just now, of the scratch's lock, of the audit."""

TEXTBOOK = "The textbook's versions, and their holes:"
_LABEL = 13
_VERDICTS = {
    "holds": "holds",
    "broken": "BROKEN",
    "hole_shown": "hole shown",
    "hole_not_shown": "not shown",
    "skipped": "not tried",
    "unknown": "UNCLEAR",
}
_HEADS = (
    "requests", "rows", "dupli-\ncates", "lost", "objects", "double\nuploads", "wrong\nanswers", "stuck",
    "dead-\nlocks", "per\nsecond", "p50\nms", "p99\nms",
)  # fmt: skip
_STORED = 8
"""So many of the columns say what was stored and answered; the rest, how fast."""
_HOLES = {
    "duplicates": ("surplus row", "surplus rows"),
    "lost": ("lost event", "lost events"),
    "wrong_answers": ("wrong answer", "wrong answers"),
    "double_uploads": ("double upload", "double uploads"),
    "stuck": ("stuck row", "stuck rows"),
    "orphans": ("orphaned object", "orphaned objects"),
    "missing": ("missing object", "missing objects"),
}
"""What went wrong, in words. What could not be judged is none of them: the reason tells it."""


def offer(request: DrillRequest) -> str:
    """Return what is about to be done, and what it asks of the server."""
    url = request.database.url
    place = "a temporary folder" if url.scheme == "sqlite" else visible(url.shown(), 300)
    store = request.objects.url if request.objects else None
    objects = f", objects below dedupaudit-drill-…/ in {visible(store, 300)}" if store else ""
    return (
        f"drill: makes a scratch of its own, dedupaudit_drill_…, in {place}{objects}, and removes it at the end; up to"
        f" {plural(request.writers + BESIDES, 'session')} at once write there as fast as they can"
    )


def drill_lines(result: DrillResult, width: int = 80, where: str = "") -> list[str]:
    """Return what a drill found; `where` are the options that name the database, for a command to be typed next."""
    lines = _verdict(result, width) if result.against is None else _answer(result, result.against, width)
    lines += ["", *_table(result, width)]
    lines += _explained(result, width)
    if result.against is not None:
        lines += ["", *_copied(result.against, width)]
        if would_duplicate(result):
            name = quote(visible(result.against.table))
            lines += [
                "",
                "The way out, with writers running, by the migrator's login:",
                f"  dedupaudit migrate plan {name}{where}",
            ]
    return [*lines, "", *_place(result, width), *leftover_lines(result.leftovers, width, where)]


def leftover_lines(leftovers: Sequence[str], width: int, where: str = "") -> list[str]:
    """Return what killed drills left, and the command that removes it; nothing where there is nothing."""
    if not leftovers:
        return []
    names = ", ".join(visible(name) for name in leftovers)
    return [
        "",
        *prose(f"Left behind by killed drills: {names}.", width),
        "Remove it all:",
        f"  dedupaudit drill --clean{where}",
    ]


def cleaned_lines(removed: Sequence[str], width: int = 80) -> list[str]:
    """Return what `--clean` took away."""
    if not removed:
        return ["Nothing to remove: no drill left anything behind."]
    names = ", ".join(visible(name) for name in removed)
    return prose(f"Removed what {plural(len(removed), 'killed drill')} left behind: {names}.", width)


# ---- the first sentence


def _verdict(result: DrillResult, width: int) -> list[str]:
    """Say what holds, what does not, and what was not tried."""
    by_verdict = {verdict: [one for one in result.strategies if one.verdict == verdict] for verdict in _VERDICTS}
    held, broken, unclear = by_verdict["holds"], by_verdict["broken"], by_verdict["unknown"]
    said = [f"DOES NOT HOLD: {_with_holes(broken)}."] if broken else []
    said += [f"UNCLEAR: {_with_holes(unclear)}."] if unclear else []
    if held:
        # The bar that a drill sets; each figure is in the table.
        requests = sum(one.requests or 0 for one in held)
        said.append(
            f"Holds: {_names(held)}. No duplicate, nothing lost and no wrong answer in {plural(requests, 'request')}."
        )
        if result.ids < ENOUGH_IDS:
            said.append(f"So few IDs do not meet every fault: --ids {ENOUGH_IDS} or more do.")
    elif not broken and not unclear:
        said.append("No recommended strategy was tried, so this says nothing of what to use.")
    if by_verdict["hole_not_shown"]:
        said.append(f"Showed no hole this time, which proves nothing: {_names(by_verdict['hole_not_shown'])}.")
    if skipped := by_verdict["skipped"]:
        reasons = dict.fromkeys(one.reason for one in skipped)
        told = "; ".join(
            f"{_names([one for one in skipped if one.reason == reason])} ({visible(reason, 300)})" for reason in reasons
        )
        said.append(f"Not tried: {told}.")
    return [line for sentence in said for line in prose(sentence, width, indent=2)]


def _answer(result: DrillResult, shape: TableShape, width: int) -> list[str]:
    """Answer the question that --against asks."""
    question = f"Would a retry duplicate in {visible(shape.table)} today?"
    (one,) = result.strategies
    key = ", ".join(map(visible, shape.key))
    requests = plural(one.requests or 0, "request")
    if (duplicates := would_duplicate(result)) is None:
        answer = f"It cannot be said: {visible(one.reason, 600) or 'see below'}."
    elif duplicates:
        answer = f"YES: {plural(one.duplicates or 0, 'surplus row')} of ({key}) went in, in {requests}."
    else:
        answer = f"No: not one second row of ({key}) went in, in {requests}."
    lines = prose(f"{question} {answer}", width, indent=2)
    others = _seen(hole for hole in one.holes if hole.what != "duplicates")
    if others and duplicates is not None:
        lines += prose(f"But: {others}.", width, indent=2)
    return lines


def _names(results: Iterable[StrategyResult]) -> str:
    return ", ".join(one.strategy.name for one in results)


def _with_holes(results: Sequence[StrategyResult]) -> str:
    told = ((one, _seen(one.holes) or visible(one.reason, 300)) for one in results)
    return "; ".join(f"{one.strategy.name} ({seen})" if seen else one.strategy.name for one, seen in told)


def _seen(holes: Iterable[Hole]) -> str:
    return "; ".join(
        f"{plural(hole.count, *_HOLES[hole.what])}, such as {visible(hole.example, 60)}"
        for hole in holes
        if hole.what in _HOLES
    )


# ---- the table


def _table(result: DrillResult, width: int) -> Iterator[str]:
    """Yield one table: a row a strategy where there is room, else its speed on a line below."""
    ran = [one for one in result.strategies if one.verdict != "skipped"]
    recommended = [one for one in ran if one.strategy.recommended]
    textbook = [one for one in ran if not one.strategy.recommended]
    if not ran:
        yield "Nothing was tried."
        return
    names = max(len(one.strategy.name) for one in ran)
    figures = {one.strategy.name: _figures(one) for one in ran}
    widths = _widths(list(figures.values()))
    verdicts = max(len(_VERDICTS[one.verdict]) for one in ran)
    wide = names + sum(widths) + 2 * len(widths) + 2 + verdicts <= width
    shown = len(_HEADS) if wide else _STORED
    gap = "  " if names + sum(widths[:shown]) + 2 * shown <= width else " "
    yield from _heads(widths[:shown], names, gap)
    for group, heading in ((recommended, ""), (textbook, TEXTBOOK)):
        if group and heading:
            yield from ("", heading)
        for one in group:
            cells = figures[one.strategy.name]
            row = gap.join([one.strategy.name.ljust(names), *_right(cells[:shown], widths)])
            yield f"{row}  {_VERDICTS[one.verdict]}" if wide else row
            if not wide:
                yield _speed(one, cells[_STORED:], widths[_STORED:], names)


def _figures(one: StrategyResult) -> list[str]:
    counts = (one.requests, one.rows, one.duplicates, one.lost, one.objects, one.double_uploads, one.wrong_answers)
    rates = (one.per_second, one.p50_ms, one.p99_ms)
    return [*map(count, (*counts, one.stuck, one.deadlocks)), *map(_rate, rates)]


def _rate(figure: float | None) -> str:
    """Return two telling digits at least: 3.4, 34, 1,104."""
    if figure is None:
        return NOT_COUNTED
    return f"{figure:.1f}" if figure < 9.95 else f"{figure:,.0f}"


def _widths(rows: Sequence[Sequence[str]]) -> list[int]:
    heads = [max(map(len, head.split("\n"))) for head in _HEADS]
    return [max(head, *(len(row[column]) for row in rows)) for column, head in enumerate(heads)]


def _right(cells: Sequence[str], widths: Sequence[int]) -> list[str]:
    return [cell.rjust(size) for cell, size in zip(cells, widths, strict=False)]


def _heads(widths: Sequence[int], names: int, gap: str) -> Iterator[str]:
    parted = [head.rpartition("\n")[::2] for head in _HEADS[: len(widths)]]
    for line in zip(*parted, strict=True):
        yield gap.join([" " * names, *_right(line, widths)]).rstrip()


def _speed(one: StrategyResult, cells: Sequence[str], widths: Sequence[int], names: int) -> str:
    deadlocks, rate, half, most = _right(cells, widths)
    verdict = f"  {_VERDICTS[one.verdict]}".ljust(names)
    return f"{verdict}  {deadlocks} deadlocks {rate} a second  p50 {half} ms  p99 {most} ms"


# ---- what stands below it


def _explained(result: DrillResult, width: int) -> Iterator[str]:
    """Yield what is wrong with each, what was seen of it, and an example to look for."""
    told = [one for one in result.strategies if one.verdict != "skipped" and (one.holes or one.strategy.hole)]
    for one in told:
        yield ""
        wrong = "; ".join(filter(None, (one.strategy.hole, visible(one.reason, 300) if one.reason else "")))
        yield from prose(f"{one.strategy.name}: {wrong}" if wrong else f"{one.strategy.name}:", width, indent=2)
        for hole in (hole for hole in one.holes if hole.what in _HOLES):
            what = _HOLES[hole.what][hole.count != 1]
            yield from prose(f"{hole.count:>9,}  {what}, such as {visible(hole.example, 60)}", width, indent=11)
        if not one.holes:
            yield " " * 11 + "nothing of it was seen this time"


def _copied(shape: TableShape, width: int) -> list[str]:
    """Say what of the table was drilled, and what was left out."""
    lines = labelled("table", f"{visible(shape.table)}: its shape was copied, and no row of it", width, _LABEL)
    facts = (("columns", shape.columns), ("constraints", shape.constraints), ("triggers", shape.triggers))
    for label, names in facts:
        lines += labelled(label, ", ".join(map(visible, names)) or "none", width, _LABEL)
    for what, why in shape.left_out:
        lines += labelled("left out", f"{visible(what)}: {visible(why, 300)}", width, _LABEL)
    return lines


def _place(result: DrillResult, width: int) -> list[str]:
    began = result.started_at[:19].replace("T", " ")
    facts = [
        ("database", visible(result.database, 300)),
        ("scratch", f"{visible(result.scratch, 300)}: it is gone again"),
        *([("objects", visible(result.objects, 300))] if result.against is None else []),
        *([("redis", visible(result.redis, 300))] if result.redis else []),
        ("load", f"{plural(result.writers, 'writer')}, {plural(result.ids, 'ID')} for each strategy"),
        ("began", f"{visible(began)} UTC, took {length(result.seconds)}; --seed {result.seed} sends the same again"),
    ]
    return [line for label, text in facts for line in labelled(label, text, width, _LABEL)]
