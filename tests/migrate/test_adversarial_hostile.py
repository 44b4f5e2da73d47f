"""What surrounds a migration in practice: old snapshots, rewritten keys, TRUNCATE, locks of others, a guard undone."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from threading import Timer

import pytest

from dedupaudit.errors import RunFailed
from dedupaudit.migrate.evidence import Migrated
from tests.migrate.adversary import Adversary, Said, conserved
from tests.migrate.adversary_places import LEVELS, PLACES, Place, Refused, Session
from tests.migrate.adversary_writer import Change, Writer
from tests.migrate.test_adversarial import attack, has_no_leak, is_migrated, migrating, nobody_is_wronged

SERVERS = ("postgresql", "mariadb")


def begin(place: Place, session: Session) -> None:
    """Begin a transaction that has its snapshot, and that did not touch the table."""
    if place.name == "mariadb":
        session.ask("START TRANSACTION WITH CONSISTENT SNAPSHOT")
    else:
        session.ask("BEGIN")
        session.ask("SELECT 1")


class Actor:
    """One more session beside the writers, which does what a test says; its books are a writer's."""

    def __init__(self, against: Adversary, number: int, level: str = "READ COMMITTED") -> None:
        self.writer: Writer = against.writer(number)
        self.place = against.place
        self.session = self.place.session(level)
        against.writers.append(self.writer)
        against.sessions.append(self.session)
        self._last = number * 10_000_000
        self._open: list[Change] = []
        self.refused: list[str] = []
        """The codes of what the database refused."""

    def insert(self, key: str) -> bool:
        """Store a key in the transaction that is open; return whether it was accepted."""
        self._last += 1
        self.session.ask("SAVEPOINT one")
        try:
            self.session.ask(f"INSERT INTO t VALUES ({self._last}, '{key}', {self._last}, NULL, 'actor')")
        except Refused as error:
            self.refused.append(error.code)
            self.session.ask("ROLLBACK TO SAVEPOINT one")
            return False
        self._open.append(Change(0, self._last, (self._last, key)))
        return True

    def commit(self) -> None:
        """Commit; what was accepted is in the books then, unless the database refuses now."""
        try:
            self.session.ask("COMMIT")
            self.writer.changes += self._open
        except Refused as error:
            self.refused.append(error.code)
        self._open.clear()

    def truncate(self) -> None:
        """Empty the table, knowing what was there."""
        if self.place.name == "mariadb":
            self.session.ask("LOCK TABLES t WRITE")
        else:
            self.session.ask("BEGIN")
            self.session.ask("LOCK TABLE t IN ACCESS EXCLUSIVE MODE")
        self.writer.changes += [Change(op, 0) for (op,) in self.session.ask("SELECT op FROM t")]
        self.session.ask("TRUNCATE TABLE t")
        self.session.ask("UNLOCK TABLES" if self.place.name == "mariadb" else "COMMIT")


def ended_well(place: Place, against: Adversary, done: Migrated, initial: dict[int, str]) -> None:
    """Assert that it is done, that every row is kept or in quarantine, and that no writer was wronged."""
    nobody_is_wronged(against)
    is_migrated(place, done)
    conserved(place, against.writers, initial)


