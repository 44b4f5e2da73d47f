"""Writers that try to get duplicates past a migration, each knowing exactly what it did and what it was refused.

Every version of a row has a number of its own (`op`) and names the one before it (`prev`), so that the equation of
conservation is one over numbers: stored before + made by writers - unmade by writers = in the table + in quarantine.
"""

from __future__ import annotations

import contextlib
import random
import re
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from threading import Event, Thread
from typing import Self

from tests.migrate.adversary_places import Place, Session
from tests.migrate.adversary_writer import Progress, Writer


class Said(list[str]):
    """What an apply announces; each step that begins is noted, and its hook called."""

    def __init__(self, progress: Progress) -> None:
        super().__init__()
        self.progress = progress

    def append(self, text: str) -> None:
        """Take a line."""
        super().append(text)
        if found := re.match(r"\d+/\d+ (\w+): ", text):
            self.progress.step = found[1]
            hook = self.progress.hooks.pop(found[1], None)
            if hook:
                hook()


class Adversary:
    """Eight writers, from entering to leaving the block. `pause` is the seconds between two deeds of each."""

    def __init__(
        self,
        place: Place,
        level: str,
        *,
        seed: int,
        rows: int,
        bulk: int = 1000,
        pause: float = 0.02,
        rewritten: bool = False,
    ) -> None:
        self.place, self.level, self.progress, self._rewritten = place, level, Progress(), rewritten
        self._stop, self._pause, self._rows = Event(), pause, rows
        self.sessions: list[Session] = []
        """Sessions beside the writers', which end with the block."""
        kinds = ["plain"] * 6 + ["inserter", "replica" if place.name == "postgresql" else "plain"]
        self.writers = [self.writer(number, kind, bulk, seed) for number, kind in enumerate(kinds, 1)]
        self._threads = [Thread(target=writer.work, args=(self._stop, pause), daemon=True) for writer in self.writers]

    def writer(self, number: int, kind: str = "plain", bulk: int = 1000, seed: int = 0) -> Writer:
        """Return a writer that is told what to do, unless it is one of the eight."""
        dice = random.Random(f"{seed}/{number}")  # noqa: S311 (no secret)
        stored = range(1, self._rows + 1)
        return Writer(self.place, number, self.level, kind, self.progress, stored, bulk, dice, self._rewritten)

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        for session in self.sessions:
            session.close()
        self._stop.set()
        for thread in self._threads:
            thread.join(60)
            assert not thread.is_alive(), "a writer hangs"

    @contextlib.contextmanager
    def afterwards(self, seconds: float) -> Iterator[None]:
        """Let writers go on for a while after the migration."""
        yield
        self.progress.step = "after"
        time.sleep(seconds)


def fill(place: Place, rows: int, *, twice: bool = True) -> dict[int, str]:
    """Store rows 1 to `rows`, and return their keys; with `twice`, each tenth has the key of the one before.

    Their versions are their primary keys.
    """
    keys = {seq: f"key-{seq - 1 if twice and seq % 10 == 0 else seq}" for seq in range(1, rows + 1)}
    text = ", ".join(f"({seq}, '{key}', {seq}, NULL, 'first')" for seq, key in keys.items())
    place.database.run(f"INSERT INTO t VALUES {text}")
    return keys


@dataclass(frozen=True)
class Sum:
    """What a run came to."""

    made: int
    quarantined: int
    refused: Counter[str]
    longest: float


def conserved(place: Place, writers: Sequence[Writer], initial: dict[int, str], *, quarantine: bool = True) -> Sum:
    """Assert that each accepted version is in the table or in quarantine once, as it was written, and nothing else."""
    changes = [change for writer in writers for change in writer.changes]
    for op, open_changes in [one for writer in writers for one in writer.open]:
        if place.database.ask(f"SELECT op FROM written WHERE op = {op}"):
            changes += open_changes
    expected = Counter(list(initial))
    content = {op: (op, key) for op, key in initial.items()}
    for change in changes:
        expected.update({op: by for op, by in ((change.before, -1), (change.after, 1)) if op})
        if change.row:
            content[change.after] = change.row
    table = place.database.ask("SELECT op, seq, id FROM t")
    moved = f"SELECT op, seq, id FROM {place.quarantine} WHERE dedupaudit_role = 'victim'"
    victims = place.database.ask(moved) if quarantine else []
    found = Counter(op for op, _seq, _key in [*table, *victims])
    assert not (twice := [op for op, times in found.items() if times > 1]), f"in both, or twice: {twice[:10]}"
    leaked = {op for op, _seq, _key in victims} & {op for writer in writers for op in writer.guarded}
    assert not leaked, f"duplicates of these were accepted under the guard: {[content[op] for op in leaked][:10]}"
    altered = [(op, content[op], row) for op, *row in [*table, *victims] if op in content and content[op] != tuple(row)]
    assert not altered, f"version, as written, as found: {altered[:10]}"
    extra = {op: (number, expected[op]) for op, number in found.items() if number != expected[op]}
    assert not extra, f"version: (found, expected): {dict(list(extra.items())[:10])}"
    missing = [op for op, number in expected.items() if number > 0 and not found[op]]
    assert not any(number < 0 for number in expected.values()), "unmade more often than made"
    replaced: Counter[str] = sum((writer.replaced for writer in writers), Counter())
    lost = Counter(content[op][1].lower() for op in missing)
    assert lost == replaced, f"lost {lost - replaced}, replaced by writers and yet there {replaced - lost}"
    refused = Counter(refusal.code for writer in writers for refusal in writer.refusals)
    longest = max((writer.longest for writer in writers), default=0.0)
    return Sum(len(content) - len(initial), len(victims), refused, longest)
