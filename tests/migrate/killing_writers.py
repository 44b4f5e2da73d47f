"""The application of the kill matrix, whose duplicates a rule can clean; and the equation of conservation afterwards.

The equation knows what the application did and what the journal and the quarantine hold, and nothing of the tool's way.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from random import Random
from threading import Event, Thread
from typing import Any

from tests.repair import writers
from tests.repair.killing_tables import COLUMNS, ROWS, TAGS, Gone, Place, Refused, Row, Session
from tests.repair.writers import Change, Writers

_KEYS = sorted({str(row[1]) for row in ROWS if row[0] > 100})


class _Writer(writers._Writer):
    """As the repair's, but what it stores twice is the same event: a rule says which row stays."""

    def _insert(self, session: Session) -> None:
        seq = self._number()
        name = self.random.choice(_KEYS) if self.random.random() < 0.33 else f"own-{seq}"
        row = (seq, name, "mac-1", "completed", f"k/{name}", 0, f"by {self.number}")
        marks = ", ".join(["%s"] * len(row))
        self._change(
            session, "uploads", seq, lambda: session.ask(f"INSERT INTO uploads VALUES ({marks})", *row), makes=True
        )
        self._own.append(seq)

    def _update(self, session: Session) -> None:
        seq = self._some_row()
        op = f"by {self.number}.{self._next}"
        if seq > 1000 and self.random.random() < 0.2:
            name = self.random.choice(_KEYS)
            more = "UPDATE uploads SET id = %s, oss_key = %s, note = %s WHERE seq = %s"
            self._change(session, "uploads", seq, lambda: session.ask(more, name, f"k/{name}", op, seq))
        else:
            more = "UPDATE uploads SET note = %s, retry_count = retry_count + 1 WHERE seq = %s"
            self._change(session, "uploads", seq, lambda: session.ask(more, op, seq))


class Application(Writers):
    """Four writers, from `start` to `stop`."""

    def __init__(self, place: Place, seed: int, pause: float = 0.02) -> None:
        self._place, self._pause, self._stop = place, pause, Event()
        self._writers = [_Writer(place, n, Random(f"{seed}/{n}"), 0.03) for n in range(1, 5)]  # noqa: S311 (no secret)
        self._threads = [Thread(target=writer.work, args=(self._stop, pause), daemon=True) for writer in self._writers]


@dataclass(frozen=True)
class Found:
    """All that is there: the tables, the quarantine (role, row) and the runs (kind, state, rows deleted)."""

    uploads: tuple[Row, ...]
    tags: tuple[Row, ...]
    quarantined: tuple[tuple[str, Row], ...]
    runs: tuple[tuple[str, str, int], ...]


def found_in(place: Place) -> Found:
    """Read everything with plain SQL."""
    session = place.connect()

    def ask(query: str) -> list[Row]:
        try:
            return session.ask(query)
        except Refused as error:
            # Killed before the tool had made its tables; any other error is one.
            assert "exist" in str(error) or "no such table" in str(error), error
            return []

    listed = ", ".join(COLUMNS)
    try:
        return Found(
            tuple(session.ask(f"SELECT {listed} FROM uploads")),
            tuple(session.ask("SELECT n, upload, note FROM tags")),
            tuple((str(row[0]), row[1:]) for row in ask(f"SELECT dedupaudit_role, {listed} FROM {place.own.uploads}")),
            tuple(
                (str(kind), str(state), int(rows or 0))
                for kind, state, rows in ask(f"SELECT kind, state, rows_deleted FROM {place.own.runs} ORDER BY id")
            ),
        )
    finally:
        session.close()


def conserved(changes: Sequence[Change], found: Found, *, linked: bool = True) -> int:
    """Assert that every row is kept or in quarantine, once and unaltered; return how many are in quarantine.

    A survivor that was merged is altered, as the quarantine's own copy of it and the values of its victims say.
    """
    victims = [row for role, row in found.quarantined if role == "victim"]
    copies = Counter(row for role, row in found.quarantined if role == "survivor")
    assert len(victims) + sum(copies.values()) == len(found.quarantined)
    assert sum(rows for kind, _state, rows in found.runs if kind == "repair") == len(victims), found.runs
    there = {row[0] for row in found.uploads}
    assert not there & {row[0] for row in victims}, "in the table and in quarantine"
    missing = Counter[Row](row for row in ROWS)
    for change in changes:
        if change.table == "uploads":
            missing.update([change.after] if change.after else [])
            missing.subtract([change.before] if change.before else [])
    missing.subtract(found.uploads)
    missing.subtract(victims)
    _only_merges({row: count for row, count in missing.items() if count}, copies, found)
    if linked:
        _children(changes, found, {row[0]: row for row in victims})
    return len(victims)


def _only_merges(differs: dict[Row, int], copies: Counter[Row], found: Found) -> None:
    """Assert that rows which were altered by nobody of the application were merged: one goes, one comes."""
    values: dict[tuple[Any, int], set[object]] = {}
    for row in (*found.uploads, *(row for _role, row in found.quarantined)):
        for number, value in enumerate(row):
            values.setdefault((row[1], number), set()).add(value)
    balance = Counter[int]()
    for row, count in differs.items():
        balance[row[0]] += count
        if count > 0:
            assert copies[row] >= count, f"lost: {row}"
        else:
            invented = [COLUMNS[n] for n, value in enumerate(row) if value not in values.get((row[1], n), ())]
            # A writer may have altered the merged row since: then what was merged is in no row any more.
            assert not invented or set(invented) <= {"retry_count", "status", "oss_key", "note"}, f"invented: {row}"
            assert any(copy[0] == row[0] for copy in copies), f"nobody wrote, and nothing merged: {row}"
    assert not any(balance.values()), f"rows: {differs}"


def _children(changes: Iterable[Change], found: Found, victims: dict[int, Row]) -> None:
    """Assert that each child is there, and refers to its parent, or to a row of the ID of which that was."""
    expected: dict[int, Row] = {row[0]: row for row in TAGS}
    for change in changes:
        if change.table == "tags":
            if change.before:
                expected.pop(change.before[0], None)
            if change.after:
                expected[change.after[0]] = change.after
    assert {row[0]: row[2] for row in found.tags} == {n: row[2] for n, row in expected.items()}
    stored = {row[0]: row for row in found.uploads}
    for n, parent, _note in found.tags:
        before = expected[n][1]
        if parent != before:
            assert before in victims, f"child {n} refers to {parent}, and its parent {before} is not in quarantine"
            assert stored[parent][1] == victims[before][1] or parent > 1000, f"child {n}: {before} -> {parent}"


def unique(found: Found) -> bool:
    """Say whether no ID is stored twice."""
    return len({row[1] for row in found.uploads}) == len(found.uploads)


__all__ = ["Application", "Found", "Gone", "conserved", "found_in", "unique"]
