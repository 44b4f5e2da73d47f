"""One session of an application under migration: what it does to get a duplicate stored, and the books it keeps."""

from __future__ import annotations

import contextlib
import random
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from threading import Event
from typing import NamedTuple

from tests.migrate.adversary_places import CONSTRAINT, Gone, Place, Refused, Row, Session, Upsert

_MAKES = 10_000_000
"""Numbers that each writer has for its rows and versions."""
GUARDED = frozenset(("clean", "not_null", "build", "attach", "verify", "probe", "unguard", "after"))
"""Steps in which no new duplicate may be accepted."""
POOL = 60
"""Keys that all writers store again and again."""


class Change(NamedTuple):
    """What a committed transaction did to one row: the version that it was, and the one that it is; 0 for none.

    `row` is (seq, id) of what it is.
    """

    before: int
    after: int
    row: tuple[int, str] | None = None


class Refusal(NamedTuple):
    """What a writer was refused: during which step of the migration, doing what, and what the server said."""

    step: str
    deed: str
    code: str
    text: str


@dataclass
class Progress:
    """What the migration announced last: the name of its step."""

    step: str = "before"
    hooks: dict[str, Callable[[], None]] = field(default_factory=dict)
    """What is done once, in the migration's own thread, when a step is announced; it holds no lock then."""


