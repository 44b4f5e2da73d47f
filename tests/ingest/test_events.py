"""One event a call: stored once, however often, from however many sides, and whatever the driver says of COMMIT."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from sqlalchemy import Connection, event

from dedupaudit.ingest import (
    ActivityWriter,
    IdCollision,
    Process,
    ProcessWriter,
    Rejected,
    RowWriter,
    Stored,
    Table,
    Unavailable,
)
from dedupaudit.ingest.protections.unique import UniqueConstraint
from dedupaudit.ingest.tables import Described
from tests.ingest.databases import Database, create
from tests.ingest.events import DATA, activity, stored_ids

ID = "activity_1766557428498"
LOG = Table(("activity_log",), columns={"id": "activity_id", "type": "kind"})
THREADS, IDS = 8, 50


def test_a_retry_is_a_duplicate_and_stores_nothing(database: Database) -> None:
    writer = ActivityWriter(database.engine)
    assert writer.write(activity()) == Stored(ID, duplicate=False)
    assert writer.write(activity()) == Stored(ID, duplicate=True)
    assert ActivityWriter(database.engine).write(activity()) == Stored(ID, duplicate=True), "after a restart as well"
    assert stored_ids(database) == [ID]


OTHERS = [
    (activity(device_id="device-2"), ("device_id",)),
    (activity(kind="Click"), ("type",)),
    (activity(kind="click "), ("type",)),
    (activity(timestamp=1766557428499), ("timestamp",)),
    (activity(data={**DATA, "x": 13}), ("data",)),
    (activity(data=None), ("data",)),
    (activity(data={**DATA, "x": True}, kind="key"), ("type", "data")),
]


def test_another_event_of_the_same_id_is_a_collision(database: Database) -> None:
    writer = ActivityWriter(database.engine)
    writer.write(activity())
    for sent, differs in OTHERS:
        with pytest.raises(IdCollision, match=ID) as caught:
            writer.write(sent)
        assert caught.value.differs == differs
        assert caught.value.key == (ID,)
    assert writer.write(activity()).duplicate, "the first one is untouched"


EQUAL: list[tuple[Any, Any]] = [
    ({"a": 1, "b": [1.0, 100]}, {"b": [1, 1e2], "a": 1.0}),
    ({"n": 12345678901234567890123}, {"n": 12345678901234567890123}),
    (0.1, 0.1),
    (1e22, 10**22),
    ("é\u2028", "é\u2028"),
    ([], []),
    (None, None),
    (False, False),
    ("", ""),
]
DIFFERENT: list[tuple[Any, Any]] = [
    (1, True),
    (0, False),
    ("1", 1),
    ([1, 2], [2, 1]),
    ({}, []),
    ({"a": None}, {}),
    (0.1, 0.10000000000000002),
]


def test_json_is_compared_as_values(database: Database) -> None:
    writer = ActivityWriter(database.engine)
    for number, (first, again) in enumerate(EQUAL):
        writer.write(activity(f"a{number}", data=first))
        assert writer.write(activity(f"a{number}", data=again)).duplicate, again


def test_json_values_that_look_alike_differ(database: Database) -> None:
    writer = ActivityWriter(database.engine)
    for number, (first, other) in enumerate(DIFFERENT):
        writer.write(activity(f"a{number}", data=first))
        with pytest.raises(IdCollision):
            writer.write(activity(f"a{number}", data=other))


def test_json_that_another_program_wrote_is_compared_as_values(database: Database) -> None:
    text = '{"window" : "Main", "x" : 11, "x":1.2e1}'
    database.run(
        "INSERT INTO activities (id, device_id, type, timestamp, data)"
        f" VALUES ('{ID}', 'device-1', 'click', 1766557428498, '{text}')"
    )
    assert ActivityWriter(database.engine).write(activity()).duplicate


@pytest.mark.parametrize("database", ["mariadb", "sqlite"], indirect=True)
def test_stored_text_that_is_no_json_differs(database: Database) -> None:
    database.run("DROP TABLE activities")
    database.run(
        "CREATE TABLE activities (id varchar(50) PRIMARY KEY, device_id varchar(50), type varchar(50),"
        " timestamp bigint, data varchar(100))",
        f"INSERT INTO activities VALUES ('{ID}', 'device-1', 'click', 1766557428498, 'Infinity')",
    )
    with pytest.raises(IdCollision) as caught:
        ActivityWriter(database.engine).write(activity())
    assert caught.value.differs == ("data",)


@pytest.mark.parametrize(
    ("database", "kind"), [("sqlite", "JSON"), ("sqlite", "BLOB"), ("mariadb", "longblob")], indirect=["database"]
)
def test_json_in_a_column_that_is_no_text_is_compared_as_values(database: Database, kind: str) -> None:
    """SQLite makes a number of a JSON text that is one; the retry of such an event was a collision."""
    database.run("DROP TABLE activities")
    database.run(
        "CREATE TABLE activities (id varchar(50) PRIMARY KEY, device_id varchar(50), type varchar(50),"
        f" timestamp bigint, data {kind})"
    )
    writer = ActivityWriter(database.engine)
    for number, data in enumerate((5, 1.5, 12345678901234567890123, "5", {"a": 1}, None)):
        one = activity(str(number), data=data)
        assert [writer.write(one).duplicate for _ in range(2)] == [False, True], data
        with pytest.raises(IdCollision):
            writer.write(activity(str(number), data=6))


def test_processes_are_stored_once(database: Database) -> None:
    writer = ProcessWriter(database.engine)
    one = Process("process_1", "device-1", 1, [{"name": "app", "pid": 7}])
    assert [writer.write(one).duplicate for _ in range(2)] == [False, True]
    with pytest.raises(IdCollision):
        writer.write(Process("process_1", "device-1", 1, []))


def test_a_numbered_table_with_other_names_works_as_well(database: Database) -> None:
    create(database, "numbered")
    writer = ActivityWriter(database.engine, LOG)
    assert [writer.write(activity()).duplicate for _ in range(2)] == [False, True]
    with pytest.raises(IdCollision) as caught:
        writer.write(activity(kind="key"))
    assert caught.value.differs == ("kind",), "the real column"


def test_with_a_composite_key_devices_may_choose_the_same_id(database: Database) -> None:
    database.run("DROP TABLE activities", "DROP TABLE processes", "DROP TABLE screenshots")
    if database.name == "postgresql":
        database.run("DROP FUNCTION screenshots_set_updated_at")
    create(database, "composite")
    writer = ActivityWriter(database.engine, Table(("activities",), key=("device_id", "id")))
    assert not writer.write(activity()).duplicate
    assert not writer.write(activity(device_id="device-2", kind="key")).duplicate
    assert writer.write(activity()).duplicate
    with pytest.raises(IdCollision) as caught:
        writer.write(activity(kind="scroll"))
    assert caught.value.key == ("device-1", ID)


@pytest.mark.parametrize("database", ["mariadb"], indirect=True)
@pytest.mark.parametrize(
    ("stored", "sent"), [("activity_1", "Activity_1"), ("activity_1", "activity_1 "), ("a\u0301", "á")]
)
def test_an_id_that_only_a_collation_calls_equal_is_a_collision(database: Database, stored: str, sent: str) -> None:
    database.run("ALTER TABLE activities CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci")
    writer = ActivityWriter(database.engine)
    writer.write(activity(stored))
    with pytest.raises(IdCollision) as caught:
        writer.write(activity(sent))
    assert caught.value.differs == ("id",)
    outcome, stored_again = writer.write_batch([activity(sent), activity(stored)])
    assert isinstance(outcome, IdCollision)
    assert stored_again == Stored(stored, duplicate=True)


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_table_that_replaces_rows_by_itself_does_not(database: Database) -> None:
    database.run(
        "CREATE TABLE t (id TEXT PRIMARY KEY ON CONFLICT REPLACE, other TEXT UNIQUE ON CONFLICT REPLACE, x TEXT)",
    )
    writer = RowWriter(database.engine, Table(("t",)))
    assert not writer.write({"id": "a", "other": "o", "x": "first"})
    with pytest.raises(IdCollision):
        writer.write({"id": "a", "other": "p", "x": "second"})
    with pytest.raises(Rejected):
        writer.write({"id": "b", "other": "o", "x": "third"})
    assert database.ask("SELECT id, other, x FROM t") == [("a", "o", "first")]


class DeletedMeanwhile(UniqueConstraint):
    """Deletes the row that an insert met before anybody looks at it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def insert(self, connection: Connection, table: Described, values: Any) -> bool:
        stored = super().insert(connection, table, values)
        if not stored:
            connection.rollback()
            self._database.run("DELETE FROM activities")
        return stored


