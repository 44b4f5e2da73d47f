"""Proposes the key of a table for `init`: what names, constraints and a sample of the rows say, with the reasons.

`guess.py` guesses from names alone, for tables that nobody configured; here nothing is proposed that the rows deny.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from dedupaudit.display import visible
from dedupaudit.sources.tables.catalog import Catalog, Column, guard, shortfall
from dedupaudit.sources.tables.guess import singular
from dedupaudit.sources.tables.protocol import Sample
from dedupaudit.sources.tables.resolve import USUAL

SAMPLED_ROWS = 10_000
_MOST_SAMPLED = 50  # columns of a table: one with more is no table of events

# Different values for each sampled row. Repeats are what the tool is for, so neither is 1: a column that is named after
# its table may hold five rows of each ID and is still the ID; one that only looks like an ID must look unique.
_ENOUGH_BY_NAME = 0.2
_ENOUGH = 0.8
_ENOUGH_OF_FEW = 0.5
_FEW = 100

_SEPARATED = re.compile(r"(?:(?P<stem>.+)[\W_])?(?:id|uuid|guid|uid)", re.IGNORECASE | re.DOTALL)
_CAMEL = re.compile(r"(?P<stem>.*[^A-Z])(?:I[dD]|U(?:uid|UID)|G(?:uid|UID)|U(?:id|ID))", re.DOTALL)
_ENDINGS = ("id", "uuid", "guid", "uid")
_INTEGER = re.compile(r"INT|SERIAL", re.IGNORECASE)
# Whose a row is, or what it belongs to: such a column is different in every row only while there are few rows.
_OWNERS = re.compile(
    r"(?:parent|device|user|client|customer|account|tenant|org|organi[sz]ation|session|machine|host|owner|author|batch"
    r"|group|type|kind|category|status)",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Proposal:
    """The columns of a key, none where nothing looks like one, and why; `why` is text for people."""

    key: tuple[Column, ...]
    why: str


def id_columns(catalog: Catalog) -> tuple[Column, ...]:
    """Return the columns that are named like an ID: those that a sample is worth the reading for."""
    names = (catalog.name, _last_word(catalog.name))
    named = [
        column
        for column in catalog.columns
        if _stem(column.name) is not None or any(_is_own(name, column) for name in names)
    ]
    return tuple(named[:_MOST_SAMPLED])


def propose_key(catalog: Catalog, tables: Collection[str], sample: Sample | None) -> Proposal:
    """Propose a key. `tables` are the names of all; `sample` tells of `id_columns`, None where none was taken."""
    return _Proposing(catalog, tables, sample).proposal()


class _Proposing:
    """The evidence about one table, and the reasons against the columns that were passed over."""

    def __init__(self, catalog: Catalog, tables: Collection[str], sample: Sample | None) -> None:
        self.catalog = catalog
        self.sample = sample
        self.others = {_folded(form) for name in tables if name != catalog.name for form in (name, singular(name))}
        self.primary = _columns(catalog, catalog.primary_key)
        self.against: list[str] = []

    def proposal(self) -> Proposal:
        for column, reason in self._by_name():
            if self._is_unique_looking(column, _ENOUGH_BY_NAME, unsampled=True):
                return self._proposed(column, reason)
            self.against.append(f"{visible(column.name)} has only {self._measured(column)}")
        return self._by_sample() or self._by_constraint() or self._none()

    def _by_name(self) -> list[tuple[Column, str]]:
        """Return `id` and what is named after the table; numbers that count rows are left to the constraints."""
        plain = self.catalog.column("id")
        named = [] if plain is None else [(plain, "the usual name")]
        named += [(column, "named after the table") for column in self._own()]
        return [(column, reason) for column, reason in named if not self._counts_rows(column)]

    def _own(self) -> list[Column]:
        """`activity_id` of activities and of app_activities, unless it is rather that of another table."""
        own = [column for column in self.catalog.columns if _is_own(self.catalog.name, column)]
        last = _last_word(self.catalog.name)
        if _folded(singular(last)) not in self.others:
            own += [column for column in self.catalog.columns if _is_own(last, column) and column not in own]
        return own

    def _by_sample(self) -> Proposal | None:
        rows = self.sample.rows if self.sample else 0
        found = []
        for column in id_columns(self.catalog):
            if not _stem(column.name) or self._counts_rows(column) or column in self._own():
                continue  # looked at before
            if reason := self._belongs_elsewhere(column, few=rows < _FEW):
                self.against.append(reason)
            elif self._is_unique_looking(column, _ENOUGH_OF_FEW if rows < _FEW else _ENOUGH):
                found.append(column)
            elif rows:
                self.against.append(f"{visible(column.name)} has only {self._measured(column)}")
        if not found or self.sample is None:
            return None
        best = max(found, key=lambda column: self.sample.distinct[column.name] if self.sample else 0)
        rest = [visible(column.name) for column in found if column is not best]
        return self._proposed(best, "it looks unique" + (f" (so does {', '.join(rest)})" if rest else ""))

    def _belongs_elsewhere(self, column: Column, *, few: bool) -> str:
        """Say what else than this table's ID a column is, by its name; an empty text where nothing says so."""
        stem = _stem(column.name) or ""
        if column.name.lower() in {name.lower() for name in USUAL["device"]} or (few and _OWNERS.match(stem)):
            return f"{visible(column.name)} says whose a row is"
        if {_folded(stem), _folded(_last_word(stem))} & self.others:
            return f"{visible(column.name)} is the ID of another table"
        return ""

    def _by_constraint(self) -> Proposal | None:
        """Propose what the database keeps unique already, unless it only counts rows."""
        if self.primary and not any(column.auto_increment for column in self.primary):
            names = ", ".join(visible(column.name) for column in self.primary)
            together = " together" if len(self.primary) > 1 else ""
            return Proposal(self.primary, f"{names}: the primary key{together}; no other column looks more like an ID")
        for index in self.catalog.indexes:
            key = _columns(self.catalog, index.columns)
            if not index.primary and key and shortfall(index, key) is None:
                names = ", ".join(visible(column.name) for column in key)
                return Proposal(key, f"{names}: unique index {visible(index.name)} says that it must be unique")
        return None

    def _none(self) -> Proposal:
        counting = [visible(column.name) for column in self.catalog.columns if self._counts_rows(column)]
        reasons = [f"{name} is an auto-increment number and can never repeat" for name in counting[:1]]
        reasons += self.against or [
            "no other column is named like an ID" if counting else "no column is named like an ID"
        ]
        if self.sample is not None and not self.sample.rows:
            reasons.append("the table is empty, so its values say nothing")
        return Proposal((), "; ".join(reasons))

    def _proposed(self, column: Column, reason: str) -> Proposal:
        """Return one column as the key, or the whole primary key that it is a part of, with all that speaks for it."""
        key = self.primary if column in self.primary else (column,)
        names = ", ".join(visible(part.name) for part in key)
        named = reason if len(key) == 1 else f"the primary key together ({visible(column.name)}: {reason})"
        reasons = [named, self._measured(column)]
        if beside := [visible(part.name) for part in self.primary if self._counts_rows(part) and part not in key]:
            reasons.append(f"{beside[0]} beside it is auto-increment")
        index = guard(self.catalog, key)
        if index:
            reasons.append(
                "the primary key keeps it unique" if index.primary else f"index {visible(index.name)} guards it"
            )
        return Proposal(key, f"{names}: {'; '.join(reasons)}")

    def _counts_rows(self, column: Column) -> bool:
        """Say whether a column only numbers the rows: auto-increment, or an integer key beside the table's own ID."""
        if column.auto_increment:
            return True
        number = bool(_INTEGER.search(column.declared)) and self.primary == (column,)
        return number and any(own is not column for own in self._own())

    def _is_unique_looking(self, column: Column, enough: float, *, unsampled: bool = False) -> bool:
        if self.sample is None or not self.sample.rows or column.name not in self.sample.distinct:
            return unsampled
        return self.sample.distinct[column.name] >= enough * self.sample.rows

    def _measured(self, column: Column) -> str:
        if self.sample is None or column.name not in self.sample.distinct:
            return "no rows were sampled, so this is guessed from names alone"
        if not self.sample.rows:
            return "the table is empty, so this is guessed from names alone"
        different, rows = self.sample.distinct[column.name], self.sample.rows
        return f"{different:,} different value{'s' * (different != 1)} in {rows:,} sampled row{'s' * (rows != 1)}"


def _columns(catalog: Catalog, names: Sequence[str | None]) -> tuple[Column, ...]:
    """Return the columns of a constraint; none where a configuration cannot name them all: SQL takes "" for a name."""
    columns = tuple(column for name in dict.fromkeys(names) if name and (column := catalog.column(name)))
    return columns if len(columns) == len(set(names)) else ()


def _stem(name: str) -> str | None:
    """Return `activity` of `activity_id` and `activityId`, an empty text of `id`; None of what is no ID's name."""
    match = _SEPARATED.fullmatch(name) or _CAMEL.fullmatch(name)
    return (match["stem"] or "") if match else None


def _last_word(name: str) -> str:
    """Return `activities` of `app_activities`."""
    return re.split(r"[\W_]+", name)[-1]


def _folded(name: str) -> str:
    return re.sub(r"[\W_]+", "", name).lower()


def _is_own(table: str, column: Column) -> bool:
    """Say whether a column is named after its table, however it is written: activity_id, ActivityID, activityid."""
    stems: Sequence[str] = (_folded(singular(table)), _folded(table))
    return any(stem and _folded(column.name) == stem + ending for stem in stems for ending in _ENDINGS)