@dataclass
class Writer:
    """One session of the application. `kind` is one of the place's."""

    place: Place
    number: int
    level: str
    kind: str
    progress: Progress
    stored: Sequence[int]
    """Primary keys of rows that were there before."""
    bulk: int
    dice: random.Random
    rewritten: bool = False
    """Whether a trigger of the table removes the exclamation marks that the writer puts into keys."""
    robbed: bool = False
    """Whether somebody takes rows away, or the guard, without the writer's knowledge."""
    changes: list[Change] = field(default_factory=list)
    open: list[tuple[int, list[Change]]] = field(default_factory=list)
    replaced: Counter[str] = field(default_factory=Counter)
    """Rows of these keys that REPLACE deleted beside the one of its primary key."""
    refusals: list[Refusal] = field(default_factory=list)
    guarded: set[int] = field(default_factory=set)
    """Versions of rows that were stored new, by transactions that began when the guard had to hold."""
    wrong: list[str] = field(default_factory=list)
    """What must not happen to anybody, with or without a migration."""
    accepted: Counter[str] = field(default_factory=Counter)
    longest: float = 0.0
    _guarded: bool = False
    _last: int = 0
    _mine: dict[int, str] = field(default_factory=dict)
    """Rows of keys that nobody else knows, each stored once."""
    _commit: list[Callable[[], object]] = field(default_factory=list)

    def work(self, stop: Event, pause: float) -> None:
        """Write until told to stop."""
        session: Session | None = None
        while not stop.is_set():
            try:
                session = session or self.place.session(self.level, self.kind)
                self._one(session)
                self.longest = max(self.longest, session.longest)
            except Gone:
                if session:
                    session.close()
                session = None
                time.sleep(0.05)
            time.sleep(self.dice.uniform(0.5, 1.5) * pause)
        if session:
            session.close()

    def _one(self, session: Session) -> None:
        deeds: list[tuple[int, Callable[[Session], list[Change]]]] = [
            (20, self.insert_fresh),
            (12, self.insert_duplicate),
            (2, self.insert_many_fresh),
            (2, self.insert_many),
        ]
        if self.kind != "inserter":
            deeds += [
                (8, self.retry),
                (8, self.update_key),
                (4, self.update_key_to_fresh),
                (8, self.update_same_key),
                (16, self.upsert),
                (3, self.upsert_many),
                (8, self.delete),
                (4, self.delete_and_insert),
                (4, self.delete_then_insert),
                (4, self.savepoint),
            ]
        deed = self.dice.choices([deed for _weight, deed in deeds], [weight for weight, _deed in deeds])[0]
        for _attempt in range(3):
            if self.attempt(session, deed):
                break

    def attempt(self, session: Session, deed: Callable[[Session], list[Change]]) -> bool:
        """Do a deed in a transaction; return False where the same may succeed when it is tried again."""
        self._commit.clear()
        self._may_be_refused, self._name, self._until = True, deed.__name__, ""
        self._guarded = self.progress.step in GUARDED and not self.robbed
        try:
            for statement in self.place.begin(self.level):
                session.ask(statement)
            changes = deed(session)
            op = self._number()
            session.ask(f"INSERT INTO written VALUES ({op})")
            try:
                session.ask("COMMIT")
            except Gone:
                self.open.append((op, changes))
                raise
        except Refused as error:
            with contextlib.suppress(Refused):
                session.ask("ROLLBACK")
            return self._refused(error)
        self.changes += changes
        self.guarded |= {change.after for change in changes if self._guarded and not change.before}
        self.accepted[self._name] += 1
        for act in self._commit:
            act()
        return True

    def _refused(self, error: Refused) -> bool:
        """Note a refusal; return whether there is no use in trying again."""
        told = Refusal(self.progress.step, self._name, error.code, error.text)
        self.refusals.append(told)
        if error.code == self.place.unique:
            if not self._may_be_refused:
                self.wrong.append(f"refused, although the key is stored nowhere: {told}")
            if CONSTRAINT not in error.text and self.place.name != "sqlite":
                self.wrong.append(f"a refusal that does not name the constraint: {told}")
            return True
        if error.code == self._until and self.progress.step not in ("after", "probe"):
            return True
        if error.code not in self.place.conflicts(self.level):
            self.wrong.append(f"a refusal that the finished index would not give: {told}")
            return True
        return False

    # ---- what deeds are made of

    def _number(self) -> int:
        self._last += 1
        return self.number * _MAKES + self._last

    def _fresh(self) -> str:
        return f"own-{self.number}-{self._number()}"

    def _spelled(self, key: str) -> str:
        """Return a key as it is sent."""
        return key.replace("-", "-!", 1) if self.rewritten and self.dice.random() < 0.5 else key

    def _shared(self) -> str:
        """Return a key that others store too; on MariaDB in capitals now and then, as soon as that must be refused.

        Stored earlier, it would be left to a person: the server takes both for one, and their bytes differ.
        """
        many = self.dice.random() < 0.5
        key = f"pool-{self.dice.randrange(POOL)}" if many else f"key-{self.dice.randrange(len(self.stored))}"
        capitals = self.place.name == "mariadb" and self._guarded and self.dice.random() < 0.3
        return key.upper() if capitals else key

    def _keys(self, count: int) -> list[str]:
        """Return keys of which three in ten are shared, one in a thousand twice."""
        keys = [self._shared() if self.dice.random() < 0.3 else self._fresh() for _ in range(count)]
        if count > 1 and self.dice.random() < 0.3:
            keys[-1] = keys[0]
        return keys

    def _values(self, keys: Iterable[str], seq: int = 0) -> tuple[str, int, int]:
        """Return the rows as SQL with their first and last number; `seq` for one that is stored already."""
        rows, first = [], self._last + 1
        for key in keys:
            op = self._number()
            rows.append(f"({seq or op}, '{self._spelled(key)}', {op}, NULL, 'by {self.number}')")
        return ", ".join(rows), self.number * _MAKES + first, self.number * _MAKES + self._last

    def _made(self, session: Session, first: int, last: int) -> list[Change]:
        rows = session.ask(f"SELECT seq, id, op, prev FROM t WHERE op BETWEEN {first} AND {last}")
        return [Change(prev or 0, op, (seq, key)) for seq, key, op, prev in rows]

    def _insert(self, session: Session, keys: Sequence[str]) -> list[Change]:
        values, first, last = self._values(keys)
        session.ask(f"INSERT INTO t VALUES {values}")
        if self.kind == "inserter":
            return [Change(0, op, (op, key)) for op, key in zip(range(first, last + 1), keys, strict=True)]
        made = self._made(session, first, last)
        if len(made) != len(keys):
            self.wrong.append(f"{self._name} in step {self.progress.step}: {len(made)} of {len(keys)} rows were stored")
        return made

    def _stored(self, session: Session, seq: int) -> Row | None:
        """Lock a row; return its key and version."""
        found = session.ask(f"SELECT id, op FROM t WHERE seq = {seq}{self.place.lock}")
        if not found and seq in self._mine and not self.robbed:
            self.wrong.append(f"row {seq} with the key {self._mine.pop(seq)}, which nobody else knows, is gone")
        return found[0] if found else None

    def _some(self) -> int:
        mine = list(self._mine)
        return self.dice.choice(mine if mine and self.dice.random() < 0.5 else self.stored)

    def _keep(self, made: Sequence[Change]) -> list[Change]:
        """Remember rows as ours alone, once they are committed."""
        if self.kind != "inserter":
            self._commit.append(lambda: self._mine.update(change.row for change in made if change.row))
        return [*made]

    # ---- deeds

    def insert_fresh(self, session: Session) -> list[Change]:
        """Store a new key."""
        self._may_be_refused = False
        return self._keep(self._insert(session, [self._fresh()]))

    def insert_many_fresh(self, session: Session) -> list[Change]:
        """Store many new keys in one statement."""
        self._may_be_refused = False
        return self._insert(session, [self._fresh() for _ in range(self.bulk)])

    def insert_duplicate(self, session: Session) -> list[Change]:
        """Store a key that others store too."""
        return self._insert(session, [self._shared()])

    def insert_many(self, session: Session) -> list[Change]:
        """Store many keys in one statement, some of them again."""
        return self._insert(session, self._keys(self.bulk))

    def retry(self, session: Session) -> list[Change]:
        """Store a row of ours once more, as a client does that got no answer."""
        if not self._mine:
            return []
        seq = self.dice.choice(list(self._mine))
        made = self._insert(session, [self._mine[seq]])
        self._commit.append(lambda: self._mine.pop(seq))
        return made

    def update_key(self, session: Session, key: str = "") -> list[Change]:
        """Give a row another key."""
        seq, key = self._some(), key or self._shared()
        found = self._stored(session, seq)
        if not found:
            return []
        op = self._number()
        session.ask(f"UPDATE t SET id = '{self._spelled(key)}', prev = op, op = {op} WHERE seq = {seq}")
        self._commit.append(lambda: self._mine.pop(seq, None))
        return self._made(session, op, op)

    def update_key_to_fresh(self, session: Session) -> list[Change]:
        """Give a row a new key."""
        self._may_be_refused = False
        return self.update_key(session, self._fresh())

    def update_same_key(self, session: Session) -> list[Change]:
        """Write a row back with all its columns, as ORMs do; its key stays what it is."""
        self._may_be_refused = False
        seq = self._some()
        found = self._stored(session, seq)
        if not found:
            return []
        op = self._number()
        session.ask(f"UPDATE t SET id = '{found[0]}', prev = op, op = {op}, note = 'saved' WHERE seq = {seq}")
        return self._made(session, op, op)

    def upsert(self, session: Session) -> list[Change]:
        """Store a row in one of the dialect's own ways."""
        kind = self.dice.choice(self.place.upserts)
        self._name, self._until = kind.name, kind.until
        seq = self._some() if kind.takes_stored and self.dice.random() < 0.6 else 0
        keep = self._mine.get(seq)
        key = keep if keep and self.dice.random() < 0.3 else self._shared()
        return self._upsert(session, kind, seq, key)

    def _upsert(self, session: Session, kind: Upsert, seq: int, key: str) -> list[Change]:
        before = self._stored(session, seq) if seq else None
        others = session.ask(f"SELECT op FROM t WHERE id = '{key}'") if kind.replaces and not self.place.lock else None
        values, first, last = self._values([key], seq)
        session.ask(kind.sql.format(values=values))
        if kind.replaces:
            unmade = {before[1]} if before else set()
            if others is not None:
                # Nobody else writes: what had the key and is gone was replaced.
                left = {op for (op,) in session.ask(f"SELECT op FROM t WHERE id = '{key}'")}
                unmade |= {op for (op,) in others} - left
            elif extra := session.affected() - 1 - len(unmade):
                self._commit.append(lambda: self.replaced.update({key.lower(): extra}))
            self._commit.append(lambda: self._mine.pop(seq, None))
            return [*self._made(session, first, last), *(Change(op, 0) for op in unmade)]
        made = self._made(session, first, last)
        if any(change.row and change.row[1] != self._mine.get(change.row[0]) for change in made):
            self._commit.append(lambda: [self._mine.pop(change.row[0], None) for change in made if change.row])
        return made

    def upsert_many(self, session: Session) -> list[Change]:
        """Store many rows in one statement that skips what is there."""
        kind = self.place.upserts[0]
        self._name = f"{kind.name} (many)"
        values, first, last = self._values(self._keys(self.bulk))
        session.ask(kind.sql.format(values=values))
        return self._made(session, first, last)

    def delete(self, session: Session) -> list[Change]:
        """Delete a row."""
        seq = self._some()
        found = self._stored(session, seq)
        if not found:
            return []
        session.ask(f"DELETE FROM t WHERE seq = {seq}")
        self._commit.append(lambda: self._mine.pop(seq, None))
        return [Change(found[1], 0)]

    def delete_and_insert(self, session: Session) -> list[Change]:
        """Delete a row of ours, and store its key again in the same transaction."""
        self._may_be_refused = False
        if not self._mine:
            return []
        seq, key = self.dice.choice(list(self._mine.items()))
        gone = self.delete_of(session, seq)
        return [*gone, *self._keep(self._insert(session, [key]))]

    def delete_of(self, session: Session, seq: int) -> list[Change]:
        """Delete a certain row."""
        found = self._stored(session, seq)
        session.ask(f"DELETE FROM t WHERE seq = {seq}")
        self._commit.append(lambda: self._mine.pop(seq, None))
        return [Change(found[1], 0)] if found else []

    def delete_then_insert(self, session: Session) -> list[Change]:
        """Delete a row of ours, and store its key again in another transaction."""
        if not self._mine:
            return []
        seq, key = self.dice.choice(list(self._mine.items()))
        session.ask("ROLLBACK")

        def delete_first(session: Session) -> list[Change]:
            return self.delete_of(session, seq)

        self.attempt(session, delete_first)
        for statement in self.place.begin(self.level):
            session.ask(statement)
        self._name, self._may_be_refused = "delete_then_insert", False
        return self._keep(self._insert(session, [key])) if seq not in self._mine else []

    def savepoint(self, session: Session) -> list[Change]:
        """Store a key, take it back to a savepoint, and store it again."""
        self._may_be_refused = False
        key = self._fresh()
        session.ask("SAVEPOINT earlier")
        self._insert(session, [key])
        session.ask("ROLLBACK TO SAVEPOINT earlier")
        return self._keep(self._insert(session, [key]))