@pytest.mark.parametrize("level", LEVELS[1:])
@pytest.mark.parametrize("name", SERVERS)
def test_a_snapshot_older_than_the_guard(name: str, level: str, tmp_path: Path) -> None:
    """Its holder does not see a row that was stored after it and before the guard, and stores its key again.

    It may be told to begin anew: with 40001 where it is serializable, and by MariaDB with 1412 (Table definition has
    changed) or 159 (insufficient history for index), because the guard is younger than what it sees. InnoDB says so to
    any snapshot that would read by an index younger than itself.
    """
    place = PLACES[name]
    work, initial = migrating(place, tmp_path, 200)
    plan = work.plan(strategy="guarded")
    with Adversary(place, level, seed=3, rows=200, bulk=50) as against:
        old, other = Actor(against, 21, level), Actor(against, 22)
        accepted: dict[str, bool] = {}

        def before_guard() -> None:
            begin(place, old.session)
            other.session.ask("BEGIN")
            assert other.insert("late")
            other.commit()

        def while_waited_for() -> None:
            accepted["late"], accepted["known"] = old.insert("late"), old.insert("late")
            accepted["new"] = old.insert("own-old")
            Timer(0.7, old.commit).start()

        against.progress.hooks |= {"guard": before_guard, "wait": while_waited_for}
        work.said = Said(against.progress)
        with against.afterwards(0.2):
            done = work.apply(plan)
    again = {"mariadb": {"1412", "159"}, "postgresql": {"40001"} if level == "SERIALIZABLE" else set()}[name]
    assert set(old.refused) <= {place.unique, *again}
    if not again & set(old.refused):
        assert (accepted["known"], accepted["new"]) == (False, True)
    assert [said for said in work.said if "waiting for" in said]
    has_no_leak(work)
    ended_well(place, against, done, initial)


REWRITING = {
    "postgresql": (
        "CREATE FUNCTION stripped() RETURNS trigger LANGUAGE plpgsql AS"
        " $$BEGIN NEW.id := replace(NEW.id, '!', ''); RETURN NEW; END$$",
        "CREATE TRIGGER zz_strip BEFORE INSERT OR UPDATE ON t FOR EACH ROW EXECUTE FUNCTION stripped()",
    ),
    "mariadb": (
        "CREATE TRIGGER strip_new BEFORE INSERT ON t FOR EACH ROW SET NEW.id = replace(NEW.id, '!', '')",
        "CREATE TRIGGER strip_changed BEFORE UPDATE ON t FOR EACH ROW SET NEW.id = replace(NEW.id, '!', '')",
    ),
}


@pytest.mark.parametrize("name", SERVERS)
def test_a_trigger_that_rewrites_the_key(name: str, tmp_path: Path) -> None:
    attack(PLACES[name], LEVELS[0], tmp_path, seed=4, rows=500, bulk=100, rewriting=REWRITING[name])


@pytest.mark.parametrize("step", ["wait", "clean", "build"])
@pytest.mark.parametrize("name", SERVERS)
def test_the_table_is_truncated_in_the_middle(name: str, step: str, tmp_path: Path) -> None:
    place = PLACES[name]
    work, initial = migrating(place, tmp_path, 500)
    plan = work.plan(strategy="guarded")
    with Adversary(place, LEVELS[0], seed=5, rows=500, bulk=50) as against:
        actor = Actor(against, 21)
        for writer in against.writers:
            # What a TRUNCATE took is gone for a reason.
            writer.robbed = True
        against.progress.hooks[step] = actor.truncate
        work.said = Said(against.progress)
        with against.afterwards(0.3):
            done = work.apply(plan)
    has_no_leak(work)
    ended_well(place, against, done, initial)


@pytest.mark.slow
@pytest.mark.parametrize("name", SERVERS)
def test_a_long_transaction_is_named_and_waited_for_no_longer_than_asked(name: str, tmp_path: Path) -> None:
    place = PLACES[name]
    work, initial = migrating(place, tmp_path, 200)
    plan = work.plan(strategy="guarded")
    with Adversary(place, LEVELS[0], seed=6, rows=200, bulk=50) as against:
        old = Actor(against, 21, LEVELS[1])
        against.progress.hooks["guard"] = lambda: begin(place, old.session)
        work.said = Said(against.progress)
        with pytest.raises(RunFailed, match="did not end within 1 s") as failed:
            work.apply(plan, wait=1.0)
        pid = old.session.ask("SELECT connection_id()" if name == "mariadb" else "SELECT pg_backend_pid()")[0][0]
        assert re.search(rf"\b{pid}\b", str(failed.value)), "it does not say who"
        against.progress.step = "before"
        assert place.left() == []
        assert not place.is_protected()
        old.commit()
        with against.afterwards(0.2):
            done = work.apply(plan)
    ended_well(place, against, done, initial)


