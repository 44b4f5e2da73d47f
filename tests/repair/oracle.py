"""What a repair must make of a table, worked out the slow way from the issue's rules, with nothing of the product.

Rows are dictionaries. The server itself says which keys are equal; all else is decided here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

Row = dict[str, Any]

IGNORED = ("rid", "created_at")
"""Columns in which rows of one thing may differ."""
OBJECT = ("oss_key", "file_size")
MERGED = ("status", "retry_count", *OBJECT)
STEPS = ("pending", "failed", "uploading", "completed")


@dataclass(frozen=True)
class Rules:
    """How the table is configured, and what the plan was asked for. `cause` is what explains every difference."""

    key: tuple[str, ...]
    uploads: bool
    policy: str | None
    cause: str | None
    where: bool


@dataclass(frozen=True)
class Expected:
    """The rows of one key. Where `survivors` is empty all stay; else exactly one stays, and it is one of these."""

    rows: tuple[Row, ...]
    survivors: tuple[Row, ...]


def expect(rules: Rules, rows: Sequence[Row], equal: Iterable[tuple[int, int]]) -> list[Expected]:
    """Return what becomes of each key that occurs more than once; `equal` are the places of rows with equal keys."""
    seen = [place for place, row in enumerate(rows) if _is_seen(rules, row)]
    joined: dict[int, set[int]] = {place: {place} for place in seen}
    for first, second in equal:
        if first in joined and second in joined:
            joined[first].add(second)
    groups = {frozenset(places) for places in joined.values() if len(places) > 1}
    # Equality of keys is an equivalence: no row is in two groups.
    assert sum(map(len, groups)) == len(frozenset().union(*groups)) if groups else True
    told = []
    for places in groups:
        members = tuple(rows[place] for place in sorted(places))
        told.append(Expected(members, tuple(_survivors(rules, members))))
    return told


def _is_seen(rules: Rules, row: Row) -> bool:
    return all(row[name] is not None for name in rules.key) and (not rules.where or row["shown"] == 1)


def _survivors(rules: Rules, rows: Sequence[Row]) -> list[Row]:
    """Return what may be left of the rows: several, where nothing but their place tells the earliest."""
    if rules.cause == "id_collision":
        return []
    if any(isinstance(row[name], str) and not row[name].strip() for row in rows for name in rules.key):
        return []
    differs = {name for name in rows[0] if name not in IGNORED and len({repr(row[name]) for row in rows}) > 1}
    if not differs:
        return _earliest(rows)
    if rules.uploads and _is_mergeable(rows, differs):
        return _merged(rows)
    if rules.policy is None or _collides(rules, differs):
        return []
    return _by_policy(rules.policy, rows)


def _collides(rules: Rules, differs: set[str]) -> bool:
    # Without logs: whatever differs beside the device is another event under the same ID.
    return rules.cause is None and bool(differs - {"device"})


def _at(row: Row) -> float:
    return float("inf") if row["created_at"] is None else float(row["created_at"])


def _earliest(rows: Sequence[Row]) -> list[Row]:
    return [row for row in rows if _at(row) == min(map(_at, rows))]


def _is_mergeable(rows: Sequence[Row], differs: set[str]) -> bool:
    if any(row["status"] not in STEPS for row in rows) or not differs <= set(MERGED):
        return False
    furthest = _furthest(rows)
    return all(len({row[name] for row in furthest if row[name] is not None}) <= 1 for name in OBJECT)


def _furthest(rows: Sequence[Row]) -> list[Row]:
    most = max(STEPS.index(row["status"]) for row in rows)
    return [row for row in rows if STEPS.index(row["status"]) == most]


def _merged(rows: Sequence[Row]) -> list[Row]:
    furthest = _furthest(rows)
    taken: Row = {}
    for name in OBJECT:
        known = [row[name] for row in furthest if row[name] is not None]
        if known:
            taken[name] = known[0]
    retries = [row["retry_count"] for row in rows if row["retry_count"] is not None]
    if retries:
        taken["retry_count"] = max(retries)
    return [row | taken for row in _earliest(furthest)]


def _by_policy(policy: str, rows: Sequence[Row]) -> list[Row]:
    if policy == "oldest":
        return _earliest(rows)
    if policy == "newest":
        times = [row["created_at"] for row in rows if row["created_at"] is not None]
        return [row for row in rows if row["created_at"] == (max(times) if times else None)]
    if policy == "most-complete":
        known = [sum(row[name] not in (None, "") for name in row if name not in IGNORED) for row in rows]
    else:
        column = policy.partition(":")[0]
        known = [-1 if row[column] is None else row[column] for row in rows]
    best = [row for row, count in zip(rows, known, strict=True) if count == max(known)]
    return _earliest(best)
