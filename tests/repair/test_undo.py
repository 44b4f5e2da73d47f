"""Undo in any order of runs that is possible; refused, with nothing changed, where something stands in the way."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from dedupaudit.config import TableSettings
from dedupaudit.errors import NothingToCheck, Refused
from tests.repair.databases import DATABASES, Database, Dump
from tests.repair.repairing import Repairing, small_chunks

SETTINGS = {
    "t": TableSettings(key=("k",), volatile=("id", "up")),
    "u": TableSettings(key=("k",), volatile=("id",)),
}
ROWS = [(1, "a", None), (2, "a", None), (3, "b", 2), (4, "b", 1), (5, "c", 4)]

CHILDREN = [(1, 1, "x"), (2, 2, "x"), (3, 4, "x"), (4, 5, "x")]


@pytest.fixture(params=DATABASES, ids=lambda database: str(database.name))
def database(request: pytest.FixtureRequest) -> Database:
    chosen: Database = request.param
    return chosen


Make = Callable[..., Repairing]


@pytest.fixture
def make(database: Database, tmp_path: Path) -> Make:
    """Return a function that makes `t`, which refers to itself, and its child."""

    def made(*statements: str, rows: Sequence[tuple[object, ...]] = ROWS, up: str = "") -> Repairing:
        repairing = Repairing(database, tmp_path, dict(SETTINGS))
        columns = ["id INTEGER NOT NULL PRIMARY KEY", f"k {database.text()}", "up INTEGER"]
        database.run(database.table("t", [*columns, *([up] if up else [])]))
        database.insert("t", rows)
        child = [
            "n INTEGER NOT NULL PRIMARY KEY",
            "p INTEGER",
            f"note {database.text()}",
            "FOREIGN KEY (p) REFERENCES t (id)",
        ]
        database.run(database.table("child", child))
        there = {row[0] for row in rows}
        database.insert("child", [row for row in CHILDREN if row[1] in there])
        database.run(*statements)
        return repairing

    return made


def refused(repairing: Repairing, match: str, named: str = "last") -> None:
    """See that an undo is refused with the reason, and changes nothing that is not the tool's own."""
    before = repairing.database.dump()
    with pytest.raises(Refused, match=match):
        repairing.undo(named)
    assert repairing.database.dump() == before


# ---- orders of runs


@pytest.mark.parametrize("order", [(2, 1, 0), (0, 1, 2), (1, 2, 0)])
def test_runs_on_different_keys_are_taken_back_in_any_order(
    make: Make, database: Database, order: Sequence[int]
) -> None:
    repairing = make(rows=[(1, "a", None), (2, "a", None)])
    dumps: list[Dump] = []
    runs: list[str] = []
    for number, key in enumerate("bcd"):
        first = 10 * (number + 1)
        database.insert("t", [(first, key, None), (first + 1, key, None)])
        database.run(f"INSERT INTO child VALUES ({first}, {first + 1}, 'y')")
        dumps.append(database.dump())
        runs.append(repairing.apply(repairing.plan()).run.id)
    for number in order:
        repairing.undo(runs[number])
    everything = [(1,), (2,), (10,), (11,), (20,), (21,), (30,), (31,)]
    assert database.ask("SELECT id FROM t ORDER BY id") == everything
    assert database.ask("SELECT n, p FROM child ORDER BY n") == [(1, 1), (2, 2), (10, 11), (20, 21), (30, 31)]


def test_of_two_runs_on_one_key_the_later_one_goes_first(make: Make, database: Database) -> None:
    repairing = make()
    before = database.dump()
    first = repairing.apply(repairing.plan()).run
    # An older row comes, and the row that stayed goes in a second run, with the child that came to it.
    database.run("INSERT INTO t VALUES (0, 'a', NULL)")
    second = repairing.apply(repairing.plan()).run
    assert sorted(database.ask("SELECT n, p FROM child WHERE n < 3")) == [(1, 0), (2, 0)]
    refused(repairing, r"child|\bt\b", first.id)
    repairing.undo(second.id)
    repairing.undo(first.id)
    database.run("DELETE FROM t WHERE id = 0")
    assert database.dump() == before


def test_a_run_that_was_taken_back_is_not_taken_back_again(make: Make, database: Database) -> None:
    repairing = make()
    run = repairing.apply(repairing.plan()).run
    repairing.undo(run.id)
    refused(repairing, "already", run.id)


