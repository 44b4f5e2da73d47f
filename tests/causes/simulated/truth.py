"""The true mechanism of each duplicate and each missing object: from what happened, never from what was logged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from tests.causes.simulated.state import Attempt, Mechanism, Played, Row, object_key


@dataclass(frozen=True)
class Label:
    """The mechanism, and all that were at work where more than one was: of three rows, two can have another reason."""

    mechanism: Mechanism
    at_work: frozenset[Mechanism]


def duplicate_labels(played: Played) -> Mapping[str, Label]:
    """Return the label of every ID that has more than one row."""
    return {item: _label(rows) for item, rows in played.rows.items() if len(rows) > 1}


def missing_labels(played: Played) -> Mapping[str, Mechanism]:
    """Return why each screenshot that has a row has no object."""
    labels: dict[str, Mechanism] = {}
    for item, rows in played.rows.items():
        for row in rows:
            if row.item.kind == "screenshot" and object_key(row.item) not in played.objects:
                row_first = any(attempt.upload_failed for attempt in played.attempts[item])
                told_done = any(attempt.told_done is not None for attempt in played.attempts[item])
                gone = object_key(row.item) in played.deleted
                labels[item] = "row_before_object" if row_first and told_done and not gone else "unexplained"
    return labels


def _label(rows: Sequence[Row]) -> Label:
    attempts = sorted((row.attempt for row in rows if row.attempt is not None), key=lambda one: one.sent)
    if len({row.item.content for row in rows}) > 1:
        return Label("id_collision", frozenset({"id_collision"}))
    if len({row.item.device for row in rows}) > 1:
        return Label("several_devices", frozenset({"several_devices"}))
    at_work = [_of_two(first, second) for first, second in combinations(attempts, 2)]
    if len(attempts) < len(rows):
        at_work.append("unexplained")
    return Label(at_work[0], frozenset(at_work))


def _of_two(first: Attempt, second: Attempt) -> Mechanism:
    """Return why the second of two sends of one item became a row as well."""
    if first.written is None or second.written is None:
        raise AssertionError("a row without a write")
    if _checked_then_acted(first, second):
        return "check_then_act"
    return "overlapping_batches" if second.sent < first.written else "timeout_retry"


def _checked_then_acted(*attempts: Attempt) -> bool:
    """Say whether each looked before any had stored the object, and stored it before it wrote the row."""
    looked = [one.looked for one in attempts if one.looked is not None]
    stored = [one.stored for one in attempts if one.stored is not None]
    if len(looked) < len(attempts) or len(stored) < len(attempts) or max(looked) >= min(stored):
        return False
    return all(one.stored is not None and one.written is not None and one.stored < one.written for one in attempts)
