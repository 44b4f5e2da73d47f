"""A plan writes nothing: neither rows nor tables nor files of the database, whatever it finds and however it ends."""

from __future__ import annotations

from pathlib import Path

import pytest

from dedupaudit.config import TableSettings
from dedupaudit.errors import Refused, UsageError
from dedupaudit.repair.plan import Limit
from tests.repair.databases import DATABASES, Database
from tests.repair.repairing import Repairing, groups_of


@pytest.fixture(params=DATABASES, ids=lambda database: str(database.name))
def database(request: pytest.FixtureRequest) -> Database:
    chosen: Database = request.param
    return chosen


@pytest.fixture
def repairing(database: Database, tmp_path: Path) -> Repairing:
    """Return a table with one key of each fate, a child and a table beside it."""
    made = Repairing(database, tmp_path, {"t": TableSettings(key=("k",), volatile=("id",), device="device")})
    text = database.text()
    database.run(
        database.table("t", ["id INTEGER NOT NULL PRIMARY KEY", f"k {text}", f"device {text}", f"v {text}"]),
        database.table(
            "child", ["n INTEGER PRIMARY KEY", "p INTEGER", "FOREIGN KEY (p) REFERENCES t (id) ON DELETE CASCADE"]
        ),
    )
    rows = [("same", "d", "x"), ("same", "d", "x"), ("device", "d1", "x"), ("device", "d2", "x"), ("other", "d", "x")]
    rows += [("other", "d", "y"), (" ", "d", "x"), (" ", "d", "x"), ("alone", "d", "x")]
    everything = [*rows, (None, "d", "x"), (None, "d", "x")]
    database.insert("t", [(number, *row) for number, row in enumerate(everything)])
    database.run("INSERT INTO child VALUES (1, 1), (2, 3)")
    return made


def test_a_plan_changes_nothing_and_says_what_becomes_of_each_key(repairing: Repairing, database: Database) -> None:
    content, rows = database.content(), database.dump()
    groups = {group.key["k"]: group for group in groups_of(repairing.plan())}
    assert database.content() == content
    assert database.dump() == rows
    assert {key: group.left for key, group in groups.items()} == {
        "same": None,
        "device": "conflicting",
        "other": "id_collision",
        " ": "blank key",
    }


@pytest.mark.parametrize("policy", ["most-complete", "id:max"])
def test_with_a_policy_it_changes_as_little(repairing: Repairing, database: Database, policy: str) -> None:
    content = database.content()
    groups = {group.key["k"]: group for group in groups_of(repairing.plan(on_conflict=policy))}
    assert database.content() == content
    assert {key for key, group in groups.items() if group.left is None} == {"same", "device"}
    kept = groups["device"].survivor
    assert kept is not None
    assert kept.pk == {"id": 2 if policy == "most-complete" else 3}


def test_a_plan_beyond_its_limit_is_not_written_and_changes_nothing(repairing: Repairing, database: Database) -> None:
    content = database.content()
    with pytest.raises(Refused, match="more than --max-delete allows"):
        repairing.plan(limit=Limit(rows=0))
    with pytest.raises(Refused, match="more than --max-delete allows"):
        repairing.plan(limit=Limit(percent=9.0))
    assert database.content() == content
    assert len(groups_of(repairing.plan(limit=Limit(rows=1, percent=10.0)))) == 4


def test_what_is_refused_or_wrong_changes_nothing(repairing: Repairing, database: Database) -> None:
    database.run("CREATE VIEW seen AS SELECT * FROM t")
    repairing.tables["seen"] = TableSettings(key=("k",))
    content = database.content()
    with pytest.raises(Refused, match="view"):
        repairing.plan("seen")
    for policy in ("oldest", "missing:max", "v:min", "anything"):
        with pytest.raises(UsageError, match="on-conflict"):
            repairing.plan(on_conflict=policy)
    with pytest.raises(UsageError):
        repairing.plan("missing")
    assert database.content() == content


def test_runs_that_were_made_and_taken_back_do_not_change_what_is_planned(
    repairing: Repairing, database: Database
) -> None:
    first = repairing.plan()
    repairing.apply(first)
    repairing.undo()
    content = database.content()
    second = repairing.plan()
    assert database.content() == content
    assert groups_of(second) == groups_of(first)


def test_after_the_repair_there_is_nothing_more_to_remove(repairing: Repairing, database: Database) -> None:
    repairing.apply(repairing.plan())
    content, again = database.content(), repairing.plan()
    assert {group.left for group in groups_of(again)} == {"conflicting", "id_collision", "blank key"}
    with pytest.raises(Refused, match="removes no row"):
        repairing.apply(again)
    assert database.content() == content