def test_a_plan_whose_run_was_taken_back_is_applied_again(make: Make, database: Database) -> None:
    repairing = make()
    before, plan = database.dump(), repairing.plan()
    repairing.apply(plan)
    after = database.dump()
    repairing.undo()
    assert repairing.apply(plan).exit_code == 0
    assert database.dump() == after
    repairing.undo()
    assert database.dump() == before


def test_the_last_run_of_a_table_is_found_by_its_name(make: Make, database: Database) -> None:
    repairing = make(database.table("u", ["id INTEGER NOT NULL PRIMARY KEY", f"k {database.text()}"]))
    database.insert("u", [(1, "a"), (2, "a")])
    before = database.dump()
    repairing.apply(repairing.plan("t"))
    repairing.apply(repairing.plan("u"))
    repairing.undo(table="t")
    repairing.undo(table="u")
    assert database.dump() == before
    with pytest.raises(NothingToCheck):
        repairing.undo(table="child")


# ---- what stands in the way


def test_a_unique_index_that_was_made_since_forbids_it_and_is_named(make: Make, database: Database) -> None:
    repairing = make()
    before = database.dump()
    repairing.apply(repairing.plan())
    database.run("CREATE UNIQUE INDEX only_once ON t (k)")
    refused(repairing, "only_once")
    database.run("DROP INDEX only_once ON t" if database.name == "mariadb" else "DROP INDEX only_once")
    repairing.undo()
    assert database.dump() == before


def test_a_new_row_with_the_primary_key_of_one_that_went_forbids_it_and_is_named(
    make: Make, database: Database
) -> None:
    repairing = make()
    before = database.dump()
    repairing.apply(repairing.plan())
    database.run("INSERT INTO t VALUES (2, 'new', NULL)")
    refused(repairing, "2.*has its key already")
    database.run("DELETE FROM t WHERE id = 2")
    repairing.undo()
    assert database.dump() == before