def test_a_row_that_vanishes_in_between_is_stored_again(database: Database) -> None:
    ActivityWriter(database.engine).write(activity())
    writer = ActivityWriter(database.engine, protection=DeletedMeanwhile(database))
    assert writer.write(activity(kind="key")) == Stored(ID, duplicate=False)


def test_eight_threads_send_fifty_events_and_each_is_stored_once(database: Database) -> None:
    engine = database.new_engine(pool_size=THREADS)
    writer = ActivityWriter(engine)
    barrier = Barrier(THREADS)

    def send(_number: int) -> list[bool]:
        barrier.wait()
        return [writer.write(activity(f"activity_{number}", timestamp=number)).duplicate for number in range(IDS)]

    with ThreadPoolExecutor(THREADS) as pool:
        answers = list(pool.map(send, range(THREADS)))
    engine.dispose()
    assert [sum(not one[number] for one in answers) for number in range(IDS)] == [1] * IDS
    assert len(stored_ids(database)) == IDS


def test_eight_threads_with_different_payloads_have_one_winner_each(database: Database) -> None:
    engine = database.new_engine(pool_size=THREADS)
    writer = ActivityWriter(engine)
    barrier = Barrier(THREADS)

    def send(thread: int) -> list[bool]:
        barrier.wait()
        won = []
        for number in range(10):
            try:
                won.append(not writer.write(activity(f"activity_{number}", data=thread)).duplicate)
            except IdCollision:
                won.append(False)
        return won

    with ThreadPoolExecutor(THREADS) as pool:
        answers = list(pool.map(send, range(THREADS)))
    engine.dispose()
    assert [sum(one[number] for one in answers) for number in range(10)] == [1] * 10


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_a_partition_that_is_made_later_is_known_at_its_first_violation(database: Database) -> None:
    """The name of its index is in no catalog that the writer has seen; plain INSERTs of others are told it too."""
    database.run(
        "CREATE TABLE parted (id varchar(50) PRIMARY KEY, device_id varchar(50)) PARTITION BY LIST (id)",
        "CREATE TABLE part_a PARTITION OF parted FOR VALUES IN ('a')",
    )
    writer = RowWriter(database.engine, Table(("parted",)))
    assert not writer.write({"id": "a"})
    database.run(
        "CREATE TABLE part_b PARTITION OF parted FOR VALUES IN ('b')",
        "CREATE UNIQUE INDEX local_one ON part_b (device_id)",
    )
    assert not writer.write({"id": "b", "device_id": "d"})
    assert writer.write({"id": "b", "device_id": "d"})
    assert "part_b_pkey" not in writer.described().constraints, "nothing was refused by name so far"
    with pytest.raises(IdCollision):
        writer.write({"id": "b", "device_id": "e"})


