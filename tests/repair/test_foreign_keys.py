"""Foreign keys of every shape: after apply each child refers to the row that stays; after undo all is what it was."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

from dedupaudit.config import TableSettings
from dedupaudit.errors import Refused
from dedupaudit.repair.errors import Surprise
from tests.repair.databases import DATABASES, Database, checksum
from tests.repair.repairing import Repairing, small_chunks

BY_KEY = {"t": TableSettings(key=("k",), volatile=("id", "up"))}
FIVE_ROWS = [(1, "a"), (2, "a"), (3, "b"), (4, "b"), (5, "c")]


@pytest.fixture(params=DATABASES, ids=lambda database: str(database.name))
def database(request: pytest.FixtureRequest) -> Database:
    chosen: Database = request.param
    return chosen


@pytest.fixture(params=[2, 200], ids=["chunks of two", "one chunk"])
def chunks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    small_chunks(monkeypatch, request.param)


@pytest.fixture
def chunks_of_two(monkeypatch: pytest.MonkeyPatch) -> None:
    small_chunks(monkeypatch, 2)


Make = Callable[..., Repairing]


@pytest.fixture
def make(database: Database, tmp_path: Path) -> Make:
    """Return a function that makes a parent `t` with rows 1-5 of the keys a, a, b, b, c, and tables after it."""

    def made(*statements: str, parent: Sequence[str] = (), rows: Sequence[tuple[object, ...]] = FIVE_ROWS) -> Repairing:
        volatile = ("id", *(column.split()[0] for column in parent))
        repairing = Repairing(database, tmp_path, {"t": TableSettings(key=("k",), volatile=volatile)})
        columns = ["id INTEGER NOT NULL PRIMARY KEY", f"k {database.text()}", *parent]
        database.run(database.table("t", columns))
        database.insert("t", rows)
        database.run(*statements)
        return repairing

    return made


def refers(database: Database, name: str, columns: Sequence[str], *constraints: str) -> str:
    return database.table(name, [*columns, *constraints])


def there_and_back(
    repairing: Repairing, expected: Mapping[str, Sequence[tuple[object, ...]]], exit_code: int = 0
) -> None:
    """Apply, compare the answers of queries with what is expected, take it back, and compare every byte."""
    database = repairing.database
    before, schema = database.dump(), database.schema()
    applied = repairing.apply(repairing.plan())
    assert applied.exit_code == exit_code, (applied.stopped, applied.skipped)
    assert applied.proof is not None
    assert applied.proof.holds
    for query, rows in expected.items():
        assert sorted(database.ask(query), key=repr) == sorted(rows, key=repr), query
    assert checksum(database.dump()) != checksum(before)
    undone = repairing.undo()
    assert (undone.run.state, undone.left) == ("undone", 0)
    found = database.dump()
    for name, there in before.items():
        assert found[name] == there, name
    assert database.schema() == schema


@pytest.mark.usefixtures("chunks_of_two")
@pytest.mark.parametrize(
    "action",
    ["", "ON DELETE CASCADE", "ON DELETE RESTRICT", "ON DELETE SET NULL", "ON DELETE CASCADE ON UPDATE CASCADE"],
)
def test_children_are_pointed_to_the_row_that_stays_and_none_is_lost(
    make: Make, database: Database, action: str
) -> None:
    child = refers(
        database, "child", ("n INTEGER PRIMARY KEY", "p INTEGER"), f"FOREIGN KEY (p) REFERENCES t (id) {action}"
    )
    repairing = make(child, "INSERT INTO child VALUES (10, 1), (11, 2), (12, 2), (13, 4), (14, 5), (15, NULL)")
    there_and_back(
        repairing,
        {
            "SELECT id FROM t": [(1,), (3,), (5,)],
            "SELECT n, p FROM child": [(10, 1), (11, 1), (12, 1), (13, 3), (14, 5), (15, None)],
        },
    )


@pytest.mark.usefixtures("chunks_of_two")
def test_children_by_a_composite_key_move_in_all_its_columns(database: Database, tmp_path: Path) -> None:
    repairing = Repairing(database, tmp_path, {"t": TableSettings(key=("k",), volatile=("x", "y"))})
    text = database.text()
    database.run(
        database.table("t", ["x INTEGER NOT NULL", f"y {text} NOT NULL", f"k {text}", "PRIMARY KEY (x, y)"]),
        database.table(
            "child",
            [
                "n INTEGER PRIMARY KEY",
                f"cy {text}",
                "cx INTEGER",
                "FOREIGN KEY (cx, cy) REFERENCES t (x, y) ON DELETE CASCADE",
            ],
        ),
        "INSERT INTO t VALUES (1, 'b', 'k'), (2, 'a', 'k'), (2, 'b', 'l'), (1, 'a', 'm'), (3, 'a', 'l')",
        "INSERT INTO child VALUES (1, 'a', 2), (2, 'b', 2), (3, NULL, 77), (4, 'a', 3), (5, 'b', 1), (6, 'a', 1)",
    )
    there_and_back(
        repairing,
        {
            "SELECT n, cx, cy FROM child": [
                (1, 1, "b"),
                (2, 2, "b"),
                (3, 77, None),
                (4, 2, "b"),
                (5, 1, "b"),
                (6, 1, "a"),
            ]
        },
    )


@pytest.mark.usefixtures("chunks_of_two")
def test_children_that_refer_to_another_unique_column_take_the_survivors_value(make: Make, database: Database) -> None:
    text = database.text()
    child = refers(database, "child", ("n INTEGER PRIMARY KEY", f"c {text}"), "FOREIGN KEY (c) REFERENCES t (code)")
    repairing = make(
        child,
        "INSERT INTO child VALUES (1, 'two'), (2, 'one'), (3, 'four'), (4, 'five')",
        parent=(f"code {text} UNIQUE",),
        rows=[(1, "a", "one"), (2, "a", "two"), (3, "b", "three"), (4, "b", "four"), (5, "c", "five")],
    )
    there_and_back(repairing, {"SELECT n, c FROM child": [(1, "one"), (2, "one"), (3, "three"), (4, "five")]})


SELF = ("up INTEGER", "FOREIGN KEY (up) REFERENCES t (id)")
TREES = {
    "a victim under a survivor": [(1, "a", None), (2, "a", 1), (3, "b", 2), (4, "b", 2)],
    "a chain of victims": [(1, "a", None), (2, "a", None), (3, "b", 1), (4, "b", 2), (5, "c", 3), (6, "c", 4)],
    "victims under later victims": [(1, "a", None), (2, "a", 4), (3, "b", None), (4, "b", 6), (5, "c", 1), (6, "c", 1)],
    "rows that refer to themselves": [(1, "a", 1), (2, "a", 2), (3, "b", 2), (4, "c", 4)],
    "a survivor under its own victim": [(1, "a", 2), (2, "a", None), (3, "b", 3), (4, "b", 1)],
    "two victims in a circle": [(1, "a", None), (2, "a", 4), (3, "b", None), (4, "b", 2)],
    "a circle of victim and survivor": [(1, "a", 2), (2, "a", 1), (3, "b", 2), (4, "b", 1)],
    "a circle through one group": [(1, "a", 3), (2, "a", 1), (3, "a", 2), (4, "b", 3), (5, "b", 2)],
    "many victims under one": [(1, "a", None), (2, "a", None), *((n, "b", 2) for n in range(3, 10)), (10, "b", 9)],
}  # fmt: skip


@pytest.mark.usefixtures("chunks")
@pytest.mark.parametrize(
    "action",
    [
        "ON DELETE CASCADE",
        pytest.param("", marks=pytest.mark.slow),
        pytest.param("ON DELETE SET NULL", marks=pytest.mark.slow),
    ],
)
@pytest.mark.parametrize("tree", TREES.values(), ids=TREES)
def test_a_table_that_refers_to_itself(
    database: Database, tmp_path: Path, tree: Sequence[tuple[int, str, int | None]], action: str
) -> None:
    repairing = Repairing(database, tmp_path, BY_KEY)
    columns = ["id INTEGER NOT NULL PRIMARY KEY", f"k {database.text()}", SELF[0], f"{SELF[1]} {action}"]
    database.run(database.table("t", columns))
    database.insert("t", [(id_, key, None) for id_, key, _up in tree])
    database.run(*(f"UPDATE t SET up = {up} WHERE id = {id_}" for id_, _key, up in tree if up))
    first: dict[str, int] = {}
    for id_, key, _up in tree:
        first.setdefault(key, id_)
    stays = {id_: first[key] for id_, key, _up in tree}
    expected = [(id_, stays[up] if up else None) for id_, _key, up in tree if stays[id_] == id_]
    there_and_back(repairing, {"SELECT id, up FROM t": expected})


@pytest.mark.usefixtures("chunks")
@pytest.mark.parametrize("unique", ["", "UNIQUE (up, place)"])
def test_circles_of_rows_that_always_have_a_parent(database: Database, tmp_path: Path, unique: str) -> None:
    repairing = Repairing(database, tmp_path, {"t": TableSettings(key=("k",), volatile=("id", "up", "place"))})
    columns = [
        "id INTEGER NOT NULL PRIMARY KEY",
        f"k {database.text()}",
        "up INTEGER NOT NULL",
        "place INTEGER",
        SELF[1],
    ]
    database.run(database.table("t", [*columns, *([unique] if unique else [])]))
    tree = [(1, "a", 1), (2, "a", 6), (3, "b", 3), (4, "b", 2), (5, "c", 1), (6, "c", 4)]
    database.insert("t", [(id_, key, id_, id_) for id_, key, _up in tree])
    database.run(*(f"UPDATE t SET up = {up} WHERE id = {id_}" for id_, _key, up in tree))
    there_and_back(repairing, {"SELECT id, up FROM t": [(1, 1), (3, 3), (5, 1)]})


@pytest.mark.usefixtures("chunks_of_two")
def test_grandchildren_stay_with_their_parents_and_cycles_between_tables_hold(make: Make, database: Database) -> None:
    child = refers(
        database,
        "child",
        ("n INTEGER PRIMARY KEY", "p INTEGER NOT NULL"),
        "FOREIGN KEY (p) REFERENCES t (id) ON DELETE CASCADE",
    )
    grandchild = refers(
        database,
        "grandchild",
        ("m INTEGER PRIMARY KEY", "c INTEGER NOT NULL"),
        "FOREIGN KEY (c) REFERENCES child (n) ON DELETE CASCADE",
    )
    repairing = make(
        child,
        grandchild,
        "INSERT INTO child VALUES (1, 1), (2, 2), (3, 4)",
        "INSERT INTO grandchild VALUES (1, 1), (2, 2), (3, 3), (4, 2)",
    )
    there_and_back(
        repairing,
        {
            "SELECT n, p FROM child": [(1, 1), (2, 1), (3, 3)],
            "SELECT m, c FROM grandchild": [(1, 1), (2, 2), (3, 3), (4, 2)],
        },
    )


@pytest.mark.usefixtures("chunks_of_two")
def test_two_tables_that_refer_to_each_other(database: Database, tmp_path: Path) -> None:
    repairing = Repairing(database, tmp_path, {"t": TableSettings(key=("k",), volatile=("id", "main"))})
    database.run(database.table("t", ["id INTEGER NOT NULL PRIMARY KEY", f"k {database.text()}", "main INTEGER"]))
    database.run(refers(database, "child", ("n INTEGER PRIMARY KEY", "p INTEGER"), "FOREIGN KEY (p) REFERENCES t (id)"))
    if database.name == "sqlite":
        database.run(
            "DROP TABLE t",
            "CREATE TABLE t (id INTEGER NOT NULL PRIMARY KEY, k TEXT, main INTEGER REFERENCES child (n))",
        )
    else:
        database.run("ALTER TABLE t ADD FOREIGN KEY (main) REFERENCES child (n)")
    database.insert("t", [(number, key, None) for number, key in FIVE_ROWS])
    database.run("INSERT INTO child VALUES (1, 1), (2, 2), (3, 4), (4, 5)")
    database.run(*(f"UPDATE t SET main = {main} WHERE id = {id_}" for id_, main in ((1, 2), (2, 2), (3, 3), (4, 1))))
    there_and_back(
        repairing,
        {
            "SELECT id, main FROM t": [(1, 2), (3, 3), (5, None)],
            "SELECT n, p FROM child": [(1, 1), (2, 1), (3, 3), (4, 5)],
        },
    )


def test_a_group_whose_children_would_collide_is_left_and_the_others_are_repaired(
    make: Make, database: Database
) -> None:
    child = refers(
        database, "child", ("n INTEGER PRIMARY KEY", "p INTEGER", "x INTEGER"),
        "UNIQUE (p, x)", "FOREIGN KEY (p) REFERENCES t (id) ON DELETE CASCADE",
    )  # fmt: skip
    repairing = make(child, "INSERT INTO child VALUES (1, 1, 7), (2, 2, 7), (3, 4, 7), (4, 3, 8)")
    applied = repairing.apply(repairing.plan())
    assert applied.exit_code == 3
    assert applied.run.groups_skipped == 1
    (skipped,) = applied.skipped
    assert "a" in skipped.pk
    assert skipped.note
    assert applied.proof is not None
    assert applied.proof.holds
    assert database.ask("SELECT id FROM t ORDER BY id") == [(1,), (2,), (3,), (5,)]
    assert database.ask("SELECT n, p, x FROM child ORDER BY n") == [(1, 1, 7), (2, 2, 7), (3, 3, 7), (4, 3, 8)]


def test_what_a_skipped_group_left_behind_is_nothing(make: Make, database: Database) -> None:
    child = refers(
        database, "child", ("n INTEGER PRIMARY KEY", "p INTEGER", "x INTEGER"),
        "UNIQUE (p, x)", "FOREIGN KEY (p) REFERENCES t (id) ON DELETE CASCADE",
    )  # fmt: skip
    repairing = make(child, "INSERT INTO child VALUES (1, 1, 7), (2, 2, 7), (3, 4, 7), (4, 3, 8)")
    before = database.dump()
    repairing.apply(repairing.plan())
    repairing.undo()
    assert database.dump() == before


@pytest.mark.usefixtures("chunks_of_two")
def test_a_child_whose_primary_key_holds_the_foreign_key_is_renamed_and_named_again(
    make: Make, database: Database
) -> None:
    child = refers(
        database, "child", ("p INTEGER NOT NULL", "x INTEGER NOT NULL", f"note {database.text()}"),
        "PRIMARY KEY (p, x)", "FOREIGN KEY (p) REFERENCES t (id) ON DELETE CASCADE",
    )  # fmt: skip
    repairing = make(
        child, "INSERT INTO child VALUES (1, 1, 'one'), (2, 2, 'two'), (2, 3, 'three'), (4, 1, NULL), (5, 1, '')"
    )
    there_and_back(
        repairing,
        {"SELECT p, x, note FROM child": [(1, 1, "one"), (1, 2, "two"), (1, 3, "three"), (3, 1, None), (5, 1, "")]},
    )


@pytest.mark.usefixtures("chunks_of_two")
def test_a_child_with_two_foreign_keys_moves_in_both(make: Make, database: Database) -> None:
    child = refers(
        database, "child", ("n INTEGER PRIMARY KEY", "p INTEGER", "q INTEGER"),
        "FOREIGN KEY (p) REFERENCES t (id) ON DELETE CASCADE", "FOREIGN KEY (q) REFERENCES t (id) ON DELETE SET NULL",
    )  # fmt: skip
    repairing = make(
        child, "INSERT INTO child VALUES (1, 2, 2), (2, 2, 4), (3, 4, 1), (4, 1, 2), (5, NULL, 4), (6, 5, 5)"
    )
    there_and_back(
        repairing,
        {"SELECT n, p, q FROM child": [(1, 1, 1), (2, 1, 3), (3, 3, 1), (4, 1, 1), (5, None, 3), (6, 5, 5)]},
    )


@pytest.mark.usefixtures("chunks_of_two")
def test_several_tables_refer_to_one(make: Make, database: Database) -> None:
    made = [
        refers(database, name, ("n INTEGER PRIMARY KEY", "p INTEGER"), f"FOREIGN KEY (p) REFERENCES t (id) {action}")
        for name, action in (("c1", ""), ("c2", "ON DELETE CASCADE"), ("c3", "ON DELETE SET NULL"))
    ]
    filled = [f"INSERT INTO {name} VALUES (1, 2), (2, 4), (3, 1), (4, 5)" for name in ("c1", "c2", "c3")]
    repairing = make(*made, *filled)
    moved = [(1, 1), (2, 3), (3, 1), (4, 5)]
    there_and_back(repairing, {f"SELECT n, p FROM {name}": moved for name in ("c1", "c2", "c3")})


def test_a_row_that_stays_while_all_its_rivals_children_come_to_it(make: Make, database: Database) -> None:
    child = refers(database, "child", ("n INTEGER PRIMARY KEY", "p INTEGER"), "FOREIGN KEY (p) REFERENCES t (id)")
    repairing = make(child, rows=[(number, "a") for number in range(1, 40)] + [(100, "b")])
    database.insert("child", [(number, 1 + number % 39) for number in range(400)])
    there_and_back(
        repairing,
        {"SELECT COUNT(*), MIN(p), MAX(p) FROM child": [(400, 1, 1)], "SELECT id FROM t": [(1,), (100,)]},
    )


def trigger(database: Database, name: str, event: str, table: str) -> list[str]:
    if database.name == "sqlite":
        return [f"CREATE TRIGGER {name} AFTER {event} ON {table} BEGIN INSERT INTO bystander VALUES (2); END"]
    if database.name == "mariadb":
        return [f"CREATE TRIGGER {name} AFTER {event} ON {table} FOR EACH ROW INSERT INTO bystander VALUES (2)"]
    body = "BEGIN INSERT INTO bystander VALUES (2); RETURN NULL; END"
    return [
        f"CREATE FUNCTION f_{name}() RETURNS trigger LANGUAGE plpgsql AS $${body}$$",
        f"CREATE TRIGGER {name} AFTER {event} ON {table} FOR EACH ROW EXECUTE FUNCTION f_{name}()",
    ]


@pytest.mark.parametrize(("event", "table"), [("DELETE", "t"), ("UPDATE", "child")])
def test_a_trigger_that_would_fire_is_refused_by_name_unless_it_is_allowed(
    make: Make, database: Database, event: str, table: str
) -> None:
    child = refers(database, "child", ("n INTEGER PRIMARY KEY", "p INTEGER"), "FOREIGN KEY (p) REFERENCES t (id)")
    repairing = make(child, "INSERT INTO child VALUES (1, 2)", *trigger(database, "watching", event, table))
    before, plan = database.dump(), repairing.plan()
    with pytest.raises(Refused, match="watching"):
        repairing.apply(plan)
    assert database.dump() == before
    applied = repairing.apply(plan, allowed_triggers=("watching",))
    assert applied.exit_code == 0
    assert database.ask("SELECT n, p FROM child") == [(1, 1)]


@pytest.mark.parametrize("database", [one for one in DATABASES if one.name == "postgresql"], ids=["postgresql"])
def test_a_rule_that_is_allowed_is_followed(make: Make, database: Database) -> None:
    rule = "CREATE RULE noting AS ON DELETE TO t DO ALSO INSERT INTO bystander VALUES (old.id)"
    repairing = make(rule)
    plan = repairing.plan()
    with pytest.raises(Refused, match="noting"):
        repairing.apply(plan)
    assert repairing.apply(plan, allowed_triggers=("noting",)).exit_code == 0
    assert sorted(database.ask("SELECT x FROM bystander")) == [(1,), (2,), (4,)]


@pytest.mark.parametrize(("event", "table"), [("INSERT", "t"), ("UPDATE", "t"), ("DELETE", "child")])
def test_a_trigger_that_a_repair_does_not_fire_is_no_obstacle(
    make: Make, database: Database, event: str, table: str
) -> None:
    child = refers(database, "child", ("n INTEGER PRIMARY KEY", "p INTEGER"), "FOREIGN KEY (p) REFERENCES t (id)")
    repairing = make(child, "INSERT INTO child VALUES (1, 2)", *trigger(database, "watching", event, table))
    assert repairing.apply(repairing.plan()).exit_code == 0
    assert database.ask("SELECT x FROM bystander") == [(1,)]


@pytest.mark.parametrize("change", ["a foreign key", "a trigger", "a column"])
def test_what_is_changed_while_somebody_is_asked_stops_it_before_any_row_goes(
    make: Make, database: Database, change: str
) -> None:
    repairing = make()
    plan, rows = repairing.plan(), database.ask("SELECT id, k FROM t ORDER BY id")
    cascade = "FOREIGN KEY (p) REFERENCES t (id) ON DELETE CASCADE"
    statements = {
        "a foreign key": [
            refers(database, "late", ("n INTEGER PRIMARY KEY", "p INTEGER"), cascade),
            "INSERT INTO late VALUES (1, 2)",
        ],
        "a trigger": trigger(database, "late", "DELETE", "t"),
        "a column": ["ALTER TABLE t ADD COLUMN late INTEGER DEFAULT 7"],
    }[change]
    repairing.confirm = lambda _offer: database.run(*statements)
    with pytest.raises((Refused, Surprise), match="changed"):
        repairing.apply(plan)
    assert database.ask("SELECT id, k FROM t ORDER BY id") == rows
    if change == "a foreign key":
        assert database.ask("SELECT n, p FROM late") == [(1, 2)]


def test_a_column_that_a_child_got_since_is_no_obstacle(make: Make, database: Database) -> None:
    child = refers(database, "child", ("n INTEGER PRIMARY KEY", "p INTEGER"), "FOREIGN KEY (p) REFERENCES t (id)")
    repairing = make(child, "INSERT INTO child VALUES (1, 2), (3, 1)")
    assert repairing.apply(repairing.plan()).exit_code == 0
    assert database.ask("SELECT n, p FROM child ORDER BY n") == [(1, 1), (3, 1)]
    database.run("ALTER TABLE child ADD COLUMN extra INTEGER DEFAULT 7")
    assert repairing.undo().run.state == "undone"
    assert database.ask("SELECT n, p, extra FROM child ORDER BY n") == [(1, 2, 7), (3, 1, 7)]


@pytest.mark.parametrize(("event", "table"), [("INSERT", "t"), ("UPDATE", "child")])
def test_a_trigger_that_an_undo_would_fire_is_refused_by_name_unless_it_is_allowed(
    make: Make, database: Database, event: str, table: str
) -> None:
    child = refers(database, "child", ("n INTEGER PRIMARY KEY", "p INTEGER"), "FOREIGN KEY (p) REFERENCES t (id)")
    repairing = make(child, "INSERT INTO child VALUES (1, 2)")
    before = database.dump()
    assert repairing.apply(repairing.plan()).exit_code == 0
    for statement in trigger(database, "watching", event, table):
        database.run(statement)
    between = database.dump()
    with pytest.raises(Refused, match="watching"):
        repairing.undo()
    assert database.dump() == between
    assert repairing.undo(allowed_triggers=("watching",)).run.state == "undone"
    after = database.dump()
    assert {name for name in before if after[name] != before[name]} == {name for name in before if "bystander" in name}


def test_a_child_that_stamps_its_updates_keeps_its_stamp(make: Make, database: Database) -> None:
    if database.name == "mariadb":
        stamp = "at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP"
    else:
        stamp = "at timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP"
    child = refers(
        database, "child", ("n INTEGER PRIMARY KEY", "p INTEGER", stamp), "FOREIGN KEY (p) REFERENCES t (id)"
    )
    repairing = make(child, "INSERT INTO child VALUES (1, 2, '2001-02-03 04:05:06')")
    there_and_back(repairing, {"SELECT n, p FROM child WHERE at = '2001-02-03 04:05:06'": [(1, 1)]})
