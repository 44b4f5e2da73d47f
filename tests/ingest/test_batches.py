"""Many events a call: the outcome of each, in the caller's order, and one row for each key."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Barrier
from typing import Any

import pytest
from sqlalchemy import Engine, event

from dedupaudit.ingest import ActivityWriter, IdCollision, Rejected, RowWriter, Stored, Table, Unavailable
from dedupaudit.ingest.batches import MAX_CHARACTERS, MAX_ROWS
from tests.ingest.databases import Database
from tests.ingest.events import activity, stored_ids


@contextmanager
def statements(engine: Engine) -> Iterator[list[str]]:
    """Collect what a driver is told."""
    seen: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        seen.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(engine, "before_cursor_execute", note)


def test_an_empty_batch_asks_nothing_of_the_rows(database: Database) -> None:
    assert ActivityWriter(database.engine).write_batch([]) == []


def test_five_hundred_new_events_are_one_insert(database: Database) -> None:
    writer = ActivityWriter(database.engine)
    writer.write(activity("warm-up"))
    with statements(database.engine) as seen:
        outcomes = writer.write_batch([activity(f"activity_{number}") for number in range(500)])
    assert outcomes == [Stored(f"activity_{number}") for number in range(500)]
    inserts = [statement for statement in seen if statement.startswith("INSERT")]
    assert len(inserts) == 1
    assert len(seen) <= 2, "and what begins a transaction at the right level"
    assert "IGNORE" not in inserts[0]
    assert len(stored_ids(database)) == 501


def test_every_row_has_its_own_outcome_in_the_callers_order(database: Database) -> None:
    writer = ActivityWriter(database.engine)
    writer.write_batch([activity("stored"), activity("taken", kind="key")])
    sent = [
        activity("z"),
        activity("taken"),
        activity(""),
        activity("stored"),
        activity("a"),
        activity("z"),
        activity("z", kind="key"),
        activity("b", timestamp=2**63),
        activity("taken", kind="key"),
        activity("b"),
    ]
    outcomes = writer.write_batch(sent)
    assert [outcome.duplicate if isinstance(outcome, Stored) else type(outcome).__name__ for outcome in outcomes] == [
        False,
        "IdCollision",
        "Rejected",
        True,
        False,
        True,
        "IdCollision",
        "Rejected",
        True,
        False,
    ]
    assert stored_ids(database) == ["a", "b", "stored", "taken", "z"]
    assert database.ask("SELECT type FROM activities WHERE id IN ('taken', 'z') ORDER BY id") == [("key",), ("click",)]


def test_a_whole_batch_again_is_all_duplicates(database: Database) -> None:
    writer = ActivityWriter(database.engine)
    batch = [activity(f"activity_{number}") for number in range(MAX_ROWS + 1)]
    writer.write_batch(batch)
    assert all(isinstance(one, Stored) and one.duplicate for one in writer.write_batch(batch))
    assert len(stored_ids(database)) == MAX_ROWS + 1


def test_ten_thousand_rows_go_in_pieces(database: Database) -> None:
    writer = ActivityWriter(database.engine)
    batch = [activity(f"activity_{number}") for number in range(10_000)]
    writer.write_batch(batch[::7])
    with statements(database.engine) as seen:
        outcomes = writer.write_batch(batch)
    assert sum(isinstance(one, Stored) and not one.duplicate for one in outcomes) == 10_000 - len(batch[::7])
    assert len(stored_ids(database)) == 10_000
    assert 10 <= sum(statement.startswith("INSERT") for statement in seen) <= 20


def test_large_texts_make_smaller_pieces(database: Database) -> None:
    writer = ActivityWriter(database.engine)
    large = "x" * (MAX_CHARACTERS // 2 + 1)
    with statements(database.engine) as seen:
        outcomes = writer.write_batch([activity(f"activity_{number}", data=large) for number in range(3)])
    assert outcomes == [Stored(f"activity_{number}") for number in range(3)]
    assert sum(statement.startswith("INSERT") for statement in seen) == 3


def test_a_row_that_a_constraint_refuses_does_not_stop_the_others(database: Database) -> None:
    if database.name == "sqlite":
        database.run("CREATE TRIGGER odd BEFORE INSERT ON activities WHEN NEW.timestamp = 13"
                     " BEGIN SELECT RAISE(ABORT, 'odd'); END")  # fmt: skip
    else:
        database.run("ALTER TABLE activities ADD CONSTRAINT odd CHECK (timestamp <> 13)")
    outcomes = ActivityWriter(database.engine).write_batch(
        [activity(f"activity_{number}", timestamp=number) for number in range(40)]
    )
    refused = [number for number, one in enumerate(outcomes) if isinstance(one, Rejected)]
    assert refused == [13]
    assert len(stored_ids(database)) == 39


@pytest.mark.parametrize("database", ["mariadb"], indirect=True)
def test_keys_that_only_a_collation_calls_equal(database: Database) -> None:
    """One statement can never hold both, and the catalog of keys that are there does not tell."""
    database.run("ALTER TABLE activities CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci")
    sent = [activity("A"), activity("a"), activity("b"), activity("b ")]
    outcomes = ActivityWriter(database.engine).write_batch(sent)
    assert [type(one) for one in outcomes] == [Stored, IdCollision, Stored, IdCollision]
    assert stored_ids(database) == ["A", "b"]


def test_batches_in_opposite_orders_store_each_event_once(database: Database) -> None:
    engine = database.new_engine(pool_size=4)
    writer = ActivityWriter(engine)
    batch = [activity(f"activity_{number:03}") for number in range(200)]
    barrier = Barrier(4)

    def send(number: int) -> list[bool]:
        barrier.wait()
        outcomes = writer.write_batch(batch[::-1] if number % 2 else batch)
        answers = [isinstance(one, Stored) and not one.duplicate for one in outcomes]
        return answers[::-1] if number % 2 else answers

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(send, range(4)))
    engine.dispose()
    assert [sum(one[number] for one in answers) for number in range(200)] == [1] * 200
    assert len(stored_ids(database)) == 200


def test_batches_beside_single_writes_store_each_event_once(database: Database) -> None:
    engine = database.new_engine(pool_size=4)
    writer = ActivityWriter(engine)
    events = [activity(f"activity_{number:03}") for number in range(60)]
    barrier = Barrier(4)

    def send(number: int) -> list[bool]:
        barrier.wait()
        if number % 2:
            return [not writer.write(one).duplicate for one in events[::-1]][::-1]
        return [isinstance(one, Stored) and not one.duplicate for one in writer.write_batch(events)]

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(send, range(4)))
    engine.dispose()
    assert [sum(one[number] for one in answers) for number in range(60)] == [1] * 60


def test_a_failure_in_the_middle_leaves_duplicates_for_the_next_try(database: Database) -> None:
    engine = database.new_engine()
    writer = ActivityWriter(engine)
    batch = [activity(f"activity_{number:05}") for number in range(MAX_ROWS + 10)]
    commits = []

    @event.listens_for(engine, "commit")
    def fail_the_second(_connection: Any) -> None:
        commits.append(True)
        if len(commits) == 3:  # after the catalog's, and the first piece's
            raise Unavailable("gone")

    with pytest.raises(Unavailable):
        writer.write_batch(batch)
    event.remove(engine, "commit", fail_the_second)
    outcomes = writer.write_batch(batch)
    assert [one.duplicate for one in outcomes if isinstance(one, Stored)] == [True] * MAX_ROWS + [False] * 10
    assert len(stored_ids(database)) == MAX_ROWS + 10
    engine.dispose()


@pytest.mark.parametrize("database", ["mariadb"], indirect=True)
@pytest.mark.parametrize("engine", ["MyISAM", "Aria"])
def test_an_engine_without_transactions_stores_no_row_changed(database: Database, engine: str) -> None:
    """Of a statement of several rows it takes only the first strictly, and keeps those before a failure."""
    database.run(f"CREATE TABLE t (id varchar(9) PRIMARY KEY, e enum('a','b')) ENGINE = {engine}")
    outcomes = RowWriter(database.engine, Table(("t",))).write_batch(("id", "e"), [("1", "a"), ("2", "z"), ("3", "b")])
    assert [type(one) for one in outcomes] == [bool, Rejected, bool]
    assert database.ask("SELECT id, e FROM t") == [("1", "a"), ("3", "b")]


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_keys_that_the_server_spells_otherwise_are_known_as_new(database: Database) -> None:
    new, old, bad = "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11", "B0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11", "bad"
    database.run("CREATE TABLE u (id uuid PRIMARY KEY)", "CREATE TABLE c (id char(9) PRIMARY KEY)")
    uuids = RowWriter(database.engine, Table(("u",)))
    assert uuids.write_batch(("id",), [(old,)]) == [False]
    outcomes = uuids.write_batch(("id",), [(new,), (old,), (bad,), (bad,), (new.lower(),)])
    assert [one if isinstance(one, bool) else type(one) for one in outcomes] == [False, True, Rejected, Rejected, True]
    padded = RowWriter(database.engine, Table(("c",)))
    assert padded.write_batch(("id",), [("old",)]) == [False]
    assert padded.write_batch(("id",), [("new",), ("old",)]) == [False, True]


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_events_that_come_one_by_one_are_all_stored(database: Database) -> None:
    """A list is asked for; of a generator nothing was left after the first look."""
    events: Any = (activity(str(number)) for number in range(3))
    assert len(ActivityWriter(database.engine).write_batch(events)) == 3
    assert stored_ids(database) == ["0", "1", "2"]