@pytest.mark.parametrize("database", ["mariadb"], indirect=True)
def test_a_constraint_with_a_new_name_is_looked_up_again(database: Database) -> None:
    create(database, "numbered")
    writer = ActivityWriter(database.engine, LOG)
    writer.write(activity())
    database.run("ALTER TABLE activity_log RENAME INDEX activity_log_activity_id_key TO renamed")
    assert writer.write(activity()).duplicate
    assert writer.write_batch([activity("b"), activity()])[1] == Stored(ID, duplicate=True)


@pytest.mark.parametrize("database", ["postgresql", "mariadb"], indirect=True)
def test_a_column_that_is_made_longer_takes_what_was_too_long_for_it(database: Database) -> None:
    """A client drops what is `Rejected`: it must not be for a length that the column had yesterday."""
    alter = "ALTER TABLE activities " + ("MODIFY type" if database.name == "mariadb" else "ALTER type TYPE")
    single, batch = ActivityWriter(database.engine), ActivityWriter(database.engine)
    for writer in (single, batch):
        writer.write(activity())
    database.run(f"{alter} varchar(90)")
    assert not single.write(activity("a", kind="x" * 90)).duplicate
    assert batch.write_batch([activity("b", kind="x" * 90), activity("a", kind="x" * 90)]) == [
        Stored("b"),
        Stored("a", duplicate=True),
    ]
    with pytest.raises(Rejected):
        single.write(activity("c", kind="x" * 91))


