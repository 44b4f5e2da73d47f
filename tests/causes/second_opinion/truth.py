"""Why each ID is duplicated, and each object missing: from what the simulation itself knows, never from its logs."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from itertools import combinations

from tests.causes.second_opinion.records import Attempt, Row, World

Key = tuple[str, str]
"""Table and ID."""


@dataclass(frozen=True)
class Truth:
    """The mechanism of each duplicated ID, and of each ID whose picture is missing."""

    duplicates: dict[Key, str]
    missing: dict[Key, str]
    also: dict[Key, frozenset[str]]
    """Of three rows and more, the second can have another reason than the third: all that were at work."""


def truth_of(world: World) -> Truth:
    """Return the labels of all that is wrong in this world."""
    rows: dict[Key, list[Row]] = defaultdict(list)
    for row in world.rows:
        rows[row.item.table, row.item.id].append(row)
    pictures: dict[str, list[Attempt]] = defaultdict(list)
    for attempt in world.attempts:
        if attempt.item.table == "screenshots":
            pictures[attempt.item.id].append(attempt)
    missing: dict[Key, str] = {
        (row.item.table, row.item.id): _why_missing(pictures[row.item.id])
        for row in world.rows
        if row.item.table == "screenshots" and row.item.object_key not in world.objects
    }
    reasons = {key: _why_twice(same) for key, same in rows.items() if len(same) > 1}
    labels = {key: several[0] for key, several in reasons.items()}
    return Truth(labels, missing, {key: frozenset(several) for key, several in reasons.items()})


def _why_twice(rows: list[Row]) -> list[str]:
    """Return all that was at work; the first is the label: what made it a duplicate."""
    if len({row.item.payload for row in rows}) > 1:
        return ["id_collision"]
    if len({row.item.device for row in rows}) > 1:
        return ["several_devices"]
    attempts = sorted((row.attempt for row in rows if row.attempt), key=lambda attempt: attempt.sent)
    pairs = list(combinations(attempts, 2))
    reasons = [_of_two(first, second) for first, second in pairs] or ["unexplained"]
    # Two that raced row first looked before they leapt as well, if not in the incident's order: not counted as wrong.
    raced = [pair for pair in pairs if pair[0].row_first and pair[1].row_first and _looked_first(*pair)]
    return [*reasons, *(["check_then_act"] if raced else [])]


def _of_two(first: Attempt, second: Attempt) -> str:
    """Return why two sends of one item, the second of which began later, both became rows."""
    written = [attempt.wrote for attempt in (first, second) if attempt.wrote is not None]
    if first.object_first and second.object_first and _looked_first(first, second):
        return "check_then_act"
    return "timeout_retry" if second.sent > min(written) else "overlapping_batches"


def _looked_first(*attempts: Attempt) -> bool:
    """Say whether all looked before any had stored the object or the row."""
    looked = [attempt.looked for attempt in attempts if attempt.looked is not None]
    left = [moment for attempt in attempts for moment in (attempt.stored, attempt.wrote) if moment is not None]
    return max(looked) < min(left)


def _why_missing(attempts: list[Attempt]) -> str:
    failed = any(attempt.row_first and attempt.wrote and attempt.upload_failed for attempt in attempts)
    told_done = any(attempt.told_done for attempt in attempts)
    return "row_before_object" if failed and told_done else "unexplained"
