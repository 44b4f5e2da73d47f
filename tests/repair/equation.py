"""The equation of conservation, row by row: before + inserted - deleted by the application = kept + quarantined.

It knows what the plan says and what the application did, and nothing of how the tool works.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from tests.repair.killing_tables import COLUMNS, ROWS, TAGS, Row, State
from tests.repair.writers import Change

_NUMBER = {name: number for number, name in enumerate(COLUMNS)}


class PlannedGroup(NamedTuple):
    """A line of the plan: what stays, what goes, and the columns that the survivor takes (each of which victim)."""

    line: int
    survivor: int
    victims: tuple[int, ...]
    taken: tuple[tuple[str, int], ...]

    @property
    def rows(self) -> tuple[int, ...]:
        return (self.survivor, *self.victims)


def read_plan(path: Path) -> tuple[PlannedGroup, ...]:
    """Read the groups of a plan that something is done about; lines are numbered from 1 without the header."""
    found = []
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    for number, line in enumerate([one for one in lines if one["type"] == "group"], 1):
        if line["left"] is None:
            victims = tuple(row["pk"]["seq"] for row in line["victims"])
            taken = tuple((merge["column"], victims[merge["victim"]]) for merge in line["merge"])
            found.append(PlannedGroup(number, line["survivor"]["pk"]["seq"], victims, taken))
    return tuple(found)


@dataclass(frozen=True)
class Sum:
    """What one point came to, for the figures at the end."""

    done: int
    skipped: int
    changes: int
    quarantined: int


def conserved(
    plan: Sequence[PlannedGroup], changes: Sequence[Change], after: State, *, state: str | None, linked: bool = True
) -> Sum:
    """Assert that nothing was lost, doubled or altered.

    `state` is what the run must be in, None for no run; `linked` says whether children refer to the table.
    """
    assert [run["state"] for run in after.runs] == ([state] if state else []), after.runs
    assert {role for role, _row in after.quarantined} <= {"victim", "survivor"}
    quarantined = [row for role, row in after.quarantined if role == "victim"]
    gone = {row[0] for row in quarantined}
    merged = _merged(plan, after)
    _rows(changes, after, quarantined, merged)
    assert not gone & set(after.uploads), f"in the table and in quarantine: {gone & set(after.uploads)}"
    done, skipped = _groups(plan, changes, after, gone, undone=state in ("undone", None))
    _children(plan if linked else (), changes, after)
    if state == "done":
        _proved(after, len(gone))
    return Sum(done, skipped, len(changes), len(gone))


def _rows(
    changes: Iterable[Change], after: State, quarantined: Sequence[Row], merged: Mapping[int, tuple[Row, Row]]
) -> None:
    expected = Counter(ROWS)
    for change in changes:
        if change.table == "uploads":
            _account(expected, change.before, change.after)
    for before, now in merged.values():
        _account(expected, before, now)
    found = Counter(after.uploads.values())
    found.update(quarantined)
    wrong = {row: (expected[row], found[row]) for row in expected.keys() | found.keys() if expected[row] != found[row]}
    assert not wrong, f"row: (expected, found): {wrong}"


def _account(expected: Counter[Row], before: Row | None, now: Row | None) -> None:
    if before is not None:
        expected[before] -= 1
    if now is not None:
        expected[now] += 1


def _merged(plan: Sequence[PlannedGroup], after: State) -> dict[int, tuple[Row, Row]]:
    """Return what the tool made of survivors: the row as it was, and as it then was, by what the plan says."""
    told: dict[int, str] = {}
    for entry in after.journal:
        if entry["action"] in ("merged", "unmerged"):
            told[json.loads(entry["pk"])["seq"]] = entry["action"]
    stored = {row[0]: row for row in ROWS}
    found = {}
    for group in plan:
        if told.get(group.survivor) == "merged":
            before = stored[group.survivor]
            now = list(before)
            for column, victim in group.taken:
                now[_NUMBER[column]] = stored[victim][_NUMBER[column]]
            found[group.survivor] = (before, tuple(now))
    assert set(found) == {seq for seq, action in told.items() if action == "merged"}
    return found


def _groups(
    plan: Sequence[PlannedGroup], changes: Sequence[Change], after: State, gone: set[int], *, undone: bool
) -> tuple[int, int]:
    """Assert that exactly one row of each group is left, or all of them; return how many were done and skipped."""
    touched = {row[0] for change in changes if change.table == "uploads" and (row := change.before)}
    deleted = {
        row[0] for change in changes if change.table == "uploads" and (row := change.before) and not change.after
    }
    told: dict[int, set[str]] = {}
    notes: dict[int, str] = {}
    for entry in after.journal:
        if entry["action"] in ("kept", "merged", "skipped"):
            told.setdefault(entry["line"], set()).add(entry["action"])
            notes[entry["line"]] = entry["note"] or ""
    skipped = 0
    for group in plan:
        there = {seq for seq in group.rows if seq in after.uploads}
        actions = told.get(group.line, set())
        if undone:
            assert there == set(group.rows) - deleted, f"{group}: {there}"
        elif actions == {"skipped"}:
            skipped += 1
            assert there == set(group.rows) - deleted, f"skipped {group}: {there}"
            if "since the plan" in notes[group.line]:
                assert touched & set(group.rows), f"{group} was skipped, and nobody touched it: {notes[group.line]}"
        else:
            assert len(actions) == 1, f"{group}: {actions}"
            assert there == {group.survivor} - deleted, f"{group}: {there}"
            assert set(group.victims) <= gone, f"{group}: {gone}"
    assert not gone - {victim for group in plan for victim in group.victims}
    assert not undone or not gone, f"taken back, and yet in quarantine: {gone}"
    return len(plan) - skipped if not undone else 0, skipped


def _children(plan: Sequence[PlannedGroup], changes: Iterable[Change], after: State) -> None:
    """Assert that each child is there, and refers to its parent, or to the row that its parent gave way to."""
    gone = {row[0] for role, row in after.quarantined if role == "victim"}
    stays = {victim: group.survivor for group in plan for victim in group.victims if victim in gone}
    parents: dict[int, tuple[int, Any]] = {row[0]: row[1:] for row in TAGS}
    left: set[int] = set()
    for change in changes:
        if change.table == "tags":
            if change.after:
                parents[change.after[0]] = change.after[1:]
            elif change.before:
                left.add(change.before[0])
    expected = {n: (n, stays.get(parent, parent), note) for n, (parent, note) in parents.items() if n not in left}
    wrong = {
        n: (expected.get(n), after.tags.get(n))
        for n in expected.keys() | after.tags.keys()
        if expected.get(n) != after.tags.get(n)
    }
    assert not wrong, f"child: (expected, found): {wrong}"


def _proved(after: State, gone: int) -> None:
    (run,) = after.runs
    proof = json.loads(run["proof"])
    deleted = sum(entry["action"] == "deleted" for entry in after.journal)
    assert proof["holds"], proof
    assert (run["rows_deleted"], proof["quarantined"], deleted) == (gone, gone, gone)
