"""What a migration's plan says to the person who decides: what is wanted, what stands in its way, the steps, who waits.

Lines are wrapped to `width`. Of a step's SQL each statement has its beginning, or stands in full as it runs, not
wrapped; what cannot be seen in it is escaped. Times and disk are estimates, and are marked so.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

from dedupaudit.display import escape, visible
from dedupaudit.migrate.plan import WORDS, Behaviour, Blocks, Concern, MigrateHeader, Step
from dedupaudit.repair.telling import chosen_by, left_for
from dedupaudit.reports.prose import TOGETHER, counted, labelled, prose
from dedupaudit.reports.words import length, percent, plural, size

_LABEL = 10
_LEVELS = {"refusal": "REFUSED", "warning": "warning", "note": "note"}
KEPT_OUT: dict[Blocks, str] = {
    "nothing": "keeps out nobody",
    "writes": "keeps out writers",
    "reads and writes": "keeps out readers and writers",
}
_SHOWN = 6
"""Statements of a step, unless its SQL is shown in full."""
_FRAME = frozenset(("BEGIN", "COMMIT", "SET", "RESET"))
"""What is around the statements that do something."""
_GAP = 2
_WIDEST_CELL = 40


def plan_lines(
    header: MigrateHeader, steps: Sequence[Step], width: int = 80, *, in_full: bool = False, briefly: bool = False
) -> list[str]:
    """Return a plan for people; `in_full` shows its SQL to the last line, `briefly` none of its steps."""
    if header.protecting is not None:
        return [*_wanted(header, width), *_prose_done(header, width), *_concerns(header.concerns, width)]
    lines = [*_wanted(header, width), *_duplicates(header, width), *_concerns(header.concerns, width)]
    if briefly or is_refused(header):
        return lines
    lines += ["", *_steps(steps, width, in_full=in_full)]
    return [*lines, "", *_behaviour(header, width)]


def is_refused(header: MigrateHeader) -> bool:
    """Say whether a preflight check forbids the migration."""
    return any(concern.level == "refusal" for concern in header.concerns)


def key_of(header: MigrateHeader) -> str:
    """Return the key for people: `(device_id, id)`."""
    return f"({', '.join(map(visible, header.key))})"


# ---- what is wanted, and what is there


def _wanted(header: MigrateHeader, width: int) -> Iterator[str]:
    table = visible(header.table)
    if header.protecting is not None:
        yield from prose(f"{table}: {key_of(header)} is unique already", width)
        return
    name = visible(header.constraint)
    yield from prose(f"{table}: make {key_of(header)} unique, by the constraint {name}", width)
    forbidden = ", ".join(map(visible, header.not_null))
    nulls = f"NULL is forbidden in {forbidden} as well" if forbidden else "what allows NULL goes on to allow it"
    yield from _fact("wanted", f"UNIQUE {key_of(header)} on {visible(header.real)}; {nulls}", width)
    yield from _fact("today", _today(header), width)
    yield from _fact("strategy", f"{header.strategy}: {visible(header.why, 500)}", width)


def _prose_done(header: MigrateHeader, width: int) -> Iterator[str]:
    yield from _fact("today", f"{visible(header.protecting, 300)} keeps it unique; {_rows(header)}", width)
    yield "Nothing to do."


def _today(header: MigrateHeader) -> str:
    found = "no ID is stored more than once"
    if header.found.groups:
        found = f"{plural(header.found.groups, 'ID')} stored more than once"
    return f"nothing in the database keeps the key unique; {_rows(header)}, {found}"


def _rows(header: MigrateHeader) -> str:
    return plural(header.rows, "row")


def _duplicates(header: MigrateHeader, width: int) -> Iterator[str]:
    found = header.found
    if not found.groups:
        return
    share = percent(found.removed / max(header.rows, 1))
    removed = f"{plural(found.removed, 'row')} ({share} of the table) into quarantine; at most {_limit(header)}"
    yield from _fact("clean", removed if found.removed else "nothing", width)
    for rule, number in found.rules.items():
        yield from counted(number, chosen_by(rule), width)
    if found.merged:
        yield from counted(found.merged, "of these: the row that stays takes values of the others", width)
    left = sum(found.left.values())
    if left:
        yield from _fact("person", f"{plural(left, 'ID')} that no rule decides: a build would fail", width)
        for why, number in found.left.items():
            yield from counted(number, left_for(why), width)


def _limit(header: MigrateHeader) -> str:
    return f"{header.max_delete.shown()} may go (--max-delete)"


# ---- preflight


def _concerns(concerns: Sequence[Concern], width: int) -> Iterator[str]:
    yield ""
    if not concerns:
        yield "PREFLIGHT  nothing to remark"
        return
    counts = [(level, sum(one.level == level for one in concerns)) for level in _LEVELS]
    yield "PREFLIGHT  " + ", ".join(plural(number, level) for level, number in counts if number)
    for level in _LEVELS:
        for concern in (one for one in concerns if one.level == level):
            yield from concern_lines(concern, width)


def concern_lines(concern: Concern, width: int, label_width: int = _LABEL) -> Iterator[str]:
    """Yield what a check has to say, and the way out below it."""
    yield from labelled(_LEVELS[concern.level], escape(concern.message), width, label_width)
    if concern.hint:
        yield from prose(f"{' ' * (2 + label_width)}→ {escape(concern.hint)}", width, indent=4 + label_width)


# ---- steps


def _steps(steps: Sequence[Step], width: int, *, in_full: bool) -> Iterator[str]:
    total, disk = sum(step.seconds for step in steps), sum(step.bytes for step in steps)
    room = f", and{TOGETHER}{_estimated(size(disk))} of disk" if disk else ""
    time = _estimated(length(total) if total else "< 1 s")
    told = f"STEPS  {time} without waits{room}; nothing is changed until `migrate apply`."
    if any(step.briefly and step.blocks != "nothing" for step in steps):
        told += " A lock for an instant is waited for 1 s at most, and tried again: nobody queues behind it for longer."
    yield from prose(told, width, indent=7)
    digits = len(str(len(steps)))
    held = False
    for number, step in enumerate(steps, start=1):
        yield from _step(number, digits, step, width, in_full=in_full, held=held)
        held = held or step.name == "lock"


def _step(number: int, digits: int, step: Step, width: int, *, in_full: bool, held: bool) -> Iterator[str]:
    """Yield what a step is; `held` says that the one transaction has its lock already."""
    indent = digits + 2 + _LABEL
    yield from prose(f"{number:>{digits}}. {step.name:<{_LABEL}}{WORDS[step.name]}", width, indent=indent)
    pad = " " * indent
    if step.why:
        yield from prose(f"{pad}{escape(step.why)}", width, indent=indent)
    waits = "under the lock of the first step" if held else who_waits(step)
    yield from prose(f"{pad}{waits}; {cost(step)}", width, indent=indent)
    if in_full:
        yield from (f"{pad}  {line}" for statement in step.sql for line in sql_lines(statement))
        return
    telling = [statement for statement in step.sql if statement.split(maxsplit=1)[0].upper() not in _FRAME]
    for statement in telling[:_SHOWN]:
        yield f"{pad}  {_first(sql_lines(statement), max(width, 60) - indent - 2)}"
    if len(telling) > _SHOWN:
        yield f"{pad}  … {len(telling) - _SHOWN} more: -v or --sql shows them"


def _first(lines: Sequence[str], room: int) -> str:
    """Return how a statement begins, in one line."""
    if len(lines) == 1 and len(lines[0]) <= room:
        return lines[0]
    return f"{lines[0][: room - 2].rstrip()} …"


def who_waits(step: Step) -> str:
    """Return a step's lock, whom it keeps out, and for how long."""
    kept = KEPT_OUT[step.blocks]
    if step.blocks != "nothing":
        kept += f" {how_long(step)}"
    return f"takes {escape(step.lock)}: {kept}" if step.lock not in ("", "none") else kept


