"""What a preflight check is: a function over facts, which says what a person must know before a migration."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from dedupaudit.display import escape, visible
from dedupaudit.migrate.facts import Facts, KeyColumn, Product
from dedupaudit.migrate.plan import Concern, StrategyName


@dataclass(frozen=True)
class Asked:
    """What somebody wants: the table by its configured name and in SQL, the key, the constraint, NOT NULL or not."""

    table: str
    quoted: str
    key: tuple[str, ...]
    constraint: str
    not_null: bool
    strategy: StrategyName
    on_conflict: str | None = None
    resumed: bool = False
    """Whether this is the look before a run goes on: what the run itself left is no surprise then."""


Look = Callable[[Facts, Asked], Iterator[Concern]]

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_IN_BACKTICKS = ("mysql", "mariadb")


def refusal(message: str, hint: str) -> Concern:
    """Return what forbids the migration; the registry adds the check's name."""
    return _concern("refusal", message, hint)


def warning(message: str, hint: str = "") -> Concern:
    """Return what may go wrong; the migration goes on."""
    return _concern("warning", message, hint)


def note(message: str, hint: str = "") -> Concern:
    """Return what is good to know."""
    return _concern("note", message, hint)


def _concern(level: str, message: str, hint: str) -> Concern:
    # The SQL of a hint holds foreign names: nothing in them may reach a terminal as it is.
    return Concern.model_validate({"check": "", "level": level, "message": escape(message), "hint": escape(hint)})


# ---- words


def counted(number: int, one: str, more: str = "") -> str:
    """Return `1 row`, `1,200 rows`; `more` is the plural that is not made with an s."""
    return f"{number:,} {one if number == 1 else more or one + 's'}"


def have(number: int) -> str:
    """Return the verb that goes with a number of things."""
    return "has" if number == 1 else "have"


def listed(names: Iterable[str], most: int = 5) -> str:
    """Return names for people, the first `most` of them and how many more there are."""
    shown = [visible(name) for name in names]
    rest = [f"and {len(shown) - most} more"] if len(shown) > most else []
    return ", ".join(shown[:most] + rest)


def key_of(asked: Asked) -> str:
    """Return the key for people: `(device_id, id)`."""
    return f"({listed(asked.key, most=32)})"


def lasting(seconds: float) -> str:
    """Return seconds for people: `45 s`, `12 min`, `3.5 h`, `2.0 days`."""
    for unit, name in ((86_400.0, "days"), (3_600.0, "h")):
        if seconds >= unit:
            return f"{seconds / unit:.1f} {name}"
    return f"{seconds / 60:.0f} min" if seconds >= 120 else f"{seconds:.0f} s"


def sized(number: int) -> str:
    """Return bytes for people, in thousands: `812 B`, `1.4 GB`."""
    value = float(number)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" or value >= 100 else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"


# ---- what can be typed


def quote(product: Product, name: str) -> str:
    """Return a name as the database's SQL has it."""
    mark = "`" if product in _IN_BACKTICKS else '"'
    return mark + name.replace(mark, mark + mark) + mark


def columns_sql(facts: Facts, names: Iterable[str]) -> str:
    """Return quoted columns, with commas between."""
    return ", ".join(quote(facts.product, name) for name in names)


def command(verb: str, asked: Asked, *options: str) -> str:
    """Return a command of this tool about the table: `dedupaudit repair plan activities`, inert in a shell."""
    return " ".join(["dedupaudit", verb, word(asked.table), *options])


def word(text: str) -> str:
    """Return text as one word of a shell, in which nothing is done with it."""
    return shlex.quote(escape(text))


def rows_where(asked: Asked, rest: str) -> str:
    """Return a query that shows rows of the table: `SELECT * FROM "activities" WHERE …`."""
    return f"SELECT * FROM {asked.quoted} {rest}"  # noqa: S608 (shown, and never run)


def setting(asked: Asked, line: str) -> str:
    """Return where a line of the configuration goes: `under [tables.activities]: constraint = "…"`."""
    name = asked.table if _BARE.fullmatch(asked.table) else json.dumps(asked.table, ensure_ascii=False)
    return f"under [tables.{name}] in dedupaudit.toml: {line}"


def toml(*texts: str) -> str:
    """Return a list of texts in TOML."""
    return f"[{', '.join(json.dumps(text, ensure_ascii=False) for text in texts)}]"


# ---- what several checks ask


def textual(column: KeyColumn) -> bool:
    """Say whether a column can hold a blank value."""
    return bool(re.search(r"char|text|clob|blob|binary|bytea|name|enum|set", column.declared, re.I)) or (
        not column.declared
    )


def has_guard(asked: Asked) -> bool:
    """Say whether the strategy has a guard: triggers, and a wait for older transactions."""
    return asked.strategy != "small"
