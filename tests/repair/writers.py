"""An application that goes on while a table is repaired: four writers, each knowing exactly what it did."""

from __future__ import annotations

import contextlib
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from threading import Event, Thread
from typing import NamedTuple, Self

from tests.repair.killing_tables import COLUMNS, PLANNED, ROWS, SINGLE, TAG_COLUMNS, Gone, Place, Refused, Row, Session

_KEYS = sorted({str(row[1]) for row in ROWS if row[0] > 100})
_KEY_OF = {"uploads": "seq", "tags": "n"}
_LISTED = {"uploads": ", ".join(COLUMNS), "tags": ", ".join(TAG_COLUMNS)}


class Change(NamedTuple):
    """What one committed transaction of the application did to one row: as it was, and as it is; None for no row."""

    table: str
    before: Row | None
    after: Row | None


@dataclass
class _Writer:
    """One session of the application. What it is told is committed is in `done`; what nobody answered, in `open`."""

    place: Place
    number: int
    random: random.Random
    planned_share: float
    done: list[Change] = field(default_factory=list)
    open: list[tuple[int, Change]] = field(default_factory=list)
    refused: int = 0
    _next: int = 0
    _own: list[int] = field(default_factory=list)
    _tags: list[int] = field(default_factory=list)

    def work(self, stop: Event, pause: float) -> None:
        session: Session | None = None
        while not stop.is_set():
            try:
                session = session or self.place.connect()
                self._one(session)
            except Refused:
                self.refused += 1
                with contextlib.suppress(Refused, Gone):
                    if session:
                        session.ask("ROLLBACK")
            except Gone:
                if session:
                    session.close()
                session = None
                time.sleep(0.02)
            time.sleep(self.random.uniform(0.5, 1.5) * pause)
        if session:
            session.close()

    def _one(self, session: Session) -> None:
        dice = self.random
        deed = dice.choices(
            (self._insert, self._update, self._delete, self._tag, self._untag), weights=(30, 40, 12, 12, 6)
        )[0]
        deed(session)

    def _number(self) -> int:
        self._next += 1
        return self.number * 100_000 + self._next

    def _some_row(self) -> int:
        if self.random.random() < self.planned_share:
            return self.random.choice(PLANNED)
        among: Sequence[int] = self._own if self._own and self.random.random() < 0.6 else SINGLE
        return self.random.choice(among)

    def _insert(self, session: Session) -> None:
        seq = self._number()
        # One in three is a duplicate of what is being repaired: it came after the plan, and stays.
        name = self.random.choice(_KEYS) if self.random.random() < 0.33 else f"own-{seq}"
        row = (seq, name, "mac-2", "completed", f"k/{name}", 0, f"by {self.number}")
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
            self._change(
                session,
                "uploads",
                seq,
                lambda: session.ask("UPDATE uploads SET id = %s, note = %s WHERE seq = %s", name, op, seq),
            )
        else:
            more = "UPDATE uploads SET note = %s, retry_count = retry_count + 1 WHERE seq = %s"
            self._change(session, "uploads", seq, lambda: session.ask(more, op, seq))

    def _delete(self, session: Session) -> None:
        seq = self._some_row()
        self._change(session, "uploads", seq, lambda: session.ask("DELETE FROM uploads WHERE seq = %s", seq))

    def _tag(self, session: Session) -> None:
        n = self._number()
        seq = self.random.choice(PLANNED) if self.random.random() < 0.7 else self._some_row()
        self._change(
            session,
            "tags",
            n,
            lambda: session.ask("INSERT INTO tags VALUES (%s, %s, %s)", n, seq, f"tag {n}"),
            makes=True,
        )
        self._tags.append(n)

    def _untag(self, session: Session) -> None:
        if self._tags:
            n = self._tags.pop(self.random.randrange(len(self._tags)))
            self._change(session, "tags", n, lambda: session.ask("DELETE FROM tags WHERE n = %s", n))

    def _change(
        self, session: Session, table: str, key: int, deed: Callable[[], object], *, makes: bool = False
    ) -> None:
        """Do one thing in one transaction, and note the row as it was under lock and as it is; `makes`: it is new."""
        look = f"SELECT {_LISTED[table]} FROM {table} WHERE {_KEY_OF[table]} = %s"
        session.ask(self.place.begin)
        before = session.ask(look + self.place.lock, key)
        if not before and not makes:
            # What is not there is not locked: an undo may bring it back meanwhile, which is not this deed.
            session.ask("ROLLBACK")
            return
        deed()
        after = session.ask(look, key)
        change = Change(table, before[0] if before else None, after[0] if after else None)
        self._next += 1
        op = self.number * 100_000 + self._next
        session.ask("INSERT INTO written VALUES (%s)", op)
        try:
            session.ask("COMMIT")
        except Gone:
            self.open.append((op, change))
            raise
        self.done.append(change)


class Writers:
    """Four writers, from `start` to `stop`. `pause` is the seconds that each waits between two transactions."""

    def __init__(self, place: Place, seed: int, planned_share: float = 0.015, pause: float = 0.008) -> None:
        self._place, self._pause, self._stop = place, pause, Event()
        self._writers = [_Writer(place, n, random.Random(f"{seed}/{n}"), planned_share) for n in range(1, 5)]  # noqa: S311 (no secret)
        self._threads = [Thread(target=writer.work, args=(self._stop, pause), daemon=True) for writer in self._writers]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(60)
            assert not thread.is_alive(), "a writer hangs"

    @property
    def refused(self) -> int:
        """Transactions that the database refused: a foreign key, a deadlock, a lock timeout."""
        return sum(writer.refused for writer in self._writers)

    def changes(self) -> list[Change]:
        """Return what was committed, once they have stopped; where no answer came, the server is asked."""
        assert self._stop.is_set()
        found = [change for writer in self._writers for change in writer.done]
        unanswered = [one for writer in self._writers for one in writer.open]
        if unanswered:
            session = self._place.connect()
            found += [change for op, change in unanswered if session.ask("SELECT op FROM written WHERE op = %s", op)]
            session.close()
        return found