def test_a_unique_key_that_is_made_later_is_never_taken_for_the_events_own(database: Database) -> None:
    writer = ActivityWriter(database.engine)
    writer.write(activity("a"))
    database.run("CREATE UNIQUE INDEX one_type ON activities (type)")
    with pytest.raises(Rejected):
        writer.write(activity("b"))
    assert stored_ids(database) == ["a"]


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)  # whose triggers alone can name a constraint
def test_a_guard_that_speaks_for_the_key_is_heard(database: Database) -> None:
    """`migrate`'s guard raises what the constraint would; here a trigger does it beside the real constraint."""
    ActivityWriter(database.engine).write(activity())
    database.run(
        "CREATE FUNCTION guard() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE unique_violation USING CONSTRAINT = 'activities_pkey'; END $$",
        "CREATE TRIGGER guard BEFORE INSERT ON activities FOR EACH ROW EXECUTE FUNCTION guard()",
    )
    assert ActivityWriter(database.engine).write(activity()).duplicate
    with pytest.raises(Unavailable):
        ActivityWriter(database.engine).write(activity("b"))


def test_a_commit_whose_answer_is_lost_is_a_duplicate_and_one_row(database: Database) -> None:
    engine = database.new_engine()
    writer = ActivityWriter(engine)
    writer.write(activity("warm-up"))
    cut: list[bool] = []

    @event.listens_for(engine, "commit")
    def commit_and_cut(connection: Connection) -> None:
        if not cut:
            cut.append(True)
            raw: Any = connection.connection.dbapi_connection
            raw.commit()
            raw.close()

    assert writer.write(activity()).id == ID
    assert cut
    assert writer.write(activity()).duplicate
    assert stored_ids(database) == sorted([ID, "warm-up"])
    engine.dispose()


VALUES = {
    "postgresql": [
        ("real", 0.1), ("double precision", 0.1), ("numeric(6,2)", "1.005"), ("timestamp(0)", "2025-12-24 08:01:14.6"),
        ("timestamp with time zone", "2025-12-24T08:01:14+08:00"), ("uuid", "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11"),
        ("json", {"a": [1, "\x00"]}), ("boolean", True), ("bytea", b"\x00\xff"), ("character(5)", "ab"),
        ("int[]", [1, 2]), ("inet", "10.0.0.1/32"), ("interval", "90 minutes"), ("smallint", -32768),
    ],
    "mariadb": [
        ("float", 0.1), ("double", 0.1), ("decimal(6,2)", "1.005"), ("datetime", "2025-12-24 08:01:14.6"),
        ("timestamp(3) NULL", "2025-12-24 08:01:14.1236"), ("time(2)", "10:00:00.126"), ("enum('A','b')", "a"),
        ("year", 2025), ("bit(3)", 5), ("tinyint(1)", True), ("varbinary(9)", b"\x00\xff"), ("char(5)", "ab"),
        ("json", {"a": [1, "\x00"]}), ("uuid", "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11"), ("bigint unsigned", 2**64 - 1),
    ],
    "sqlite": [
        ("REAL", 1), ("NUMERIC", "12.0"), ("INTEGER", 2**63 - 1), ("BLOB", b"\x00\xff"), ("", "text"),
        ("VARCHAR(5) COLLATE NOCASE", "ab"), ("JSON", {"a": [1, "\x00"]}), ("DATETIME", "2025-12-24 08:01:14.6"),
    ],
}  # fmt: skip


@pytest.mark.parametrize(
    ("database", "name"), [(name, name) for name in VALUES], indirect=["database"], ids=list(VALUES)
)
def test_rows_of_any_type_are_found_as_they_were_stored(database: Database, name: str) -> None:
    """The server rounds, pads and converts; the same value sent again is a duplicate all the same."""
    columns = ", ".join(f"c{number} {kind}" for number, (kind, _value) in enumerate(VALUES[name]))
    database.run(f"CREATE TABLE wide (id varchar(50) PRIMARY KEY, {columns})")
    writer = RowWriter(database.engine, Table(("wide",)))
    row = {"id": "a"} | {f"c{number}": value for number, (_kind, value) in enumerate(VALUES[name])}
    assert not writer.write(row)
    assert writer.write(row)
    for number in range(len(VALUES[name])):
        with pytest.raises(IdCollision) as caught:
            writer.write({**row, f"c{number}": None})
        assert caught.value.differs == (f"c{number}",)
