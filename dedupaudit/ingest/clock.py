"""How a lease is read from `updated_at`: always by the server's clock, and never through a local time.

A local time repeats an hour each autumn and leaps one each spring: a lease that was compared in it would end an hour
too early. So ages are differences of instants, and a time without a zone is taken for UTC, as audits take it. (MySQL's
TIMESTAMP leaves one hour a year open: see below.)
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from dedupaudit.display import visible
from dedupaudit.ingest.errors import Unprotected
from dedupaudit.ingest.tables import Described, Dialect

COARSE: Final = 2.0
"""Seconds that a lease needs at least where the column has whole seconds."""
FOREIGN_ZONE: Final = 300.0
"""A row that was written just now and is further than this from now was written in another zone: all differ by more."""

# By dialect and kind of column: what is written, and the seconds since then; {} is the column.
_POSTGRESQL = {
    # Each side by itself: `now - 'infinity'` is an error, and one such row would end every sweep.
    "zoned": ("clock_timestamp()", "extract(epoch from clock_timestamp()) - extract(epoch from {})"),
    "naive": (
        "clock_timestamp() AT TIME ZONE 'UTC'",
        "extract(epoch from clock_timestamp()) - extract(epoch from {})",
    ),
    "milliseconds": (
        "CAST(extract(epoch from clock_timestamp()) * 1000 AS bigint)",
        "extract(epoch from clock_timestamp()) - {} / 1000.0",
    ),
}
# UNIX_TIMESTAMP of a TIMESTAMP column, and without an argument, are the instants themselves; of anything else they are
# made from a local time.
_NOW = "UNIX_TIMESTAMP() + MICROSECOND(NOW(6)) / 1000000"
_MARIADB = {
    "zoned": ("NOW(6)", f"{_NOW} - UNIX_TIMESTAMP({{}})"),
    "naive": ("UTC_TIMESTAMP(6)", "TIMESTAMPDIFF(MICROSECOND, {}, UTC_TIMESTAMP(6)) / 1000000"),
    "milliseconds": (f"FLOOR(({_NOW}) * 1000)", f"{_NOW} - {{}} / 1000"),
}
# MariaDB stores NOW() in a TIMESTAMP as the instant that it is, MySQL through the session's local time. Both sides go
# that way there: where a session's zone repeats an hour, leases end early once in that hour, and tokens guard.
_MYSQL = _MARIADB | {"zoned": ("NOW(6)", "UNIX_TIMESTAMP(NOW(6)) - UNIX_TIMESTAMP({})")}
_SQLITE = {
    "naive": ("strftime('%Y-%m-%d %H:%M:%f', 'now')", "(julianday('now') - julianday({})) * 86400.0"),
    "milliseconds": (
        "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)",
        "(julianday('now') - 2440587.5) * 86400.0 - {} / 1000.0",
    ),
}
_EXPRESSIONS: Final = {"postgresql": _POSTGRESQL, "mysql": _MYSQL, "mariadb": _MARIADB, "sqlite": _SQLITE}


@dataclass(frozen=True)
class Clock:
    """SQL of one table: `now` is written into `updated_at`; `age` is the seconds since it was, NULL where that is."""

    now: str
    age: str


def clock_of(table: Described, lease: float | None = None) -> Clock:
    """Return the clock of a table's `updated_at`; `lease` is in seconds.

    Raises Unprotected where the column is missing or of no kind that can hold a lease, or too coarse for this one.
    """
    name = table.table.column("updated_at")
    found = table.columns.get(name)
    if found is None:
        raise Unprotected(
            f"{table.shown} has no column {visible(name)}: a lease needs a clock",
            "add the column, or name the one that has the time of a row's last change: "
            'Table(…, columns={"updated_at": "…"})',
        )
    kind = kind_of(table.dialect, found.type)
    if kind is None:
        raise Unprotected(
            f"column {visible(name)} of {table.shown} is {visible(found.type)}: a lease cannot be kept in it",
            "make it a timestamp, or milliseconds since 1970 in a bigint",
        )
    if lease is not None and lease < COARSE and _whole_seconds(table.dialect, found.type):
        raise Unprotected(
            f"column {visible(name)} of {table.shown} has whole seconds: no lease of {lease:g} s fits",
            f"take a lease of {COARSE:g} s at least, or a column with milliseconds",
        )
    now, age = _EXPRESSIONS[table.dialect][kind]
    return Clock(now, age.replace("{}", table.name(name)))


def kind_of(dialect: Dialect, type_: str) -> str | None:
    """Return what a column of this type holds: `zoned`, `naive`, `milliseconds`; None where it can hold no lease."""
    type_ = type_.lower()
    if re.match(r"(big)?int(eger)?$|int8$" if dialect == "sqlite" else r"bigint\b|int8\b", type_):
        return "milliseconds"
    if dialect == "postgresql":
        if not re.match(r"timestamp", type_):
            return None
        return "zoned" if "with time zone" in type_ or type_.startswith("timestamptz") else "naive"
    if dialect == "sqlite":
        return "naive" if re.match(r"(text|varchar|datetime|timestamp)\b|$", type_) else None
    return {"timestamp": "zoned", "datetime": "naive"}.get(re.split(r"\W", type_)[0])


def _whole_seconds(dialect: Dialect, type_: str) -> bool:
    """Say so of MySQL's types without digits, and of PostgreSQL's with none."""
    digits = re.search(r"\((\d+)\)", type_)
    if type_.lower().startswith(("timestamp", "datetime")) and dialect != "sqlite":
        return int(digits[1]) == 0 if digits else dialect != "postgresql"
    return False
