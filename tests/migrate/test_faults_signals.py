"""A signal ends a migration where nothing is half done that status does not show, and the same command goes on."""

from __future__ import annotations

import json
import signal

import pytest

from tests.migrate.killing import (
    MigratePlace,
    MigrateRunner,
    ordered,
    patiently,
)
from tests.migrate.killing_writers import conserved, found_in
from tests.repair.faults import wait_for
from tests.repair.killing import Point

AT = {
    "sqlite": {
        "clean": r"^DELETE FROM \S*uploads\W",
        "build": "^CREATE UNIQUE INDEX",
    },
    "postgresql": {
        "lookup": "^CREATE INDEX CONCURRENTLY",
        "guard": "^CREATE TRIGGER",
        "clean": r"^DELETE FROM \S*uploads\W",
        "build": "^CREATE UNIQUE INDEX CONCURRENTLY",
        "attach": "^ALTER TABLE .* ADD CONSTRAINT",
        "unguard": "^DROP TRIGGER",
    },
    "mariadb": {
        "lookup": r"(?s)^ALTER TABLE.*dedupaudit_lookup",
        "guard": "^CREATE TRIGGER",
        "clean": r"^DELETE FROM \S*uploads\W",
        "build": r"(?s)^ALTER TABLE.*uploads_id_key",
        "unguard": "^DROP TRIGGER",
    },
}
"""A statement of each step, at the end of which the signal comes."""


def goes_on(place: MigratePlace, runner: MigrateRunner, verb: str) -> None:
    """See that what stays is shown, that the command gets to the end, and that all is right then."""
    shown = runner.start(ordered(place, "status", "--format", "json")).completed()
    (table,) = json.loads(shown.out)["tables"]
    assert bool(table["leftovers"]) == bool(place.traces()), (table, place.traces())
    assert table["runs"][-1]["state"] == "interrupted", table
    done = patiently(runner, ordered(place, verb))
    assert done.code == 0, done
    assert place.traces() == []
    assert place.constraint() == ("valid" if verb == "apply" else "none")
    conserved([], found_in(place))


@pytest.mark.parametrize(
    ("place", "step"), [(name, step) for name in AT for step in AT[name]], indirect=["place"], ids="-".join
)
@pytest.mark.parametrize(("number", "verb"), [(signal.SIGINT, "apply"), (signal.SIGTERM, "rollback")])
def test_a_signal_in_a_step_ends_it_and_the_same_command_goes_on(
    place: MigratePlace, runner: MigrateRunner, step: str, number: signal.Signals, verb: str
) -> None:
    child = runner.start(ordered(place, "apply", point=Point(1, AT[place.name][step], number)))
    done = child.completed()
    assert child.point, f"no such statement: {AT[place.name][step]}: {done}"
    assert done.code == 128 + number, done
    assert b"a signal" in done.out + done.err
    if place.name != "sqlite" and step != "lookup" and place.traces():
        assert b"guard" in done.out + done.err
    goes_on(place, runner, verb)


def _busy(place: MigratePlace, text: str) -> bool:
    session = place.connect()
    try:
        if place.name == "postgresql":
            found = session.ask(
                "SELECT 1 FROM pg_stat_activity WHERE application_name = 'dedupaudit' AND state = 'active'"
                f" AND query LIKE '{text}'"
            )
        else:
            found = session.ask(f"SELECT 1 FROM information_schema.processlist WHERE info LIKE '{text}'")
        return bool(found)
    finally:
        session.close()


@pytest.mark.parametrize("place", ["postgresql"], indirect=True)
@pytest.mark.parametrize("text", ["CREATE INDEX CONCURRENTLY%", "CREATE UNIQUE INDEX CONCURRENTLY%"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_postgresql_a_signal_while_a_concurrent_build_waits_ends_the_build_too(
    place: MigratePlace, runner: MigrateRunner, text: str, number: signal.Signals
) -> None:
    other = place.connect()
    # What is said just before a build without limit: the lookup index is the first, the unique one the second.
    nth = 2 if "UNIQUE" in text else 1
    child = runner.start(ordered(place, "apply", point=Point(nth, "^SET statement_timeout = 0", signal.SIGSTOP)))
    try:
        assert child.wait_until_stopped(), child.completed()
        other.ask("BEGIN ISOLATION LEVEL REPEATABLE READ")
        other.ask("UPDATE uploads SET note = note WHERE seq = 1")
        child.go_on()
        wait_for(lambda: _busy(place, text))
        child.signal(number)
        done = child.completed()
        assert done.code == (143 if number == signal.SIGTERM else -number), done
        wait_for(lambda: not _busy(place, text))
        other.ask("ROLLBACK")
    finally:
        child.end()
        other.close()
    done = patiently(runner, ordered(place, "apply"))
    assert done.code == 0, done
    assert place.traces() == []
    assert place.constraint() == "valid"
    conserved([], found_in(place))


@pytest.mark.parametrize("place", ["postgresql", "mariadb"], indirect=True)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_it_waits_for_older_transactions_ends_it_at_once_and_says_that_the_guard_stays(
    place: MigratePlace, runner: MigrateRunner, number: signal.Signals
) -> None:
    other = place.connect()
    child = runner.start(ordered(place, "apply", point=Point(1, "^CREATE TRIGGER", signal.SIGSTOP)))
    try:
        assert child.wait_until_stopped(), child.completed()
        other.ask("START TRANSACTION ISOLATION LEVEL REPEATABLE READ" if place.name == "postgresql" else "BEGIN")
        other.ask("INSERT INTO written VALUES (1)")
        child.go_on()
        wait_for(lambda: b"that began before the guard" in child._read("err").replace(b"\n", b" ").split(b"3/")[-1])
        child.signal(number)
        done = child.completed()
        assert done.code == 128 + number, done
        assert b"guard" in done.out + done.err
        assert place.traces() != []
    finally:
        child.end()
        other.ask("ROLLBACK")
        other.close()
    goes_on(place, runner, "apply")