LOCKS = {
    "postgresql": ("BEGIN", "LOCK TABLE t IN ROW EXCLUSIVE MODE"),
    "mariadb": ("BEGIN", "SELECT count(*) FROM t WHERE seq < 0"),
}
"""What an open transaction has that wrote to the table, or read it: writers do not mind, DDL does."""


def holding(place: Place, holder: Actor, seconds: float) -> Callable[[], None]:
    """Return what takes a lock for so long."""

    def hold() -> None:
        for statement in LOCKS[place.name]:
            holder.session.ask(statement)
        Timer(seconds, holder.commit).start()

    return hold


@pytest.mark.slow
@pytest.mark.parametrize("step", ["guard", "unguard"])
@pytest.mark.parametrize("name", SERVERS)
def test_a_lock_of_another_is_waited_for_without_blocking_writers(name: str, step: str, tmp_path: Path) -> None:
    place = PLACES[name]
    work, initial = migrating(place, tmp_path, 200)
    plan = work.plan(strategy="guarded")
    with Adversary(place, LEVELS[0], seed=7, rows=200, bulk=50) as against:
        against.progress.hooks[step] = holding(place, Actor(against, 21), 2.5)
        work.said = Said(against.progress)
        with against.afterwards(0.2):
            done = work.apply(plan)
    assert [said for said in work.said if said.startswith("waiting for a lock")]
    ended_well(place, against, done, initial)


@pytest.mark.slow
@pytest.mark.parametrize("name", SERVERS)
def test_a_lock_that_is_held_too_long_ends_the_run_and_leaves_nothing(name: str, tmp_path: Path) -> None:
    place = PLACES[name]
    work, initial = migrating(place, tmp_path, 200)
    plan = work.plan(strategy="guarded")
    with Adversary(place, LEVELS[0], seed=8, rows=200, bulk=50) as against:
        # The lookup index can only be taken away when the lock is free.
        against.progress.hooks["guard"] = holding(place, Actor(against, 21), 5)
        work.said = Said(against.progress)
        with pytest.raises(RunFailed):
            work.apply(plan, wait=1.5)
        against.progress.step = "before"
        with against.afterwards(0.2):
            done = work.apply(plan)
    ended_well(place, against, done, initial)


def triggers_of(place: Place) -> list[str]:
    """Return the guard's triggers."""
    return [row[0] for row in place.left() if re.search("^dedupaudit_.*_(insert|update|delete|truncate)$", row[0])]


def without_guard(place: Place, actor: Actor) -> Callable[[], None]:
    """Return what stores a duplicate although the guard is there: by dropping it for good."""

    def act() -> None:
        for name in triggers_of(place):
            if name.endswith("_insert"):
                actor.session.ask(f"DROP TRIGGER {name}" + (" ON t" if place.name == "postgresql" else ""))
        actor.session.ask("BEGIN")
        assert actor.insert("slipped")
        assert actor.insert("slipped")
        actor.commit()

    return act


@pytest.mark.parametrize("step", ["clean", "build"])
@pytest.mark.parametrize("name", SERVERS)
def test_somebody_drops_a_trigger_of_the_guard(name: str, step: str, tmp_path: Path) -> None:
    """Duplicates come in again: it ends well, or it stops and leaves nothing, and the same command goes on."""
    place = PLACES[name]
    work, initial = migrating(place, tmp_path, 200)
    plan = work.plan(strategy="guarded")
    with Adversary(place, LEVELS[0], seed=9, rows=200, bulk=50) as against:
        actor = Actor(against, 21)
        for writer in against.writers:
            writer.robbed = True
        against.progress.hooks[step] = without_guard(place, actor)
        work.said = Said(against.progress)
        with against.afterwards(0.2):
            try:
                done = work.apply(plan)
            except RunFailed:
                assert place.left() == []
                done = work.apply(plan)
    assert not against.progress.hooks
    ended_well(place, against, done, initial)