def how_long(step: Step) -> str:
    """Return how long a step's lock is held: that of the one transaction until its end."""
    if step.name == "lock":
        return "until all is done"
    return "for an instant" if step.briefly else "while it lasts"


def cost(step: Step) -> str:
    """Return a step's time and disk, marked as estimated."""
    if step.name == "wait" and not step.seconds:
        return "it lasts as long as they do"
    time = _estimated(length(step.seconds) if step.seconds else "< 1 s")
    return f"{time}, {_estimated(size(step.bytes))} of disk" if step.bytes else time


def _estimated(figure: str) -> str:
    return f"est. {figure}".replace(" ", TOGETHER)


def sql_lines(statement: str) -> list[str]:
    """Return a statement's lines, ended by a semicolon, with what cannot be seen escaped."""
    ended = statement.rstrip().removesuffix(";") + ";"
    return [escape(line) for line in ended.split("\n")]


# ---- what becomes of a duplicate


def _behaviour(header: MigrateHeader, width: int) -> Iterator[str]:
    under = "meanwhile" if header.strategy == "small" else "under the guard"
    yield "WHAT BECOMES OF A DUPLICATE that the application sends"
    rows = [("", "before", under, "after"), *map(_cells, header.behaviour)]
    yield from table_lines(rows, width)


def _cells(one: Behaviour) -> tuple[str, ...]:
    return escape(one.statement), escape(one.before), escape(one.under), escape(one.after)


def table_lines(rows: Sequence[Sequence[str]], width: int) -> Iterator[str]:
    """Yield a table whose cells are wrapped so that a line fits; the first row is its heading."""
    widths = _widths(rows, max(width, 60) - _GAP)
    for number, row in enumerate(rows):
        cells = [textwrap.wrap(cell, room) or [""] for cell, room in zip(row, widths, strict=True)]
        for line in range(max(map(len, cells))):
            pieces = [cell[line] if line < len(cell) else "" for cell in cells]
            joined = (" " * _GAP).join(piece.ljust(room) for piece, room in zip(pieces, widths, strict=True))
            yield f"{' ' * _GAP}{joined}".rstrip()
        if number == 0:
            yield " " * _GAP + (" " * _GAP).join("-" * room for room in widths)


def _widths(rows: Sequence[Sequence[str]], room: int) -> list[int]:
    """Give each column what its longest cell needs, and where that is too much, the widest ones the less."""
    columns = [[row[at] for row in rows] for at in range(len(rows[0]))]
    widths = [min(max(map(len, cells)), _WIDEST_CELL) for cells in columns]
    longest_words = [max(len(word) for cell in cells for word in cell.split() or [""]) for cells in columns]
    while sum(widths) + _GAP * (len(widths) - 1) > room:
        # A column that cannot give without breaking a word gives only when none else can.
        at = max(range(len(widths)), key=lambda at: (widths[at] > longest_words[at], widths[at]))
        widths[at] -= 1
    return widths


def _fact(label: str, text: str, width: int) -> list[str]:
    return labelled(label, text, width, _LABEL)