@pytest.mark.parametrize("chunk", [2, 200])
@pytest.mark.parametrize(
    "change",
    [
        "UPDATE child SET note = 'changed' WHERE n = 2",
        "DELETE FROM child WHERE n = 2",
        "UPDATE child SET p = 5 WHERE n = 2",
    ],
)
def test_a_child_that_changed_since_forbids_it_and_is_named_or_is_left(
    make: Make, database: Database, change: str, chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_chunks(monkeypatch, chunk)
    repairing = make()
    before = database.ask("SELECT * FROM t ORDER BY id")
    repairing.apply(repairing.plan())
    database.run(change)
    changed = database.ask("SELECT * FROM child WHERE n = 2")
    refused(repairing, r'child.*\{"n": 2\}.*changed or removed since')
    undone = repairing.undo(leave_changed=True)
    assert (undone.run.state, undone.left) == ("undone", 1)
    assert database.ask("SELECT * FROM t ORDER BY id") == before
    assert database.ask("SELECT * FROM child WHERE n = 2") == changed
    assert database.ask("SELECT * FROM child WHERE n <> 2 ORDER BY n") == [(1, 1, "x"), (3, 4, "x"), (4, 5, "x")]


def test_a_merged_row_that_changed_since_forbids_it_and_is_named_or_is_left(database: Database, tmp_path: Path) -> None:
    repairing = Repairing(database, tmp_path, {"t": TableSettings(key=("k",), volatile=("id",))})
    text = database.text()
    columns = [
        "id INTEGER NOT NULL PRIMARY KEY",
        f"k {text}",
        f"status {text}",
        f"oss_key {text}",
        "retry_count INTEGER",
    ]
    database.run(database.table("t", columns))
    database.insert("t", [(1, "a", "completed", "o", 1), (2, "a", "failed", None, 9), (3, "b", "pending", None, 0)])
    repairing.apply(repairing.plan())
    database.run("UPDATE t SET retry_count = 10 WHERE id = 1")
    refused(repairing, r'\{"id": 1\}.*changed or removed since')
    assert repairing.undo(leave_changed=True).left == 1
    expected = [(1, "a", "completed", "o", 10), (2, "a", "failed", None, 9), (3, "b", "pending", None, 0)]
    assert database.ask("SELECT * FROM t ORDER BY id") == expected


def test_what_was_changed_and_changed_back_is_no_obstacle(make: Make, database: Database) -> None:
    repairing = make()
    before = database.dump()
    repairing.apply(repairing.plan())
    database.run("UPDATE child SET note = 'y' WHERE n = 2", "UPDATE child SET note = 'x' WHERE n = 2")
    repairing.undo()
    assert database.dump() == before


def test_rows_that_came_since_stay(make: Make, database: Database) -> None:
    repairing = make()
    before = database.dump()
    repairing.apply(repairing.plan())
    database.run("INSERT INTO t VALUES (50, 'a', NULL)", "INSERT INTO child VALUES (50, 1, 'new')")
    repairing.undo()
    assert database.ask("SELECT * FROM child WHERE n = 50") == [(50, 1, "new")]
    database.run("DELETE FROM child WHERE n = 50", "DELETE FROM t WHERE id = 50")
    assert database.dump() == before


def test_a_survivor_that_went_since_does_not_keep_the_others_from_coming_back(make: Make, database: Database) -> None:
    repairing = make()
    repairing.apply(repairing.plan())
    database.run("UPDATE child SET p = NULL", "DELETE FROM t WHERE id = 1")
    undone = repairing.undo(leave_changed=True)
    assert undone.left == 2
    assert database.ask("SELECT id FROM t ORDER BY id") == [(2,), (3,), (4,), (5,)]


def test_a_column_added_since_takes_its_default_and_the_rest_comes_back(make: Make, database: Database) -> None:
    repairing = make(rows=ROWS[:4])
    before = database.ask("SELECT id, k, up FROM t ORDER BY id")
    repairing.apply(repairing.plan())
    database.run("ALTER TABLE t ADD COLUMN extra INTEGER DEFAULT 7")
    repairing.undo()
    assert database.ask("SELECT id, k, up FROM t WHERE extra = 7 ORDER BY id") == before


@pytest.mark.parametrize("name", ["postgresql", "mariadb"])
def test_a_parent_of_a_removed_row_that_went_since_forbids_it(tmp_path: Path, name: str) -> None:
    (database,) = (one for one in DATABASES if one.name == name)
    repairing = Repairing(database, tmp_path, {"t": TableSettings(key=("k",), volatile=("id", "owner"))})
    database.run(
        database.table("users", ["id INTEGER NOT NULL PRIMARY KEY"]),
        database.table("t", ["id INTEGER NOT NULL PRIMARY KEY", f"k {database.text()}", "owner INTEGER",
                             "FOREIGN KEY (owner) REFERENCES users (id)"]),
        "INSERT INTO users VALUES (1), (2)",
        "INSERT INTO t VALUES (1, 'a', 1), (2, 'a', 2)",
    )  # fmt: skip
    before = database.dump()
    repairing.apply(repairing.plan())
    database.run("DELETE FROM users WHERE id = 2")
    refused(repairing, "foreign key")
    database.run("INSERT INTO users VALUES (2)")
    repairing.undo()
    assert database.dump() == before


def test_a_column_dropped_since_forbids_it_and_is_named(make: Make, database: Database) -> None:
    repairing = make(database.table("u", ["id INTEGER NOT NULL PRIMARY KEY", f"k {database.text()}", "n INTEGER"]))
    database.insert("u", [(1, "a", 5), (2, "a", 5)])
    repairing.apply(repairing.plan("u"))
    database.run("ALTER TABLE u DROP COLUMN n")
    refused(repairing, "lost the column n")


def test_what_only_the_server_can_tell_stops_it_between_chunks_and_it_goes_on(
    make: Make, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_chunks(monkeypatch, 2)
    repairing = make()
    before = database.dump()
    repairing.apply(repairing.plan())
    partly = "(k(1))" if database.name == "mariadb" else "(k) WHERE k = 'a'"
    database.run(f"CREATE UNIQUE INDEX only_once ON t {partly}")
    dumps = []
    for _attempt in range(2):
        with pytest.raises(Refused, match=r"only_once|t\.k") as stopped:
            repairing.undo()
        assert "it goes on where it stopped" in stopped.value.hint
        dumps.append(database.dump())
    assert dumps[0] == dumps[1]
    # The last chunk was on b. An index on a part of a text is one on all keys.
    assert len(database.ask("SELECT id FROM t WHERE k = 'b'")) == (1 if database.name == "mariadb" else 2)
    assert len(database.ask("SELECT id FROM t WHERE k = 'a'")) == 1
    database.run("DROP INDEX only_once ON t" if database.name == "mariadb" else "DROP INDEX only_once")
    repairing.undo()
    assert database.dump() == before
