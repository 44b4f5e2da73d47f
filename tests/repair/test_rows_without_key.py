"""Tables without a primary key: rows are found by key and hash; those that are the same are interchangeable."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from dedupaudit.config import TableSettings
from dedupaudit.errors import Refused
from tests.repair.databases import DATABASES, POSTGRESQL, SQLITE, Database
from tests.repair.repairing import Repairing, small_chunks

FINDING = [database for database in DATABASES if database.finds_rows_without_key]
Upload = tuple[str, int, int, str, str | None, int | None]


@pytest.fixture(params=FINDING, ids=lambda database: str(database.name))
def database(request: pytest.FixtureRequest) -> Database:
    chosen: Database = request.param
    return chosen


def uploads(database: Database, folder: Path, rows: Sequence[Upload]) -> Repairing:
    settings = TableSettings(key=("k",), volatile=("created_at",), where="shown = 1")
    repairing = Repairing(database, folder, {"t": settings})
    text = database.text()
    columns = [f"k {text}", "created_at BIGINT", "shown INTEGER", f"status {text}", f"oss_key {text}"]
    database.run(database.table("t", [*columns, "retry_count INTEGER"]))
    database.insert("t", rows)
    return repairing


MERGED: list[Upload] = [("a", 1, 1, "completed", "o", 0), ("a", 2, 1, "completed", None, 3)]
STAYS: Upload = ("a", 1, 1, "completed", "o", 3)


def shown(database: Database) -> list[tuple[object, ...]]:
    return sorted(database.ask("SELECT * FROM t"), key=repr)


@pytest.mark.parametrize(
    "beside",
    [("a", 1, 0, "completed", "o", 0), ("a", 9, 0, "pending", None, None), ("a", 1, 0, "completed", "o", 3)],
    ids=["as the survivor was", "another", "as the survivor becomes"],
)
@pytest.mark.parametrize("first", [True, False], ids=["before", "after"])
def test_a_merge_beside_a_row_of_the_key_that_is_not_audited_is_taken_back(
    database: Database, tmp_path: Path, beside: Upload, first: bool
) -> None:
    repairing = uploads(database, tmp_path, [beside, *MERGED] if first else [*MERGED, beside])
    before = database.dump()
    assert repairing.apply(repairing.plan()).exit_code == 0
    assert shown(database) == sorted([beside, STAYS], key=repr)
    repairing.undo()
    assert database.dump() == before


@pytest.mark.parametrize("beside", [STAYS, MERGED[0], MERGED[1], ("a", 5, 1, "uploading", None, 9)])
def test_a_row_that_came_since_the_plan_stays_and_does_not_hinder_the_undo(
    database: Database, tmp_path: Path, beside: Upload
) -> None:
    repairing = uploads(database, tmp_path, MERGED)
    plan = repairing.plan()
    database.insert("t", [beside])
    before = database.dump()
    assert repairing.apply(plan).exit_code == 0
    assert shown(database) == sorted([beside, STAYS], key=repr)
    repairing.undo()
    assert database.dump() == before


def test_a_key_of_more_rows_than_a_line_holds_is_merged_whole(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_chunks(monkeypatch, 2)
    rows: list[Upload] = [("a", number, 1, "completed", None if number < 4 else "o", number % 5) for number in range(9)]
    repairing = uploads(database, tmp_path, [*rows, ("b", 1, 1, "pending", None, 0), ("b", 2, 1, "completed", "p", 0)])
    before = database.dump()
    applied = repairing.apply(repairing.plan())
    assert (applied.exit_code, applied.run.rows_deleted) == (0, 9)
    assert shown(database) == [("a", 0, 1, "completed", "o", 4), ("b", 2, 1, "completed", "p", 0)]
    repairing.undo()
    assert database.dump() == before


def test_rows_that_are_the_same_in_every_byte_are_counted(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_chunks(monkeypatch, 3)
    same: Upload = ("a", 1, 1, "completed", "o", 0)
    repairing = uploads(database, tmp_path, [same] * 8 + [("b", 1, 1, "completed", "o", 0)] * 2)
    before = database.dump()
    applied = repairing.apply(repairing.plan())
    assert (applied.exit_code, applied.run.rows_deleted) == (0, 8)
    assert shown(database) == [same, ("b", 1, 1, "completed", "o", 0)]
    repairing.undo()
    assert database.dump() == before


def test_a_group_of_which_one_row_is_gone_since_the_plan_is_left(database: Database, tmp_path: Path) -> None:
    same: Upload = ("a", 1, 1, "completed", "o", 0)
    repairing = uploads(
        database, tmp_path, [same, same, ("b", 1, 1, "completed", "o", 0), ("b", 2, 1, "completed", "o", 0)]
    )
    plan = repairing.plan()
    database.run("DELETE FROM t WHERE k = 'b' AND created_at = 1")
    applied = repairing.apply(plan)
    assert (applied.exit_code, applied.run.groups_skipped) == (3, 1)
    assert shown(database) == [same, ("b", 2, 1, "completed", "o", 0)]


def test_mariadb_refuses_the_plan_and_gives_the_statement_that_adds_a_key(tmp_path: Path) -> None:
    (mariadb,) = (database for database in DATABASES if not database.finds_rows_without_key)
    repairing = uploads(mariadb, tmp_path, MERGED)
    with pytest.raises(Refused, match="no primary key") as refused:
        repairing.plan()
    mariadb.run(refused.value.hint.partition(": ")[2])
    repairing.tables["t"] = TableSettings(key=("k",), volatile=("row_id", "created_at"))
    assert repairing.apply(repairing.plan()).exit_code == 0
    assert mariadb.ask("SELECT k, created_at, retry_count FROM t") == [("a", 1, 3)]


UNIQUE = TableSettings(key=("k",), volatile=("code", "up"))


def test_postgresql_refuses_one_that_refers_to_itself_before_anything_changes(tmp_path: Path) -> None:
    repairing = Repairing(POSTGRESQL, tmp_path, {"t": UNIQUE})
    POSTGRESQL.run(
        "CREATE TABLE t (code int UNIQUE, k text, up int REFERENCES t (code))",
        "INSERT INTO t VALUES (1, 'a', NULL), (2, 'a', NULL), (3, 'b', 2), (4, 'b', 2)",
    )
    plan, content = repairing.plan(), POSTGRESQL.content()
    with pytest.raises(Refused, match="refers to itself and has no primary key"):
        repairing.apply(plan)
    assert POSTGRESQL.content() == content


@pytest.mark.parametrize("rows", [2, 200])
def test_sqlite_follows_one_that_refers_to_itself_by_its_rowids(
    tmp_path: Path, rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_chunks(monkeypatch, rows)
    repairing = Repairing(SQLITE, tmp_path, {"t": UNIQUE})
    SQLITE.run(
        "CREATE TABLE t (code int UNIQUE, k text, up int REFERENCES t (code))",
        "INSERT INTO t VALUES (1, 'a', NULL), (2, 'a', NULL), (3, 'b', 2), (4, 'b', 2), (5, 'c', 4), (6, 'c', 6)",
    )
    before = SQLITE.dump()
    runs = [repairing.apply(repairing.plan())]
    if rows == 2:
        # Rows that an earlier chunk re-pointed are not known by their hash any more: the next plan repairs them.
        assert runs[0].exit_code == 3
        runs.append(repairing.apply(repairing.plan()))
    assert runs[-1].exit_code == 0
    assert SQLITE.ask("SELECT * FROM t ORDER BY code") == [(1, "a", None), (3, "b", 1), (5, "c", 3)]
    for run in reversed(runs):
        repairing.undo(run.run.id)
    assert SQLITE.dump() == before


@pytest.mark.parametrize("rows", [2, 200])
def test_children_of_one_move_to_the_row_that_stays_and_back(
    database: Database, tmp_path: Path, rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_chunks(monkeypatch, rows)
    repairing = Repairing(database, tmp_path, {"t": TableSettings(key=("k",), volatile=("code",))})
    database.run(
        "CREATE TABLE t (code int UNIQUE, k text)",
        "CREATE TABLE child (n int PRIMARY KEY, p int REFERENCES t (code) ON DELETE CASCADE)",
        "INSERT INTO t VALUES (1, 'a'), (2, 'a'), (3, 'b'), (4, 'b'), (5, 'b')",
        "INSERT INTO child VALUES (1, 2), (2, 4), (3, 5), (4, 1), (5, NULL)",
    )
    before = database.dump()
    assert repairing.apply(repairing.plan()).exit_code == 0
    # Nothing tells the earliest row of a table that has neither a time nor a key: each may stay.
    moved = "SELECT COUNT(*) FROM child JOIN t ON t.code = p WHERE (n IN (1, 4)) = (k = 'a')"
    assert (database.ask(moved), database.ask("SELECT COUNT(*) FROM t")) == ([(4,)], [(2,)])
    repairing.undo()
    assert database.dump() == before


def test_postgresql_refuses_where_a_child_has_no_primary_key_and_sqlite_moves_it(
    database: Database, tmp_path: Path
) -> None:
    repairing = Repairing(database, tmp_path, {"t": TableSettings(key=("k",), volatile=("id",))})
    database.run(
        "CREATE TABLE t (id int NOT NULL PRIMARY KEY, k text)",
        "CREATE TABLE child (n int, p int REFERENCES t (id), q int REFERENCES t (id) ON DELETE CASCADE)",
        "INSERT INTO t VALUES (1, 'a'), (2, 'a'), (3, 'b'), (4, 'b')",
        "INSERT INTO child VALUES (1, 2, 2), (1, 2, 2), (2, 4, 2), (2, 4, 1), (2, 1, 4)",
    )
    before, plan = database.dump(), repairing.plan()
    if database.name == "postgresql":
        with pytest.raises(Refused, match="child, which refers to it, has no primary key"):
            repairing.apply(plan)
    else:
        assert repairing.apply(plan).exit_code == 0
        expected = [(1, 1, 1), (1, 1, 1), (2, 1, 3), (2, 3, 1), (2, 3, 1)]
        assert sorted(database.ask("SELECT * FROM child")) == expected
        repairing.undo()
    assert database.dump() == before
